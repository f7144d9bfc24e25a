"""What the names of a file stand for: which are bound nowhere, and which are surely tensors.

Python's scoping (language reference, 4.2), by reading alone. What cannot be known is let pass: a
file with a `from m import *`, or one that makes names by `globals()` or `exec`; a name is a tensor
only where everything that its function binds it to is one.
"""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Callable, Iterator, Set
from functools import cache
from typing import Any

Place = tuple[int, int]
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = (*_FUNCTIONS, *_COMPREHENSIONS, ast.ClassDef)
_MODULE = {"__name__", "__file__", "__doc__", "__builtins__", "__spec__", "__package__",
           "__loader__", "__path__", "__annotations__", "__class__", "__debug__"}  # fmt: skip
_MAKERS = ("globals", "exec", "vars", "locals")
_NOT_COMPILED = ("annotation", "returns", "decorator_list", "type_params")


def place(node: ast.AST) -> Place:
    """Where an expression ends, which tells an attribute from what it is an attribute of."""
    return getattr(node, "end_lineno", 0), getattr(node, "end_col_offset", 0)


# -- names that nothing binds ----------------------------------------------------------------------


def unbound(tree: ast.Module) -> frozenset[Place]:
    """Where functions of the file use names that neither they, the file nor Python bind."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(a.name == "*" for a in node.names):
            return frozenset()
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in _MAKERS:
            return frozenset()
    known = {*dir(builtins), *_MODULE}
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            known.update(node.names)
    return frozenset(_unbound(tree, known, in_function=False))


def _unbound(scope: ast.AST, known: Set[str], in_function: bool) -> Iterator[Place]:
    """`known` is bound around the scope. Functions in a class do not see the names of its body."""
    own = known | _bound(scope)
    for node in _own(scope):
        if isinstance(node, ast.Name):
            if in_function and isinstance(node.ctx, ast.Load) and node.id not in own:
                yield place(node)
        elif isinstance(node, _SCOPES):
            hidden = isinstance(scope, ast.ClassDef) and not isinstance(node, _COMPREHENSIONS)
            inside = in_function or isinstance(node, _FUNCTIONS)
            yield from _unbound(node, known if hidden else own, inside)


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a scope: not those inside the scopes within it, which are given themselves.

    Defaults and decorators of a function belong to the scope around it; annotations to none.
    """
    waiting = list(_inside(scope))
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, _SCOPES):
            waiting.extend(_around(node))
        else:
            waiting.extend(_inside(node))


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """The children that are compiled; of a function without what belongs around it."""
    skipped = set(map(id, _around(node))) if isinstance(node, _SCOPES) else set()
    for name, value in ast.iter_fields(node):
        if name in _NOT_COMPILED:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.arguments):
                yield from (d for d in (*child.defaults, *child.kw_defaults) if d is not None
                            and id(d) not in skipped)  # fmt: skip
            elif isinstance(child, ast.AST) and id(child) not in skipped:
                yield child


def _around(node: ast.AST) -> list[ast.AST]:
    """The parts of a function or class that the scope around it evaluates."""
    if isinstance(node, _FUNCTIONS):
        return [d for d in (*node.args.defaults, *node.args.kw_defaults) if d is not None]
    if isinstance(node, ast.ClassDef):
        return [*node.bases, *(k.value for k in node.keywords)]
    return []


def _bound(scope: ast.AST) -> set[str]:
    """The names that a scope binds."""
    found: set[str] = set()
    if isinstance(scope, _FUNCTIONS):
        found.update(a.arg for a in ast.walk(scope.args) if isinstance(a, ast.arg))
    for node in _own(scope):
        found.update(_binds(node))
        if isinstance(node, _COMPREHENSIONS):  # := inside one binds around it
            walrus = (n.target for n in ast.walk(node) if isinstance(n, ast.NamedExpr))
            found.update(target.id for target in walrus)
    if isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        found.update(getattr(p, "name", "") for p in getattr(scope, "type_params", ()))
    return found


