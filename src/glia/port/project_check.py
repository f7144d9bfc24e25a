"""`glia check`: all files of a project under all rules, in several processes when there are many.

The order of the report does not depend on who read what: findings stand in the order of the files.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from glia.core.check_records import (
    CheckReport,
    CodeFinding,
    Consequence,
    RuleSummary,
    Unread,
)
from glia.core.progress import NullProgress, Progress
from glia.port.check import with_neighbours
from glia.port.fix.registry import autofix_of
from glia.port.reading import known_answers, scan_files, scan_one
from glia.port.rules.rule import Rule
from glia.port.rules.table import RULES
from glia.port.scan import FileScan, RawFinding, parse
from glia.port.settings import Settings, settings_for
from glia.port.source.files.project import (
    MAX_BYTES,
    PYTHON_KINDS,
    SHUT,
    SourceFile,
    Walk,
    shown_path,
)
from glia.port.source.files.reach import unreached
from glia.port.source.files.text import UNREADABLE, read_text
from glia.port.targets import Target
from glia.port.verdict import Reading, verdict_for

_CODE = (*PYTHON_KINDS, "cuda")


@dataclass(slots=True)
class _Found:
    """What a walk over the project gave, before targets are considered."""

    findings: list[CodeFinding] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    skipped: list[Unread] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    num_files: int = 0
    num_parsed: int = 0
    num_other: int = 0
    num_unread_code: int = 0
    imports: dict[PurePath, tuple[str, ...]] = field(default_factory=dict)
    own: set[PurePath] = field(default_factory=set)
    aside: set[PurePath] = field(default_factory=set)


def check_project(
    root: Path, targets: Sequence[Target], progress: Progress | None = None
) -> CheckReport:
    """Check a file, a notebook or a folder for several targets; see `check_projects`."""
    return check_projects([root], targets, progress)


def check_projects(
    roots: Sequence[Path], targets: Sequence[Target], progress: Progress | None = None
) -> CheckReport:
    """Check files, notebooks and folders as one project; what several of them hold counts once.

    Of a model, FILE.py:FUNCTION, the file and what it imports from beside it are checked.

    Raises:
        UsageError: when a root does not exist or cannot be read, or its settings are wrong.
    """
    start = time.perf_counter()
    found = _Found()
    seen: set[Path] = set()
    settings = _settings_of(roots)
    for root, its_settings in zip(roots, settings, strict=True):
        _read(found, root, its_settings, seen, progress or NullProgress())
    found.notes += _unused(settings, roots)
    rules = _summaries(found.findings, targets)
    findings = tuple(f for f in found.findings if f.rule in rules)
    reading = Reading(
        found.num_files, found.num_unread_code, found.imports, frozenset(found.own or found.aside)
    )
    names = tuple(map(shown_path, roots))
    return CheckReport(
        path=", ".join(names),
        targets=tuple(verdict_for(t, rules, findings, reading) for t in targets),
        rules=rules,
        findings=findings,
        unread=tuple(found.unread),
        skipped=tuple(found.skipped),
        notes=tuple(found.notes),
        num_files=found.num_files,
        num_parsed=found.num_parsed,
        num_other=found.num_other,
        wall_s=time.perf_counter() - start,
        roots=names,
    )


def _settings_of(roots: Sequence[Path]) -> list[Settings]:
    """The settings of each root; roots of one project share theirs, which count their uses."""
    known: dict[Path, Settings] = {}
    found = [settings_for(model_file(root) or root) for root in roots]
    return [known.setdefault(Path(s.file).resolve(), s) if s.file else s for s in found]


def _read(
    found: _Found, root: Path, settings: Settings, seen: set[Path], progress: Progress
) -> None:
    """Add what one root holds and no root before it held."""
    model = model_file(root)
    walk = Walk(root, settings.exclude, settings.folder)
    files = _unseen(walk if model is None else _beside(model), seen)
    if root.is_file():
        scans = [scan_one(file, skips=False) for file in files]
        known = known_answers(files, scans, root)
        for place, answers in known.items():
            scans[place] = scan_one(files[place], skips=False, known=answers)
    else:
        scans = scan_files(files, root, progress)
    for file, scan in zip(files, scans, strict=True):
        _add(found, file, scan, settings)
    if model is not None:
        found.findings = _reached(found.findings, model, root.name.rpartition(":")[2])
    shut = [Unread(path, reason, reason.startswith(SHUT)) for path, reason in walk.problems]
    found.unread += (folder for folder in shut if folder not in found.unread)
    found.num_unread_code += sum(folder.hides for folder in shut)
    found.notes += (note for note in _left_out(walk, settings) if note not in found.notes)


def _unseen(files: Iterable[SourceFile], seen: set[Path]) -> list[SourceFile]:
    found = []
    for file in files:
        path = Path(os.path.abspath(file.path))  # a link stays a file of its own
        if path not in seen:
            seen.add(path)
            found.append(file)
    return found


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


def _reached(findings: Sequence[CodeFinding], file: Path, function: str) -> list[CodeFinding]:
    """Of the model's own file only what its function leads to weighs."""
    try:
        tree = parse(str(file), read_text(file, MAX_BYTES)).tree
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return list(findings)  # the scan says that it cannot be read
    aside = {line for lines in unreached(tree, function) for line in lines}
    here = shown_path(file)
    return [
        replace(f, role="unreached") if f.file == here and f.line in aside else f for f in findings
    ]


