"""`glia fix`: all files of a project, and one small helper that they import.

Nothing is written here: what comes back is the new bytes of every file that changes.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from glia.core.check_records import Unread
from glia.core.errors import FormatError
from glia.core.fix_records import ChangedFile, FixedPlace, LeftPlace
from glia.core.progress import NullProgress, Progress
from glia.port.fix.documents import Document, read_document
from glia.port.fix.edits import Edit, Fix
from glia.port.fix.engine import Placer, apply_edits
from glia.port.fix.facts import Facts, gather
from glia.port.fix.file_plan import FilePlan, Proposal, Scope, plan_file
from glia.port.fix.helper_text import (
    HELPER_NAME,
    extended,
    functions_in,
    helper_text,
    is_helper,
)
from glia.port.fix.homes import Home, Import, choose_homes
from glia.port.fix.imports import unused_imports
from glia.port.fix.layout import Unplaced
from glia.port.fix.left import why_left
from glia.port.fix.patch import new_lines
from glia.port.fix.placing import bound_as, free_name, import_line
from glia.port.project_check import rule_summary
from glia.port.reading import Shown
from glia.port.rules.rule import Rule
from glia.port.scan import may_matter, parse
from glia.port.settings import Settings, settings_for
from glia.port.source.module import Module
from glia.port.source.project import MAX_BYTES, MAX_NOTEBOOK_BYTES, SourceFile, Walk, shown_path
from glia.port.source.text import TOO_DEEP, reason_of, require_size
from glia.port.suppress import suppressions
from glia.port.targets import Target

_READ = ("python", "notebook")
_LIGHT_ROLES = ("test", "vendored")


@dataclass(frozen=True, slots=True)
class Change:
    """One file that differs; `old` is None when it is new."""

    path: Path
    old: bytes | None
    new: bytes


@dataclass(slots=True)
class ProjectFix:
    """What `glia fix` would do to a project."""

    changes: list[Change] = field(default_factory=list)
    changed: list[ChangedFile] = field(default_factory=list)
    fixed: list[FixedPlace] = field(default_factory=list)
    left: list[LeftPlace] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    num_files: int = 0
    helpers: list[Path] = field(default_factory=list)  # that are there already


@dataclass(slots=True)
class _File:
    """One file on its way."""

    source: SourceFile
    document: Document
    module: Module
    placer: Placer
    plan: FilePlan
    text: str = ""  # the new one, once it is made


def fix_project(
    root: Path, targets: Sequence[Target], progress: Progress | None = None
) -> ProjectFix:
    """Plan the rewrite of a file, a notebook or a folder for these targets.

    Raises:
        UsageError: when the root does not exist or cannot be read, or its settings are wrong.
    """
    settings = settings_for(root)
    walk = Walk(root, settings.exclude, settings.folder)
    sources = [file for file in walk if file.kind in _READ]
    result = ProjectFix(num_files=len(sources))
    files: list[_File] = []
    facts = gather(_texts(sources), root)
    with ExitStack() as stack:
        shown = Shown(stack, progress or NullProgress(), len(sources))
        for source in sources:
            file = _planned(source, targets, settings, root.is_file(), facts, result)
            if file is not None:
                files.append(file)
            shown.done(1)
    result.unread += [Unread(path, reason) for path, reason in walk.problems]
    _rewrite(files, root, result)
    result.fixed.sort(key=lambda place: (place.file, place.cell, place.line, place.rule))
    result.left.sort(key=lambda place: (place.file, place.cell, place.line, place.rule))
    return result


def _texts(sources: Sequence[SourceFile]) -> Iterator[tuple[str, str]]:
    """What can be read; the reasons of the others are told where they are planned."""
    for source in sources:
        with suppress(OSError, ValueError, FormatError, RecursionError, MemoryError):
            if source.path.stat().st_size <= MAX_BYTES:
                yield source.name, read_document(source.path, source.kind).text


# -- planning ------------------------------------------------------------------------------------


def _planned(
    source: SourceFile,
    targets: Sequence[Target],
    settings: Settings,
    is_named: bool,
    facts: Facts,
    result: ProjectFix,
) -> _File | None:
    """The file with its plan; None when nothing is to be done there."""
    if source.role in _LIGHT_ROLES and not is_named:
        return None
    try:
        limit = MAX_NOTEBOOK_BYTES if source.kind == "notebook" else MAX_BYTES
        require_size(source.path.stat().st_size, limit)
        document = read_document(source.path, source.kind)
        if is_helper(document.text):
            result.helpers.append(source.path.absolute())
            return None
        if not may_matter(document.text):
            return None
        module = parse(source.name, document.text)
    except (OSError, ValueError, FormatError, SyntaxError) as error:
        result.unread.append(Unread(source.name, reason_of(error)))
        return None
    except (RecursionError, MemoryError, SystemError):
        result.unread.append(Unread(source.name, TOO_DEEP))
        return None
    placer = Placer(module, document.text)
    plan = plan_file(module, placer, _scope(source, document, targets, settings, facts))
    file = _File(source, document, module, placer, plan)
    result.left += _left(file)
    return file if plan.fixes else None


def _scope(
    source: SourceFile,
    document: Document,
    targets: Sequence[Target],
    settings: Settings,
    facts: Facts,
) -> Scope:
    ignored = suppressions(document.text)

    def is_accepted(rule: Rule, line: int) -> bool:
        accepted = settings.reason(rule.id, source.name) is not None
        return accepted or ignored.reason(rule.id, line) is not None

    return Scope(
        matters=lambda rule: rule_summary(rule, targets).matters,
        blocks=lambda rule: rule_summary(rule, targets).worst in ("raises", "silent"),
        by_hand=lambda rule: _by_hand(rule, targets),
        is_accepted=is_accepted,
        facts=facts,
    )


def _by_hand(rule: Rule, targets: Sequence[Target]) -> str:
    on = rule_summary(rule, targets).on
    advice = dict.fromkeys(c.do for c in on.values() if c.effect != "works" or c.effort != "none")
    return f"{why_left(rule)}; by hand: {'; or '.join(advice)}"


def _left(file: _File) -> list[LeftPlace]:
    found: dict[tuple[str, int], LeftPlace] = {}
    for proposal, reason in file.plan.left:
        found.setdefault((proposal.rule.id, proposal.line), _left_place(file, proposal, reason))
    return list(found.values())


def _left_place(file: _File, proposal: Proposal, reason: str) -> LeftPlace:
    cell, line = file.document.place(proposal.line)
    rule = proposal.rule
    code = file.module.code(proposal.line)
    return LeftPlace(rule.id, rule.title, file.source.name, line, code, reason, cell)


# -- rewriting -----------------------------------------------------------------------------------


def _rewrite(files: Sequence[_File], root: Path, result: ProjectFix) -> None:
    needing = [f for f in files if f.plan.helper_names]
    places = [(f.source.path.absolute(), f.module) for f in needing]
    folder = root if root.is_dir() else root.parent
    imports = choose_homes(places, folder.absolute())
    names = {home: _helper_name(home) for home in {i.home for i in imports.values()}}
    helpers: set[Path] = set()
    functions: set[str] = set()
    for file in files:
        source = imports.get(file.source.path.absolute())
        new = _new_bytes(file, source, names, result)
        if new is None or new == file.document.raw:
            continue
        result.changes.append(Change(file.source.path, file.document.raw, new))
        fixed = _fixed(file)
        result.changed.append(ChangedFile(file.source.name, False, False, len(fixed)))
        result.fixed += fixed
        if source is not None:
            helpers.add(source.home.folder / f"{names[source.home]}.py")
            functions |= file.plan.helper_names
    _add_helpers(helpers, functions, root, result)


def _new_bytes(
    file: _File, source: Import | None, names: dict[Home, str], result: ProjectFix
) -> bytes | None:
    """The file rewritten; None, with its fixes among what is left, when that cannot be done."""
    edits: list[Edit] = [edit for _, fix in file.plan.fixes for edit in fix.edits]
    edits += unused_imports(file.placer.layout, edits)
    alias, line = HELPER_NAME, None
    if source is not None:
        name = names[source.home]
        bound = bound_as(file.module, name)
        alias = bound or free_name(file.module, name)
        if bound is None:
            line = import_line(file.placer.layout, source.code(name, alias), _nodes(file.plan))
    try:
        text = apply_edits(file.placer.layout, edits, alias, line)
        _require_python(text, file.source.name)
        file.text = text
        return file.document.bytes_of(text)
    except (Unplaced, ValueError) as error:
        result.left += [_left_place(file, p, str(error)) for p, _ in file.plan.fixes]
        return None


def _nodes(plan: FilePlan) -> list[ast.AST]:
    return [edit.node for _, fix in plan.fixes if _uses_helper(fix) for edit in fix.edits]


def _uses_helper(fix: Fix) -> bool:
    return bool(fix.helper_names)


def _require_python(text: str, name: str) -> None:
    """Refuse to give a file a text that is not Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise Unplaced(f"the new text would not be Python (line {error.lineno})") from None


