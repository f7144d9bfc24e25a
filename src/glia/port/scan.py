"""One file under all rules: read it, skip it when nothing in it can matter, list the places.

No file stops the rest: what cannot be read comes back with the reason. Nothing is executed.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from symtable import symtable

from glia.core.errors import FormatError
from glia.port.rules.conditions import TORCH_ROOTS
from glia.port.rules.devices import choice_of
from glia.port.rules.rule import Rule
from glia.port.rules.table import RULES, WIDE, is_watched, rules_at
from glia.port.source.conditions.guards import guard_of
from glia.port.source.files.imports import eager_imports
from glia.port.source.files.notebook import NotebookText, notebook_text, parse_cells
from glia.port.source.files.project import MAX_BYTES, MAX_NOTEBOOK_BYTES, FileKind
from glia.port.source.files.text import TOO_DEEP, read_text, reason_of, require_size
from glia.port.source.hits import Hit, hits
from glia.port.source.module import Answer, Answers, Module
from glia.port.suppress import Suppressions, suppressions

_PYTHON_2 = re.compile(
    r"""^\s*(print\s+["'\w%]|exec\s+["'\w]|raise\s+[\w.]+\s*,|except\s+[\w.]+\s*,\s*\w+\s*:)"""
    r"""|<>|\bur["']|`[^`]*`|\b0\d+\b|\b\d+L\b""",
    re.MULTILINE,
)


NO_ANSWERS: Mapping[str, Answer] = {}


@dataclass(frozen=True, slots=True)
class Place:
    """One place in a module where a rule speaks; line and column count from 1."""

    rule: Rule
    node: ast.AST
    line: int
    column: int
    guard: str


@dataclass(frozen=True, slots=True)
class RawFinding:
    """A place as plain values, for another process; see `core.check_records.CodeFinding`."""

    rule: str
    line: int
    column: int
    cell: int
    code: str
    guard: str
    accepted: str
    is_accepted: bool
    eager: bool = False


@dataclass(frozen=True, slots=True)
class FileScan:
    """What one file has: places, or why it could not be read; remarks about its suppressions.

    `skipped` says why it was left out on purpose: such a file hides nothing. `imports` are what
    the file imports whenever it is imported itself, `questions` the names of other files that its
    conditions ask; see `source/answers.py`.
    """

    findings: tuple[RawFinding, ...] = ()
    unread: str = ""
    skipped: str = ""
    notes: tuple[str, ...] = ()
    is_parsed: bool = False
    imports: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()


def places(module: Module) -> list[Place]:
    """Every place where a rule speaks, once per rule and line, in reading order."""
    found: dict[tuple[int, int, str], Place] = {}
    seen: set[tuple[int, str]] = set()
    for hit in hits(module, is_watched):
        for rule in rules_at(hit):
            line = getattr(hit.node, "lineno", 1)
            if (line, rule.id) in seen:
                continue
            seen.add((line, rule.id))
            column = _column(module, line, getattr(hit.node, "col_offset", 0))
            found[line, column, rule.id] = Place(rule, hit.node, line, column, _guard(hit, rule))
    return [found[key] for key in sorted(found)]


def _guard(hit: Hit, rule: Rule) -> str:
    """A device that is chosen by asking for CUDA is what is asked for, not what asking protects.

    `"cuda" if torch.cuda.is_available() else "cpu"` is not guarded; `"cuda" if "cuda" in device
    else "cpu"` is: it repeats a choice that was made before. What goes wrong without an error
    cannot be caught.
    """
    choice = choice_of(hit) if hit.kind == "string" else None
    guard = guard_of(hit.module, hit.node if choice is None else choice)
    is_silent = any(advice.effect == "silent" for advice in rule.on.values())
    return "" if guard == "caught" and is_silent else guard


def _column(module: Module, line: int, offset: int) -> int:
    """The tree counts bytes from 0; people count characters from 1."""
    text = module.lines[line - 1] if line <= len(module.lines) else ""
    return len(text.encode("utf-8", "replace")[:offset].decode("utf-8", "ignore")) + 1


def scan_file(
    path: Path, kind: FileKind, skips: bool = True, known: Mapping[str, Answer] = NO_ANSWERS
) -> FileScan:
    """All places of one Python file or notebook; it `skips` those that cannot matter.

    `known` are answers of other files of the project to what this one asks them.
    """

    def answers(question: str) -> Answer:
        return known.get(question, (0, 0))

    try:
        text = read_text(path, MAX_NOTEBOOK_BYTES if kind == "notebook" else MAX_BYTES)
        if skips and not may_matter(text):
            if kind == "notebook":
                notebook_text(text, path.name)
            else:
                require_python(str(path), text)
            return FileScan(imports=eager_imports(text))
        if kind != "notebook":
            module = parse(str(path), text, answers)
            return replace(_scanned(module, None), imports=eager_imports(text))
        notebook = notebook_text(text, path.name)
        require_size(len(notebook.text), MAX_BYTES)
        module, broken = parse_cells(notebook, lambda code: parse(str(path), code, answers))
        return _scanned(module, notebook, broken)
    except (OSError, ValueError, FormatError, SyntaxError) as error:
        return FileScan(unread=reason_of(error))
    except (RecursionError, MemoryError, SystemError):
        return FileScan(unread=TOO_DEEP)


def parse(name: str, text: str, answers: Answers | None = None) -> Module:
    """The module; Python's remarks about its text (odd escapes) are not the check's.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: for what is not Python 3.
    """
    with _reading(text):
        return Module(name, text, answers)


def require_python(name: str, text: str) -> None:
    """Refuse what is not Python 3, in less time than a tree takes.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: for such a text.
    """
    with _reading(text):
        symtable(text, name, "exec")


@contextmanager
def _reading(text: str) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except SyntaxError as error:
            if _is_python_2(text, error):
                raise ValueError(f"Python 2 (line {error.lineno})") from None
            raise


def _scanned(
    module: Module, notebook: NotebookText | None, broken: tuple[int, ...] = ()
) -> FileScan:
    ignored = suppressions("\n".join(module.lines))
    found = tuple(_raw(module, place, ignored, notebook) for place in places(module))
    module.forget_guards()
    notes = (*ignored.problems, *(f"cell {cell} is not Python, and not read" for cell in broken))
    return FileScan(found, notes=notes, is_parsed=True, questions=tuple(sorted(module.questions)))


def _raw(
    module: Module, place: Place, ignored: Suppressions, notebook: NotebookText | None
) -> RawFinding:
    cell, line = (0, place.line) if notebook is None else notebook.places[place.line - 1]
    reason = ignored.reason(place.rule.id, place.line, _last_line(place.node))
    code = module.code(place.line)
    column = place.column
    accepted = reason is not None
    eager = module.scopes.function_of(place.node) is None
    return RawFinding(
        place.rule.id, line, column, cell, code, place.guard, reason or "", accepted, eager
    )


def _last_line(node: ast.AST) -> int:
    """Where a comment may stand: at the end of a call, not of a function's whole body."""
    if isinstance(node, ast.expr | ast.keyword):
        return node.end_lineno or node.lineno
    return getattr(node, "lineno", 0)


def _is_python_2(text: str, error: SyntaxError) -> bool:
    lines = text.splitlines()
    line = lines[error.lineno - 1] if error.lineno and error.lineno <= len(lines) else ""
    return bool(_PYTHON_2.search(line))


def may_matter(text: str) -> bool:
    """False when no rule can speak: none of their words is in the text."""
    return any(word in text for word in words())


@cache
def words() -> tuple[str, ...]:
    """One of these is in every text that a rule speaks about."""
    found = dict.fromkeys(_words())
    # A word that contains another one is found with it.
    return tuple(w for w in found if not any(o != w and o in w for o in found))


def _words() -> Iterator[str]:
    yield from TORCH_ROOTS
    for rule in RULES.values():
        for trigger in rule.triggers:
            for key in trigger.keys:
                if trigger.torch_only:
                    continue
                if key == "*":
                    yield WIDE
                elif trigger.kind in ("use", "import"):
                    yield key.split(".")[0]
                else:
                    yield key.strip("*")
