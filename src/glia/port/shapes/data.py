"""The user's own loader: `file.py:name`, a function that returns batches, or batches themselves.

A loader is read up to a limit, so one without end is fine. What goes wrong in it is reported with
the number of the batch and the user's line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glia.core.errors import GliaError, ModelError
from glia.frontends.user_code import (
    call,
    find_function,
    import_file,
    importable,
    split_spec,
    user_error,
)

_RETURNS = "an iterable of batches"


@dataclass(frozen=True, slots=True)
class Data:
    """A loader that can be read again; `is_fresh`: each pass makes a new one."""

    spec: str
    file: Path
    make: Callable[[], Any]
    is_fresh: bool

    def batches(self, limit: int) -> Iterator[Any]:
        """At most `limit` batches of a new pass.

        Raises:
            ModelError: when the loader cannot be iterated, or raises.
        """
        with importable(self.file.parent), _errors(f"starting {self.spec}", self.file):
            iterator = iter(_iterable(self.spec, self.make()))
        for number in range(limit):
            with importable(self.file.parent), _errors(f"batch {number} of {self.spec}", self.file):
                try:
                    batch = next(iterator)
                except StopIteration:
                    return
            yield batch


def load_data(spec: str) -> Data:
    """Find the loader `file.py:name`.

    Raises:
        UsageError: no such file or name.
        ModelError: the file fails, or what it has there are no batches.
    """
    file, name = split_spec(spec, "loader", "file.py:name, a function that returns batches")
    with importable(file.parent):
        module = import_file(spec, file)
        given = getattr(module, name, None)
        if given is not None and not callable(given):
            _iterable(spec, given)
            return Data(spec, file, lambda: given, iter(given) is not given)
        function = find_function(spec, module, name, _RETURNS)
    return Data(spec, file, lambda: call(spec, function), True)


def _iterable(spec: str, value: Any) -> Iterable[Any]:
    if isinstance(value, str | bytes | dict) or not _can_iterate(value):
        kind = "None" if value is None else f"a value of type {type(value).__name__}"
        raise ModelError(
            f"reading {spec}: got {kind}, expected {_RETURNS}; return a DataLoader, a list of "
            "batches, or yield them"
        )
    return value


def _can_iterate(value: Any) -> bool:
    try:
        iter(value)
    except TypeError:
        return False
    return True


@contextmanager
def _errors(doing: str, file: Path) -> Iterator[None]:
    try:
        yield
    except GliaError:
        raise
    except (Exception, SystemExit) as error:
        raise user_error(f"reading {doing}", error, file) from error
