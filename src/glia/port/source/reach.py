"""Which parts of a file a function of it can reach, by the names that stand in the code.

Reading, not running: a name that is mentioned is taken as used, so too much is reached rather than
too little. What stands outside of functions and classes always runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

_Part = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def unreached(tree: ast.Module, function: str) -> tuple[range, ...]:
    """The lines that `function` does not lead to; none when the file has no such function.

    Those of functions and classes, and of what runs only when the file is run as a script.
    """
    parts = {n.name: n for n in _parts(tree.body)}
    if function not in parts:
        return ()
    reached: set[str] = set()
    waiting = {function, *_names_outside(tree)}
    while waiting:
        name = waiting.pop()
        if name in parts and name not in reached:
            reached.add(name)
            waiting |= _names(parts[name])
    aside = [parts[name] for name in parts.keys() - reached]
    return tuple(_lines(node) for node in (*aside, *filter(_is_main, tree.body)))


def _parts(body: list[ast.stmt]) -> Iterator[_Part]:
    """Functions and classes of the module, those under its `if` and `try` too."""
    for node in body:
        if isinstance(node, _Part):
            yield node
        for block in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.If | ast.Try | ast.With):
                yield from _parts(getattr(node, block, []))
        if isinstance(node, ast.Try):
            for handler in node.handlers:
                yield from _parts(handler.body)


def _names_outside(tree: ast.Module) -> set[str]:
    """Names in what the import runs; a `__main__` block is not run by it."""
    run = (n for n in tree.body if not isinstance(n, _Part) and not _is_main(n))
    return {name for node in run for name in _names(node)}


def _is_main(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in _names(node.test)


def _names(node: ast.AST) -> set[str]:
    """Every name, attribute and short text: `getattr(module, "name")` reaches as well."""
    found: set[str] = set()
    for one in ast.walk(node):
        match one:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                found.add(name)
            case ast.Constant(value=str(text)) if text.isidentifier():
                found.add(text)
    return found


def _lines(node: ast.stmt) -> range:
    decorators = node.decorator_list if isinstance(node, _Part) else ()
    first = min([node.lineno, *(d.lineno for d in decorators)])
    return range(first, (node.end_lineno or node.lineno) + 1)
