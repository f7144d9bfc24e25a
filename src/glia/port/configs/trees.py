"""YAML, JSON, TOML and INI files as scalars with their keys and offsets."""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from glia.port.configs.clue import Lines, unquoted
from glia.port.configs.tree import Scalar

Path = tuple[str, ...]
_TEMPLATE = re.compile(r"\{\{|\{%|<%|\$\{\{")
# Lines that hold only a mark of Helm or Jinja, and marks within a line.
_BLOCK = re.compile(r"^[ \t]*(?:\{\{[^{}\n]*\}\}|\{%[^{}\n]*%\})[ \t]*$", re.MULTILINE)
_GAP = re.compile(r"\$?\{\{[^{}\n]*\}\}|\{%[^{}\n]*%\}")
_BRACKET = re.compile(r"[\[\]{}]")
_MAX_BRACKETS = 1_000
FILLED = "{}"  # the value of a key that has a table with keys of its own
MAX_DEPTH = 64  # keys further up tell nothing about a value


class NotSettings(ValueError):
    """The file is no YAML, JSON, TOML or INI; the message says why."""


# -- YAML ----------------------------------------------------------------------------------------


def yaml_scalars(text: str) -> list[Scalar]:
    """The scalars of all documents.

    Raises:
        NotSettings: for text that is no YAML, and for templates that become YAML later.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    if _depth(text) > _MAX_BRACKETS:
        raise NotSettings("not YAML that anyone wrote: nested too deeply")
    try:
        # Events, not nodes: these are made without recursion, however deep the text nests.
        return list(_yaml(yaml.parse(text, Loader=loader), Lines(text)))
    except (yaml.YAMLError, ValueError) as error:
        if _TEMPLATE.search(text):
            return _template_scalars(text)
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark is not None else ""
        problem = getattr(error, "problem", None) or "not readable"
        raise NotSettings(f"not YAML: {line}{problem}") from None


def _template_scalars(text: str) -> list[Scalar]:
    filled = _filled(text)
    try:
        if filled != text:
            return yaml_scalars(filled)
    except NotSettings:
        pass
    raise NotSettings("a template, not YAML yet") from None


def _filled(text: str) -> str:
    """A template with words in its gaps, each as long as the gap: every place stays."""
    text = _BLOCK.sub(lambda match: " " * len(match[0]), text)
    return _GAP.sub(lambda match: "x" * len(match[0]), text)


def _depth(text: str) -> int:
    """The deepest nesting of brackets; the reader's time grows with its square."""
    depth = deepest = 0
    for match in _BRACKET.finditer(text):
        depth += 1 if match[0] in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


@dataclass(slots=True)
class _Level:
    """A mapping or list that is open: the key under which values stand, or where in the list.

    In a mapping `place` is 0 until its first key is read.
    """

    is_mapping: bool
    key: str | None = None
    offset: int = 0
    place: int = 0


def _yaml(events: Iterable[Any], lines: Lines) -> Iterator[Scalar]:
    """One walk over the events; an alias is read where its anchor stands."""
    import yaml

    levels: list[_Level] = []
    for event in events:
        level = levels[-1] if levels else None
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            levels.append(_Level(isinstance(event, yaml.MappingStartEvent)))
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            levels.pop()
            _next(levels)
        elif isinstance(event, yaml.ScalarEvent):
            offset = lines.offset(event.start_mark.line, event.start_mark.column)
            if level is not None and level.is_mapping and level.key is None:
                if not level.place and len(levels) > 1 and levels[-2].is_mapping:
                    yield Scalar(_keys(levels), FILLED, levels[-2].offset)
                level.key, level.offset, level.place = event.value, offset, 1
                continue
            if level is not None:
                yield _yaml_scalar(event, _keys(levels), level, lines, offset)
            _next(levels)
        elif isinstance(event, yaml.AliasEvent):
            if level is not None and level.is_mapping and level.key is None:
                level.key = ""
            else:
                _next(levels)


