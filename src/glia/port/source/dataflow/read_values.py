"""What becomes of a number that the host read from a tensor: it decides what runs, or is a size.

The value is followed by names, through plain arithmetic and the functions of its own file. What is
not followed says nothing: an attribute of an object, an entry of a dict.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from glia.port.source.dataflow.values import is_tensor
from glia.port.source.module import Module

Role = Literal["decides", "sizes"]
_METHODS = ("item", "tolist", "numpy")
_NUMBERS = ("int", "float", "bool")
# What these give is the host's number still.
_PURE = frozenset(
    [
        *("int", "float", "bool", "round", "abs", "min", "max", "sum", "any", "all", "len"),
        *("sorted", "reversed", "list", "tuple", "set", "range", "zip", "enumerate", "ceil"),
        *("floor", "sqrt", "log", "log2", "exp", "prod", "isnan", "isinf", "isfinite"),
    ]
)
# Of these every argument is a size.
_MAKERS = frozenset(
    [
        *("zeros", "ones", "empty", "full", "rand", "randn", "randint", "arange", "linspace"),
        *("eye", "tri", "tril_indices", "triu_indices", "new_zeros", "new_ones", "new_empty"),
        *("new_full", "view", "reshape", "expand", "repeat", "tile", "unflatten"),
    ]
)
# Of these every argument but the tensor.
_CUTTERS = frozenset(
    [
        *("narrow", "split", "chunk", "topk", "pad", "interpolate", "unfold"),
        *("repeat_interleave", "one_hot", "adaptive_avg_pool1d", "adaptive_avg_pool2d"),
        *("tensor_split",),
    ]
)
_FACTS = ("shape", "size", "dtype", "device", "dim", "ndim", "numel")  # of a tensor, no value
_PASSING = (
    ast.Compare,
    ast.BoolOp,
    ast.UnaryOp,
    ast.BinOp,
    ast.IfExp,
    ast.Starred,
    ast.Tuple,
    ast.List,
    ast.Attribute,
)


@dataclass(frozen=True, slots=True)
class Use:
    """Where a number that was read decides, or is a size."""

    role: Role
    node: ast.AST

    @property
    def line(self) -> int:
        """The line of the condition, the loop, or the call."""
        return getattr(self.node, "lineno", 0)


def reads_at(module: Module, line: int) -> list[ast.Call]:
    """The calls at a line by which the host may read a value: `.item()`, `int(t)`, `.tolist()`."""
    return [
        node
        for node in module.nodes
        if isinstance(node, ast.Call) and _holds(node, line) and is_read(node)
    ]


def is_read(node: ast.Call) -> bool:
    """`t.item()`, `t.tolist()`, `t.numpy()`, `int(t)`, `float(t)`, `bool(t)`."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr in _METHODS and not node.args
    is_number = isinstance(node.func, ast.Name) and node.func.id in _NUMBERS
    return is_number and len(node.args) == 1 and not isinstance(node.args[0], ast.Constant)


def decided_at(module: Module, line: int) -> ast.AST | None:
    """What decides at a line by its form alone: a condition, or a loop over a range."""
    for node in module.nodes:
        if isinstance(node, ast.If | ast.While | ast.IfExp | ast.Assert) and _holds(
            node.test, line
        ):
            return node.test
        steps = node.iter if isinstance(node, ast.For | ast.comprehension) else None
        if steps is not None and _is_range(steps) and _holds(steps, line):
            return steps
    return None


def _holds(node: ast.AST, line: int) -> bool:
    first = getattr(node, "lineno", 0)
    return first <= line <= (getattr(node, "end_lineno", None) or first)


