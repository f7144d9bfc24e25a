"""Where code stands: in which function, class or loop, and what a name was given there."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from glia.port.source.names.tree import inside

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_BACKWARD = ("backward", "manual_backward")
_LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.GeneratorExp)


class Scopes:
    """The scopes of one tree, given its calls, definitions and statements, those of its nodes that
    give names a value, and who encloses whom."""

    def __init__(
        self,
        nodes: Iterable[ast.AST],
        bindings: Iterable[ast.AST],
        parents: Mapping[ast.AST, ast.AST],
    ) -> None:
        self._nodes = nodes
        self._bindings = bindings
        self._parents = parents
        self._function_of: dict[ast.AST, Function | None] = {}  # as far as it was asked for
        self._names_called: dict[ast.AST, frozenset[str]] = {}

    def function_of(self, node: ast.AST) -> Function | None:
        """The innermost function around a node; defaults and decorators lie outside."""
        known = self._function_of
        if node not in known:
            known[node] = self._found_function(node)
        return known[node]

    def _found_function(self, node: ast.AST) -> Function | None:
        inner, outer = node, self._parents.get(node)
        while outer is not None:
            if outer.__class__ in _FUNCTIONS and _is_body(outer, inner):
                return outer
            inner, outer = outer, self._parents.get(outer)
        return None

    def class_of(self, node: ast.AST) -> ast.ClassDef | None:
        """The innermost class around a node."""
        outer = self._parents.get(node)
        while outer is not None and not isinstance(outer, ast.ClassDef):
            outer = self._parents.get(outer)
        return outer

    def in_loop(self, node: ast.AST) -> bool:
        """True when the node is repeated by a loop of its own function."""
        outer = self._parents.get(node)
        while outer is not None and not isinstance(outer, _FUNCTIONS):
            if isinstance(outer, _LOOPS):
                return True
            outer = self._parents.get(outer)
        return False

    def in_forward(self, node: ast.AST) -> bool:
        """True in a `forward` of a class, and in what such a method calls in this file."""
        function = self.function_of(node)
        while function is not None:
            if function in self._forwards:
                return True
            function = self.function_of(function)
        return False

    def in_constructor(self, node: ast.AST) -> bool:
        """True in an `__init__`, and in what is called from one and from no `forward`."""
        function = self.function_of(node)
        while function is not None:
            if function in self._constructors:
                return function not in self._forwards
            function = self.function_of(function)
        return False

    def given(self, node: ast.AST, name: str) -> tuple[ast.expr, ...]:
        """What `name` is assigned in the function around `node`, or else at the top of the file."""
        here = self._given.get((self.function_of(node), name))
        return tuple(here if here is not None else self._given.get((None, name), ()))

    def differentiated(self, node: ast.AST) -> frozenset[str]:
        """Names on which the function around `node` calls `.backward()`: tensors."""
        return frozenset(self._differentiated.get(self.function_of(node), ()))

    def annotation(self, node: ast.AST, name: str) -> ast.expr | None:
        """The annotation of the parameter `name` of the function around `node`."""
        function = self.function_of(node)
        if function is None:
            return None
        args = function.args
        for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs):
            if arg.arg == name:
                return arg.annotation
        return None

    @cached_property
    def _given(self) -> dict[tuple[Function | None, str], list[ast.expr]]:
        found: dict[tuple[Function | None, str], list[ast.expr]] = {}
        for node in self._bindings:
            for target, value in _bindings(node):
                if isinstance(target, ast.Name):
                    found.setdefault((self.function_of(node), target.id), []).append(value)
        return found

    @cached_property
    def _differentiated(self) -> dict[Function | None, set[str]]:
        found: dict[Function | None, set[str]] = {}
        for node in self._nodes:
            if node.__class__ is not ast.Call or getattr(node.func, "attr", "") not in _BACKWARD:
                continue
            for name in _differentiated(node):
                found.setdefault(self.function_of(node), set()).add(name)
        return found

    @cached_property
    def _forwards(self) -> frozenset[ast.AST]:
        return self._reached("forward")

    @cached_property
    def _constructors(self) -> frozenset[ast.AST]:
        return self._reached("__init__")

    @cached_property
    def _functions(self) -> dict[str, list[ast.AST]]:
        named: dict[str, list[ast.AST]] = {}
        for node in self._nodes:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                named.setdefault(node.name, []).append(node)
        return named

    def _reached(self, method: str) -> frozenset[ast.AST]:
        """Methods of this name, and by name the functions and methods that they call."""
        waiting = [
            node
            for node in self._functions.get(method, ())
            if isinstance(self._parents.get(node), ast.ClassDef)
        ]
        found: set[ast.AST] = set()
        while waiting:
            function = waiting.pop()
            if function in found:
                continue
            found.add(function)
            if function not in self._names_called:
                self._names_called[function] = frozenset(_called(function))
            for name in self._names_called[function]:
                waiting += self._functions.get(name, [])
        return frozenset(found)


def _is_body(function: Function, inner: ast.AST) -> bool:
    body = function.body if isinstance(function.body, list) else [function.body]
    return inner in body


def _bindings(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    if isinstance(node, ast.Assign):
        yield from ((target, node.value) for target in node.targets)
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr, ast.AugAssign)) and node.value is not None:
        yield node.target, node.value


def _differentiated(backward: ast.Call) -> Iterator[str]:
    """`loss.backward()`, `scaler.scale(loss).backward()`, `accelerator.backward(loss)`."""
    root = getattr(backward.func, "value", None)
    call = root if isinstance(root, ast.Call) else backward  # of a scaler
    if isinstance(root, ast.Name) and not call.args:
        yield root.id
    if call.args and isinstance(call.args[0], ast.Name):
        yield call.args[0].id


def _called(function: ast.AST) -> Iterator[str]:
    """`f(...)` and `self.f(...)`."""
    for node in inside(function):
        if isinstance(node, ast.Call):
            func = node.func
            if isinstance(func, ast.Name):
                yield func.id
            elif isinstance(func, ast.Attribute) and getattr(func.value, "id", "") == "self":
                yield func.attr
