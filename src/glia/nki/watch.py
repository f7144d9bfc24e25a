"""A kernel whose Python runs on and on without issuing anything: found by a thread that looks.

A loop that issues instructions ends at their limit (isa/launch/limits.py); `while True: pass`
issues none. A second thread looks now and then whether the launch still grows, and raises in the
kernel's thread when it has not for long. It counts looks, not time, so that a machine that slept is
not held against the kernel.
"""

from __future__ import annotations

import bdb
import ctypes
import os
import sys
import sysconfig
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb
from types import FrameType

from glia.core.errors import UsageError
from glia.isa.launch.builder import StreamBuilder
from glia.isa.launch.located import LocatedError
from glia.silicon.execution.turns import Turns

VARIABLE = "GLIA_MAX_IDLE_S"
DEFAULT_S = 60.0
_PACKAGE = f"{Path(__file__).parents[1]}{os.sep}"
_KERNELS = f"{_PACKAGE}kernels{os.sep}"
_INSTALLED = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
_CALLED = tuple(f"{at}/{name}/" for at in _INSTALLED for name in ("ml_dtypes", "numpy"))
_PYTHON = (sysconfig.get_path("stdlib"), sysconfig.get_path("scripts"))
_LOOK_S = 0.5


class DeadlineError(LocatedError):
    """A kernel that did not come to an end in time; it says nothing about legality."""


class _Idle(BaseException):
    """Raised in the kernel's thread; no `except Exception` of the kernel keeps it."""


@contextmanager
def watched(builder: StreamBuilder) -> Iterator[None]:
    """Inside, a DeadlineError once the launch has not grown for GLIA_MAX_IDLE_S (0: no limit).

    Raises:
        DeadlineError: with the line that was running.
    """
    limit_s = _limit()
    if limit_s == 0:
        yield
        return
    watch = _Watch(builder, limit_s)
    try:
        with watch:
            yield
    except _Idle as idle:
        place = place_of(frame for frame, _ in reversed(list(walk_tb(idle.__traceback__))))
        raise DeadlineError(
            f"{place or 'kernel'}: tracing the kernel: got no instruction within "
            f"{limit_s:g} s, expected one or an end; check the loops around this line, or raise "
            f"the limit with {VARIABLE}"
        ) from None


def _limit() -> float:
    text = os.environ.get(VARIABLE, "")
    try:
        limit_s = float(text or DEFAULT_S)
    except ValueError:
        limit_s = -1.0
    if not 0 <= limit_s < float("inf"):
        raise UsageError(f"reading {VARIABLE}: got {text!r}, expected seconds; 0 is no limit")
    return limit_s


class _Watch:
    """The thread that looks, while its `with` block runs in the kernel's."""

    def __init__(self, builder: StreamBuilder, limit_s: float) -> None:
        self.builder = builder
        self.look_s = min(_LOOK_S, limit_s)
        self.num_looks = max(1, round(limit_s / self.look_s))
        self.watched = threading.get_ident()
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.raised = False
        self.thread = threading.Thread(target=self._look, daemon=True, name="glia-watch")

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        while True:
            try:
                with self.lock:
                    self.ended.set()
                if self.raised:
                    self._receive()
                return
            except _Idle:  # it came in between
                continue

    def _receive(self) -> None:
        """Take what may be on its way still.

        Taken back, by raising nothing, it would leave CPython 3.11 with an interruption that nobody
        clears: the next call under `sys.setprofile` or a debugger would never begin.
        """
        try:
            _raise_in(self.watched, _Idle)
            while True:
                pass
        except _Idle:
            return

    def _look(self) -> None:
        seen, idle = -1, 0
        while not self.ended.wait(self.look_s):
            now = self.builder.budget.spent
            idle = 0 if now != seen or self._waits() else idle + 1
            seen = now
            if idle >= self.num_looks:
                self._stop()

    def _waits(self) -> bool:
        """True at a debugger's prompt, and until another core is ready."""
        frames = list(frames_from(sys._current_frames().get(self.watched)))
        return at_prompt(frames) or any(f.f_code is Turns.wait.__code__ for f in frames)

    def _stop(self) -> None:
        with self.lock:
            if not self.ended.is_set():
                self.raised = True
                _raise_in(self.watched, _Idle)


def _raise_in(thread: int, error: type[BaseException]) -> None:
    """Raise in a thread at its next step of Python; what was on its way there is replaced."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))


def place_of(frames: Iterable[FrameType]) -> str:
    """`file:line` of the innermost frame that is the kernel's own, given innermost first, or "".

    Neither glia, Python nor an installed package is meant, unless the kernel lies in one (not in
    NumPy, which glia calls too); code that has no file (methods that Python makes) is nobody's.
    """
    installed = ""
    for frame in frames:
        file = frame.f_code.co_filename
        inside = file.startswith(_PACKAGE) and not file.startswith(_KERNELS)
        place = f"{Path(file).name}:{frame.f_lineno}"
        if not inside and file.startswith(_INSTALLED) and not file.startswith(_CALLED):
            installed = installed or place
        elif not (inside or file.startswith(("<", *_PYTHON, *_CALLED))):
            return place
    return installed


def at_prompt(frames: Iterable[FrameType]) -> bool:
    """True while a debugger asks its user something: its callbacks are on the stack."""
    return any(frame.f_code.co_filename == bdb.__file__ for frame in frames)


def frames_from(frame: FrameType | None) -> Iterator[FrameType]:
    """The frame and those that called it."""
    while frame is not None:
        yield frame
        frame = frame.f_back
