"""Walking a syntax tree quickly: most of the time of a check goes into visiting nodes.

What holds no node is never looked at: names, numbers, operators, and how a name is used (load or
store), which is one object shared by the whole tree.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

_LEAVES = {
    "ctx", "op", "ops", "id", "attr", "arg", "name", "asname", "module", "level", "kind", "tag",
    "type_comment", "conversion", "simple", "is_async", "rest", "kwd_attrs", "type_ignores",
}  # fmt: skip
_NO_NODES = {"Constant", "MatchSingleton", "Global", "Nonlocal"}  # their fields are plain values


class _Fields(dict[type[ast.AST], tuple[str, ...]]):
    """The fields of each kind of node that may hold nodes."""

    def __missing__(self, kind: type[ast.AST]) -> tuple[str, ...]:
        if kind.__name__ in _NO_NODES:
            found: tuple[str, ...] = ()
        elif kind.__name__ == "TypeAlias":
            found = kind._fields  # its name is a node
        else:
            found = tuple(name for name in kind._fields if name not in _LEAVES)
        self[kind] = found
        return found


_FIELDS = _Fields()


def collect(tree: ast.AST) -> tuple[list[ast.AST], dict[ast.AST, ast.AST]]:
    """Every node in reading order, and the node that each is part of."""
    nodes: list[ast.AST] = []
    parents: dict[ast.AST, ast.AST] = {}
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        nodes.append(node)
        start = len(waiting)
        for name in _FIELDS[node.__class__]:
            value = getattr(node, name)
            if value.__class__ is list:
                for item in value:
                    if item is not None:
                        parents[item] = node
                        waiting.append(item)
            elif value is not None:
                parents[value] = node
                waiting.append(value)
        if len(waiting) > start + 1:
            waiting[start:] = waiting[: start - 1 if start else None : -1]
    return nodes, parents


def inside(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all below it; as `ast.walk`, in less time, and in no order to rely on."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        for name in _FIELDS[node.__class__]:
            value = getattr(node, name)
            if value.__class__ is list:
                waiting += [item for item in value if item is not None]
            elif value is not None:
                waiting.append(value)
