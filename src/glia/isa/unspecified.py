"""Data that meets what the public record leaves open: a warning, with the kernel's line.

A refusal would break public kernels, which compute such values in lanes that nobody reads. Whoever
wants one turns the warning into an error: `warnings.simplefilter("error", UnspecifiedWarning)`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from glia.isa.launch.builder import current

_seen: dict[Any, Any] = {}  # what Python's filter "default" keeps: one warning per line and text


class UnspecifiedWarning(RuntimeWarning):
    """A value that glia defines and the public record does not."""


def warner() -> Callable[[str], None]:
    """Called while an instruction is traced; warns, when it runs, at the kernel's line."""
    call = current().calls[-1]

    def warn(text: str) -> None:
        warnings.warn_explicit(text, UnspecifiedWarning, call.file, call.line, registry=_seen)

    return warn
