"""Writing the changed files: where git can bring the old ones back, and all of them or none."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from glia.core.errors import UsageError
from glia.port.fix.helpers import Change

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


def write_all(changes: Sequence[Change]) -> None:
    """Write every file beside its old one, then put them all in place.

    Raises:
        UsageError: when a file has changed since it was read, or cannot be written; nothing is
            changed then.
    """
    ready: list[tuple[Change, Path, Path]] = []
    done: list[tuple[Change, Path]] = []
    try:
        for change in changes:
            target = change.path.resolve()  # behind a link stands the file itself
            _require_unchanged(change, target)
            beside = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
            ready.append((change, target, beside))
            beside.write_bytes(change.new)
            if change.old is not None:
                shutil.copymode(target, beside)
        for change, target, beside in ready:
            beside.replace(target)
            done.append((change, target))
    except OSError as error:
        _bring_back(done)
        raise UsageError(
            f"writing {error.filename or 'the changed files'}: got {error.strerror or error}, "
            "expected a place that can be written; nothing was changed"
        ) from error
    finally:
        for _, _, beside in ready:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)


def _require_unchanged(change: Change, target: Path) -> None:
    now = target.read_bytes() if target.exists() else None
    if now != change.old:
        raise UsageError(
            f"writing {change.path}: got a file that has changed since it was read; run again"
        )


def _bring_back(done: Sequence[tuple[Change, Path]]) -> None:
    for change, target in done:
        with contextlib.suppress(OSError):
            if change.old is None:
                target.unlink()
            else:
                target.write_bytes(change.old)
