"""Functions that take turns: each in a thread of its own, exactly one of them running.

So a kernel that asks for data while it is traced on one core can wait for what another core has
yet to issue. Who runs next follows from the program alone; two runs are the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context


class _Abandoned(BaseException):
    """Unwinds a function whose partners have failed."""


class _Turn:
    def __init__(self, body: Callable[[], None]) -> None:
        self.body = body
        self.go = threading.Semaphore(0)
        self.thread: threading.Thread | None = None
        self.waiting = self.done = False
        self.error: BaseException | None = None


class Turns:
    """`ready(number)` says whether a function that waits may go on.

    `stuck()` makes the error for when none may.
    """

    def __init__(self, ready: Callable[[int], bool], stuck: Callable[[], Exception]) -> None:
        self._ready, self._stuck = ready, stuck
        self._turns: list[_Turn] = []
        self._back = threading.Semaphore(0)
        self._abandoned = False

    def run(self, bodies: Sequence[Callable[[], None]]) -> None:
        """Run all to their ends, the first as far as it goes first.

        Raises:
            Exception: the first error of any of them; the others are abandoned.
        """
        self._turns = [_Turn(body) for body in bodies]
        try:
            while not all(turn.done for turn in self._turns):
                if not any(self._step(i, turn) for i, turn in enumerate(self._turns)):
                    raise self._stuck()
        finally:
            self._abandon()

    def _step(self, number: int, turn: _Turn) -> bool:
        if turn.done or (turn.waiting and not self._ready(number)):
            return False
        self._resume(turn)
        if turn.error is not None:
            raise turn.error
        return True

    def wait(self, number: int) -> None:
        """Called by function `number`: let the others run until it is ready."""
        turn = self._turns[number]
        turn.waiting = True
        self._back.release()
        turn.go.acquire()
        turn.waiting = False
        if self._abandoned:
            raise _Abandoned

    def _resume(self, turn: _Turn) -> None:
        if turn.thread is None:
            run = copy_context().run
            turn.thread = threading.Thread(target=run, args=(self._body, turn), daemon=True)
            turn.thread.start()
        else:
            turn.go.release()
        self._back.acquire()

    def _body(self, turn: _Turn) -> None:
        try:
            turn.body()
        except BaseException as error:  # raised again by `run`
            turn.error = error
        turn.done = True
        self._back.release()

    def _abandon(self) -> None:
        self._abandoned = True
        for turn in self._turns:
            if turn.thread is not None and not turn.done:
                self._resume(turn)
            if turn.thread is not None:
                turn.thread.join()
