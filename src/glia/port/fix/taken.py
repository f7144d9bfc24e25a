"""What other files take from one: `from a import autocast`, `a.autocast`, `patch("a.autocast")`."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

from glia.port.fix.neighbours import Neighbours


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
