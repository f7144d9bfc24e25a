"""The code of a notebook as one Python text, with the cell and line that each line came from."""

from __future__ import annotations

import json
from dataclasses import dataclass

from glia.core.errors import FormatError


@dataclass(frozen=True, slots=True)
class NotebookText:
    """`text` is Python; line i + 1 of it is line `places[i][1]` of code cell `places[i][0]`."""

    text: str
    places: tuple[tuple[int, int], ...]


def notebook_text(content: str, name: str) -> NotebookText:
    """The code cells in order; lines for the shell or for IPython itself become comments.

    Raises:
        FormatError: for a file that is no notebook.
    """
    try:
        cells = json.loads(content)["cells"]
        sources = [c["source"] for c in cells if c["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(
            f"reading {name}: got {type(error).__name__} ({error}), expected a Jupyter notebook"
        ) from None
    lines: list[str] = []
    places: list[tuple[int, int]] = []
    for number, source in enumerate(sources, 1):
        text = source if isinstance(source, str) else "".join(source)
        cell = text.splitlines()
        magic = bool(cell) and cell[0].lstrip().startswith("%%")
        for row, line in enumerate(cell, 1):
            lines.append(f"# {line}" if magic or _is_magic(line) else line)
            places.append((number, row))
    return NotebookText("\n".join(lines) + "\n", tuple(places))


def _is_magic(line: str) -> bool:
    return line.lstrip().startswith(("%", "!", "?"))
