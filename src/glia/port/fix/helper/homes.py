"""Where the helper stands, so that every file that needs it can import it however it is loaded.

A file is run as a script, or imported by others; each of these ways is a `Way`, in which certain
folders are searched for modules. A home serves a file when its import works in all ways. As few
homes as possible are taken, those that are there already before new ones.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from glia.port.fix.helper.helpers import Helpers
from glia.port.fix.surroundings.builds import Builds
from glia.port.fix.surroundings.by_path import loaded_by_path
from glia.port.fix.surroundings.neighbours import Neighbours, Site, base_of, is_installed

_MOST_WAYS = 3  # folders that a file with no home in common is given helpers in


@dataclass(frozen=True, slots=True)
class Way:
    """One way to load a file: the folders that are searched for modules then, those in which
    packages are found, and the topmost folder of the package that the file is part of, if any."""

    searched: frozenset[Path]
    bases: frozenset[Path]
    top: Path | None


@dataclass(frozen=True, slots=True)
class Import:
    """How one file imports the helper. `homes` are the folders of which each must have one.

    `origin` is what stands behind `from`: dots, or a package; empty for a plain import. `line` is
    that of the import which shows that the home is found; 0 where it always is.
    """

    homes: frozenset[Path]
    origin: str
    line: int = 0

    def code(self, name: str, alias: str) -> str:
        """The statement."""
        suffix = "" if alias == name else f" as {alias}"
        return f"{f'from {self.origin} ' if self.origin else ''}import {name}{suffix}"


@dataclass(frozen=True, slots=True)
class Client:
    """A file that needs the helper. `first_use`: the line that needs it while the file is imported;
    `is_plain`: it has `import accel` already."""

    file: Path
    first_use: int
    is_plain: bool = False


def choose_homes(
    clients: Sequence[Client], around: Neighbours, helpers: Helpers, builds: Builds
) -> dict[Path, Import]:
    """For each file its import; files that none serves are left out.

    New homes are where files may be written; those that are there may be anywhere. What is built
    finds its helper in the build.
    """
    finder = _Finder(around, helpers, builds)
    options = {client.file: finder.imports(client) for client in clients}
    open_files = {file for file, found in options.items() if found}
    homes: frozenset[Path] = frozenset(helpers.files)
    chosen: dict[Path, Import] = {}
    while True:
        for file in sorted(open_files - set(chosen)):
            ready = [option for option in options[file] if option.homes <= homes]
            if ready:
                chosen[file] = ready[0]
        waiting = open_files - set(chosen)
        if not waiting:
            return chosen
        served: Counter[frozenset[Path]] = Counter(
            new for file in waiting for new in {o.homes - homes for o in options[file]}
        )
        best = min(served, key=lambda new: _rank(new, served, waiting))
        homes = homes | best


def _rank(
    new: frozenset[Path], served: Mapping[frozenset[Path], int], waiting: Iterable[Path]
) -> tuple[float, bool, bool, int, list[str]]:
    """The most files for each new home first; of equal ones a folder that has one of them, then a
    package, which is found from anywhere."""
    is_foreign = not any(home in file.parents for home in new for file in waiting)
    is_package = all((home / "__init__.py").exists() for home in new)
    depth = sum(len(home.parts) for home in new)
    return (-served[new] / len(new), is_foreign, not is_package, depth, sorted(map(str, new)))


class _Finder:
    """The ways to load files, and the imports that work in all of them."""

    def __init__(self, around: Neighbours, helpers: Helpers, builds: Builds) -> None:
        self._around, self._helpers, self._builds = around, helpers, builds
        self._ways: dict[Path, list[Way]] = {}
        self._loaders = loaded_by_path(around.texts)

    def imports(self, client: Client) -> list[Import]:
        """What works, the best first."""
        ways = self.ways(client.file)
        shown = self._shown(client.file)
        makers = (self._relative, self._dotted, self._plain)[2 * client.is_plain :]
        found = [option for make in makers for option in make(client, ways, shown)]
        return [
            option
            for option in found
            if option.line < client.first_use
            and all(map(self._is_allowed, option.homes))
            and self._is_built(client.file, option)
        ]

    def _is_built(self, file: Path, option: Import) -> bool:
        """One of the homes at least is there when the file is installed."""
        name = f"{self._helpers.name}.py"
        return any(self._builds.keeps(file, home / name) for home in option.homes)

    def _is_allowed(self, home: Path) -> bool:
        if home in self._helpers.files:
            return True
        inside = home == self._helpers.inside or self._helpers.is_inside(home)
        return inside and self._helpers.is_free(home)

    # -- ways ------------------------------------------------------------------------------------

    def ways(self, file: Path) -> list[Way]:
        """All ways to load a file that can be seen."""
        if file in self._ways:
            return self._ways[file]
        self._ways[file] = []  # while it is asked for: files may import each other
        shown = frozenset(self._shown(file))
        found = [
            way
            for importer, how in self._around.importers(file)
            for way in self._imported(file, importer, how.base, how.package)
        ]
        found += [
            Way(way.searched | self._folders(file), way.bases | shown, None)
            for loader in sorted(self._loaders.get(file, ()))
            for way in self.ways(loader)
        ]
        base, is_member = base_of(file), base_of(file) != file.parent
        if is_member and (is_installed(base) or not found):
            found.append(Way(frozenset(), shown | {base}, _below(base, file)))
        if self._is_run(file, bool(found)):
            here = self._folders(file) or frozenset({file.parent})
            installed = {base} if is_member and is_installed(base) else set()
            found.append(Way(here, shown | installed, None))
        if not found:  # its own imports say that it is part of a package
            found.append(Way(self._folders(file), shown, self._package(file)))
        self._ways[file] = list(dict.fromkeys(found))
        return self._ways[file]

    def _imported(
        self,
        file: Path,
        importer: Path,
        base: Path | None,
        package: Path | None,
    ) -> Iterator[Way]:
        shown, folders = frozenset(self._shown(file)), self._folders(file)
        if base is not None:
            top = _below(base, file)
            is_folder = importer.parent == base or top is None or not _may_be_installed(top)
            searched = frozenset({base} if is_folder else ())
            yield Way(searched | folders, shown | {base}, top)
            return
        assert package is not None
        top = _below(base_of(file), file) or package
        for way in self.ways(importer) or [Way(frozenset(), frozenset(), None)]:
            yield Way(way.searched | folders, way.bases | shown, way.top or top)

    def _is_run(self, file: Path, is_imported: bool) -> bool:
        """As a script: it says so, or it is part of nothing else."""
        if any(site.level and site.eager for site in self._around.sites(file)):
            return False
        text = self._around.texts.get(file, "")
        says_so = "__main__" in text and "__name__" in text
        return says_so or file.suffix != ".py" or not is_imported

    def _package(self, file: Path) -> Path:
        """The topmost folder that the dots of its imports name."""
        levels = [site.level for site in self._around.sites(file) if site.level]
        return file.parents[min(max(levels, default=1), len(file.parents)) - 1]

    def _shown(self, file: Path) -> dict[Path, int]:
        """Folders that are searched whenever the file is loaded, as its own imports show, with the
        line of the first that does."""
        found: dict[Path, int] = {}
        late = "sys.path" in self._around.texts.get(file, "")
        for site, base in self._evidence(file):
            found.setdefault(base, site.line if late else 0)
        return found

    def _folders(self, file: Path) -> frozenset[Path]:
        """Those of them in which modules are found too: a package may be installed instead."""
        return frozenset(
            base
            for site, base in self._evidence(file)
            if not _may_be_installed(base / site.module.split(".")[0])
        )

    def _evidence(self, file: Path) -> Iterator[tuple[Site, Path]]:
        for site in self._around.sites(file):
            if site.eager and not site.level:
                for hit in self._around.resolve(file, site):
                    if hit.base is not None and not self._is_helper(hit.file):
                        yield site, hit.base

    def _is_helper(self, file: Path) -> bool:
        return self._helpers.files.get(file.parent) == file

    # -- imports ---------------------------------------------------------------------------------

    def _relative(
        self, client: Client, ways: Sequence[Way], shown: Mapping[Path, int]
    ) -> Iterator[Import]:
        """`from .. import accel`: the topmost folder that is part of the package in all ways."""
        tops = [way.top for way in ways]
        file = client.file
        if self._style(file) == "dotted" and self._dotted_works(file, ways):
            return
        folders = [
            folder
            for folder in file.parents
            if all(top is not None and (folder == top or top in folder.parents) for top in tops)
        ]
        folders.sort(key=lambda folder: (folder not in self._helpers.files, len(folder.parts)))
        found = (
            Import(frozenset({folder}), "." * (1 + file.parents.index(folder)))
            for folder in folders
            if self._is_allowed(folder)
        )
        built = (option for option in found if self._is_built(file, option))
        yield from itertools.islice(built, 1 if tops else 0)

    def _style(self, file: Path) -> str:
        sites = self._around.sites(file)
        if any(site.level for site in sites):
            return "relative"
        text = self._around.texts.get(file, "")
        return "dotted" if self._named(file) or "__main__" in text else "relative"

    def _named(self, file: Path) -> Path | None:
        """Where the package stands that the file is part of and names in full: also one whose
        folders have no `__init__.py`."""
        found = (
            base
            for site, base in self._evidence(file)
            if base / site.module.split(".")[0] in file.parents
        )
        return next(found, None)

    def _dotted_works(self, file: Path, ways: Sequence[Way]) -> bool:
        base = self._named(file) or base_of(file)
        return all(base in way.bases for way in ways)

    def _dotted(
        self, client: Client, ways: Sequence[Way], shown: Mapping[Path, int]
    ) -> Iterator[Import]:
        """`from package import accel`: of a package that the file is part of, or imports."""
        bases = frozenset.intersection(*(way.bases for way in ways)) if ways else frozenset()
        imported = {
            site.module.split(".")[0]
            for site in self._around.sites(client.file)
            if site.eager and not site.level
        }
        for base in sorted(bases):
            own = _below(base, client.file)
            names = {*imported, own.name, *self._used_by(own)} if own is not None else imported
            for home in self._packages(base, names):
                name = ".".join(home.relative_to(base).parts)
                yield Import(frozenset({home}), name, shown.get(base, 0))

    @cache  # noqa: B019 the finder lives as long as one run
    def _used_by(self, package: Path) -> frozenset[str]:
        """Packages beside one that it cannot be without, and which do not need it in turn."""
        used = self._needed(package)
        return frozenset(n for n in used if package.name not in self._needed(package.parent / n))

    @cache  # noqa: B019
    def _needed(self, package: Path) -> frozenset[str]:
        return frozenset(
            site.module.split(".")[0]
            for file in self._around.texts
            if package in file.parents
            for site in self._around.sites(file)
            if site.eager and not site.level and site.module.split(".")[0] != package.name
        )

    def _packages(self, base: Path, names: Iterable[str]) -> Iterator[Path]:
        """The packages of these names in a folder, and those below that have a helper."""
        for name in sorted(names):
            folder = base / name
            is_real = folder.is_dir() and not folder.is_symlink() and name.isidentifier()
            if is_real and self._is_package(folder):
                yield from (home for home in sorted(self._helpers.files) if folder in home.parents)
                yield folder

    def _is_package(self, folder: Path) -> bool:
        return (folder / "__init__.py").is_file() or any(folder.glob("*.py"))

    def _plain(
        self, client: Client, ways: Sequence[Way], shown: Mapping[Path, int]
    ) -> Iterator[Import]:
        """`import accel`: from a folder that is searched in all ways, else one for each way."""
        if not ways or not all(way.searched for way in ways):
            return
        together = frozenset.intersection(*(way.searched for way in ways))
        for home in sorted(together, key=lambda home: (home != client.file.parent, str(home))):
            yield Import(frozenset({home}), "", shown.get(home, 0))
        if not together:
            choices = itertools.product(*(sorted(way.searched) for way in ways))
            sets = {frozenset(choice) for choice in itertools.islice(choices, 1000)}
            for homes in sorted(sets, key=lambda homes: (len(homes), sorted(map(str, homes)))):
                if len(homes) <= _MOST_WAYS:
                    yield Import(homes, "", max(shown.get(home, 0) for home in homes))


def _may_be_installed(package: Path) -> bool:
    return (package / "__init__.py").is_file() and is_installed(package.parent)


def _below(base: Path, file: Path) -> Path | None:
    """The folder in `base` that the file lies in; None when it lies in `base` itself."""
    if base not in file.parents or file.parent == base:
        return None
    return base / file.relative_to(base).parts[0]
