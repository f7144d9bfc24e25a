"""Files that others load by a path: `spec_from_file_location("p", "plug/p.py")`.

Such a file is part of no package, and its own folder is not searched for modules.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

_LOADERS = {"spec_from_file_location", "SourceFileLoader", "run_path", "load_source", "exec"}
_NAMED = re.compile(r"\b(?:" + "|".join(_LOADERS) + r")\b")
_Texts = Mapping[Path, str]


def loaded_by_path(texts: _Texts) -> dict[Path, set[Path]]:
    """Each file with those that load it; by the end of its path, so rather once too often."""
    found: dict[Path, set[Path]] = defaultdict(set)
    by_name: dict[str, list[Path]] = defaultdict(list)
    for file in texts:
        by_name[file.name].append(file)
    for loader, text in texts.items():
        for parts in _paths(text) if _NAMED.search(text) else ():
            for file in by_name[parts[-1]]:
                if file != loader and file.parts[-len(parts) :] == parts:
                    found[file].add(loader)
    return found


def _paths(text: str) -> Iterator[tuple[str, ...]]:
    """The ends of the paths that a file loads code from."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    values = {
        target.id: node.value
        for node in nodes
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in nodes:
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in _LOADERS:
            for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                yield from _ends(_parts(argument, values, deep=3))


def _ends(parts: Iterator[str]) -> Iterator[tuple[str, ...]]:
    """Cut behind each file."""
    path: tuple[str, ...] = ()
    for part in parts:
        path = (*path, part)
        if part.endswith(".py"):
            yield path
            path = ()


def _parts(node: ast.AST, values: Mapping[str, ast.expr], deep: int) -> Iterator[str]:
    """The folders and the file that the texts of an expression name, in order."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from (p for p in PurePosixPath(node.value).parts if p not in ("/", ".."))
    elif isinstance(node, ast.Name) and node.id in values and deep:
        yield from _parts(values[node.id], values, deep - 1)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _parts(child, values, deep)
