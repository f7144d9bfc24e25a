"""`glia check`: all files of a project under all rules, in several processes when there are many.

The order of the report does not depend on who read what: findings stand in the order of the files.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from glia.core.check_records import (
    CheckReport,
    CodeFinding,
    Consequence,
    RuleSummary,
    Unread,
)
from glia.core.progress import NullProgress, Progress, Step
from glia.port.check import with_neighbours
from glia.port.configs.scan import scan_other
from glia.port.rules.rule import Rule
from glia.port.rules.table import RULES
from glia.port.scan import FileScan, RawFinding, scan_file
from glia.port.settings import Settings, settings_for
from glia.port.source.project import SourceFile, Walk, shown_path
from glia.port.targets import Target
from glia.port.verdict import Reading, verdict_for

_PYTHON = ("python", "notebook")
_FEW = 100  # files that one process reads sooner than others would start
_CHUNK = 20  # files that a worker takes at a time
_MAX_WORKERS = 8
_PATIENCE_S = 2.0  # progress is shown from then on


@dataclass(slots=True)
class _Found:
    """What a walk over the project gave, before targets are considered."""

    findings: list[CodeFinding] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    skipped: list[Unread] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    num_parsed: int = 0
    num_unread_code: int = 0


def check_project(
    root: Path, targets: Sequence[Target], progress: Progress | None = None
) -> CheckReport:
    """Check a file, a notebook or a folder for several targets.

    Of a model, FILE.py:FUNCTION, the file and what it imports from beside it are checked.

    Raises:
        UsageError: when the root does not exist or cannot be read, or its settings are wrong.
    """
    start = time.perf_counter()
    model = model_file(root)
    settings = settings_for(model or root)
    walk = Walk(root, settings.exclude, settings.folder)
    files = list(walk) if model is None else _beside(model)
    if root.is_file():
        scans = [_scanned(file, skips=False) for file in files]
    else:
        scans = scan_files(files, progress or NullProgress())
    num_python = sum(file.kind in _PYTHON for file in files)
    found = _Found()
    for file, scan in zip(files, scans, strict=True):
        _add(found, file, scan, settings)
    found.unread += [Unread(path, reason) for path, reason in walk.problems]
    found.notes += _unused(settings)
    rules = _summaries(found.findings, targets)
    findings = tuple(f for f in found.findings if f.rule in rules)
    reading = Reading(num_python, found.num_unread_code)
    return CheckReport(
        path=shown_path(root),
        targets=tuple(verdict_for(t, rules, findings, reading) for t in targets),
        rules=rules,
        findings=findings,
        unread=tuple(found.unread),
        skipped=tuple(found.skipped),
        notes=tuple(found.notes),
        num_files=num_python,
        num_parsed=found.num_parsed,
        num_other=len(files) - num_python,
        wall_s=time.perf_counter() - start,
    )


def model_file(root: Path) -> Path | None:
    """The file of FILE.py:FUNCTION; None for anything else."""
    name, colon, function = root.name.rpartition(":")
    file = root.with_name(name) if colon and name else None
    return file if file and function.isidentifier() and file.is_file() else None


def is_model(root: Path) -> bool:
    """True for FILE.py:FUNCTION and for a Hugging Face model folder."""
    return model_file(root) is not None or (root / "config.json").is_file()


def _beside(file: Path) -> list[SourceFile]:
    paths = (Path(module.path) for module in with_neighbours(file))
    found = [SourceFile(path, shown_path(path), "python", "code") for path in paths]
    return found or [SourceFile(file, shown_path(file), "python", "code")]


def _add(found: _Found, file: SourceFile, scan: FileScan, settings: Settings) -> None:
    found.num_parsed += scan.is_parsed and file.kind in _PYTHON
    if scan.skipped:
        found.skipped.append(Unread(file.name, scan.skipped))
    found.notes += [f"{file.name}: {note}" for note in scan.notes]
    if scan.unread:
        found.unread.append(Unread(file.name, scan.unread))
        found.num_unread_code += file.role not in ("test", "vendored")
    found.findings += [_finding(file, raw, settings) for raw in scan.findings]


def _finding(file: SourceFile, raw: RawFinding, settings: Settings) -> CodeFinding:
    in_settings = settings.reason(raw.rule, file.name)
    finding = CodeFinding(
        raw.rule, file.name, raw.line, raw.column, raw.code, file.role, raw.guard, raw.cell
    )
    if raw.is_accepted:
        return finding.accepted_for(raw.accepted, "comment")
    return finding if in_settings is None else finding.accepted_for(in_settings, "settings")


def _unused(settings: Settings) -> list[str]:
    return [
        f"{settings.file}: accept {entry.rule} in {entry.path} accepts nothing; remove it"
        for entry in settings.accept
        if not entry.uses
    ]


def _summaries(
    findings: Sequence[CodeFinding], targets: Sequence[Target]
) -> dict[str, RuleSummary]:
    """The rules that matter to a target, among those that spoke."""
    found = sorted({f.rule for f in findings})
    summaries = (rule_summary(RULES[name], targets) for name in found)
    return {s.id: s for s in summaries if s.matters}


def rule_summary(rule: Rule, targets: Sequence[Target]) -> RuleSummary:
    """What a rule says, for these targets; targets without rules are left out."""
    on = {
        target.name: Consequence(advice.effect, advice.do, advice.effort)
        for target in targets
        for family, advice in rule.on.items()
        if family == target.family
    }
    return RuleSummary(
        rule.id, rule.title, rule.category, rule.why, rule.grade, rule.sources, rule.autofix, on
    )


# -- reading -------------------------------------------------------------------------------------


def scan_files(files: Sequence[SourceFile], progress: Progress) -> list[FileScan]:
    """The scan of every file, in their order; several processes share many files."""
    workers = min(num_processors(), _MAX_WORKERS)
    with ExitStack() as stack:
        shown = _Shown(stack, progress, len(files))
        if workers < 2 or len(files) < _FEW:
            return [_scan_one(file, shown) for file in files]
        return _shared(files, workers, shown)


def num_processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _scan_one(file: SourceFile, shown: _Shown) -> FileScan:
    scan = _scanned(file)
    shown.done(1)
    return scan


def _scanned(file: SourceFile, skips: bool = True) -> FileScan:
    if file.kind in _PYTHON:
        return scan_file(file.path, file.kind, skips)
    return scan_other(file.path, file.kind)


def _shared(files: Sequence[SourceFile], workers: int, shown: _Shown) -> list[FileScan]:
    results: dict[int, FileScan] = {}
    with ProcessPoolExecutor(workers) as pool:
        waiting: dict[Future[list[FileScan]], int] = {}
        for first in range(0, len(files), _CHUNK):
            waiting[pool.submit(_scan_chunk, files[first : first + _CHUNK])] = first
        try:
            for future in as_completed(waiting):
                scans = future.result()
                results.update(zip(_from(waiting[future]), scans, strict=False))
                shown.done(len(scans))
        except BrokenExecutor:
            pass  # a worker was killed: what it leaves is read here
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [results.get(i) or _scan_one(file, shown) for i, file in enumerate(files)]


def _from(first: int) -> Iterator[int]:
    return iter(range(first, first + _CHUNK))


def _scan_chunk(files: Sequence[SourceFile]) -> list[FileScan]:
    return [_scanned(file) for file in files]


class _Shown:
    """A step of the progress that appears when reading takes long."""

    def __init__(self, stack: ExitStack, progress: Progress, total: int) -> None:
        self._stack = stack
        self._progress = progress
        self._total = total
        self._count = 0
        self._start = time.perf_counter()
        self._step: Step | None = None

    def done(self, number: int) -> None:
        """So many more files are read."""
        self._count += number
        if self._step is None and time.perf_counter() - self._start > _PATIENCE_S:
            self._step = self._stack.enter_context(self._progress.step("read"))
        if self._step is not None:
            self._step.note(f"{self._count:,} of {self._total:,} files")
            self._step.advance(self._count / self._total)