def _fixed(file: _File) -> list[FixedPlace]:
    found: dict[tuple[str, int], FixedPlace] = {}
    new = new_lines(file.document.text, file.text)
    for proposal, _ in file.plan.fixes:
        cell, line = file.document.place(proposal.line)
        code = file.module.code(proposal.line)
        place = FixedPlace(
            proposal.rule.id, file.source.name, line, code, cell, new.get(proposal.line, "")
        )
        found.setdefault((proposal.rule.id, proposal.line), place)
    return list(found.values())


# -- the helper ----------------------------------------------------------------------------------


def _helper_name(home: Home) -> str:
    """The helper that is there, or else a name that is free."""
    name = HELPER_NAME
    while not _is_free(home.folder, name):
        name += "_device"
    return name


def _is_free(folder: Path, name: str) -> bool:
    file = folder / f"{name}.py"
    if (folder / name).exists():
        return False
    return not file.exists() or is_helper(file.read_text("utf-8", "replace"))


def _add_helpers(helpers: set[Path], functions: set[str], root: Path, result: ProjectFix) -> None:
    """Every helper has what all files call: whichever a file finds first is complete."""
    if not helpers:
        return
    wanted = helpers | {path for path in result.helpers if path.parent not in _folders(helpers)}
    for path in wanted:
        if path.exists():
            functions = functions | functions_in(path.read_text("utf-8", "replace"))
    for path in sorted(wanted):
        _add_helper(path, functions, root, result)


def _folders(paths: set[Path]) -> set[Path]:
    return {path.parent for path in paths}


def _add_helper(path: Path, functions: set[str], root: Path, result: ProjectFix) -> None:
    shown = shown_path(_as_named(path, root))
    if not path.exists():
        new = helper_text(functions).encode("utf-8")
        result.changes.append(Change(_as_named(path, root), None, new))
        result.changed.append(ChangedFile(shown, True, True, 0))
        return
    old = path.read_bytes()
    try:
        new = extended(old.decode("utf-8"), functions).encode("utf-8")
    except (SyntaxError, ValueError) as error:
        result.notes.append(f"{shown}: the helper is not read any more: {reason_of(error)}")
        return
    if new != old:
        result.changes.append(Change(_as_named(path, root), old, new))
        result.changed.append(ChangedFile(shown, False, True, 0))


def _as_named(path: Path, root: Path) -> Path:
    """The path as the user names things: relative when the root is."""
    base = root if root.is_dir() else root.parent
    try:
        return base / path.relative_to(base.absolute())
    except ValueError:
        return path
