"""What a setup.py requires: the lists it gives to `setup(...)`, as far as reading can tell."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator

from glia.port.configs.clue import Clue, Lines
from glia.port.configs.packages import python_package

_REQUIRED = {"install_requires": "", "setup_requires": "", "extras_require": "import"}


def setup_clues(text: str) -> Iterator[Clue]:
    """The packages that `setup(...)` is told to require; extras may be absent.

    Raises:
        SyntaxError, ValueError, RecursionError: for text that is not Python 3.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    lines = Lines(text)
    lists = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or getattr(node.func, "id", _attr(node)) != "setup":
            continue
        for keyword in node.keywords:
            if keyword.arg in _REQUIRED:
                value = keyword.value
                if isinstance(value, ast.Name):
                    value = lists.get(value.id, value)
                yield from _packages(value, lines, _REQUIRED[keyword.arg])


def _attr(call: ast.Call) -> str:
    """`setup` of `setuptools.setup(...)`."""
    return str(getattr(call.func, "attr", ""))


def _packages(value: ast.expr, lines: Lines, guard: str) -> Iterator[Clue]:
    keys = value.keys if isinstance(value, ast.Dict) else []
    for node in ast.walk(value):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in keys:
            yield from python_package(
                node.value, lines.offset(node.lineno - 1, node.col_offset), guard
            )
