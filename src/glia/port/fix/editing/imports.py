"""Imports that nothing uses once the rewrites are done: `from torch.cuda.amp import autocast`."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator

from glia.port.fix.editing.edits import DropImport, Edit, Replace
from glia.port.fix.editing.layout import Layout
from glia.port.source.module import Module


def unused_imports(
    layout: Layout, edits: Iterable[Edit], is_taken: Callable[[str], bool]
) -> list[DropImport]:
    """The imports of PyTorch's parts whose every use one of the edits replaces.

    An import with a comment, one that guards (`try`), those of a class or of an `__init__.py`, and
    names that other files take from this one, or it offers them, stay.
    """
    module = layout.module
    if module.path.endswith("__init__.py"):
        return []
    replaced = {name for edit in edits if isinstance(edit, Replace) for name in _taken(edit)}
    gone = {name.id for name in replaced} - {
        node.id for node in module.nodes if isinstance(node, ast.Name) and node not in replaced
    }
    offered = _named_in_texts(module)
    gone = {name for name in gone if name not in offered and not is_taken(name)}
    return [drop for node in module.nodes for drop in _drops(layout, node, gone)]


def _named_in_texts(module: Module) -> set[str]:
    """Names as whole texts (`__all__`, `globals()["x"]`), and those in annotations as text."""
    found = {text for node in module.nodes if (text := _text(node)).isidentifier()}
    for node in module.nodes:
        annotation = getattr(node, "annotation", None) or getattr(node, "returns", None)
        if isinstance(annotation, ast.AST):
            for part in ast.walk(annotation):
                found.update(re.findall(r"\w+", _text(part)))
    return found


def _text(node: ast.AST) -> str:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) else ""


def _taken(edit: Replace) -> Iterator[ast.Name]:
    """The names in what an edit replaces, but for those in its holes."""
    kept = {node for hole in edit.holes.values() for node in ast.walk(hole)}
    for node in ast.walk(edit.node):
        if isinstance(node, ast.Name) and node not in kept:
            yield node


def _drops(layout: Layout, node: ast.AST, gone: set[str]) -> Iterator[DropImport]:
    if not isinstance(node, (ast.Import, ast.ImportFrom)) or not _may_go(layout, node):
        return
    own = getattr(node, "module", None)
    names = {
        alias.asname or alias.name
        for alias in node.names
        if (own or alias.name).split(".")[0] == "torch"
        and (alias.asname or isinstance(node, ast.ImportFrom))
        and (alias.asname or alias.name) in gone
    }
    if names:
        yield DropImport(node, frozenset(names))


def _may_go(layout: Layout, node: ast.Import | ast.ImportFrom) -> bool:
    """It is one of several statements of a block that does not guard it, and has no comment."""
    parent = layout.module.parents.get(node)
    body = getattr(parent, "body", [])
    if isinstance(parent, (ast.Try, ast.ClassDef)) or len(body) < 2 or node not in body:
        return False
    return not layout.has_comment(node.lineno - 1, node.end_lineno or node.lineno)
