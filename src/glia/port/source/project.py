"""Which files of a project are read, and what each is for.

Folders of environments, caches and version control are never entered; vendored and generated code
is read but weighed as such. Links to folders are not followed, so that no loop can trap the walk.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from glia.core.errors import UsageError

FileKind = Literal["python", "notebook", "config", "shell", "docker", "requirements", "cuda"]
Role = Literal["code", "test", "vendored", "example", "tool"]

MAX_BYTES = 4 << 20  # a longer file is data or generated

_SKIPPED = {
    ".git", ".hg", ".svn", ".venv", "venv", ".env", "env", "node_modules", "__pycache__", ".tox",
    ".nox", ".mypy_cache", ".pytest_cache", ".ruff_cache", "site-packages", ".ipynb_checkpoints",
    "build", "dist", ".eggs",
}  # fmt: skip
_KINDS: dict[str, FileKind] = {
    ".py": "python", ".pyi": "python", ".ipynb": "notebook", ".yaml": "config", ".yml": "config",
    ".json": "config", ".toml": "config", ".cfg": "config", ".ini": "config", ".sh": "shell",
    ".bash": "shell", ".slurm": "shell", ".sbatch": "shell", ".cu": "cuda", ".cuh": "cuda",
}  # fmt: skip
_VENDORED = {"third_party", "thirdparty", "3rdparty", "vendor", "vendored", "_vendor", "external"}
_TESTS = {"test", "tests", "testing"}
_EXAMPLES = {"example", "examples", "demo", "demos", "benchmark", "benchmarks", "notebooks"}
_TOOLS = {"tools", "scripts", "docker", ".github", "ci", "utils_ci", "docs", "doc"}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to read. `name` is its path as the user would write it."""

    path: Path
    name: str
    kind: FileKind
    role: Role


def project_files(root: Path, exclude: Sequence[str] = ()) -> Iterator[SourceFile]:
    """The files below `root` that may tie a project to CUDA, in the order of their names.

    `exclude` holds patterns of paths relative to the root, as `legacy/*`.

    Raises:
        UsageError: when `root` does not exist or cannot be read.
    """
    if root.is_file():
        kind = _kind(root) or "python"
        yield SourceFile(root, str(root), kind, "code")
        return
    if not root.is_dir():
        raise UsageError(
            f"checking {root}: got no such file or folder, expected a Python file, a folder "
            "or file.py:function"
        )
    if not os.access(root, os.R_OK | os.X_OK):
        raise UsageError(f"checking {root}: got an unreadable folder; ask for the right to read it")
    yield from _below(root, root, tuple(exclude))


def _below(folder: Path, root: Path, exclude: tuple[str, ...]) -> Iterator[SourceFile]:
    try:
        entries = sorted(os.scandir(folder), key=lambda e: e.name)
    except OSError:
        return  # an unreadable folder inside: the rest is still read
    for entry in entries:
        path = Path(entry.path)
        inside = path.relative_to(root)
        if any(fnmatch.fnmatch(inside.as_posix(), pattern) for pattern in exclude):
            continue
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in _SKIPPED:
                yield from _below(path, root, exclude)
        elif entry.is_file() and (kind := _kind(path)) is not None:
            yield SourceFile(path, str(path), kind, _role(inside))


def _kind(path: Path) -> FileKind | None:
    name = path.name.lower()
    if name.startswith("dockerfile") or name.endswith(".dockerfile"):
        return "docker"
    if name.startswith("requirements") and path.suffix == ".txt":
        return "requirements"
    return _KINDS.get(path.suffix.lower())


def _role(inside: Path) -> Role:
    folders = {part.lower() for part in inside.parts[:-1]}
    name = inside.name.lower()
    if folders & _VENDORED:
        return "vendored"
    if folders & _TESTS or name.startswith("test_") or name.endswith("_test.py"):
        return "test"
    if folders & _EXAMPLES:
        return "example"
    if folders & _TOOLS or name == "setup.py":
        return "tool"
    return "code"