def _next(levels: list[_Level]) -> None:
    """A value has ended: a key comes next, or the next place of a list."""
    if levels and levels[-1].is_mapping:
        # A mapping or list that was itself a key leaves an unnamed one.
        levels[-1].key = None if levels[-1].key is not None else ""
    elif levels:
        levels[-1].place += 1


def _keys(levels: list[_Level]) -> Path:
    return tuple(level.key for level in levels[-MAX_DEPTH:] if level.key)


def _yaml_scalar(event: Any, path: Path, level: _Level, lines: Lines, offset: int) -> Scalar:
    """Short values stand at their key; those of several lines are also given as written."""
    index = None if level.is_mapping else level.place
    if event.style not in ("|", ">") and "\n" not in event.value:
        return Scalar(path, event.value, level.offset if level.is_mapping else offset, index)
    raw = lines.text[offset : lines.offset(event.end_mark.line, event.end_mark.column)]
    head = raw.find("\n") + 1 if event.style in ("|", ">") else 0
    return Scalar(path, event.value, offset + head, index, raw[head:])


# -- JSON ----------------------------------------------------------------------------------------

_COMMENTS = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL)
_LAST_COMMA = re.compile(r'"(?:[^"\\\n]|\\.)*"|,(?=\s*[\]}])')
_JSON = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def json_scalars(text: str) -> list[Scalar]:
    """The scalars of a JSON file.

    Raises:
        NotSettings: for text that is no JSON.
    """
    try:
        text = _without_comments(text)
        json.loads(text)
    except RecursionError:
        raise NotSettings("not JSON: nested too deeply") from None
    except ValueError as error:
        reason = "a template, not JSON yet" if _TEMPLATE.search(text) else f"not JSON: {error}"
        raise NotSettings(reason) from None
    return list(_json(text))


def _without_comments(text: str) -> str:
    """JSON as editors' settings are written: comments and last commas become spaces."""
    try:
        json.loads(text)
    except ValueError:
        return _LAST_COMMA.sub(_blank, _COMMENTS.sub(_blank, text))
    return text


def _blank(match: re.Match[str]) -> str:
    return match[0] if match[0].startswith('"') else re.sub(r"[^\n]", " ", match[0])


def _json(text: str) -> Iterator[Scalar]:
    """One walk over the tokens of a text that is known to be JSON."""
    path: list[str] = []
    places: list[int | None] = []  # of each list that is open, where one is; None for a table
    key, at, filled = "", 0, False
    for match in _JSON.finditer(text):
        token = match[0]
        inside = places[-1] if places else None
        if token in "{[":
            filled = token == "{" and bool(key)
            path.append(key)
            places.append(None if token == "{" else 0)
            key = ""
        elif token in "}]":
            key = path.pop()
            places.pop()
        elif token == ",":
            if inside is not None:
                places[-1] = inside + 1
            else:
                key = ""
        elif token == ":":
            continue
        elif inside is None and places and not key:
            if filled:
                yield Scalar(tuple(name for name in path[-MAX_DEPTH:] if name), FILLED, at)
            filled = False
            key, at = _json_text(token), match.start()
        else:
            names = tuple(name for name in (*path[-MAX_DEPTH:], key) if name)
            start = at if inside is None else match.start()
            yield Scalar(names, _json_text(token), start, inside)


def _json_text(token: str) -> str:
    return str(json.loads(token)) if token.startswith('"') else token


# -- TOML ----------------------------------------------------------------------------------------

_TOML = re.compile(
    r"""
    (?P<comment>\#[^\n]*)
  | (?P<text>\"\"\".*?\"\"\"|'''.*?'''|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')
  | (?P<mark>[\[\]{},=\n])
  | (?P<bare>[^\s\[\]{},=\#"']+)
    """,
    re.VERBOSE | re.DOTALL,
)


