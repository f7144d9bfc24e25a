"""Which parts of a file a function of it can reach, by the names that stand in the code.

Reading, not running: a name that is mentioned is taken as used, so too much is reached rather than
too little; only a method that every class in use overrides is not. What stands outside of
functions and classes always runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

_Method = ast.FunctionDef | ast.AsyncFunctionDef
_Part = _Method | ast.ClassDef


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
    run = [parts[name] for name in reached]
    hidden = _overridden(run, {function, *_names_outside(tree)})
    return tuple(_lines(node) for node in (*aside, *hidden, *filter(_is_main, tree.body)))


def _overridden(run: list[_Part], named: set[str]) -> Iterator[_Method]:
    """Methods of classes that are only inherited from, where every heir has its own.

    `named` are the names that stand outside of `run`; a class that is named is made as it is.
    """
    classes = {node.name: node for node in run if isinstance(node, ast.ClassDef)}
    for node in run:
        bases = node.bases if isinstance(node, ast.ClassDef) else []
        inherits = {id(inner) for base in bases for inner in ast.walk(base)}
        named = named | _names_of(n for n in ast.walk(node) if id(n) not in inherits)
    asked = {name for node in run for name in _asked_of_bases(node)}
    heirs = {name: [c for c in classes.values() if name in _bases(c)] for name in classes}

    def inherited(name: str, method: str) -> bool:
        """True when an object may take `method` from the class of that name."""
        return name in named or any(
            method not in _methods(heir) and inherited(heir.name, method) for heir in heirs[name]
        )

    for name, node in classes.items():
        for method, place in _methods(node).items():
            if method not in asked and not inherited(name, method):
                yield place


def _methods(node: ast.ClassDef) -> dict[str, _Method]:
    return {m.name: m for m in node.body if isinstance(m, ast.FunctionDef | ast.AsyncFunctionDef)}


def _bases(node: ast.ClassDef) -> set[str]:
    return {base.id for base in node.bases if isinstance(base, ast.Name)}


def _asked_of_bases(node: ast.AST) -> Iterator[str]:
    """`super().forward`, `Base.forward`: methods that are called past an override."""
    for one in ast.walk(node):
        match one:
            case ast.Attribute(attr=name, value=ast.Call(func=ast.Name(id="super"))):
                yield name


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
    return _names_of(ast.walk(node))


def _names_of(nodes: Iterable[ast.AST]) -> set[str]:
    found: set[str] = set()
    for one in nodes:
        match one:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                pass  # an attribute of the object, not of the module
            case ast.Name(id=name) | ast.Attribute(attr=name):
                found.add(name)
            case ast.Constant(value=str(text)) if text.isidentifier():
                found.add(text)
    return found


def _lines(node: ast.stmt) -> range:
    decorators = node.decorator_list if isinstance(node, _Part) else ()
    first = min([node.lineno, *(d.lineno for d in decorators)])
    return range(first, (node.end_lineno or node.lineno) + 1)
