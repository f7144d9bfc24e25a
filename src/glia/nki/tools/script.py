"""`glia nki run script.py`: a script as `python script.py` would run it, with `nki` in place."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from glia.nki.target import ENVIRONMENT
from glia.nki.tools.files import beside, ensure_nki, file_error
from glia.nki.tools.launch import chosen_target


def run_script(path: Path, words: Sequence[str], chip: str = "") -> int:
    """Run a script as `__main__` with `words` as its arguments; returns its exit code.

    Kernels that it calls run on the virtual chip. `chip` is what they are traced for, in the way
    of the public tools (an environment variable).

    Raises:
        ModelError: when the script does not parse, or an exception leaves it.
        UsageError: for an unknown chip.
    """
    ensure_nki()
    with _as_main(path, words), _target(chosen_target(chip).chip), beside(path):
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as stop:
            return _code(stop)
        except Exception as error:
            raise file_error(f"running {path}", error, path) from error
    return 0


def _code(stop: SystemExit) -> int:
    if stop.code is None or isinstance(stop.code, int):
        return stop.code or 0
    print(stop.code, file=sys.stderr)
    return 1


@contextmanager
def _as_main(path: Path, words: Sequence[str]) -> Iterator[None]:
    saved = sys.argv
    sys.argv = [str(path), *words]
    try:
        yield
    finally:
        sys.argv = saved


@contextmanager
def _target(chip: str) -> Iterator[None]:
    name = ENVIRONMENT[0]
    saved = os.environ.get(name)
    os.environ[name] = chip
    try:
        yield
    finally:
        if saved is None:
            del os.environ[name]
        else:
            os.environ[name] = saved
