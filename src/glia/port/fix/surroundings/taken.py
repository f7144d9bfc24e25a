"""What other files take from one: `from a import autocast`, `a.autocast`, `patch("a.autocast")`.

And which names a new module may not have, as a package or a `from a import *` gives another thing
for it.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

from glia.port.fix.surroundings.neighbours import Neighbours
from glia.port.source.module import Module

_STAR = re.compile(r"^[ \t]*from[ \t]+[.\w]+[ \t]+import[ \t]*\(?[ \t]*\*", re.MULTILINE)
_REFUSING = {"AttributeError", "getattr", "import_module", "__import__"}


class Takers:
    """Answers for one file, by the name of its module alone: rather once too often."""

    def __init__(self, neighbours: Neighbours, file: Path) -> None:
        self._neighbours, self._file = neighbours, file
        self._trees: dict[Path, ast.Module | None] = {}

    def take(self, name: str) -> bool:
        """True when another file of the project reads or replaces this name of the file."""
        stem = self._file.stem
        for other, text in self._neighbours.texts.items():
            if other == self._file or stem not in text or not (name in text or "*" in text):
                continue
            if other not in self._trees:
                self._trees[other] = _tree(text)
            tree = self._trees[other]
            if tree is not None and _takes(tree, stem, name):
                return True
        return False

    def spreads(self, module: Module) -> bool:
        """True when others take all names of the file (`from a import *`), and it does not say
        which those are."""
        if any(isinstance(n, ast.Name) and n.id == "__all__" for n in module.nodes):
            return False
        is_package = self._file.name == "__init__.py"
        stem = self._file.parent.name if is_package else self._file.stem
        return any(
            "*" in site.names and stem == (_last(site.module) or other.parent.name)
            for other, text in self._neighbours.texts.items()
            if _STAR.search(text) and other != self._file
            for site in self._neighbours.sites(other)
        )


def is_spoken_for(name: str, texts: Mapping[Path, str]) -> bool:
    """True when `from package import name` may give something else than a module of this name, or
    the module would hide something from a file that imports all names of another."""
    trees = {file: _tree(text) for file, text in texts.items() if name in text}
    packages = [file for file in texts if file.name == "__init__.py"]
    is_spread = any(_STAR.search(texts[file]) for file in packages)
    for file, tree in trees.items():
        nodes = list(ast.walk(tree)) if tree is not None else []
        if file in packages or _STAR.search(texts[file]):
            if any(name in (*_bound(node), _text(node)) for node in nodes):
                return True
        elif is_spread and any(name in _bound(node) for node in nodes):
            return True
    return False


def answers_all(text: str) -> bool:
    """True for a package whose `__getattr__` may answer to every name."""
    tree = _tree(text) if "__getattr__" in text else None
    return any(
        isinstance(node, ast.FunctionDef)
        and node.name == "__getattr__"
        and not any(_refuses(part) for part in ast.walk(node))
        for node in (tree.body if tree is not None else ())
    )


def _refuses(node: ast.AST) -> bool:
    """It asks another for the name, or says that there is none."""
    return getattr(node, "id", getattr(node, "attr", "")) in _REFUSING


def _bound(node: ast.AST) -> tuple[str, ...]:
    """The names that one node of the tree reads or gives a meaning."""
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return (node.name,)
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return tuple(alias.asname or alias.name for alias in node.names)
    return ()


def _tree(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _takes(tree: ast.Module, stem: str, name: str) -> bool:
    nodes = list(ast.walk(tree))
    known = set(_names_of(nodes, stem))
    by_text = any(_ends(node, stem) for node in nodes)  # import_module("pkg.a")
    quoted = re.compile(rf"(?:.*\.)?{re.escape(stem)}\.{re.escape(name)}(?:\..*)?")
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and _last(node.module) == stem:
            if any(alias.name in (name, "*") for alias in node.names):
                return True
        elif isinstance(node, ast.Attribute) and node.attr == name:
            if by_text or _is_module(node.value, stem, known):
                return True
        elif isinstance(node, ast.Call):
            if any(_text(a) == name for a in node.args) and (
                by_text or any(_is_module(a, stem, known) for a in node.args)
            ):
                return True
        elif quoted.fullmatch(_text(node)):
            return True
    return False


def _names_of(nodes: list[ast.AST], stem: str) -> Iterator[str]:
    """The names under which the module is imported."""
    for node in nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                if _last(alias.name) == stem:
                    yield alias.asname or stem


def _is_module(node: ast.AST, stem: str, known: set[str]) -> bool:
    if isinstance(node, ast.Name):
        return node.id in known
    return isinstance(node, ast.Attribute) and node.attr == stem


def _ends(node: ast.AST, stem: str) -> bool:
    text = _text(node)
    return text == stem or text.endswith(f".{stem}")


def _text(node: ast.AST) -> str:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) else ""


def _last(module: str | None) -> str:
    return (module or "").split(".")[-1]
