"""How a long job says where it is: steps with a one-line result. The cli shows them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Step(Protocol):
    """One step under way."""

    def note(self, text: str) -> None:
        """The step's result in one line."""
        ...

    def advance(self, fraction: float) -> None:
        """How much of the step is done, 0 to 1."""
        ...


class Progress(Protocol):
    """Shows the steps of a job."""

    def step(self, name: str) -> AbstractContextManager[Step]:
        """A step; it ends with the block."""
        ...


class NullStep:
    """Shows nothing."""

    def note(self, text: str) -> None:
        """Drop the text."""

    def advance(self, fraction: float) -> None:
        """Drop the fraction."""


class NullProgress:
    """Shows nothing."""

    def step(self, name: str) -> AbstractContextManager[Step]:
        """A silent step."""
        return nullcontext(NullStep())
