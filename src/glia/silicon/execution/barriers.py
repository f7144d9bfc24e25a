"""What a barrier orders beside the tensor that it is about: what hangs together with it.

A core_barrier blocks one engine and stands for a read and a write of its `data`; other engines, and
the DMA queues, go on. An access to another tensor is before the barrier only if the barrier waits
for it through what lies between: values handed on, memory used again, an engine's own order. Here
memory is taken by whole storages, so that an order is never denied where there is one.
Source: aws-neuron-sdk nki/api/nki/isa/__init__.py (core_barrier).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from glia.isa.engines import engine
from glia.isa.stream import Instruction, Stream
from glia.silicon.meetings import Meeting, Member, member_of


class Barriers:
    """The barriers that the members have met at, and what they order by dependence alone."""

    def __init__(self, streams: Sequence[Stream]) -> None:
        self._streams = {member_of(s.place): s.instructions for s in streams}
        self._met: list[Mapping[Member, Instruction]] = []
        self._known: dict[tuple[Member, int, Member, int], bool] = {}

    def add(self, meeting: Meeting) -> None:
        """Remember one."""
        self._met.append(dict(zip(meeting.members, meeting.instructions, strict=True)))

    def order(self, one: Member, first: Instruction, other: Member, then: Instruction) -> bool:
        """True when `first` of one member is over before `then` of the other may start."""
        key = (one, first.index, other, then.index)
        if key not in self._known:
            self._known[key] = self._ordered(one, first, other, then)
        return self._known[key]

    def _ordered(self, one: Member, first: Instruction, other: Member, then: Instruction) -> bool:
        between = {
            met[one].index: met[other]
            for met in self._met
            if one in met and other in met
            and met[one].index > first.index and met[other].index < then.index
        }  # fmt: skip
        if not between:
            return False
        for at in _after(self._streams[one], first.index, max(between)):
            if at in between:
                start = between[at].index
                return then.index in _after(self._streams[other], start, then.index)
        return False


def _after(program: Sequence[Instruction], start: int, last: int) -> Iterator[int]:
    """Numbers of the instructions up to `last` that wait for instruction `start` to end."""
    read: set[int] = set()
    written: set[int] = set()
    engines: set[engine] = set()
    for made in program[start : last + 1]:
        reads = {v.storage.index for v in made.reads}
        writes = {v.storage.index for v in made.writes}
        waits = (
            made.index == start
            or made.engine in engines
            or not written.isdisjoint(reads | writes)
            or not read.isdisjoint(writes)
        )
        if not waits:
            continue
        read |= reads
        written |= writes
        if made.engine is not engine.dma:
            engines.add(made.engine)
        if made.index > start:
            yield made.index
