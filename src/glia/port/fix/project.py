"""`glia fix`: all files of a project, and one small helper that they import.

Nothing is written here: what comes back is the new bytes of every file that changes.
"""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from glia.core.check_records import Unread
from glia.core.errors import FormatError
from glia.core.fix_records import ChangedFile, FixedPlace, LeftPlace
from glia.core.progress import NullProgress, Progress
from glia.port.fix.deciding.facts import Facts, gather
from glia.port.fix.deciding.file_plan import FilePlan, Proposal, Scope, plan_file
from glia.port.fix.deciding.left import why_left
from glia.port.fix.editing.documents import Document, read_document
from glia.port.fix.editing.edits import Edit, Fix
from glia.port.fix.editing.engine import Placer, apply_edits
from glia.port.fix.editing.imports import unused_imports
from glia.port.fix.editing.layout import Unplaced
from glia.port.fix.editing.lines import ImportLine
from glia.port.fix.editing.patch import new_lines
from glia.port.fix.editing.placing import Spots, bound_as, free_name
from glia.port.fix.helper.helper_text import HELPER_NAME, is_helper
from glia.port.fix.helper.helpers import Change, Helpers
from glia.port.fix.helper.homes import Client, Import, choose_homes
from glia.port.fix.surroundings.builds import Builds
from glia.port.fix.surroundings.neighbours import Neighbours, project_top
from glia.port.fix.surroundings.outside import why_outside
from glia.port.fix.surroundings.sources import Sources
from glia.port.fix.surroundings.taken import Takers
from glia.port.project_check import rule_summary
from glia.port.reading import Shown
from glia.port.rules.rule import Rule
from glia.port.scan import may_matter, parse
from glia.port.settings import Settings, settings_for
from glia.port.source.files.project import MAX_BYTES, MAX_NOTEBOOK_BYTES, SourceFile
from glia.port.source.files.text import TOO_DEEP, reason_of, require_size
from glia.port.source.module import Module
from glia.port.suppress import suppressions
from glia.port.targets import Target

_LIGHT_ROLES = ("test", "vendored")


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


@dataclass(slots=True)
class _File:
    """One file on its way."""

    source: SourceFile
    path: Path  # the real one
    document: Document
    module: Module
    placer: Placer
    spots: Spots
    plan: FilePlan
    text: str = ""  # the new one, once it is made


@dataclass(frozen=True, slots=True)
class _Run:
    """What holds for all files."""

    targets: Sequence[Target]
    settings: Settings
    is_named: bool  # the one file that the user names
    around: Neighbours
    helpers: Helpers
    builds: Builds
    facts: Facts


def fix_project(
    root: Path, targets: Sequence[Target], progress: Progress | None = None
) -> ProjectFix:
    """Plan the rewrite of a file, a notebook or a folder for these targets.

    Raises:
        UsageError: when the root does not exist or cannot be read, or its settings are wrong.
    """
    settings = settings_for(root)
    sources = Sources(root, settings)
    around = Neighbours(project_top(sources.folder))
    for _, path in sources.files:
        around.add(path, path)
    helpers = Helpers(around, sources.folder)
    facts = gather(_texts([source for source, _ in sources.files]), root)
    run = _Run(targets, settings, root.is_file(), around, helpers, Builds(), facts)
    result = ProjectFix(num_files=len(sources.files))
    files: list[_File] = []
    with ExitStack() as stack:
        shown = Shown(stack, progress or NullProgress(), len(sources.files))
        for source, path in sources.files:
            file = _planned(source, path, run, result)
            if file is not None:
                files.append(file)
            shown.done(1)
    result.num_files -= len(result.unread)
    result.unread += sources.problems
    _rewrite(files, sources, run, result)
    result.notes += [*sources.notes(), *helpers.notes]
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


def _planned(source: SourceFile, path: Path, run: _Run, result: ProjectFix) -> _File | None:
    """The file with its plan; None when nothing is to be done there."""
    if source.role in _LIGHT_ROLES and not run.is_named:
        return None
    try:
        limit = MAX_NOTEBOOK_BYTES if source.kind == "notebook" else MAX_BYTES
        require_size(path.stat().st_size, limit)
        document = read_document(path, source.kind)
        if is_helper(document.text) or not may_matter(document.text):
            return None
        module = parse(source.name, document.text)
    except (OSError, ValueError, FormatError, SyntaxError) as error:
        result.unread.append(Unread(source.name, reason_of(error)))
        return None
    except (RecursionError, MemoryError, SystemError):
        result.unread.append(Unread(source.name, TOO_DEEP))
        return None
    spots = Spots(module, lambda site: run.around.brings_torch(path, site), run.helpers.names)
    placer = Placer(module, document.text, spots)
    plan = plan_file(module, placer, _scope(source, document, run))
    file = _File(source, path, document, module, placer, spots, plan)
    result.left += _left(file)
    return file if plan.fixes else None


