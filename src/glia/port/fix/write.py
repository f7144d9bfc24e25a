"""Writing the changed files: where git can bring the old ones back, and all of them or none."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from glia.core.errors import UsageError
from glia.port.fix.helper.helpers import Change

_GIT_S = 60.0  # git answers sooner, or something is wrong with the repository
_SHOWN = 5


def git_root(folder: Path) -> Path | None:
    """The top of the working tree around a folder; None outside of git."""
    here = folder.absolute()
    return next((f for f in (here, *here.parents) if (f / ".git").exists()), None)


def require_clean(folder: Path, changes: Sequence[Change]) -> None:
    """Refuse to write where the old files could not be brought back by git.

    Raises:
        UsageError: outside of git, with uncommitted changes, or for files that git does not keep.
    """
    root = git_root(folder)
    if root is None:
        raise UsageError(
            f"fixing {folder}: got a folder outside of git, expected one whose old files git can "
            "bring back; commit it to git first, apply the patch of --diff yourself, or give "
            "--allow-dirty"
        )
    dirty = _git(root, "status", "--porcelain", "-z").split("\0")
    names = [entry[3:] for entry in dirty if len(entry) > 3]
    if names:
        raise UsageError(
            f"fixing {folder}: got a git tree with changes that are not committed "
            f"({_few(names)}), expected a clean one; commit or stash them, or give --allow-dirty"
        )
    kept = set(_git(root, "ls-files", "-z").split("\0"))
    unkept = [
        str(c.path) for c in changes if c.old is not None and not _is_kept(c.path, root, kept)
    ]
    if unkept:
        raise UsageError(
            f"fixing {folder}: got files that git does not keep ({_few(unkept)}), expected files "
            "under version control; exclude them in glia.toml, or give --allow-dirty"
        )


def hidden_by_git(paths: Sequence[Path]) -> list[Path]:
    """Those of these files that git would not take up by itself (`.gitignore`)."""
    root = git_root(paths[0].parent) if paths else None
    if root is None:
        return []
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(root), "check-ignore", "-z"]
    asked = "\0".join(map(str, paths)).encode("utf-8", "surrogateescape")
    try:
        done = subprocess.run(
            [*command, "--stdin"], input=asked, capture_output=True, timeout=_GIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []  # the patch is right without it
    names = set(done.stdout.decode("utf-8", "surrogateescape").split("\0"))
    return [path for path in paths if str(path) in names]


def _is_kept(path: Path, root: Path, kept: set[str]) -> bool:
    try:
        return path.resolve().relative_to(root.resolve()).as_posix() in kept
    except ValueError:
        return False


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_GIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(
            f"asking git about {root}: got {error}, expected an answer; see that git works there, "
            "or give --allow-dirty"
        ) from None
    if done.returncode:
        message = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise UsageError(
            f"asking git about {root}: got {message[0] if message else done.returncode!r}, "
            "expected an answer; see that git works there, or give --allow-dirty"
        )
    return done.stdout.decode("utf-8", "surrogateescape")


@dataclass(slots=True)
class _Ready:
    """A change with its new bytes in a file beside, and what brings the old file back."""

    change: Change
    beside: Path
    kept: Path | None = None  # the old file under another name
    is_done: bool = False


def write_all(changes: Sequence[Change]) -> None:
    """Write every file beside its old one, then put them all in place, or none.

    Raises:
        UsageError: when a file has changed since it was read, or cannot be written; nothing is
            changed then.
    """
    ready: list[_Ready] = []
    path = Path()
    try:
        for change in changes:
            path = change.path
            _require_as_read(change)
            ready.append(_Ready(change, _beside(path, "new")))
            _write_beside(change, ready[-1].beside)
        for item in ready:
            path = item.change.path
            _require_as_read(item.change)
            _put_in_place(item)
    except BaseException as error:
        _bring_back(ready)
        if not isinstance(error, OSError):
            raise
        raise UsageError(
            f"writing {path}: got {error.strerror or error}, expected a place that can be "
            "written; nothing was changed"
        ) from error
    finally:
        for item in ready:
            for left in (item.beside, item.kept):
                if left is not None:
                    with contextlib.suppress(OSError):
                        left.unlink(missing_ok=True)


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f".{path.name[:100]}.{uuid.uuid4().hex}.{what}")


def _write_beside(change: Change, beside: Path) -> None:
    """The new bytes with the old file's rights and owner."""
    if change.old is None:
        beside.write_bytes(change.new)
        return
    old = change.path.stat()
    if not old.st_mode & stat.S_IWUSR:
        raise PermissionError(errno.EACCES, "a file that may not be written", str(change.path))
    beside.write_bytes(change.new)
    shutil.copymode(change.path, beside)
    if hasattr(os, "chown") and (old.st_uid, old.st_gid) != _owner(beside):
        os.chown(beside, old.st_uid, old.st_gid)


def _owner(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_uid, found.st_gid


def _require_as_read(change: Change) -> None:
    """Refuse a file that is not what was planned with, or stands elsewhere by now."""
    path = change.path
    now = path.read_bytes() if path.exists() else None
    if now != change.old or path.is_symlink() or path.resolve() != path:
        raise UsageError(
            f"writing {path}: got a file that has changed since it was read; run again"
        )


def _put_in_place(item: _Ready) -> None:
    """A second name keeps the old file, so that bringing it back needs no space."""
    path = item.change.path
    if item.change.old is not None:
        kept = _beside(path, "old")
        item.kept = kept
        try:
            os.link(path, kept)
        except OSError:  # a file system without links
            shutil.copy2(path, kept)
    item.beside.replace(path)
    item.is_done = True


def _bring_back(ready: Sequence[_Ready]) -> None:
    for item in ready:
        if not item.is_done:
            continue
        if item.kept is None:
            item.change.path.unlink(missing_ok=True)
        else:
            item.kept.replace(item.change.path)
            item.kept = None
