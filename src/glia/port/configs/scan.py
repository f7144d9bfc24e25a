"""One file that is no Python under all rules: what it says, where, or why it could not be read.

Nothing is executed, no variable is substituted: what only a run knows is not found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from glia.port.configs.clue import Clue, Lines
from glia.port.configs.cuda_source import cuda_clues
from glia.port.configs.docker import docker_clues
from glia.port.configs.jenkins import jenkins_clues
from glia.port.configs.make import make_clues
from glia.port.configs.packages import requirement_clues
from glia.port.configs.setup_py import setup_clues
from glia.port.configs.shell import shell_clues
from glia.port.configs.table import rules_of, words
from glia.port.configs.tree import PROJECT_FILES, Scalar, scalar_clues
from glia.port.configs.trees import (
    NotSettings,
    ini_scalars,
    json_scalars,
    toml_scalars,
    yaml_scalars,
)
from glia.port.scan import FileScan, RawFinding
from glia.port.source.files.notebook import shell_lines
from glia.port.source.files.project import MAX_NOTEBOOK_BYTES, FileKind, kind_of
from glia.port.source.files.text import read_text, reason_of
from glia.port.suppress import Suppressions, comment_suppressions

MAX_BYTES = 1 << 20  # longer files are data
_TREES: dict[str, Callable[[str], list[Scalar]]] = {
    ".yaml": yaml_scalars,
    ".yml": yaml_scalars,
    ".json": json_scalars,
    ".toml": toml_scalars,
    ".cfg": ini_scalars,
    ".ini": ini_scalars,
}
# Written by tools, or lists of a model's words and weights.
_DATA = re.compile(
    r"(?:package-lock|tokenizer|vocab|special_tokens_map|.*\.index|.*lock)\.json|.*lock\.ya?ml"
)


def scan_other(path: Path, kind: FileKind) -> FileScan:
    """All places of one file of settings, packages, commands or CUDA sources."""
    try:
        if _DATA.fullmatch(path.name.lower()):
            return FileScan(skipped="data, not settings")
        if path.stat().st_size > MAX_BYTES and kind != "cuda":
            return FileScan(skipped="larger than settings are: data")
        text = read_text(path, MAX_BYTES if kind != "cuda" else 8 * MAX_BYTES)
        if words().search(text.lower()) is None and kind != "cuda":
            return FileScan()
        ignored = comment_suppressions(text)
        findings = tuple(_findings(_clues(path, kind, text), text, ignored))
        return FileScan(findings, notes=tuple(ignored.problems), is_parsed=True)
    except NotSettings as error:
        return FileScan(unread=str(error))
    except (OSError, ValueError) as error:
        return FileScan(unread=reason_of(error))


def scan_setup(path: Path, scan: FileScan) -> FileScan:
    """The scan of a setup.py with the packages that it requires."""
    try:
        text = read_text(path, MAX_BYTES)
        more = _findings(setup_clues(text), text, comment_suppressions(text))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return scan  # which says why
    known = {(f.line, f.rule) for f in scan.findings}
    found = [*scan.findings, *(f for f in more if (f.line, f.rule) not in known)]
    return replace(scan, findings=tuple(sorted(found, key=lambda f: (f.line, f.column, f.rule))))


def scan_cells(path: Path, scan: FileScan) -> FileScan:
    """The scan of a notebook with what its cells ask the shell for."""
    try:
        text = read_text(path, MAX_NOTEBOOK_BYTES)
        if words().search(text.lower()) is None:
            return scan
        more = [_in_cell(*place) for place in shell_lines(text)]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return scan  # which says why
    found = [*scan.findings, *(finding for findings in more for finding in findings)]
    known = {(f.cell, f.line, f.rule): f for f in reversed(found)}
    ordered = sorted(known.values(), key=lambda f: (f.cell, f.line, f.column, f.rule))
    return replace(scan, findings=tuple(ordered))


def _in_cell(cell: int, line: int, command: str) -> list[RawFinding]:
    found = _findings(shell_clues(command), command, comment_suppressions(command))
    # The command starts behind its mark: where in the line is not kept.
    return [replace(f, cell=cell, line=line, column=1, eager=True) for f in found]


def file_clues(path: Path, text: str) -> Iterable[Clue]:
    """What `text` says as a file of this name.

    Raises:
        NotSettings: for text that is not what the name says.
    """
    return _clues(path, kind_of(path) or "config", text)


def _clues(path: Path, kind: FileKind, text: str) -> Iterable[Clue]:
    if kind == "shell":
        return shell_clues(text)
    if kind == "docker":
        return docker_clues(text)
    if kind == "requirements":
        return requirement_clues(text)
    if kind == "make":
        return make_clues(text)
    if kind == "jenkins":
        return jenkins_clues(text)
    if kind == "cuda":
        return cuda_clues(text, path.suffix.lower() in (".cu", ".cuh"))
    scalars = _TREES.get(path.suffix.lower(), toml_scalars)(text)  # a Pipfile is TOML
    return scalar_clues(scalars, path.name.lower() in PROJECT_FILES)


def _findings(clues: Iterable[Clue], text: str, ignored: Suppressions) -> Iterator[RawFinding]:
    """One finding per rule and line, in reading order."""
    lines = Lines(text)
    found: dict[tuple[int, str], RawFinding] = {}
    for clue in clues:
        for rule in rules_of(clue):
            line, column = lines.place(clue.offset)
            if (line, rule) in found:
                continue
            code = lines.line(line)
            reason = ignored.reason(rule, line)
            found[line, rule] = RawFinding(
                rule, line, column, 0, code, clue.guard, reason or "", reason is not None
            )
    return iter(sorted(found.values(), key=lambda f: (f.line, f.column, f.rule)))
