"""One run of `glia fix`: plan, write when asked to, and the report of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from glia.core.fix_records import FixReport
from glia.core.progress import Progress
from glia.port.fix.editing.patch import file_patch
from glia.port.fix.helper.helpers import Change
from glia.port.fix.project import ProjectFix, fix_project
from glia.port.fix.write import git_root, hidden_by_git, require_clean, write_all
from glia.port.source.files.project import shown_path
from glia.port.targets import Target


def run_fix(
    root: Path,
    targets: Sequence[Target],
    write: bool = False,
    allow_dirty: bool = False,
    progress: Progress | None = None,
) -> tuple[FixReport, bytes]:
    """The report, and the patch as bytes, as files may be in several encodings.

    With `write` the files are changed, when git can bring the old ones back or `allow_dirty`.

    Raises:
        UsageError: when the root cannot be read, or what is there may not or cannot be changed.
    """
    real = root.resolve()  # a link that is named stands for what it leads to
    folder = real if real.is_dir() else real.parent
    if write and not allow_dirty and root.exists():
        require_clean(folder, ())  # before the work, which may be long
    plan = fix_project(root, targets, progress)
    base = git_root(folder) or folder
    patch = b"".join(_patch(change, base) for change in plan.changes)
    plan.notes += [
        f"git ignores the new helper {shown_path(path)}: commit it with `git add -f`"
        for path in hidden_by_git([c.path for c in plan.changes if c.old is None])
    ]
    if write and plan.changes:
        if not allow_dirty:
            require_clean(folder, plan.changes)
        write_all(plan.changes)
    return _report(root, targets, plan, patch, write), patch


def _patch(change: Change, base: Path) -> bytes:
    name = os.path.relpath(change.path, base).replace(os.sep, "/")
    return file_patch(name, change.old, change.new)


def _report(
    root: Path, targets: Sequence[Target], plan: ProjectFix, patch: bytes, write: bool
) -> FixReport:
    return FixReport(
        path=shown_path(root),
        targets=tuple(target.name for target in targets),
        changed=tuple(plan.changed),
        fixed=tuple(plan.fixed),
        left=tuple(plan.left),
        unread=tuple(plan.unread),
        notes=tuple(plan.notes),
        num_files=plan.num_files,
        diff=patch.decode("utf-8", "replace"),
        written=write and bool(plan.changes),
    )
