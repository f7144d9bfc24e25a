"""Where text goes: results to stdout, everything else to stderr, JSON alone when asked for."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

import typer

from glia.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

# Tables that go to a file or a pipe are not folded to a terminal's width.
PIPE_WIDTH = 200


def result_console() -> Console:
    """A console on stdout; wide when stdout is not a terminal, so that no row is folded."""
    from rich.console import Console

    is_piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(width=PIPE_WIDTH if is_piped else None, highlight=False)


def print_json(record: Any) -> None:
    """Write records, or anything made of them, as one JSON document on stdout."""
    from glia.core.records import to_json

    typer.echo(json.dumps(to_json(record), indent=2, allow_nan=False))


@contextmanager
def alone(json: bool) -> Iterator[None]:
    """Inside, with `json`, what is printed to stdout by anyone goes to stderr."""
    if not json:
        yield
        return
    with redirect_stdout(sys.stderr):
        yield


def say(text: str) -> None:
    """A message beside the result: on stderr, so that stdout can be piped."""
    typer.echo(text, err=True)


def check_folder(option: str, folder: Path) -> None:
    """Refuse a place for results that can never be written, before any work is done.

    Raises:
        UsageError: when `folder`, or a folder it would stand in, is a file or is not writable.
    """
    try:
        existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    except OSError as error:
        raise UsageError(f"{option}: got {error.strerror}; choose another folder") from None
    if not existing.is_dir():
        raise UsageError(f"{option}: got {folder}, but {existing} is a file; choose a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UsageError(f"{option}: got {folder}, but {existing} is not writable; choose another")
