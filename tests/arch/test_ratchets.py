"""Limits that only ever get tighter: length of files and functions, docstrings, no chip names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from arch.sources import code_files, module_of, package_files, shown, tree_of
from glia.chips import list_chips, load_chip

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return (node for node in ast.walk(tree) if isinstance(node, kinds))


def test_files_are_short():
    lengths = {shown(p): len(p.read_text(encoding="utf-8").splitlines()) for p in code_files()}
    assert not {name: n for name, n in lengths.items() if n > MAX_FILE_LINES}


def num_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end; the docstring is free."""
    first = function.body[0]
    documented = ast.get_docstring(function) is not None
    documentation = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (function.end_lineno or 0) - function.lineno + 1 - documentation


def test_functions_are_short():
    long = [
        f"{shown(path)}:{f.lineno} {f.name} has {num_lines(f)} lines"
        for path in code_files()
        for f in functions(tree_of(path))
        if num_lines(f) > MAX_FUNCTION_LINES
    ]
    assert not long, "\n".join(long)


def test_every_module_says_what_it_is():
    silent = [shown(path) for path in package_files() if not ast.get_docstring(tree_of(path))]
    assert not silent


def test_module_headers_are_short():
    headers = {shown(p): ast.get_docstring(tree_of(p)) or "" for p in package_files()}
    assert not {name: len(h.splitlines()) for name, h in headers.items() if h.count("\n") >= 16}


def chip_words() -> set[str]:
    """Names, aliases and generations of chips: what only the catalogue may tell apart."""
    chips = [load_chip(name) for name in list_chips()]
    words = {word for chip in chips for word in (chip.name, *chip.aliases)}
    return words | {chip.silicon.generation for chip in chips if chip.silicon is not None}


def told_apart(node: ast.AST) -> Iterator[str]:
    """The strings that a comparison, a match case or a prefix test tells apart."""
    operands: list[ast.AST] = []
    if isinstance(node, ast.Compare):
        operands = [node.left, *node.comparators]
    elif isinstance(node, ast.MatchValue):
        operands = [node.value]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        operands = list(node.args) if node.func.attr in ("startswith", "endswith") else []
    for operand in operands:
        for leaf in ast.walk(operand):
            if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str):
                yield leaf.value


def comparisons_with(words: set[str], path: Path) -> list[str]:
    return [
        f"{shown(path)}:{getattr(node, 'lineno', 0)} compares with {text!r}"
        for node in ast.walk(tree_of(path))
        for text in told_apart(node)
        if text in words
    ]


def test_no_code_tells_chips_apart_by_name():
    words = chip_words()
    wrong = [text for path in package_files() for text in comparisons_with(words, path)]
    assert not wrong, "ask for a capability or a figure instead:\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    "code",
    [
        "chip.name == 'trn2'",
        "chip in ('trn1', 'inf2')",
        "generation != 'gen3'",
        "name.startswith('trn1')",
        "match chip:\n    case 'trn3':\n        pass",
    ],
)
def test_a_comparison_with_a_chip_name_would_be_found(code):
    found = [text for node in ast.walk(ast.parse(code)) for text in told_apart(node)]
    assert chip_words().intersection(found)


def test_no_two_modules_share_a_name():
    names = [module_of(path) for path in package_files()]
    assert len(names) == len(set(names))
