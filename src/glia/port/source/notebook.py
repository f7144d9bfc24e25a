"""The code of a notebook as one Python text, with the cell and line that each line came from."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from glia.core.errors import FormatError
from glia.port.source.module import Module


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
        cell = text.split("\n")
        magic = cell[0].lstrip().startswith("%%") and not _RUNS_PYTHON.match(cell[0])
        for row, line in enumerate(cell, 1):
            lines.append(_commented(line) if magic or _MAGIC.match(line) else line)
            places.append((number, row))
    return NotebookText("\n".join(lines) + "\n", tuple(places))


def shell_lines(content: str) -> Iterator[tuple[int, int, str]]:
    """What a notebook asks the shell for: cell, line and command of `!x`, `%pip install x`,
    `%env A=b`, `files = !x` and of cells that are scripts (`%%bash`).

    Raises:
        ValueError, KeyError, TypeError: for a file that is no notebook.
    """
    cells = (c for c in json.loads(content)["cells"] if c["cell_type"] == "code")
    for number, cell in enumerate(cells, 1):
        source = cell["source"]
        lines = (source if isinstance(source, str) else "".join(source)).split("\n")
        is_script = _SCRIPT.match(lines[0]) is not None
        if lines[0].lstrip().startswith("%%") and not is_script:
            continue
        for row, line in enumerate(lines, 1):
            command = line if is_script and row > 1 else _command(line)
            if command:
                yield number, row, command


def _command(line: str) -> str:
    """The shell's command of a line; empty for a line of Python."""
    match = _SHELL.match(line)
    if match is None:
        return ""
    command = line[match.end() :]
    if match["env"]:
        name, _, value = command.strip().replace("=", " ", 1).partition(" ")
        return f"export {name}={value.strip()}"
    return f"{match['tool'] or ''}{command}"


def parse_cells(
    notebook: NotebookText, parse: Callable[[str], Module]
) -> tuple[Module, tuple[int, ...]]:
    """The module, and the cells that are left out because they are not Python by themselves.

    Raises:
        SyntaxError, ValueError: when no cell can be blamed.
    """
    try:
        return parse(notebook.text), ()
    except (SyntaxError, ValueError):
        cells = {cell for cell, _ in notebook.places}
        broken = {cell for cell in cells if not _is_python(notebook, cell, parse)}
        if not broken or broken == cells:
            raise
    kept = ("" if cell in broken else line for line, cell in _lines(notebook))
    return parse("\n".join(kept)), tuple(sorted(broken))


def _is_python(notebook: NotebookText, cell: int, parse: Callable[[str], Module]) -> bool:
    try:
        parse("\n".join(line for line, owner in _lines(notebook) if owner == cell))
    except (SyntaxError, ValueError):
        return False
    return True


def _lines(notebook: NotebookText) -> Iterator[tuple[str, int]]:
    for line, (cell, _) in zip(notebook.text.split("\n"), notebook.places, strict=False):
        yield line, cell


# `%magic`, `!command`, `?name`, `name?`, `x = !command`; not `% b` or `!= b` of a longer line.
_MAGIC = re.compile(r"\s*(%%?[A-Za-z]|!(?!=)|\?{1,2}\w|[\w.]+\?{1,2}\s*$|[\w, ]+=\s*[!%])")


# Magics of a whole cell that only time it, or keep what it prints: below stands Python.
_RUNS_PYTHON = re.compile(
    r"\s*%%(?:time|timeit|capture|prun|memit|mprun|python3?|px|wandb|heat|snakeviz|scalene|debug)\b"
)
_SHELL = re.compile(
    r"\s*(?:[\w, ]+=\s*)?(?:!(?!=)!?|%(?P<tool>pip|conda|mamba|uv)\b|%(?P<env>set_env|env)\s|%sx\s)"
)
_SCRIPT = re.compile(r"\s*%%(?:bash|sh|!|sx|system|script\s+(?:\S*/)?(?:ba|z)?sh)")


def _commented(line: str) -> str:
    """A comment; an indented line stays a statement, so that its block is not empty."""
    code = line.lstrip()
    indent = line[: len(line) - len(code)]
    return f"{indent}pass  # {code}" if indent else f"# {code}"
