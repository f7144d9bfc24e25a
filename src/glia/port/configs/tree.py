"""Settings as a tree of keys: YAML, JSON, TOML and INI give the same clues.

Each reader turns its file into scalars with the keys above them; what they mean is decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from glia.port.configs.clue import Clue, entry_key
from glia.port.configs.packages import conda_package, python_package, requirement_clues
from glia.port.configs.shell import Word, command_clues, shell_clues

_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*_[A-Z0-9_]+")
_ASSIGNED = re.compile(r"([A-Z][A-Z0-9]*_[A-Z0-9_]+)[ \t]*=[ \t]*(.*)", re.DOTALL)
_ABOUT_DEVICES = re.compile(r"DEVICE|ACCELERATOR|BACKEND")
_COMMANDS = {
    "run", "command", "cmd", "script", "entrypoint", "setup", "args", "before_script", "commands",
    "launcher", "options", "runargs", "run_args", "docker_args", "docker_options",
    "postcreatecommand", "oncreatecommand", "updatecontentcommand", "poststartcommand",
    "postattachcommand", "commands_pre", "commands_post",
}  # fmt: skip
_IMAGES = {"image", "docker_image", "container", "base_image", "image_id", "image_name", "from"}
_INDEXES = {"url", "index", "index_url", "extra_index_url", "find_links", "index_strategy"}
PROJECT_FILES = {"pyproject.toml", "setup.cfg", "tox.ini", "tox.toml", "pipfile", "pixi.toml"}
_PYPROJECT = (
    (("project", "dependencies"), ""),
    (("build-system", "requires"), ""),
    (("project", "optional-dependencies"), "import"),
    (("dependency-groups",), "import"),
)
_POETRY = ("tool", "poetry")
_LISTS = {"dependencies", "dev-dependencies", "extra-dependencies", "deps"}  # of other tools
_TABLES = {"pypi-dependencies", "packages", "dev-packages"}  # of pixi and pipenv: name = version


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
    before = Scalar((), "", 0)
    for scalar in scalars:
        if is_python_project:
            yield from _required(scalar)
        named, before = _is_named(scalar, before), scalar
        if named is not None:
            yield from named
        elif scalar.path and entry_key(scalar.path[-1]) in _COMMANDS and scalar.index is not None:
            commands.setdefault(scalar.path, []).append(Word(scalar.value, scalar.offset))
            if "\n" in scalar.raw or " " in scalar.value:
                yield from shell_clues(scalar.raw or scalar.value, scalar.offset)
        else:
            yield from _of_scalar(scalar)
    for words in commands.values():
        yield from command_clues(words)


def _is_named(scalar: Scalar, before: Scalar) -> list[Clue] | None:
    """The value of `{name: DEVICE, value: cuda}`, a variable of Kubernetes; None for others.

    What the variable itself says is told by its name.
    """
    if scalar.path[-1:] != ("value",) or before.path != (*scalar.path[:-1], "name"):
        return None
    if _ABOUT_DEVICES.search(before.value) is None:
        return []
    return [Clue("entry", "device", scalar.value, scalar.offset)]


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
        yield from (requirement_clues if name == "pip" else conda_package)(value, offset)
    elif name in _INDEXES or (name == "name" and "index" in above):
        yield Clue("index", "", value, offset)
    elif name == "repository" and "image" in (part.lower() for part in above):
        yield Clue("image", "", value, offset)
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
            yield from python_package(f"{path[at + 1]} {scalar.value}", scalar.offset, guard)
        return
    yield from _of_other_tools(scalar)
    if path[:2] == ("options", "install_requires"):
        yield from python_package(scalar.value, scalar.offset)
    if path[:1] == ("options.extras_require",):
        yield from python_package(scalar.value, scalar.offset, "import")


def _of_other_tools(scalar: Scalar) -> Iterator[Clue]:
    """tox, uv, pdm, hatch, pixi and pipenv: lists of packages, and tables of them."""
    path = scalar.path
    if path[0].startswith(("testenv", "env")) or path[0] == "tool":
        names = path[-2:] if "dev-dependencies" in path else path[-1:]
        if scalar.index is not None and _LISTS.intersection(names):
            guard = "import" if "dev-dependencies" in path or "dev" in path else ""
            yield from requirement_clues(scalar.value, scalar.offset, guard)
            return
        if path[0].startswith("testenv") and path[-1] == "deps":
            yield from requirement_clues(scalar.value, scalar.offset)
    if len(path) < 2:
        return
    in_pixi = "pixi" in path or path[0] in ("dependencies", "feature", "system-requirements")
    if in_pixi and path[-2] in ("dependencies", "system-requirements"):
        yield from conda_package(f"{path[-1]} {scalar.value}", scalar.offset)
    tables = _TABLES.intersection(path[:-1])
    if tables:
        name = path[path.index(tables.pop()) + 1]
        yield from python_package(f"{name} {scalar.value}", scalar.offset)
