"""What names of other files of the project say about the machine: `from .env import has_gpu`.

A file that asks another is read once more when the answer is known. Nothing is imported.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

from glia.port.source.conditions.absence import skipped_unless
from glia.port.source.conditions.guards import guards_of
from glia.port.source.conditions.outcomes import NEVER, NOTHING
from glia.port.source.module import Answer, Answers, Module

_UNKNOWN: Answer = NOTHING, NOTHING
_MAX_ABOVE = 4  # folders above a single file in which the packages that it imports may stand
_HOMES = ("", "src", "lib", "python")
_END = 10**9  # a line behind all others

# How the file of a path becomes a module that asks others; None when it cannot.
Load = Callable[[Path, Answers], Module | None]


class ProjectAnswers:
    """The answers of the files below `root`, each looked for once."""

    def __init__(self, root: Path, load: Load) -> None:
        self._root = root.absolute() if root.is_dir() else None
        self._load = load
        self._modules: dict[Path, Module | None] = {}
        self._known: dict[tuple[Path, str], Answer] = {}

    def to(self, file: Path, question: str) -> Answer:
        """What a name as the file imports it says: `.env.HAS_CUDA`, `.env.has_gpu()`, and a
        decorator `@.testing.needs_gpu`."""
        kind, name = _parted(question)
        module, _, last = name.rpartition(".")
        dots = len(name) - len(name.lstrip("."))
        if dots:
            module = "." * dots + module.lstrip(".")
        for home in self._homes(file.absolute(), module, dots):
            answer = self._in(home, last, kind)
            if answer != _UNKNOWN:
                return answer
        return _UNKNOWN

    def _homes(self, file: Path, module: str, dots: int) -> Iterator[Path]:
        """The files that `module` may be for one that imports it, the nearest first."""
        parts = [part for part in module.split(".") if part]
        for folder in self._folders(file, dots):
            path = folder.joinpath(*parts)
            found = (path.with_name(f"{path.name}.py") if parts else path, path / "__init__.py")
            yield from (one for one in found if one.is_file())

    def _folders(self, file: Path, dots: int) -> Iterator[Path]:
        if dots:
            yield file.parents[dots - 1] if dots <= len(file.parents) else file.parent
            return
        for number, folder in enumerate(file.parents):
            yield from (folder / home for home in _HOMES)
            if folder == self._root or (self._root is None and number >= _MAX_ABOVE):
                return

    def _in(self, path: Path, name: str, kind: str) -> Answer:
        place = path, kind + name
        if place not in self._known:
            self._known[place] = _UNKNOWN  # files that ask each other
            self._known[place] = self._looked_up(path, name, kind)
        return self._known[place]

    def _looked_up(self, path: Path, name: str, kind: str) -> Answer:
        if path not in self._modules:
            self._modules[path] = self._load(path, lambda question: self.to(path, question))
        module = self._modules[path]
        if module is None or not (module.stars or module.mentions(name)):
            return _UNKNOWN
        outcomes = guards_of(module).outcomes
        asked: ast.expr = ast.Name(name, ast.Load(), lineno=_END, col_offset=0)
        if kind == "@":
            needed = skipped_unless(module, outcomes, [asked])
            return (NOTHING if needed == NEVER else needed), NOTHING
        if kind == "()":
            asked = ast.Call(asked, [], [])
        return outcomes.facts(asked, True), outcomes.facts(asked, False)


def _parted(question: str) -> tuple[str, str]:
    """`f()` as `()` and `f`, `@f` as `@` and `f`."""
    if question.startswith("@"):
        return "@", question[1:]
    if question.endswith("()"):
        return "()", question[:-2]
    return "", question
