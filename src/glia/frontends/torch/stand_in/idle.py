"""What takes the place of streams, events and CUDA graphs where there is one queue: the CPU's."""

from __future__ import annotations

from typing import Any


class Idle:
    """Takes every argument and every call, and does nothing; also a context."""

    cuda_stream = 0
    device_index = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Any arguments, as of a stream or an event."""

    def __enter__(self) -> Idle:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def record(self, *args: Any) -> None:
        """All work is done when a call returns."""

    wait = synchronize = wait_stream = wait_event = record
    capture_begin = capture_end = replay = reset = record

    def record_event(self, *args: Any) -> Idle:
        """An event that has happened."""
        return Idle()

    def query(self) -> bool:
        """All work is done when a call returns."""
        return True

    def elapsed_time(self, other: Idle) -> float:
        """No time was measured; more than none, as code divides by it."""
        return 1.0

    def pool(self) -> tuple[int, int]:
        """A pool that nothing is taken from."""
        return (0, 0)
