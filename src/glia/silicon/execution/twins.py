"""Writes that both cores of a rank make alike: kernels that run whole on each core.

Such writes are of the same line, to the same bytes, and unordered. What they leave is defined when
their values are equal; the machine compares them.
Source: aws-neuron nki-library 2.29, whose kernels of one core are launched on two.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from glia.core.errors import KernelError
from glia.isa.launch.located import located
from glia.isa.stream import Instruction
from glia.isa.tensors.addressing import Rows
from glia.silicon.execution.binding import Hbm, Step
from glia.silicon.execution.witness import WatchedStep
from glia.silicon.meetings import Member


@dataclass(frozen=True, slots=True)
class Twins:
    """The instructions of two cores that write the same bytes."""

    members: tuple[Member, Member]
    instructions: tuple[Instruction, Instruction]

    @property
    def scatter(self) -> bool:
        """True when both pick their rows at run time."""
        return all(
            any(isinstance(view.indirection, Rows) for view in made.writes)
            for made in self.instructions
        )


class NotingStep:
    """A step that notes what it wrote."""

    __slots__ = ("_notes", "_step", "source")

    source: Instruction

    def __init__(self, step: Step | WatchedStep | NotingStep, notes: dict[int, int]) -> None:
        self._step, self._notes = step, notes
        self.source = step.source

    def operands(self, places: Mapping[int, Hbm]) -> Any:
        """Those of the step."""
        return self._step.operands(places)

    def run(self, places: Mapping[int, Hbm]) -> None:
        """Carry out the step, then note a checksum of its results."""
        self._step.run(places)
        found = self._step.operands(places)
        if found is not None:
            written = found[0][: len(self.source.writes)]
            self._notes[self.source.index] = zlib.crc32(b"".join(a.tobytes() for a in written))

    def passed(self, places: Mapping[int, Hbm]) -> None:
        """The meeting that the step stands for is over."""
        self._step.passed(places)


@dataclass
class Notes:
    """What the cores wrote, by member and instruction."""

    written: dict[Member, dict[int, int]] = field(default_factory=dict)

    def of(self, member: Member) -> dict[int, int]:
        """The checksums of one core."""
        return self.written.setdefault(member, {})

    def check(self, twins: Iterable[Twins]) -> None:
        """Refuse twins that wrote different values.

        Raises:
            KernelError: with the lines of both.
        """
        for pair in twins:
            if self.differ(pair):
                raise _differ(pair)

    def differ(self, pair: Twins) -> bool:
        """True when the two wrote different values."""
        one, other = (
            self.of(member).get(made.index)
            for member, made in zip(pair.members, pair.instructions, strict=True)
        )
        return one != other


def _differ(pair: Twins) -> KernelError:
    made, other = pair.instructions
    line = f"{other.file.rpartition('/')[2]}:{other.line}"
    return located(
        KernelError(
            f"{made.op} on core {pair.members[0][1]} and on core {pair.members[1][1]} ({line}) "
            "writing the same shared bytes: got different values, expected one core to write "
            "them, or both the same; divide the work by nl.program_id(0), or put "
            "nisa.core_barrier between the two"
        ),
        made.file,
        made.line,
    )
