"""Which files of a project may be changed: its own, where they stand.

A link is not followed: the file it leads to is changed where it stands itself, if that is inside.
What lies in another repository (a submodule) is that one's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from glia.core.check_records import Unread
from glia.port.settings import Settings
from glia.port.source.files.project import SourceFile, Walk, shown_path

_READ = ("python", "notebook")
_SHOWN = 3


@dataclass(slots=True)
class Sources:
    """The files below a root, with their real paths; `links` and `foreign` are left alone."""

    root: Path
    settings: Settings
    folder: Path = field(init=False)  # where files may be written
    files: list[tuple[SourceFile, Path]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    problems: list[Unread] = field(default_factory=list)

    def __post_init__(self) -> None:
        real = self.root.resolve()
        self.folder = real.parent if real.is_file() else real
        walk = Walk(self.root, self.settings.exclude, self.settings.folder)
        other: dict[Path, Path | None] = {self.folder: None}
        for source in walk:
            if source.kind not in _READ:
                continue
            if source.path.is_symlink() and not self.root.is_file():
                if not self._is_inside(source.path.resolve()):
                    self.links.append(source.name)
                continue
            path = source.path.resolve()
            repository = _repository(path.parent, other)
            if repository is None:
                self.files.append((source, path))
            elif self.named(repository) not in self.foreign:
                self.foreign.append(self.named(repository))
        self.problems += [Unread(*problem) for problem in walk.problems]

    def _is_inside(self, path: Path) -> bool:
        return self.folder in path.parents

    def named(self, path: Path) -> str:
        """A path inside as the user would name it."""
        base = self.root.parent if self.root.is_file() else self.root
        return shown_path(base / path.relative_to(self.folder))

    def notes(self) -> Iterator[str]:
        """What is left alone, for the reader."""
        if self.links:
            yield f"links that lead out of {shown_path(self.root)} are not followed: " + _few(
                self.links
            )
        if self.foreign:
            yield "other repositories inside are left alone, fix them by themselves: " + _few(
                self.foreign
            )


def _repository(folder: Path, known: dict[Path, Path | None]) -> Path | None:
    """The repository inside of the root that a folder lies in."""
    if folder not in known:
        is_top = (folder / ".git").exists()
        known[folder] = folder if is_top else _repository(folder.parent, known)
    return known[folder]


def _few(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