def toml_scalars(text: str) -> list[Scalar]:
    """The scalars of a TOML file.

    Raises:
        NotSettings: for text that is no TOML.
    """
    try:
        tomllib.loads(text)
    except RecursionError:
        raise NotSettings("not TOML: nested too deeply") from None
    except ValueError as error:
        reason = "a template, not TOML yet" if _TEMPLATE.search(text) else f"not TOML: {error}"
        raise NotSettings(reason) from None
    return list(_TomlWalk().scalars(text))


class _TomlWalk:
    """One walk over the tokens of a text that is known to be TOML."""

    def __init__(self) -> None:
        self.table: Path = ()
        self.levels: list[_Level] = []  # the lists and tables in brackets that are open
        self.names: list[list[str]] = []  # the key of each of those tables
        self.name: list[str] = []  # the key before `=`
        self.offset = 0
        self.has_value = False

    def scalars(self, text: str) -> Iterator[Scalar]:
        """The scalars in the order of the text."""
        header: list[str] | None = None
        for match in _TOML.finditer(text):
            token, mark = match[0], match["mark"]
            if match["comment"] is not None:
                continue
            if header is not None:
                if mark == "\n":
                    self.table, header = tuple(header), None
                elif mark is None:
                    header += _toml_names(token)
            elif mark is None:
                yield from self._token(token, match.start())
            elif mark == "[" and not self.has_value and not self.name:
                header = []
            else:
                self._mark(mark)

    def _mark(self, mark: str) -> None:
        inside = self.levels[-1] if self.levels else None
        if mark == "=":
            self.has_value = True
        elif mark == "[":
            self.levels.append(_Level(is_mapping=False))
        elif mark == "{":
            self.levels.append(_Level(is_mapping=True))
            self.names.append(self.name)
            self.name, self.has_value = [], False
        elif mark in "]}" and inside is not None:
            self.levels.pop()
            if inside.is_mapping:
                self.name, self.has_value = self.names.pop(), True
        elif mark == "," and inside is not None and not inside.is_mapping:
            inside.place += 1
        elif mark == "," or (mark == "\n" and inside is None):
            self.name, self.has_value = [], False

    def _token(self, token: str, start: int) -> Iterator[Scalar]:
        if not self.has_value:
            if not self.name:
                self.offset = start
            self.name += _toml_names(token)
            return
        above = [name for names in self.names for name in names]
        in_list = bool(self.levels) and not self.levels[-1].is_mapping
        index = self.levels[-1].place if in_list else None
        offset = self.offset if index is None else start
        yield Scalar((*self.table, *above, *self.name), _toml_text(token), offset, index)


def _toml_names(token: str) -> list[str]:
    """The parts of a key: `tool.uv`, `"a.b"`."""
    if token[0] in "\"'":
        return [token[1:-1]]
    return [part for part in token.split(".") if part]


def _toml_text(token: str) -> str:
    return token[3:-3] if token.startswith(('"""', "'''")) else unquoted(token)


# -- INI -----------------------------------------------------------------------------------------


def ini_scalars(text: str) -> list[Scalar]:
    """The scalars of an INI file, as setup.cfg; each line of a longer value is one of a list.

    Raises:
        NotSettings: for text that is no INI.
    """
    try:
        configparser.RawConfigParser(strict=False).read_string(text)
    except (configparser.Error, ValueError) as error:
        raise NotSettings(f"not INI: {str(error).splitlines()[0]}") from None
    return list(_ini(text))


def _ini(text: str) -> Iterator[Scalar]:
    section, key, offset, index = "", "", 0, 0
    for line in text.split("\n"):
        code = line.strip()
        start = offset + len(line) - len(line.lstrip())
        offset += len(line) + 1
        if not code or code[0] in "#;":
            continue
        if code.startswith("[") and "]" in code:
            section, key = code[1 : code.index("]")], ""
        elif line[0].isspace() and key:
            yield Scalar((section, key), code, start, index)
            index += 1
        else:
            key, _, value = (part.strip() for part in re.split(r"([=:])", code + "=", maxsplit=1))
            index = 0
            value = value.removesuffix("=").strip()
            if value:
                yield Scalar((section, key), value, start)
