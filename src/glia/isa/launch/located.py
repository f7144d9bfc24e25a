"""Errors that name the kernel's file and line, and the search for that line.

The kernel's line is that of the innermost frame that is not glia's own instruction code.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FrameType

from glia.core.errors import GliaError, KernelError

_PACKAGE = str(Path(__file__).parents[2])
CALLER = "call_kernel"  # the function of glia that calls the kernel's; beyond it is no kernel
_PYTHON = sysconfig.get_path("stdlib")
_INTERNAL = tuple(f"{_PACKAGE}/{room}/" for room in ("isa", "nki", "silicon"))
_HIDDEN = (*_INTERNAL, f"{_PYTHON}/contextlib.py", f"{_PYTHON}/functools.py")


class LocatedError(KernelError):
    """A KernelError whose text already starts with the kernel's file and line."""


def located(error: KernelError, file: str, line: int) -> KernelError:
    """The error with the kernel's file and line before it, once."""
    if isinstance(error, LocatedError):
        return error
    return LocatedError(f"{Path(file).name}:{line}: {error}")


def kernel_error(error: Exception) -> KernelError:
    """An ordinary Python error of a kernel as a KernelError with the kernel's line.

    The result is also of the error's own class where that is a plain one, so that who expects an
    AssertionError or a TypeError still finds it.
    """
    file, line = error_place(error)
    text = str(error) or "no message"
    return _kind(type(error))(f"{Path(file).name}:{line}: {type(error).__name__}: {text}")  # type: ignore[arg-type]


@cache
def _kind(plain: type[Exception]) -> type[LocatedError]:
    builtin = plain.__module__ == "builtins" and plain.__init__ is not OSError.__init__
    if not builtin or issubclass(plain, (GliaError, ValueError)):
        return LocatedError
    try:
        return type(f"Kernel{plain.__name__}", (LocatedError, plain), {})
    except TypeError:  # a class of another layout
        return LocatedError


def calling(error: KernelError, frame: FrameType) -> KernelError:
    """The error with the place before it that called glia, if that is the user's own code."""
    file, line = kernel_place(frame)
    return error if file.startswith(f"{_PACKAGE}/") else located(error, file, line)


def is_internal(file: str) -> bool:
    """True for the files of glia that carry out what a kernel calls."""
    return file.startswith(_HIDDEN)


def kernel_place(frame: FrameType) -> tuple[str, int]:
    """File and line of the innermost frame, from `frame` outwards, of the kernel's own code."""
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HIDDEN):
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno)


def kernel_frames(frame: FrameType | None) -> Iterator[tuple[str, int]]:
    """File and line of the frames from `frame` outwards, until the one that traces the kernel."""
    inside = False
    while frame is not None:
        file = frame.f_code.co_filename
        if is_internal(file):
            if inside and frame.f_code.co_name == CALLER:
                return
        else:
            inside = True
            yield file, frame.f_lineno
        frame = frame.f_back


def error_place(error: BaseException) -> tuple[str, int]:
    """The kernel's file and line where an error left it (views raise outside instructions)."""
    found, trace = ("kernel", 0), error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not is_internal(file):
            found = (file, trace.tb_lineno)
        trace = trace.tb_next
    return found