def _binds(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        yield from ((a.asname or a.name).split(".")[0] for a in node.names)
    elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest
    elif isinstance(node, (ast.Global, ast.Nonlocal)):
        yield from node.names


# -- names that are tensors ------------------------------------------------------------------------


def wrong_attributes(
    function: ast.AST, called: Callable[[ast.expr], str], parameters: bool
) -> frozenset[Place]:
    """Where a function asks a tensor for an attribute that tensors do not have.

    `called` gives the full name of what an expression names; `parameters` says that the function is
    a kernel, whose parameters are tensors where instructions take them as they are.
    """
    found = _Tensors(function, called, parameters)
    return frozenset(
        place(node)
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Load)
        and found.is_tensor(node.value)
        and node.attr not in attributes()
    )


@cache
def attributes() -> frozenset[str]:
    """What a tensor has."""
    from glia.isa.tensors.tensor import NkiTensor

    return frozenset(dir(NkiTensor))


class _Tensors:
    """Which names of a function are bound to tensors and to nothing else."""

    def __init__(
        self, function: ast.AST, called: Callable[[ast.expr], str], parameters: bool
    ) -> None:
        self._called = called
        values: dict[str, list[ast.expr | None]] = {}
        given = _arguments(function)
        for node in ast.walk(function):
            for name, value in _values(node):
                values.setdefault(name, []).append(value)
        for name in given:
            values.setdefault(name, []).append(None)
        self._names: frozenset[str] = frozenset()
        if parameters:
            taken = self._taken(function)
            self._names = frozenset(n for n in given if n in taken and values[n] == [None])
        while True:  # names that come of one another
            more = frozenset(
                name for name, all_values in values.items()
                if all(v is not None and self.is_tensor(v) for v in all_values)
            )  # fmt: skip
            if more <= self._names:
                return
            self._names |= more

    def _taken(self, function: ast.AST) -> set[str]:
        """Names that are operands of instructions as they stand."""
        calls = (n for n in ast.walk(function) if isinstance(n, ast.Call))
        return {
            keyword.value.id
            for call in calls
            if self._called(call.func).startswith("nki.isa.")
            for keyword in call.keywords
            if keyword.arg in ("dst", "src", "data", "stationary", "moving", "data1", "data2")
            and isinstance(keyword.value, ast.Name)
        }

    def is_tensor(self, node: ast.expr) -> bool:
        """True for an expression that is surely a tensor."""
        if isinstance(node, ast.Name):
            return node.id in self._names
        if isinstance(node, ast.Subscript):
            return self.is_tensor(node.value)
        if not isinstance(node, ast.Call):
            return False
        if isinstance(node.func, ast.Attribute) and self.is_tensor(node.func.value):
            return node.func.attr in _views()
        return self._called(node.func) in _makers()


def _arguments(function: ast.AST) -> set[str]:
    """Parameters of the function, and of those inside it, which hide its names."""
    return {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}


def _values(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """Names that a node binds, with the value where it is one expression."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Name):
                yield target.id, node.value
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and isinstance(node.target, ast.Name):
        if node.value is not None:
            yield node.target.id, node.value
    elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        yield node.target.id, None
    else:
        yield from ((name, None) for name in _other_binds(node))


def _other_binds(node: ast.AST) -> Iterator[str]:
    """Names bound by what is no plain assignment."""
    targets: list[ast.AST] = []
    if isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
        targets = [node.target]
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        targets = [node.optional_vars]
    elif isinstance(node, (ast.Tuple, ast.List)) and isinstance(node.ctx, ast.Store):
        targets = [*node.elts]
    elif not isinstance(node, ast.Name):
        yield from _binds(node)
    for target in targets:
        yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))


@cache
def _makers() -> frozenset[str]:
    """Functions of `nki.language` that give a tensor."""
    import glia.nki.language as language

    return frozenset(
        f"nki.language.{name}" for name, one in vars(language).items() if _gives_tensor(one)
    )


@cache
def _views() -> frozenset[str]:
    """Methods of a tensor that give one."""
    from glia.isa.tensors.tensor import NkiTensor

    return frozenset(
        name for name in dir(NkiTensor) if not name.startswith("_")
        and _gives_tensor(inspect.getattr_static(NkiTensor, name))
    )  # fmt: skip


def _gives_tensor(one: Any) -> bool:
    if not inspect.isfunction(one):
        return False
    return inspect.signature(one).return_annotation in ("NkiTensor", "Self")
