"""A file as text to rewrite and as the bytes that come of it: encoding, byte order mark, line ends
and, in notebooks, everything that is no code stay as they were."""

from __future__ import annotations

import codecs
import io
import json
import re
import tokenize
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Protocol

from glia.port.source.files.notebook import NotebookText, notebook_text

_BOM = codecs.BOM_UTF8


class Document(Protocol):
    """A file with Python in it. `text` is what is rewritten."""

    raw: bytes
    text: str

    def bytes_of(self, text: str) -> bytes:
        """The file with this text instead."""
        ...

    def place(self, line: int) -> tuple[int, int]:
        """The cell (0 outside of notebooks) and the line in it of a line of the text."""
        ...


@dataclass(slots=True)
class PythonFile:
    """A `.py` file.

    Raises:
        ValueError: for bytes in an encoding that it does not name.
    """

    raw: bytes
    text: str = field(init=False)
    encoding: str = field(init=False)

    def __post_init__(self) -> None:
        self.encoding, self.text = _decoded(self.raw.removeprefix(_BOM))
        if self.bytes_of(self.text) != self.raw:
            raise ValueError(f"its bytes could not be kept in its encoding, {self.encoding}")

    def bytes_of(self, text: str) -> bytes:
        """The file with this text instead."""
        mark = _BOM if self.raw.startswith(_BOM) else b""
        return mark + text.encode(self.encoding)

    def place(self, line: int) -> tuple[int, int]:
        """Lines are those of the file."""
        return 0, line


def _decoded(raw: bytes) -> tuple[str, str]:
    try:
        return "utf-8", raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
        return encoding, raw.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        raise ValueError("not text: its encoding is neither UTF-8 nor one it names") from None


# Layouts of JSON that programs write: of Jupyter first, without spaces last.
_INDENTS = (1, 2, 4, 0, None, "\t")
_SEPARATORS = (None, (",", ":"), (", ", ":"), (",", ": "))
_CELL = "# glia: cell {}"
_CELL_LINE = re.compile(r"# glia: cell (\d+)\n")
_LINE = re.compile(r"[ \t]*(?:pass  )?# glia: line (\d+)\n")


@dataclass(slots=True)
class NotebookFile:
    """A notebook: its code cells as one text with marks between them; lines for the shell or for
    IPython are marks as well.

    Raises:
        FormatError: for what is no notebook.
        ValueError: for a notebook whose layout could not be kept.
    """

    raw: bytes
    name: str
    text: str = field(init=False)
    _content: Any = field(init=False)
    _style: dict[str, Any] = field(init=False)
    _places: list[tuple[int, int]] = field(init=False)
    _lines: list[str] = field(init=False)

    def __post_init__(self) -> None:
        content = self.raw.decode("utf-8")
        seen = notebook_text(content, self.name)
        self._content = json.loads(content)
        self._style = _style(content, self._content)
        self._lines = [line for text in self._cells() for line in text.split("\n")]
        self.text, self._places = _marked(seen, self._lines)

    def _cells(self) -> list[str]:
        return [
            c["source"] if isinstance(c["source"], str) else "".join(c["source"])
            for c in self._content["cells"]
            if c["cell_type"] == "code"
        ]

    def place(self, line: int) -> tuple[int, int]:
        """The code cell, from 1, and the line in it."""
        return self._places[line - 1] if line <= len(self._places) else (0, line)

    def bytes_of(self, text: str) -> bytes:
        """The notebook with the cells of this text instead."""
        parts = _CELL_LINE.split(text)[1:]
        cells = dict(zip(map(int, parts[::2]), parts[1::2], strict=True))
        content = json.loads(self.raw.decode("utf-8"))
        code = [c for c in content["cells"] if c["cell_type"] == "code"]
        for number, (cell, old) in enumerate(zip(code, self._cells(), strict=True), 1):
            new = _LINE.sub(lambda m: self._lines[int(m[1])] + "\n", cells[number])[:-1]
            if new != old:
                is_text = isinstance(cell["source"], str)
                cell["source"] = new if is_text else _parts(new)
        end = "\n" if self.raw.endswith(b"\n") else ""
        return (json.dumps(content, **self._style) + end).encode("utf-8")


def _parts(text: str) -> list[str]:
    """Lines as notebooks have them: other marks, such as form feeds, end none."""
    lines = [f"{line}\n" for line in text.split("\n")]
    return [*lines[:-1], lines[-1][:-1]] if lines[-1] != "\n" else lines[:-1]


def _marked(seen: NotebookText, lines: list[str]) -> tuple[str, list[tuple[int, int]]]:
    """The text with a mark in front of every cell, and where each of its lines came from."""
    found: list[str] = []
    places: list[tuple[int, int]] = []
    for index, (code, (cell, row)) in enumerate(
        zip(seen.text.split("\n"), seen.places, strict=False)
    ):
        if row == 1:
            found.append(_CELL.format(cell))
            places.append((cell, 0))
        if code != lines[index]:
            indent = code[: len(code) - len(code.lstrip())]
            code = f"{indent}pass  # glia: line {index}" if indent else f"# glia: line {index}"
        found.append(code)
        places.append((cell, row))
    return "\n".join(found) + "\n", places


def _style(content: str, data: Any) -> dict[str, Any]:
    """How the file's JSON is laid out, so that only cells that change differ."""
    text = content.rstrip("\n")
    for indent, ascii_only, separators in product(_INDENTS, (False, True), _SEPARATORS):
        style: dict[str, Any] = {
            "indent": indent,
            "ensure_ascii": ascii_only,
            "separators": separators,
        }
        if json.dumps(data, **style) == text:
            return style
    raise ValueError(
        "the layout of its JSON is unusual, and would not be kept; save it once in Jupyter, then "
        "run glia fix again"
    )


def read_document(path: Path, kind: str) -> Document:
    """The file as a document.

    Raises:
        OSError, FormatError, ValueError: for what cannot be read, or kept.
    """
    raw = path.read_bytes()
    return NotebookFile(raw, path.name) if kind == "notebook" else PythonFile(raw)
