"""What a kernel file imports as its own: the package that it is part of, and the files beside it.

Two files of one command may each have a neighbour of the same name (two versions of one kernel do),
so the modules of a file are in `sys.modules` only while its code runs.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

_MARKS = ("pyproject.toml", "setup.py", "setup.cfg", ".git")
_OURS = ("glia", "nki")
INSTALLED = frozenset(("site-packages", "dist-packages"))


@dataclass(frozen=True, slots=True)
class Home:
    """A file's dotted name, and the folder that Python finds it from; no dots: it stands alone."""

    root: Path
    name: str

    @property
    def in_package(self) -> bool:
        """True when the file is a module of a package, so that `from .x import y` works in it."""
        return "." in self.name

    @property
    def top(self) -> str:
        """The outermost package, or the file itself."""
        return self.name.split(".")[0]


def home_of(path: Path) -> Home:
    """Where Python finds a file.

    Folders with an `__init__.py` around it are its packages. Where it has none, but relative
    imports, folders are packages up to `src` or the folder of the project, and at least as many as
    the imports climb.
    """
    path = path.resolve()
    folders = list(_packages(path.parent))
    climbs = relative_imports(path)
    if not folders and climbs:
        folders = _namespaces(path.parent, climbs)
    if not folders:
        return Home(path.parent, path.stem)
    names = [folder.name for folder in reversed(folders)]
    own = [] if path.stem == "__init__" else [path.stem]
    return Home(folders[-1].parent, ".".join([*names, *own]))


def _packages(folder: Path) -> Iterator[Path]:
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        yield folder
        folder = folder.parent


def _namespaces(folder: Path, num_levels: int) -> list[Path]:
    """Folders that serve as packages without saying so, innermost first."""
    found: list[Path] = []
    for here in (folder, *folder.parents):
        is_end = here.name == "src" or any((here / mark).exists() for mark in _MARKS)
        if is_end and len(found) >= num_levels:
            return found
        if not here.name.isidentifier():
            break
        found.append(here)
    # No project around it: no more than what the imports need.
    return found[:num_levels]


def relative_imports(path: Path) -> int:
    """The most dots of a relative import of the file; 0 when it has none, or does not parse."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, MemoryError, RecursionError):
        return 0
    found = (node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return max(found, default=0)


class Surroundings:
    """A file's package and neighbours: found and at hand inside `at_hand`, and nowhere else."""

    def __init__(self, path: Path, home: Home) -> None:
        self._folders = list(dict.fromkeys(map(str, (home.root, path.resolve().parent))))
        self._root = home.root
        self._top = home.top if home.in_package else ""
        self._own: dict[str, ModuleType] = {}

    @contextmanager
    def at_hand(self) -> Iterator[None]:
        """Inside, the file's own imports work as they do where the file is at home."""
        before, path = dict(sys.modules), list(sys.path)
        sys.path[:0] = self._folders
        for name, module in before.items():
            if self._is_of_package(name) and not self._is_here(module):
                del sys.modules[name]
        sys.modules.update(self._own)
        importlib.invalidate_caches()
        try:
            yield
        finally:
            self._own = dict(self._new(before))
            for name in self._own:
                del sys.modules[name]
            for name, module in before.items():
                sys.modules.setdefault(name, module)
            sys.path[:] = path

    def _is_of_package(self, name: str) -> bool:
        """True for the file's package and all in it, whoever put a module of that name there."""
        top = name.partition(".")[0]
        return top == self._top and top not in _OURS

    def _new(self, before: Mapping[str, ModuleType]) -> Iterator[tuple[str, ModuleType]]:
        for name, module in list(sys.modules.items()):
            known = before.get(name) is module
            if not known and name.split(".")[0] not in _OURS and self._is_here(module):
                yield name, module

    def _is_here(self, module: ModuleType) -> bool:
        """True for a module that lies under the file's root, and was not installed there."""
        # Not by getattr: modules that make attributes up (torch.ops) would answer.
        known = vars(module) if isinstance(module, ModuleType) else {}
        origin = getattr(known.get("__spec__"), "origin", None)
        places = [*(known.get("__path__") or ()), known.get("__file__"), origin]
        for place in filter(None, places):
            path = Path(place)
            if self._root in path.parents or path == self._root:
                return INSTALLED.isdisjoint(path.relative_to(self._root).parts)
        return False
