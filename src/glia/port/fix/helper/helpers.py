"""The helpers of a project: those that are there, the name for new ones, and what all must have.

All have one name and the same functions, so that whichever Python finds first serves every file.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from glia.port.fix.editing.documents import PythonFile
from glia.port.fix.helper.helper_text import (
    HELPER_NAME,
    extended,
    functions_in,
    helper_text,
    is_helper,
)
from glia.port.fix.surroundings.neighbours import Neighbours
from glia.port.fix.surroundings.taken import answers_all, is_spoken_for
from glia.port.source.files.text import reason_of


@dataclass(frozen=True, slots=True)
class Change:
    """One file that differs; `old` is None when it is new."""

    path: Path
    old: bytes | None
    new: bytes


@dataclass(slots=True)
class Helpers:
    """The helpers that can be seen around the files; only those below `inside` are changed."""

    around: Neighbours
    inside: Path
    files: dict[Path, Path] = field(init=False)  # by their folder, those with the common name
    names: frozenset[str] = field(init=False)  # all that are used
    name: str = field(init=False)
    notes: list[str] = field(default_factory=list)
    _all: list[Path] = field(init=False)

    def __post_init__(self) -> None:
        texts = self.around.texts
        self._all = sorted(f for f, t in texts.items() if f.suffix == ".py" and is_helper(t))
        counted = Counter(file.stem for file in self._all)
        self.names = frozenset(counted)
        common = min(counted, key=lambda name: (-counted[name], name)) if counted else ""
        self.name = common or self._free_name()
        self.files = {file.parent: file for file in self._all if file.stem == self.name}

    def _free_name(self) -> str:
        name = HELPER_NAME
        folders = {file.parent for file in self.around.texts}
        while (
            self.around.knows(name)
            or is_spoken_for(name, self.around.texts)
            or any(_is_taken(folder, name) for folder in folders)
        ):
            name += "_device"
        return name

    def is_free(self, folder: Path) -> bool:
        """True for a folder that has the helper, or where nothing else has its name."""
        if folder in self.files:
            return True
        if answers_all(self.around.texts.get(folder / "__init__.py", "")):
            return False
        return not _is_taken(folder, self.name)

    def is_inside(self, path: Path) -> bool:
        """True for what may be written."""
        return self.inside in path.parents

    def lacking(self, homes: Iterable[Path], functions: Collection[str]) -> str:
        """Why these functions cannot be had of helpers that may not be changed; or empty."""
        for home in sorted(homes):
            file = self.files.get(home)
            if file is None or self.is_inside(file):
                continue
            missing = sorted(set(functions) - functions_in(self.around.texts[file]))
            if missing:
                return (
                    f"the helper {file}, outside of what is fixed, lacks {', '.join(missing)}; "
                    f"fix {file.parent} as a whole"
                )
        return ""

    def changes(self, homes: Collection[Path], functions: Collection[str]) -> list[Change]:
        """New helpers for these folders, and what those that are there lack. All get all."""
        own = [file for file in self._all if self.is_inside(file)]
        seen = [self.files[h] for h in homes if h in self.files]
        wanted = set(functions)
        for file in {*own, *seen}:
            wanted |= functions_in(self.around.texts[file])
        found = [change for file in own if (change := self._completed(file, wanted)) is not None]
        model = self._model(homes, wanted)
        new = sorted(home for home in homes if home not in self.files)
        return found + [Change(home / f"{self.name}.py", None, model) for home in new]

    def _model(self, homes: Collection[Path], wanted: Collection[str]) -> bytes:
        """What a new helper has: the text of one that is there, which the project may have made
        its own, or a fresh one."""
        for file in sorted(self.files.values(), key=lambda f: (f.parent not in homes, f)):
            change = self._completed(file, wanted)
            return change.new if change is not None else file.read_bytes()
        return helper_text(wanted).encode("utf-8")

    def _completed(self, file: Path, wanted: Collection[str]) -> Change | None:
        try:
            raw = file.read_bytes()
            document = PythonFile(raw)
            new = document.bytes_of(extended(document.text, wanted))
        except (OSError, SyntaxError, ValueError) as error:
            note = f"{file}: the helper is not read any more: {reason_of(error)}"
            self.notes += [note] if note not in self.notes else []
            return None
        return Change(file, raw, new) if new != raw else None


def _is_taken(folder: Path, name: str) -> bool:
    """Something stands where a helper of this name would, be it a link that leads nowhere."""
    return any(os.path.lexists(folder / form) for form in (f"{name}.py", name))
