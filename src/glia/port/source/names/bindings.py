"""What a name of a file may stand for, in the scope where it is read.

Not only assignments give a name a value: parameters, loops, imports, `with`, `except`, patterns and
functions do, and `global` does it from afar. Whatever is no plain value is unknown here.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from glia.port.source.names.scopes import Function, Scopes
from glia.port.source.names.tree import inside

_Owner = Function | None
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_GIVING = frozenset({
    ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.AugAssign, ast.For, ast.AsyncFor,
    ast.comprehension, ast.withitem, ast.Import, ast.ImportFrom, ast.arguments, ast.ExceptHandler,
    ast.MatchAs, ast.MatchStar, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Global,
    ast.Nonlocal,
})  # fmt: skip
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Given:
    """One way that a name gets a value: `value` where reading shows it, and the node that does."""

    node: ast.AST
    value: ast.expr | None = None
    is_parameter: bool = False

    @property
    def is_import(self) -> bool:
        """An `import` gives it."""
        return isinstance(self.node, (ast.Import, ast.ImportFrom))


class Bindings:
    """All that gives a name of one tree a value, by the function that the name belongs to."""

    def __init__(
        self, nodes: Iterable[ast.AST], scopes: Scopes, parents: Mapping[ast.AST, ast.AST]
    ) -> None:
        self._scopes = scopes
        self._parents = parents
        self._given: dict[tuple[_Owner, str], list[Given]] = defaultdict(list)
        giving = [node for node in nodes if node.__class__ in _GIVING]
        found = [(name, given) for node in giving for name, given in _given_by(node)]
        elsewhere = {
            (scopes.function_of(node), name): isinstance(node, ast.Global)
            for node in giving
            if isinstance(node, (ast.Global, ast.Nonlocal))
            for name in node.names
        }
        for name, given in found:
            owner = self._owner(given)
            is_global = elsewhere.get((owner, name))
            if is_global is not None:
                owner = None if is_global or owner is None else scopes.function_of(owner)
            self._given[owner, name].append(given)

    def _owner(self, given: Given) -> _Owner:
        if isinstance(given.node, ast.arg):
            above = self._parents[self._parents[given.node]]
            return above if isinstance(above, Function) else None
        return self._scopes.function_of(given.node)

    def of(self, node: ast.AST, name: str) -> list[Given]:
        """What `name` may be where `node` reads it: the innermost function that gives it."""
        owner = self._scopes.function_of(node)
        while True:
            if (owner, name) in self._given:
                return self._reaching(self._given[owner, name], node)
            if owner is None:
                return []
            owner = self._scopes.function_of(owner)

    def _reaching(self, given: list[Given], node: ast.AST) -> list[Given]:
        """Without those that another one replaces on every way to `node`, or that come too late."""
        if len(given) == 1:
            return given
        around = list(_upwards(node, self._parents))
        here = self._scopes.function_of(node)
        loops = [outer for outer in around if isinstance(outer, _LOOPS)]
        found = [g for g in given if not self._is_later(g, node, here, loops)]
        certain = [g for g in found if g.value is not None and self._precedes(g.node, around)]
        if not certain:
            return found
        last = max(certain, key=lambda g: _position(g.node))
        owner = self._owner(last)
        return [
            g
            for g in found
            if _position(g.node) >= _position(last.node) or self._owner(g) is not owner
        ]

    def _is_later(
        self, given: Given, node: ast.AST, here: _Owner, loops: Sequence[ast.AST]
    ) -> bool:
        """It stands behind `node` in its function, and no loop leads back."""
        if self._owner(given) is not here or _position(given.node) < _position(node):
            return False
        return not any(_holds(loop, given.node) for loop in loops)

    def _precedes(self, statement: ast.AST, around: list[ast.AST]) -> bool:
        """True for a statement that ran before, whenever what is inside `around` runs."""
        block = self._parents.get(statement)
        for inner in around:
            if self._parents.get(inner) is block and inner is not statement:
                for _, statements in ast.iter_fields(block) if block is not None else ():
                    if isinstance(statements, list) and statement in statements:
                        return inner in statements[statements.index(statement) :]
        return False

    def at_top(self, name: str) -> list[Given]:
        """What the file itself gives a name."""
        return self._given.get((None, name), [])


def _upwards(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    inner: ast.AST | None = node
    while inner is not None:
        yield inner
        inner = parents.get(inner)


def _position(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def _holds(loop: ast.AST, node: ast.AST) -> bool:
    last = getattr(loop, "end_lineno", 0), getattr(loop, "end_col_offset", 0)
    return _position(loop) <= _position(node) < last


def _given_by(node: ast.AST) -> Iterator[tuple[str, Given]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _pairs(target, value, node)
        case (
            ast.AnnAssign(target=target, value=ast.expr() as value)
            | ast.NamedExpr(target=target, value=value)
        ):
            yield from _pairs(target, value, node)
        case ast.AugAssign(target=ast.Name(id=name), op=operator):
            if not isinstance(operator, ast.BitAnd):  # `ok &= deep` takes nothing back
                yield name, Given(node)
        case (
            ast.For(target=target) | ast.AsyncFor(target=target) | ast.comprehension(target=target)
        ):
            yield from _unknown(target, target)
        case ast.withitem(optional_vars=ast.expr() as target):
            yield from _unknown(target, target)
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            for alias in names:
                yield alias.asname or alias.name.split(".")[0], Given(node)
        case ast.arguments():
            yield from _parameters(node)
        case (
            ast.ExceptHandler(name=str(name))
            | ast.MatchAs(name=str(name))
            | ast.MatchStar(name=str(name))
        ):
            yield name, Given(node)
        case _ if isinstance(node, _DEFINITIONS):
            yield node.name, Given(node)


def _pairs(target: ast.expr, value: ast.expr, node: ast.AST) -> Iterator[tuple[str, Given]]:
    """`a, b = 1, 2` gives each its own; of `a, b = pair` nothing is known."""
    if isinstance(target, ast.Name):
        yield target.id, Given(node, value)
    elif isinstance(target, (ast.Tuple, ast.List)):
        values = value.elts if isinstance(value, (ast.Tuple, ast.List)) else []
        if len(values) == len(target.elts):
            for part, its in zip(target.elts, values, strict=True):
                yield from _pairs(part, its, node)
        else:
            yield from _unknown(target, node)


def _unknown(target: ast.expr, node: ast.AST) -> Iterator[tuple[str, Given]]:
    for part in inside(target):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part.id, Given(node)


def _parameters(node: ast.arguments) -> Iterator[tuple[str, Given]]:
    places = [*node.posonlyargs, *node.args]
    defaults = [None] * (len(places) - len(node.defaults)) + list(node.defaults)
    for arg, default in [*zip(places, defaults, strict=True),
                         *zip(node.kwonlyargs, node.kw_defaults, strict=True)]:  # fmt: skip
        yield arg.arg, Given(arg, default, is_parameter=True)
    for more in (node.vararg, node.kwarg):
        if more is not None:
            yield more.arg, Given(more, is_parameter=True)
