"""What a build takes of a project, where its files say that by name.

A helper that is not among it would be missing once the project is installed. Where a build finds
its files by itself, or by rules that are not read here, it is taken to find all.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glia.port.fix.surroundings.build_files import (
    BUILD_FILES,
    pyproject,
    setup_call,
    setup_cfg,
    table,
)

_OTHERS = {"setup", "conftest", "noxfile", "toxfile", "dodo", "fabfile", "tasks", "pavement"}


@dataclass(frozen=True, slots=True)
class Listed:
    """What one build takes, besides what lies in its own folders of packages: single files,
    the files of single folders, all below a folder, and what patterns name.

    `advice` tells how a file is added, of which `{0}` is the name and `{1}` that of one beside it.
    """

    top: Path
    advice: str
    files: frozenset[Path] = frozenset()
    folders: frozenset[Path] = frozenset()
    trees: frozenset[Path] = frozenset()
    patterns: tuple[str, ...] = ()

    def takes(self, path: Path) -> bool:
        """True for a file that is built."""
        if path in self.files or path.parent in self.folders:
            return True
        if not self.trees.isdisjoint((path, *path.parents)):
            return True
        inside = path.relative_to(self.top).as_posix()
        return any(fnmatch.fnmatch(inside, pattern) for pattern in self.patterns)


@dataclass(slots=True)
class Builds:
    """Answers for all files; each build is read once."""

    _known: dict[Path, Listed | None] = field(default_factory=dict)

    def keeps(self, file: Path, helper: Path) -> bool:
        """True when the helper is there wherever the file is."""
        own, other = self._of(file.parent), self._of(helper.parent)
        return own is None or other is None or not own.takes(file) or other.takes(helper)

    def refusal(self, file: Path, name: str) -> str:
        """Why a helper beside a file would be missing once that is installed; or empty."""
        own = self._of(file.parent)
        if own is None or self.keeps(file, file.with_name(f"{name}.py")):
            return ""
        advice = own.advice.format(name, file.stem)
        return f"the build takes this file, and would not take a helper beside it: {advice}"

    def _of(self, folder: Path) -> Listed | None:
        """The build that a folder belongs to."""
        if folder not in self._known:
            if any((folder / name).is_file() for name in BUILD_FILES) or folder.parent == folder:
                self._known[folder] = _listed(folder)
            else:
                self._known[folder] = self._of(folder.parent)
        return self._known[folder]


def _listed(folder: Path) -> Listed | None:
    """What the build of a folder says; None where it finds its files by itself."""
    data = pyproject(folder)
    backend = str(table(data, "build-system").get("build-backend", "setuptools"))
    for name, read in _READERS.items():
        if backend.startswith(name):
            return read(folder, data)
    return None


# -- setuptools ----------------------------------------------------------------------------------


def _setuptools(folder: Path, data: dict[str, Any]) -> Listed | None:
    own, options, call = table(data, "tool", "setuptools"), setup_cfg(folder), setup_call(folder)
    if options is None and call is None and not ("project" in data or "build-system" in data):
        return None  # nothing is built
    said = {
        "pyproject.toml": {key.replace("-", "_"): value for key, value in own.items()},
        "setup.cfg": {key: _option(key, text) for key, text in (options or {}).items()},
        "setup.py": call or {},
    }
    if "**" in said["setup.py"]:
        return None
    keys = ("py_modules", "packages", "ext_modules", "package_dir")
    modules, packages, extensions, roots = (
        next((file[key] for file in said.values() if file.get(key)), None) for key in keys
    )
    if modules is ... or roots is ...:
        return None
    if not (modules or packages or extensions):
        return _found_by_setuptools(folder)
    roots = {str(k): folder / str(v) for k, v in (roots or {}).items()}
    base = roots.get("", folder)
    where = next((name for name, file in said.items() if file.get("py_modules")), "pyproject.toml")
    key = "py-modules" if where == "pyproject.toml" else "py_modules"
    return Listed(
        folder,
        f'add "{{0}}" to {key} in {where}, and run this again',
        frozenset(base / f"{str(name).replace('.', '/')}.py" for name in modules or ()),
        _packages(base, packages, roots),
        frozenset() if isinstance(packages, (list, tuple)) else _folders(base),
    )


def _option(key: str, text: str) -> Any:
    """An option of `setup.cfg` as `setup()` would be given it."""
    if text.strip().startswith(("find:", "find_namespace:", "attr:", "file:")):
        return {"find": {}}
    words = [word for word in re.split(r"[\s,]+", text) if word]
    if key == "package_dir":
        return dict(part.split("=", 1) for part in words if "=" in part)
    return words


def _packages(base: Path, packages: Any, roots: dict[str, Path]) -> frozenset[Path]:
    """The folders of packages that are named one by one."""
    names = packages if isinstance(packages, (list, tuple)) else ()
    return frozenset(roots.get(str(n), base / str(n).replace(".", "/")) for n in names)


def _found_by_setuptools(folder: Path) -> Listed | None:
    """A project with its modules beside `pyproject.toml`: packages, else a single module."""
    if (folder / "src").is_dir():
        return None
    packages = [path for path in _folders(folder) if (path / "__init__.py").is_file()]
    modules = [p for p in folder.glob("*.py") if p.stem not in _OTHERS and p.is_file()]
    if packages or len(modules) != 1:
        return None
    advice = 'write py-modules = ["{1}", "{0}"] under [tool.setuptools] in pyproject.toml'
    return Listed(folder, f"{advice}, and run this again", frozenset(modules))


def _folders(folder: Path) -> frozenset[Path]:
    try:
        return frozenset(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return frozenset()


# -- others --------------------------------------------------------------------------------------


def _hatch(folder: Path, data: dict[str, Any]) -> Listed | None:
    build = table(data, "tool", "hatch", "build")
    said = {**build, **table(build, "targets", "wheel")}
    keys = ("include", "packages", "only-include")
    found = [str(name).strip("/") for key in keys for name in said.get(key, ())]
    if not found:
        return _by_name(folder, data, 'write include = ["{1}.py", "{0}.py"] under hatch\'s wheel')
    key = next(key for key in keys if said.get(key))
    return _of_patterns(folder, f'add "{{0}}.py" to {key} of hatch', found)


def _poetry(folder: Path, data: dict[str, Any]) -> Listed | None:
    own = table(data, "tool", "poetry")
    packages = [p for p in own.get("packages", ()) if isinstance(p, dict)]
    add = '{{include = "{0}.py"}}'
    if not packages:
        first = '{{include = "{1}.py"}}'
        return _by_name(folder, data, f"write packages = [{first}, {add}] under [tool.poetry]")
    found = [f"{p.get('from', '')}/{p.get('include', '')}".strip("/") for p in packages]
    return _of_patterns(folder, f"add {add} to packages of [tool.poetry]", found)


def _flit(folder: Path, data: dict[str, Any]) -> Listed | None:
    return _by_name(folder, data, "flit takes one module or package: make this a package")


def _of_patterns(folder: Path, advice: str, found: list[str]) -> Listed:
    trees = frozenset(folder / name for name in found)
    return Listed(folder, f"{advice} in pyproject.toml, and run this again", trees=trees,
                  patterns=tuple(name for name in found if "*" in name))  # fmt: skip


def _by_name(folder: Path, data: dict[str, Any], advice: str) -> Listed | None:
    """The module or package that has the name of the project."""
    tools = (table(data, "tool", "flit", "module"), table(data, "project"))
    named = next((t["name"] for t in (*tools, table(data, "tool", "poetry")) if "name" in t), "")
    name = re.sub(r"[-.]+", "_", str(named))
    for base in (folder, folder / "src"):
        for place in (base / name, base / f"{name}.py"):
            if name and place.exists():
                advice = f"{advice} in pyproject.toml, and run this again"
                return Listed(folder, advice, trees=frozenset({place}))
    return None


_READERS = {"setuptools": _setuptools, "hatchling": _hatch, "poetry": _poetry, "flit": _flit}