def _add(found: _Found, file: SourceFile, scan: FileScan, settings: Settings) -> None:
    is_python = file.kind in PYTHON_KINDS
    found.num_files += is_python
    found.num_other += not is_python
    found.num_parsed += scan.is_parsed and is_python
    if is_python:
        found.imports[PurePath(file.name)] = scan.imports
    is_cuda = file.kind == "cuda" and bool(scan.findings)
    if is_cuda or (scan.is_parsed and is_python):
        (found.own if file.role == "code" else found.aside).add(PurePath(file.name))
    if scan.skipped:
        found.skipped.append(Unread(file.name, scan.skipped))
    found.notes += [f"{file.name}: {note}" for note in scan.notes]
    if scan.unread:
        is_own = file.role not in ("test", "vendored")
        hides = is_own and (file.kind in _CODE or scan.unread.startswith(UNREADABLE))
        found.unread.append(Unread(file.name, scan.unread, hides))
        found.num_unread_code += is_own
    found.findings += [_finding(file, raw, settings) for raw in scan.findings]


def _finding(file: SourceFile, raw: RawFinding, settings: Settings) -> CodeFinding:
    in_settings = settings.reason(raw.rule, file.name)
    finding = CodeFinding(
        raw.rule,
        file.name,
        raw.line,
        raw.column,
        raw.code,
        file.role,
        raw.guard,
        raw.cell,
        eager=raw.eager,
    )
    if raw.is_accepted:
        return finding.accepted_for(raw.accepted, "comment")
    return finding if in_settings is None else finding.accepted_for(in_settings, "settings")


def _left_out(walk: Walk, settings: Settings) -> list[str]:
    if not walk.excluded:
        return []
    first, more = walk.excluded[0], len(walk.excluded) - 1
    others = f" and {more:,} more" if more else ""
    return [f"{settings.file}: exclude leaves out {first}{others}"]


def _unused(settings: Sequence[Settings], roots: Sequence[Path]) -> list[str]:
    """Entries that accept nothing, where all of their project was read."""
    whole = {root.resolve() for root in roots}
    found = [
        f"{one.file}: accept {entry.rule} in {entry.path} accepts nothing; remove it"
        for one in settings
        if one.folder.resolve() in whole
        for entry in one.accept
        if not entry.uses
    ]
    return list(dict.fromkeys(found))


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
        rule.id,
        rule.title,
        rule.category,
        rule.why,
        rule.grade,
        rule.sources,
        autofix_of(rule.id),
        on,
        rule.bad,
        rule.good,
    )
