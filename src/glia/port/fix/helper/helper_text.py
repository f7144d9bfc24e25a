"""The device helper that a project gets: of `torch_helper/` only what its code calls.

A helper that is there already is never changed, only functions that are missing are added: the
project may have made it its own.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HELPER_NAME = "accel"
_PARTS = Path(__file__).parent / "torch_helper"
_ORDER = ("device", "memory", "rng", "formats", "parallel", "streams")
MARK = "Written by `glia fix`"  # in the first lines of a helper, by which it is known again


@dataclass(frozen=True, slots=True)
class _Piece:
    """One statement at the top of the helper's source, the names it gives and those it needs."""

    text: str
    gives: frozenset[str]
    needs: frozenset[str]
    is_import: bool


def is_helper(text: str) -> bool:
    """True for the text of a helper that `glia fix` has written."""
    return MARK in text[:2000]


def helper_text(names: Iterable[str]) -> str:
    """A whole helper with these functions."""
    header, pieces = _source()
    chosen = _closure(names, pieces)
    rest = [p for p in chosen if not p.is_import]
    return header + _imports([p for p in chosen if p.is_import]) + _joined(rest)


def _imports(pieces: list[_Piece]) -> str:
    """In their usual order, with PyTorch apart from Python's own."""
    lines = sorted((piece.text for piece in pieces), key=lambda li: (li.startswith("from"), li))
    future = [line for line in lines if "__future__" in line]
    torch = [line for line in lines if "torch" in line]
    own = [line for line in lines if line not in (*future, *torch)]
    return "\n".join("".join(f"{line}\n" for line in part) for part in (future, own, torch))


def functions_in(text: str) -> frozenset[str]:
    """The functions of ours that a helper has; none when it is not Python any more."""
    try:
        given = _given(ast.parse(text))
    except (SyntaxError, ValueError):
        return frozenset()
    _, pieces = _source()
    return frozenset(given & {name for p in pieces if not p.is_import for name in p.gives})


def extended(text: str, names: Iterable[str]) -> str:
    """A helper with the functions that it lacks, each where a fresh helper has it; the same text
    when it lacks none.

    Raises:
        SyntaxError: when the helper is not Python any more.
    """
    plain = text.replace("\r\n", "\n")
    new = _extended(plain, frozenset(names))
    if new == plain:
        return text
    return new.replace("\n", "\r\n") if "\r\n" in text else new


def _extended(text: str, names: frozenset[str]) -> str:
    given = _given(ast.parse(text))
    _, pieces = _source()
    missing = [p for p in _closure(names, pieces) if not p.gives <= given]
    if not missing:
        return text
    own = functions_in(text)
    if text == helper_text(own):
        return helper_text(own | names)
    for piece in missing:
        text = _with_import(text, piece) if piece.is_import else _with_piece(text, piece, pieces)
    return text


def _with_import(text: str, piece: _Piece) -> str:
    lines = text.split("\n")
    lines.insert(_end_of_imports(ast.parse(text)), piece.text)
    return "\n".join(lines)


def _with_piece(text: str, piece: _Piece, pieces: list[_Piece]) -> str:
    """Behind the nearest of the pieces in front of it that is there, else behind the imports."""
    tree = ast.parse(text)
    at = _end_of_imports(tree)
    for before in pieces[: pieces.index(piece)]:
        ends = [n.end_lineno or 0 for n in tree.body if before.gives & _given(ast.Module([n], []))]
        at = max([at, *ends]) if not before.is_import else at
    lines = text.split("\n")
    while at < len(lines) and lines[at].startswith((" ", "\t")):  # a comment that ends a block
        at += 1
    rest = "\n".join(lines[at:]).strip("\n")
    head = "\n".join(lines[:at]).rstrip("\n")
    return head + "\n\n\n" + piece.text + ("\n\n\n" + rest if rest else "") + "\n"


def _joined(pieces: list[_Piece]) -> str:
    """Functions stand two lines apart, constants one."""
    parts = []
    before_is_block: bool | None = None
    for piece in pieces:
        is_block = piece.text.lstrip("@").startswith(("def ", "class ", "functools"))
        gap = "\n\n" if is_block or before_is_block else "\n" if before_is_block is None else ""
        parts.append(gap + piece.text + "\n")
        before_is_block = is_block
    return "".join(parts)


def _end_of_imports(tree: ast.Module) -> int:
    """The number of lines up to the last import at the top."""
    ends = [n.end_lineno or 0 for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
    return max(ends, default=(tree.body[0].end_lineno or 0) if tree.body else 0)


def _closure(names: Iterable[str], pieces: list[_Piece]) -> list[_Piece]:
    """The pieces that give these names, and all that those need, in the order of the source."""
    by_name = {name: piece for piece in pieces for name in piece.gives}
    waiting, chosen = list(names), set()
    while waiting:
        piece = by_name.get(waiting.pop())
        if piece is not None and piece not in chosen:
            chosen.add(piece)
            waiting += piece.needs
    return [p for p in pieces if p in chosen or p.gives == {"annotations"}]


@cache
def _source() -> tuple[str, list[_Piece]]:
    """The docstring with what stands behind it, and the pieces of all parts, imports first."""
    header = (_PARTS / "__init__.py").read_text(encoding="utf-8") + "\n"
    pieces = dict.fromkeys(piece for name in _ORDER for piece in _pieces_of(_PARTS / f"{name}.py"))
    return header, sorted(pieces, key=lambda piece: not piece.is_import)


def _pieces_of(path: Path) -> list[_Piece]:
    """The statements of one part; its docstring and what it takes from other parts are left out."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    return [
        _piece(node, lines)
        for node in ast.parse(text).body[1:]
        if not (getattr(node, "module", None) or "").startswith("glia.")
    ]


def _piece(node: ast.stmt, lines: list[str]) -> _Piece:
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
    while lines[first - 2].startswith("# ") and not lines[first - 2].startswith("# --"):
        first -= 1
    text = "\n".join(lines[first - 1 : node.end_lineno])
    is_import = isinstance(node, (ast.Import, ast.ImportFrom))
    gives = _given(ast.Module([node], []))
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return _Piece(text, frozenset(gives), frozenset(names - gives), is_import)


def _given(tree: ast.Module) -> set[str]:
    """The names that statements at the top bind."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(a.asname or a.name).split(".")[0] for a in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {t.id for t in node.targets if isinstance(t, ast.Name)}
    return found
