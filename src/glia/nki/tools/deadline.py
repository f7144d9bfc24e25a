"""What a kernel may not do to the tools: take for ever without issuing anything, or exit."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType

from glia.isa.launch.located import LocatedError, error_place, kernel_place

DEFAULT_S = 600.0


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Inside, a KernelError with the kernel's line once `seconds` have passed; 0 means no limit.

    An exit of the kernel is such an error, too. The limit holds where the system has timers, and in
    the main thread: elsewhere nothing is limited.
    """
    is_main = threading.current_thread() is threading.main_thread()
    limited = seconds > 0 and is_main and hasattr(signal, "setitimer")
    try:
        with _timer(seconds) if limited else nullcontext():
            yield
    except SystemExit as stop:
        file, line = error_place(stop)
        raise LocatedError(
            f"{Path(file).name}:{line}: running the kernel: got SystemExit, expected it to return; "
            "a kernel cannot exit"
        ) from None


@contextmanager
def _timer(seconds: float) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        assert frame is not None
        file, line = kernel_place(frame)
        raise LocatedError(
            f"{Path(file).name}:{line}: running the kernel: got no end within {seconds:g} s, "
            "expected one; check the loops around this line, or raise --time-limit"
        )

    before = signal.signal(signal.SIGALRM, stop)
    # Again each second, in case the kernel itself catches the error.
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
