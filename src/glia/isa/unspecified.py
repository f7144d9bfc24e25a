"""Data that meets what the public record leaves open: a warning, with the kernel's line.

A refusal would break public kernels, which compute such values in lanes that nobody reads. Whoever
wants one turns the warning into an error: `warnings.simplefilter("error", UnspecifiedWarning)`.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from glia.isa.launch.context import current
from glia.isa.launch.located import kernel_place

_seen: dict[Any, Any] = {}  # what Python's filter "default" keeps: one warning per line and text


class UnspecifiedWarning(RuntimeWarning):
    """A value that glia defines and the public record does not."""


def warner() -> Callable[[str], None]:
    """Called while an instruction is traced; warns, when it runs, at the kernel's line."""
    call = current().calls[-1]

    def warn(text: str) -> None:
        warn_at(text, call.file, call.line)

    return warn


def warn_here(text: str) -> None:
    """Warn while a kernel is traced, at the line that it is at."""
    warn_at(text, *kernel_place(sys._getframe(1)))


def warn_at(text: str, file: str, line: int) -> None:
    """Warn of this line of the kernel."""
    warnings.warn_explicit(text, UnspecifiedWarning, file, line, registry=_seen)


@contextmanager
def told() -> Iterator[list[str]]:
    """Fills a list with what data met here, a line each with the kernel's place; warns of nothing.

    Other warnings pass on when the block ends. As `warnings` itself, for one thread at a time.
    """
    met: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UnspecifiedWarning)
        yield met
    for one in caught:
        if issubclass(one.category, UnspecifiedWarning):
            met.append(f"{Path(one.filename).name}:{one.lineno}: {one.message}")
        else:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    met[:] = dict.fromkeys(met)
