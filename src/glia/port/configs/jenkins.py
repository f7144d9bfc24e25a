"""Jenkinsfiles: images, variables, and the lines that steps give to a shell."""

from __future__ import annotations

import re
from collections.abc import Iterator

from glia.port.configs.clue import Clue
from glia.port.configs.shell import shell_clues

_COMMENT = re.compile(
    r"'''.*?'''|\"\"\".*?\"\"\"|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|//[^\n]*|/\*.*?\*/",
    re.DOTALL,
)
_TEXT = r"(?P<quote>'''|\"\"\"|'|\")(?P<text>.*?)(?P=quote)"
_STEP = re.compile(
    rf"\b(?P<word>sh|bash|image|args|label|withEnv)\b\s*\(?\[?\s*(?:script:\s*)?{_TEXT}", re.DOTALL
)
_VARIABLE = re.compile(rf"^[ \t]*(?P<name>[A-Z][A-Z0-9_]*)\s*=\s*{_TEXT}", re.MULTILINE | re.DOTALL)


def jenkins_clues(text: str) -> Iterator[Clue]:
    """The clues of a pipeline, declarative or in Groovy; comments are left out."""
    code = _COMMENT.sub(_blank, text)
    for match in _VARIABLE.finditer(code):
        yield Clue("variable", match["name"], match["text"], match.start("name"))
    for match in _STEP.finditer(code):
        word, offset = match["word"], match.start("text")
        if word == "image":
            yield Clue("image", "", match["text"], offset)
        elif word == "label":
            yield Clue("entry", "runs_on", match["text"], offset)
        else:
            yield from shell_clues(match["text"], offset)


def _blank(match: re.Match[str]) -> str:
    return match[0] if match[0][0] in "\"'" else re.sub(r"[^\n]", " ", match[0])
