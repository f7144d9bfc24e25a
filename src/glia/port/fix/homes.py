"""Where the helper stands, so that every file that needs it can import it.

A file finds a module in its own package, in a package that it imports anyway, or beside itself when
it is a script. As few helpers as possible are written: mostly one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from glia.port.source.module import Module


@dataclass(frozen=True, slots=True)
class Home:
    """A folder for a helper; `package` is its dotted name, empty for a folder of scripts."""

    folder: Path
    package: str


@dataclass(frozen=True, slots=True)
class Import:
    """How one file imports the helper of its home."""

    home: Home
    relative: str  # "." or "..", or empty

    def code(self, name: str, alias: str) -> str:
        """The statement."""
        suffix = "" if alias == name else f" as {alias}"
        origin = self.relative or self.home.package
        return f"from {origin} import {name}{suffix}" if origin else f"import {name}{suffix}"


def choose_homes(modules: Sequence[tuple[Path, Module]], root: Path) -> dict[Path, Import]:
    """For each file the helper it uses: the home that serves most files is taken first."""
    options = {path: _options(path, module, root) for path, module in modules}
    chosen: dict[Path, Import] = {}
    while len(chosen) < len(options):
        served: dict[Home, list[Path]] = {}
        for path, imports in options.items():
            if path not in chosen:
                for option in imports:
                    served.setdefault(option.home, []).append(path)
        best = min(served, key=lambda home: _rank(home, served))
        for path in served[best]:
            chosen[path] = next(option for option in options[path] if option.home == best)
    return chosen


def _rank(home: Home, served: Mapping[Home, Collection[Path]]) -> tuple[int, bool, bool, int, str]:
    """The most files first; of equal ones a folder that has one of them, then a package, which is
    found from anywhere."""
    files = served[home]
    is_foreign = not any(home.folder in path.parents for path in files)
    return (-len(files), is_foreign, not home.package, len(home.folder.parts), str(home.folder))


def _options(path: Path, module: Module, root: Path) -> list[Import]:
    """Where this file could import from, the best first."""
    found: list[Import] = []
    package = _package_of(path)
    base = _base_of(path)
    if package:
        found.append(_within(path, module, package, base))
        if _is_run_beside(base, package.split(".")[0]):
            found.append(Import(Home(base, ""), ""))
    for name in sorted(_imported_roots(module)):
        for folder in dict.fromkeys((base, path.parent, root, root / "src")):
            if (folder / name / "__init__.py").is_file() and name != package.split(".")[0]:
                found.append(Import(Home(folder / name, name), ""))
    if not package:
        found.append(Import(Home(path.parent, ""), ""))
        if root != path.parent and _imports_from(module, root, path.parent):
            found.insert(0, Import(Home(root, ""), ""))
    elif not found:
        found.append(Import(Home(path.parent, ""), ""))
    return found


@cache
def _is_run_beside(base: Path, package: str) -> bool:
    """Scripts beside the package import it, and it is not installed: their folder is searched."""
    if any((base / name).exists() for name in ("setup.py", "pyproject.toml", "setup.cfg")):
        return False
    needle = re.compile(rf"^\s*(from|import)\s+{package}\b", re.MULTILINE)
    scripts = sorted(base.glob("*.py"))
    return any(needle.search(script.read_text("utf-8", "replace")) for script in scripts)


def _within(path: Path, module: Module, package: str, base: Path) -> Import:
    """The helper at the top of the file's own package, imported as the file imports its own."""
    top = package.split(".")[0]
    home = Home(base / top, top)
    imports = [n for n in module.nodes if isinstance(n, ast.ImportFrom)]
    is_relative = any(node.level for node in imports)
    is_absolute = top in _imported_roots(module)
    if is_relative or not (is_absolute or _is_script(module)):
        depth = len(package.split("."))
        return Import(home, "." * depth)
    if is_absolute or not _imports_from(module, path.parent, base):
        return Import(home, "")
    return Import(Home(path.parent, ""), "")  # it is run from its folder, as a script


def _package_of(path: Path) -> str:
    """The dotted package that the file lies in, by the `__init__.py` around it."""
    parts: list[str] = []
    folder = path.parent
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        parts.append(folder.name)
        folder = folder.parent
    return ".".join(reversed(parts))


def _base_of(path: Path) -> Path:
    """The folder that must be on Python's path for the file's package to be found."""
    folder = path.parent
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        folder = folder.parent
    return folder


def _imported_roots(module: Module) -> set[str]:
    """First names of what the file imports absolutely, anywhere in it."""
    found: set[str] = set()
    for node in module.nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def _imports_from(module: Module, folder: Path, other: Path) -> bool:
    """True when the file imports a module that lies in `folder`, and not in `other`."""
    return any(
        _is_module(folder, name) and not _is_module(other, name) for name in _imported_roots(module)
    )


def _is_module(folder: Path, name: str) -> bool:
    return (folder / f"{name}.py").is_file() or (folder / name).is_dir()


def _is_script(module: Module) -> bool:
    """It has an `if __name__ == "__main__":`."""
    return any(
        isinstance(n, ast.If) and any(getattr(m, "id", "") == "__name__" for m in ast.walk(n.test))
        for n in module.tree.body
    )
