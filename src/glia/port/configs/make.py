"""Makefiles: what their variables hold, and what their recipes run. No variable is substituted."""

from __future__ import annotations

import re
from collections.abc import Iterator

from glia.port.configs.clue import Clue
from glia.port.configs.shell import shell_clues

_LINE = re.compile(r"(?:[^\\\n]|\\.|\\\r?\n)*", re.DOTALL)
_RECIPE = re.compile(r"\t[ \t]*[@+-]*")
_VARIABLE = re.compile(
    r" *(?:(?:export|override)\s+)*(?P<name>[A-Za-z_][\w.]*)\s*(?:\?|\+|:{1,3})?=[ \t]*"
)
_IMAGE = re.compile(r"[\w.\-]+(?:/[\w.\-]+)+(?::[\w.\-]+)?")


def make_clues(text: str) -> Iterator[Clue]:
    """The clues of each logical line; a backslash at the end joins the next to it."""
    at = 0
    while at < len(text):
        match = _LINE.match(text, at)
        line = match[0] if match is not None else ""
        yield from _of_line(line, at)
        at += len(line) + 1


def _of_line(line: str, start: int) -> Iterator[Clue]:
    recipe = _RECIPE.match(line)
    if recipe is not None:
        yield from shell_clues(line[recipe.end() :], start + recipe.end())
        return
    variable = _VARIABLE.match(line)
    if variable is None or line.startswith("#"):
        return
    value = re.split(r"(?:^|\s)#", line[variable.end() :], maxsplit=1)[0].strip()
    yield Clue("variable", variable["name"], value, start + variable.start("name"))
    if _IMAGE.fullmatch(value) is not None:
        yield Clue("image", "", value, start + variable.end())
    yield from shell_clues(value, start + variable.end())
