"""The code of a notebook as one Python text, with the cell and line that each line came from."""

from __future__ import annotations

import ast
import json
import re
import warnings
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
        sources = list(_code_cells(content))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(
            f"reading {name}: got {type(error).__name__} ({error}), expected a Jupyter notebook"
        ) from None
    lines: list[str] = []
    places: list[tuple[int, int]] = []
    for number, source in enumerate(sources, 1):
        cell = _python_of(source.split("\n"))
        lines += cell
        places += [(number, row) for row in range(1, len(cell) + 1)]
    return NotebookText("\n".join(lines) + "\n", tuple(places))


def _code_cells(content: str) -> Iterator[str]:
    """The source of each code cell; notebooks before format 4 kept them in work sheets."""
    tree = json.loads(content)
    cells = (
        tree["cells"]
        if "worksheets" not in tree
        else [cell for sheet in tree["worksheets"] for cell in sheet["cells"]]
    )
    for cell in cells:
        if cell["cell_type"] == "code":
            source = cell["source"] if "source" in cell else cell["input"]
            yield source if isinstance(source, str) else "".join(source)


def _python_of(cell: list[str]) -> list[str]:
    """The lines of a cell without those that only IPython understands.

    What is Python as it stands is left alone: `%b` may go on with an expression of the line before.
    """
    if not any(_MAGIC.match(line) or _HELP.match(line) for line in cell):
        return cell
    first = next((line for line in cell if line.strip()), "")
    if first.lstrip().startswith("%%") and not _RUNS_PYTHON.match(first):
        return [_commented(line) for line in cell]
    if _is_tree("\n".join(cell)):
        return cell
    found: list[str] = []
    goes_on = False  # the shell's command of the line before, behind a backslash
    for line in cell:
        is_magic = _MAGIC.match(line) is not None
        is_help = _HELP.match(line) is not None and _QUOTES.search(line) is None
        if goes_on:
            found.append(f"# {line.lstrip()}")
        else:
            found.append(_commented(line) if is_magic or is_help else line)
        goes_on = (goes_on or is_magic) and line.rstrip().endswith("\\")
    return found


def _is_tree(code: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def shell_lines(content: str) -> Iterator[tuple[int, int, str]]:
    """What a notebook asks the shell for: cell, line and command of `!x`, `%pip install x`,
    `%env A=b`, `files = !x` and of cells that are scripts (`%%bash`).

    Raises:
        ValueError, KeyError, TypeError: for a file that is no notebook.
    """
    for number, source in enumerate(_code_cells(content), 1):
        lines = source.split("\n")
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


# `%magic`, `!command`, `x = !command`; not `% b` or `!= b` of a longer line.
_MAGIC = re.compile(r"\s*(%%?[A-Za-z]|!(?!=)|[\w, .\[\]'\"]+=\s*(?:!|%%?[A-Za-z]))")
# `?name`, `name??`, `model.layers[0]?`, `torch.*load*?`: a line that ends so is no Python.
_HELP = re.compile(r"\s*(?:\?{1,2}\s*[\w%*.]|[^#\s].*\?\s*;?\s*(?:#.*)?$)")
_TIMED = re.compile(r"(?P<indent>\s*)%(?:time|timeit|prun|memit)\s+(?:-\w+\s*\d*\s+)*(?=\w)")
_QUOTES = re.compile(r"\"\"\"|'''")

# Magics of a whole cell that only time it, or keep what it prints: below stands Python.
_RUNS_PYTHON = re.compile(
    r"\s*%%(?:time|timeit|capture|prun|memit|mprun|python3?|px|wandb|heat|snakeviz|scalene|debug)\b"
)
_SHELL = re.compile(
    r"\s*(?:[\w, ]+=\s*)?(?:!(?!=)!?|%(?P<tool>pip|conda|mamba|uv)\b|%(?P<env>set_env|env)\s|%sx\s)"
)
_SCRIPT = re.compile(r"\s*%%(?:bash|sh|!|sx|system|script\s+(?:\S*/)?(?:ba|z)?sh)")


def _commented(line: str) -> str:
    """A comment; an indented line stays a statement, so that its block is not empty.

    What `%time` and its like run is Python, and stays.
    """
    timed = _TIMED.match(line)
    if timed is not None and _is_tree(line[timed.end() :]):
        return f"{timed['indent']}{line[timed.end() :]}"
    code = line.lstrip()
    indent = line[: len(line) - len(code)]
    return f"{indent}pass  # {code}" if indent else f"# {code}"
