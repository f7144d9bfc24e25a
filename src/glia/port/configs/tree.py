"""Settings as a tree of keys: YAML, JSON, TOML and INI give the same clues.

Each reader turns its file into scalars with the keys above them; what they mean is decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from glia.port.configs.clue import Clue, entry_key
from glia.port.configs.packages import conda_package, python_package
from glia.port.configs.shell import Word, command_clues, shell_clues

_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*_[A-Z0-9_]+")
_ASSIGNED = re.compile(r"([A-Z][A-Z0-9]*_[A-Z0-9_]+)=(.*)", re.DOTALL)
_COMMANDS = {
    "run", "command", "cmd", "script", "entrypoint", "setup", "args", "before_script", "commands",
    "launcher",
}  # fmt: skip
_IMAGES = {"image", "docker_image", "container", "base_image", "image_id", "image_name", "from"}
_PYPROJECT = (
    (("project", "dependencies"), ""),
    (("build-system", "requires"), ""),
    (("project", "optional-dependencies"), "import"),
    (("dependency-groups",), "import"),
)
_POETRY = ("tool", "poetry")


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value of the tree. `path` are its keys; in a list the key is that of the list, and
    `index` says where it stands. `raw` is a longer text as written, from `offset` on."""

    path: tuple[str, ...]
    value: str
    offset: int
    index: int | None = None
    raw: str = ""


def scalar_clues(scalars: list[Scalar], is_python_project: bool = False) -> Iterator[Clue]:
    """The clues of a whole file, in its order."""
    commands: dict[tuple[str, ...], list[Word]] = {}
    for scalar in scalars:
        if is_python_project:
            yield from _required(scalar)
        if scalar.path and entry_key(scalar.path[-1]) in _COMMANDS and scalar.index is not None:
            commands.setdefault(scalar.path, []).append(Word(scalar.value, scalar.offset))
            if "\n" in scalar.raw or " " in scalar.value:
                yield from shell_clues(scalar.raw or scalar.value, scalar.offset)
        else:
            yield from _of_scalar(scalar)
    for words in commands.values():
        yield from command_clues(words)


def _of_scalar(scalar: Scalar) -> Iterator[Clue]:
    if not scalar.path:
        return
    key, value, offset = scalar.path[-1], scalar.value, scalar.offset
    name, above = entry_key(key), scalar.path[:-1]
    if _VARIABLE.fullmatch(key) and scalar.index is None:
        yield Clue("variable", key, value, offset)
    elif (match := _ASSIGNED.fullmatch(value)) is not None:
        yield Clue("variable", match[1], match[2], offset)
    elif name == "name" and _VARIABLE.fullmatch(value):
        yield Clue("variable", value, "", offset)
    elif name in _COMMANDS:
        yield from shell_clues(scalar.raw or value, offset)
    elif name in _IMAGES and scalar.index is None:
        yield Clue("image", "", value, offset)
    elif name in ("dependencies", "pip") and "dependencies" in scalar.path[:1]:
        yield from (python_package if name == "pip" else conda_package)(value, offset)
    else:
        yield Clue("entry" if scalar.index is None else "item", name, value, offset, above)


def _required(scalar: Scalar) -> Iterator[Clue]:
    """The packages of pyproject.toml and setup.cfg."""
    path = scalar.path
    for prefix, guard in _PYPROJECT:
        if path[: len(prefix)] == prefix and scalar.index is not None:
            yield from python_package(scalar.value, scalar.offset, guard)
    if path[:2] == _POETRY and "dependencies" in path:
        at = path.index("dependencies")
        if len(path) > at + 1:
            guard = "import" if "group" in path or path[-1] == "optional" else ""
            yield from python_package(path[at + 1] + scalar.value, scalar.offset, guard)
    if path[:2] == ("options", "install_requires"):
        yield from python_package(scalar.value, scalar.offset)
    if path[:1] == ("options.extras_require",):
        yield from python_package(scalar.value, scalar.offset, "import")