def _is_range(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "range"


def uses(module: Module, read: ast.expr) -> Iterator[Use]:
    """Where the value of `read` decides or is a size, each place once."""
    return _Follower(module).follow(read)


class _Follower:
    """One value on its way."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.seen: set[ast.AST] = set()

    def follow(self, node: ast.AST) -> Iterator[Use]:
        waiting = [node]
        while waiting:
            here = waiting.pop()
            if here in self.seen:
                continue
            self.seen.add(here)
            outer = self.module.parents.get(here)
            role = _role(here, outer, self.module)
            if role is not None:
                yield Use(role, here if role == "decides" else outer or here)
            waiting += self._next(here, outer)

    def _next(self, here: ast.AST, outer: ast.AST | None) -> list[ast.AST]:
        """The expressions that hold the value next."""
        match outer:
            case ast.Call() if outer.func is here:
                return [outer]
            case ast.Attribute(attr=name) if name in _FACTS:
                return []
            case ast.Call():
                return self._into(outer, here)
            case ast.keyword():
                return self._next(outer, self.module.parents.get(outer))
            case ast.Subscript() if outer.value is here:
                return [outer]
            case ast.Assign(targets=targets):
                return self._loads(here, targets)
            case ast.NamedExpr(target=target):
                return [outer, *self._loads(here, [target])]
            case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
                return self._loads(here, [target])
            case ast.For(target=target) if outer.iter is here and not _is_range(here):
                return self._loads(here, [target])
            case ast.comprehension(target=target) if outer.iter is here and not _is_range(here):
                return self._loads(here, [target])
            case ast.Return():
                return self._calls(here)
            case ast.BinOp(left=left, right=right):
                other = right if left is here else left
                return [] if is_tensor(self.module, other) else [outer]
            case _:
                return [outer] if isinstance(outer, _PASSING) else []

    def _into(self, call: ast.Call, argument: ast.AST) -> list[ast.AST]:
        """Through a function that computes with numbers, or into one of this file."""
        name = _name(call.func)
        if name in _PURE:
            return [call]
        found: list[ast.AST] = []
        for function in self._functions(name):
            parameters = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
            if isinstance(call.func, ast.Attribute) and parameters[:1] == ["self"]:
                parameters = parameters[1:]
            found += self._named(function, _parameter(call, argument, parameters))
        return found

    def _functions(self, name: str) -> list[ast.FunctionDef]:
        nodes = self.module.nodes
        return [n for n in nodes if isinstance(n, ast.FunctionDef) and n.name == name]

    def _calls(self, here: ast.AST) -> list[ast.AST]:
        """The calls in this file of the function that returns the value."""
        name = getattr(self.module.scopes.function_of(here), "name", "")
        nodes = self.module.nodes
        return [n for n in nodes if isinstance(n, ast.Call) and name and _name(n.func) == name]

    def _loads(self, here: ast.AST, targets: list[ast.expr]) -> list[ast.AST]:
        scope = self.module.scopes.function_of(here)
        names = {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
        return [load for name in sorted(names) for load in self._named(scope, name)]

    def _named(self, scope: ast.AST | None, name: str) -> list[ast.AST]:
        return [
            n
            for n in (ast.walk(scope) if scope is not None else self.module.nodes)
            if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)
        ]


def _parameter(call: ast.Call, argument: ast.AST, parameters: list[str]) -> str:
    for place, given in enumerate(call.args):
        if given is argument:
            return parameters[place] if place < len(parameters) else ""
    return next((k.arg or "" for k in call.keywords if k is argument or k.value is argument), "")


def _role(here: ast.AST, outer: ast.AST | None, module: Module) -> Role | None:
    match outer:
        case ast.If(test=test) | ast.While(test=test) | ast.Assert(test=test) if test is here:
            return "decides"
        case ast.IfExp(test=test) if test is here:
            return "decides"
        case ast.Match(subject=subject) if subject is here:
            return "decides"
        case ast.comprehension() if here in outer.ifs:
            return "decides"
        case ast.For(iter=steps) | ast.comprehension(iter=steps) if steps is here:
            return "decides" if _is_range(here) else None
        case ast.Subscript(slice=index) if index is here:
            chosen = module.parents.get(outer)
            is_called = isinstance(chosen, ast.Call) and chosen.func is outer
            return "decides" if is_called else None  # self.experts[i](x)
        case ast.Slice():
            return "sizes"
        case ast.keyword():
            call = module.parents.get(outer)
            return _role(here, call, module) if isinstance(call, ast.Call) else None
        case ast.Call() if outer.func is not here and not _is_first(here, outer):
            return "sizes" if _name(outer.func) in _MAKERS | _CUTTERS else None
        case ast.Call() if outer.func is not here:
            name = _name(outer.func)
            is_method = isinstance(outer.func, ast.Attribute) and not module.dotted(outer.func)
            return "sizes" if name in _MAKERS or (is_method and name in _CUTTERS) else None
        case _:
            return None


def _is_first(here: ast.AST, call: ast.Call) -> bool:
    return bool(call.args) and call.args[0] is here


def _name(function: ast.AST) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))


def is_cut_at(module: Module, line: int) -> bool:
    """True where a slice stands at a line."""
    return any(isinstance(node, ast.Slice) and _holds(node, line) for node in module.nodes)
