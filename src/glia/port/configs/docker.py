"""Dockerfiles: the image that one starts from, what is installed, set and launched in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from glia.port.configs.clue import Clue
from glia.port.configs.shell import Word, command_clues, shell_clues

_INSTRUCTION = re.compile(
    r"^[ \t]*(FROM|ARG|ENV|RUN|CMD|ENTRYPOINT)[ \t]+((?:[^\\\n]|\\.|\\\r?\n)*)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
_BASE = re.compile(r"^[ \t]*From:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)  # of Singularity
_COMMENT = re.compile(r"^[ \t]*#[^\n]*", re.MULTILINE)
_GAP = re.compile(r"(\\\r?\n)((?:[ \t\r]*\n)+)")  # empty lines do not end an instruction
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_PAIR = re.compile(r"(\w+)=(\"[^\"]*\"|'[^']*'|(?:\\ |\S)*)")


def docker_clues(text: str) -> Iterator[Clue]:
    """What each instruction says. A comment may stand between the lines of one."""
    text = _COMMENT.sub(lambda match: " " * len(match[0]), text)
    text = _GAP.sub(lambda match: match[1] + match[2].replace("\n", " "), text)
    for match in _BASE.finditer(text):
        yield Clue("image", "", match[1], match.start(1))
    for match in _INSTRUCTION.finditer(text):
        name, rest, offset = match[1].upper(), match[2], match.start(2)
        if name == "FROM":
            words = [w for w in rest.split() if not w.startswith("--")]
            if words:
                yield Clue("image", "", words[0], offset + rest.index(words[0]))
        elif name in ("ARG", "ENV"):
            yield from _variables(name, rest, offset)
        elif rest.lstrip().startswith("["):
            words_of = [Word(m[1], offset + m.start()) for m in _STRING.finditer(rest)]
            yield from command_clues(words_of)
        else:
            yield from shell_clues(rest, offset)


def _variables(name: str, rest: str, offset: int) -> Iterator[Clue]:
    """`ENV A=1 B=2`, the older `ENV A 1`, and `ARG BASE=image:tag`."""
    pairs = list(_PAIR.finditer(rest))
    if not pairs:
        key, _, value = rest.strip().partition(" ")
        if value:
            yield Clue("variable", key, value.strip(), offset)
    for pair in pairs:
        value = pair[2].strip("\"'")
        yield Clue("variable", pair[1], value, offset + pair.start())
        if name == "ARG" and "/" in value:
            yield Clue("image", "", value, offset + pair.start())
