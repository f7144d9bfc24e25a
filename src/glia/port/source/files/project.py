"""Which files of a project are read, and what each is for.

Folders of environments, caches and version control are never entered; vendored and generated code
is read but weighed as such. Links to folders are not followed, so that no loop can trap the walk.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from glia.core.errors import UsageError

FileKind = Literal[
    "python", "notebook", "config", "shell", "docker", "requirements", "cuda", "make", "jenkins"
]  # fmt: skip
PYTHON_KINDS = ("python", "notebook")
Role = Literal["code", "test", "vendored", "example", "tool"]

SHUT = "folder: "  # what the system says follows
MAX_BYTES = 2 << 20  # longer code is data or generated: its tree would fill the memory
MAX_NOTEBOOK_BYTES = 64 << 20  # its results are not read, only its code

_SKIPPED = {
    ".git", ".hg", ".svn", "node_modules", "__pycache__", ".tox", ".nox", ".mypy_cache",
    ".pytest_cache", ".ruff_cache", "site-packages", "dist-packages", ".ipynb_checkpoints", ".eggs",
    ".venv", ".virtualenv", ".conda", ".pixi", ".pyenv", ".direnv", "__pypackages__", ".cache",
    ".hypothesis", ".terraform", "bower_components",
}  # fmt: skip
_REQUIREMENTS = re.compile(r"[\w.\-]*(?:requirements|constraints)[\w.\-]*\.(?:txt|in)")
_BUILT = {"build", "dist"}  # made from the sources, unless they are packages of their own
# An environment has one of them, whatever its name; one that was copied may lack the first.
_ENVIRONMENT = (
    "pyvenv.cfg", "conda-meta", "bin/activate", "bin/python", "bin/python3", "Lib/site-packages",
    "Scripts/activate", "Scripts/python.exe",
)  # fmt: skip
_KINDS: dict[str, FileKind] = {
    ".py": "python", ".pyi": "python", ".ipynb": "notebook", ".yaml": "config", ".yml": "config",
    ".json": "config", ".toml": "config", ".cfg": "config", ".ini": "config", ".sh": "shell",
    ".bash": "shell", ".slurm": "shell", ".sbatch": "shell", ".cu": "cuda", ".cuh": "cuda",
    ".zsh": "shell", ".pbs": "shell", ".lsf": "shell", ".job": "shell", ".cpp": "cuda",
    ".mk": "make", ".jenkinsfile": "jenkins", ".def": "docker", ".env": "shell",
    ".cc": "cuda", ".cxx": "cuda", ".h": "cuda", ".hpp": "cuda",
}  # fmt: skip
_NAMED: dict[str, FileKind] = {
    "makefile": "make", "gnumakefile": "make", "jenkinsfile": "jenkins", "pipfile": "config",
    ".env": "shell",
}  # fmt: skip
_VENDORED = {"third_party", "thirdparty", "3rdparty", "vendor", "vendored", "_vendor", "external"}
_TESTS = {"test", "tests", "testing"}
_EXAMPLES = {
    "example", "examples", "demo", "demos", "benchmark", "benchmarks", "notebooks",
    "tutorial", "tutorials", "sample", "samples",
}  # fmt: skip
_TOOLS = {"tools", "scripts", "docker", ".github", "ci", "utils_ci", "docs", "doc"}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to read. `name` is its path as the user would write it."""

    path: Path
    name: str
    kind: FileKind
    role: Role


@dataclass(slots=True)
class Walk:
    """A walk over the files below `root` that may tie a project to CUDA, in the order of names.

    `exclude` holds patterns of paths relative to `base` (else to the root), as `legacy/*`.
    `problems` fills with what could not be entered or read, as (path, reason), while one iterates;
    `excluded` with the files and folders that a pattern leaves out.
    """

    root: Path
    exclude: Sequence[str] = ()
    base: Path | None = None
    problems: list[tuple[str, str]] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[SourceFile]:
        """The files.

        Raises:
            UsageError: when the root does not exist or cannot be read.
        """
        root = self.root
        if root.is_file():
            yield SourceFile(root, shown_path(root), _kind_of_one(root), "code")
            return
        if not root.is_dir():
            raise UsageError(
                f"checking {root}: got no such file or folder, expected a Python file, a folder "
                "or file.py:function"
            )
        if not os.access(root, os.R_OK | os.X_OK):
            raise UsageError(
                f"checking {root}: got an unreadable folder; ask for the right to read it"
            )
        yield from self._below(root)

    def _below(self, folder: Path) -> Iterator[SourceFile]:
        try:
            entries = sorted(os.scandir(folder), key=lambda e: e.name)
        except OSError as error:
            self.problems.append((shown_path(folder), f"{SHUT}{error.strerror}"))
            return
        for entry in entries:
            path = Path(entry.path)
            if self._is_excluded(path):
                self.excluded.append(shown_path(path))
                continue
            try:
                is_folder, is_file = entry.is_dir(follow_symlinks=False), entry.is_file()
            except OSError as error:  # a link that leads to itself
                self.problems.append((shown_path(path), f"{error.strerror}"))
                continue
            if is_folder:
                if not _is_foreign(path):
                    yield from self._below(path)
            elif is_file and (kind := kind_of(path)) is not None:
                yield SourceFile(path, shown_path(path), kind, _role(path.relative_to(self.root)))

    def _is_excluded(self, path: Path) -> bool:
        if not self.exclude:
            return False
        inside = os.path.relpath(path, self.base or self.root).replace(os.sep, "/")
        return any(fnmatch.fnmatch(inside, pattern.rstrip("/")) for pattern in self.exclude)


def shown_path(path: Path) -> str:
    """The path as text that can be printed; bytes that are no UTF-8 are shown as such."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _kind_of_one(file: Path) -> FileKind:
    """The kind of a file that is named by itself: its name says it, or its first line does."""
    kind = kind_of(file)
    if kind is not None:
        return kind
    try:
        with file.open("rb") as stream:
            first = stream.readline(200)
    except OSError:
        first = b"#!python"  # the reader says why it cannot be read
    if first.startswith(b"#!") and b"python" in first:
        return "python"
    raise UsageError(f"checking {file}: got a file of unknown kind, expected a .py or .ipynb file")


def _is_foreign(folder: Path) -> bool:
    """True for folders that hold no source of the project."""
    if folder.name in _SKIPPED:
        return True
    if folder.name in _BUILT and not (folder / "__init__.py").exists():
        return True
    return any((folder / name).exists() for name in _ENVIRONMENT)


def kind_of(path: Path) -> FileKind | None:
    """What a file is by its name; None for files that are never read."""
    name = path.name.lower()
    if name.startswith(("dockerfile", "containerfile")) or name.endswith(".dockerfile"):
        return "docker"
    if _REQUIREMENTS.fullmatch(name) or (name.endswith(".txt") and _in_requirements(path)):
        return "requirements"
    return _NAMED.get(name) or _KINDS.get(path.suffix.lower())


def _in_requirements(path: Path) -> bool:
    return path.parent.name.lower() in ("requirements", "reqs")


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
