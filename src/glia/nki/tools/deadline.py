"""What a kernel may not do to the tools: take for ever without issuing anything, or exit."""

from __future__ import annotations

import ast
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import takewhile
from pathlib import Path
from types import FrameType

from glia.isa.launch.located import LocatedError, error_place
from glia.nki.watch import DeadlineError, at_prompt, frames_from, place_of

DEFAULT_S = 600.0
_TICK_S = 0.25
_SMALLER = "none of its own lines was running: take smaller arguments"
_AGAIN_S = 1.0  # the kernel itself may catch the error


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Inside, a DeadlineError with the kernel's line once `seconds` have passed; 0: no limit.

    An exit of the kernel is a KernelError, too.
    """
    try:
        with time_limit(seconds):
            yield
    except SystemExit as stop:
        file, line = error_place(stop)
        raise LocatedError(
            f"{Path(file).name}:{line}: running the kernel: got SystemExit, expected it to return; "
            "a kernel cannot exit"
        ) from None


def time_limit(seconds: float) -> AbstractContextManager[None]:
    """As `deadline`, but an exit is left alone, as a script may end by one.

    Time at the prompt of a debugger does not count. The limit holds where the system has timers,
    and in the main thread: elsewhere nothing is limited.
    """
    is_main = threading.current_thread() is threading.main_thread()
    limited = seconds > 0 and is_main and hasattr(signal, "setitimer")
    return _timer(seconds) if limited else nullcontext()


@contextmanager
def _timer(seconds: float) -> Iterator[None]:
    left, before_tick = seconds, time.monotonic()
    outside = list(frames_from(sys._getframe(1)))  # who called glia is not the kernel

    def tick(number: int, frame: FrameType | None) -> None:
        nonlocal left, before_tick
        now = time.monotonic()
        passed, before_tick = now - before_tick, now
        if frame is None or at_prompt(frames_from(frame)):
            return
        # Python's parser turns an exception from outside into a SystemError: the next tick is near.
        if frame.f_code.co_filename == ast.__file__:
            return
        left -= passed
        # A tick may come a little early by the other clock.
        if left > 0.01 * seconds:
            return
        left = _AGAIN_S
        place = place_of(takewhile(lambda f: f not in outside, frames_from(frame)))
        where, do = (f"{place}: ", "check the loops around this line") if place else ("", _SMALLER)
        raise DeadlineError(
            f"{where}running it: got no end within {seconds:g} s, expected one; {do}, or raise "
            "--time-limit"
        )

    before = signal.signal(signal.SIGALRM, tick)
    step = min(seconds, _TICK_S)
    signal.setitimer(signal.ITIMER_REAL, step, step)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
