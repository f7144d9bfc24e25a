"""Errors that a user can act on.

    GliaError
    |-- UsageError        bad command line or bad argument           exit code 2
    |-- ModelError        the model cannot be loaded or captured     exit code 1
    |-- UnsupportedError  the chip, or glia, cannot do this          exit code 1
    |-- KernelError       a kernel broke a rule of the chip          exit code 1
    |-- FormatError       a file is damaged, altered or too new      exit code 1
    `-- ProofError        the numbers are wrong                      exit code 1

The text is always `what was attempted: got X, expected Y; do Z`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GliaError(Exception):
    """Base of every error that is the user's to mend; printed without a traceback."""

    exit_code = 1


class UsageError(GliaError, ValueError):
    """A bad argument or command line."""

    exit_code = 2


class ModelError(GliaError):
    """The model cannot be loaded or captured."""


class UnsupportedError(GliaError):
    """Something that the chip, or glia, cannot do."""


class KernelError(GliaError, ValueError):
    """A kernel broke a documented rule of the chip."""


class FormatError(GliaError):
    """A file is damaged, altered, or written by a newer version."""


class ProofError(GliaError):
    """Device and reference disagree beyond the error budget."""


def choose(what: str, name: str, valid: Iterable[str]) -> str:
    """Return `name` when it is in the closed set `valid`.

    Raises:
        UsageError: with the nearest valid name, and the whole set.
    """
    names = sorted(valid)
    if name in names:
        return name
    by_lower = {valid_name.lower(): valid_name for valid_name in names}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    hint = f"did you mean {by_lower[near[0]]!r}? " if near else ""
    raise UsageError(f"{what}: got {name!r}; {hint}choose one of: {', '.join(names)}")