def _scope(source: SourceFile, document: Document, run: _Run) -> Scope:
    ignored = suppressions(document.text)

    def is_accepted(rule: Rule, line: int) -> bool:
        accepted = run.settings.reason(rule.id, source.name) is not None
        return accepted or ignored.reason(rule.id, line) is not None

    return Scope(
        matters=lambda rule: rule_summary(rule, run.targets).matters,
        blocks=lambda rule: rule_summary(rule, run.targets).worst in ("raises", "silent"),
        by_hand=lambda rule: _by_hand(rule, run.targets),
        is_accepted=is_accepted,
        facts=run.facts,
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


def _rewrite(files: Sequence[_File], sources: Sources, run: _Run, result: ProjectFix) -> None:
    needing = [f for f in files if f.plan.helper_names and not why_outside(f.path, run.around)]
    clients = [Client(file.path, file.spots.first_use(_nodes(file.plan))) for file in needing]
    clients += _former_clients(sources, run, {file.path for file in needing})
    imports = choose_homes(clients, run.around, run.helpers, run.builds)
    homes: set[Path] = set()
    functions: set[str] = set()
    for file in files:
        source = imports.get(file.path)
        new = _new_bytes(file, source, run, result)
        if new is None or new == file.document.raw:
            continue
        result.changes.append(Change(file.path, file.document.raw, new))
        fixed = _fixed(file)
        result.changed.append(ChangedFile(file.source.name, False, False, len(fixed)))
        result.fixed += fixed
        if file.plan.helper_names:
            assert source is not None
            homes |= source.homes
            functions |= file.plan.helper_names
    for client in clients:
        if client.is_plain and client.file in imports:
            homes |= imports[client.file].homes
    _add_helpers(homes, functions, sources, run.helpers, result)


def _former_clients(sources: Sources, run: _Run, needing: set[Path]) -> Iterator[Client]:
    """Files that were fixed before: others may load them in new ways now."""
    for _, path in sources.files:
        sites = run.around.sites(path) if run.helpers.files and path not in needing else ()
        if any(not site.level and site.module == run.helpers.name for site in sites):
            yield Client(path, sys.maxsize, is_plain=True)


def _new_bytes(file: _File, source: Import | None, run: _Run, result: ProjectFix) -> bytes | None:
    """The file rewritten; None, with its fixes among what is left, when that cannot be done."""
    try:
        edits: list[Edit] = [edit for _, fix in file.plan.fixes for edit in fix.edits]
        takers = Takers(run.around, file.path)
        edits += unused_imports(file.placer.layout, edits, takers.take)
        wanted = f"_{run.helpers.name}" if takers.spreads(file.module) else run.helpers.name
        alias, lines = _import_of(file, source, wanted, run)
        text = apply_edits(file.placer.layout, edits, alias, lines)
        _require_python(text, file.source.name)
        file.text = text
        return file.document.bytes_of(text)
    except (Unplaced, ValueError) as error:
        result.left += [_left_place(file, p, str(error)) for p, _ in file.plan.fixes]
        return None


def _import_of(
    file: _File, source: Import | None, wanted: str, run: _Run
) -> tuple[str, list[ImportLine]]:
    """The name of the helper in a file, `wanted` if that is free, and the imports that it lacks."""
    helpers = run.helpers
    if not file.plan.helper_names:
        return HELPER_NAME, []
    if reason := why_outside(file.path, run.around):
        raise Unplaced(reason)
    if source is None:
        nowhere = "no place for the helper is found from everywhere that loads this file"
        raise Unplaced(run.builds.refusal(file.path, helpers.name) or nowhere)
    reason = helpers.lacking(source.homes, file.plan.helper_names)
    if reason:
        raise Unplaced(reason)
    alias = bound_as(file.module, helpers.name) or free_name(file.module, wanted)
    code = source.code(helpers.name, alias)
    places = file.spots.places(_nodes(file.plan), source.line)
    return alias, [ImportLine(where, code) for where in places]


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


def _add_helpers(
    homes: set[Path],
    functions: set[str],
    sources: Sources,
    helpers: Helpers,
    result: ProjectFix,
) -> None:
    if not homes:
        return
    for change in helpers.changes(homes, functions):
        result.changes.append(change)
        shown = sources.named(change.path)
        result.changed.append(ChangedFile(shown, change.old is None, True, 0))
