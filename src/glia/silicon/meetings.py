"""Cores and ranks that wait for each other: who meets whom, and when none can go on.

A member is (rank, core). A barrier or a sendrecv is of the cores of one rank, a collective of one
core of several ranks. Members meet when all of a group stand at the same key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from glia.core.errors import KernelError
from glia.isa.launch.located import located
from glia.isa.stream import Instruction, Place, Stream, Sync

Member = tuple[int, int]


def member_of(place: Place) -> Member:
    """Which member a program is."""
    return place.rank, place.core


def group_of(member: Member, sync: Sync) -> tuple[Member, ...]:
    """The members that meet at a sync that `member` has come to."""
    rank, core = member
    if sync.kind == "collective":
        return tuple((other, core) for other in sync.group)
    return tuple((rank, other) for other in sync.group)


def complete(waiting: Mapping[Member, Instruction]) -> list[tuple[Member, ...]]:
    """The groups of which all have come to the same meeting, each in the order of its group."""
    found = []
    for member, made in waiting.items():
        assert made.sync is not None
        group = group_of(member, made.sync)
        if member == group[0] and all(_same(made.sync, waiting.get(m)) for m in group):
            found.append(group)
    return found


def _same(sync: Sync, other: Instruction | None) -> bool:
    theirs = None if other is None else other.sync
    return theirs is not None and (theirs.kind, theirs.key, theirs.group) == (
        sync.kind,
        sync.key,
        sync.group,
    )


def deadlock(waiting: Mapping[Member, Instruction]) -> KernelError:
    """The error when everyone waits and no group is complete; others have ended."""
    member, made = next(iter(waiting.items()))
    assert made.sync is not None
    partners = [m for m in group_of(member, made.sync) if m != member]
    wrong = next((m for m in partners if not _same(made.sync, waiting.get(m))), member)
    theirs = waiting.get(wrong)
    if theirs is None:
        found = f"{_name(wrong, waiting)} at its end"
    else:
        assert theirs.sync is not None
        line = f"{theirs.file.rpartition('/')[2]}:{theirs.line}"
        found = f"{_name(wrong, waiting)} at {line} waiting at {theirs.sync.key}"
    return located(
        KernelError(
            f"{_name(member, waiting)} waiting at {made.sync.key}: got {found}, expected it at "
            "the same meeting; let all reach the same meetings in the same order"
        ),
        made.file,
        made.line,
    )


def _name(member: Member, waiting: Mapping[Member, Instruction]) -> str:
    rank, core = member
    several = any(m[0] != rank for m in waiting) or any(
        made.sync is not None and made.sync.kind == "collective" for made in waiting.values()
    )
    return f"rank {rank} core {core}" if several else f"core {core}"


@dataclass(frozen=True, slots=True)
class Meeting:
    """A group that has met, each member at its instruction."""

    members: tuple[Member, ...]
    instructions: tuple[Instruction, ...]


def walk(streams: Sequence[Stream]) -> Iterator[tuple[Member, Instruction] | Meeting]:
    """All instructions in an order that the meetings allow, and the meetings; needs no values.

    Raises:
        KernelError: when members wait for each other for ever; names the lines of both.
    """
    positions = {member_of(stream.place): 0 for stream in streams}
    waiting: dict[Member, Instruction] = {}
    while True:
        for stream in streams:
            member = member_of(stream.place)
            if member in waiting:
                continue
            at, made = positions[member], stream.instructions
            while at < len(made) and made[at].sync is None:
                yield member, made[at]
                at += 1
            positions[member] = at
            if at < len(made):
                waiting[member] = made[at]
        if not waiting:
            return
        groups = complete(waiting)
        if not groups:
            raise deadlock(waiting)
        for group in groups:
            yield Meeting(group, tuple(waiting[m] for m in group))
            for member in group:
                del waiting[member]
                positions[member] += 1
