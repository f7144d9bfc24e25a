"""Accesses to one shared memory, until they are ordered before everything that may come."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from glia.isa.launch.overlap import Pattern, patterns_overlap, span_of
from glia.isa.stream import Instruction
from glia.isa.tensors.tensor import NkiTensor
from glia.silicon.meetings import Member

Tag = tuple[Pattern, str, int, str, int]
"""A write: its bytes, file, line, op, and how many such writes came before it."""


@dataclass(frozen=True, slots=True)
class Access:
    """What one instruction of one core does to some bytes; a write has a tag."""

    member: Member
    epoch: int
    pattern: Pattern
    tag: Tag | None
    made: Instruction
    view: NkiTensor

    @property
    def writes(self) -> bool:
        """True for a write."""
        return self.tag is not None


class Recent:
    """Accesses to one memory that are not yet ordered before everything that may come."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Member, bool], _Kept] = {}
        self._history: dict[tuple[Member, Pattern], list[tuple[int, Tag]]] = defaultdict(list)
        self._counts: dict[tuple[Member, Pattern, str, int, str], int] = defaultdict(int)
        self._num_writes: dict[Member, int] = defaultdict(int)
        self._issued: dict[tuple[Member, Tag], int] = {}
        self._awaited: dict[tuple[Member, Tag], tuple[Access, Access]] = {}

    def tag(self, member: Member, pattern: Pattern, made: Instruction) -> Tag:
        """Number a write among its like, and remember it as the member's last to these bytes."""
        name = (pattern, made.file, made.line, made.op)
        count = self._counts[member, *name]
        self._counts[member, *name] = count + 1
        self._num_writes[member] += 1
        tag = (*name, count)
        self._history[member, pattern].append((made.index, tag))
        self._issued[member, tag] = made.index
        self._awaited.pop((member, tag), None)
        return tag

    def rivals(self, mine: Access, clock: dict[Member, int]) -> Iterator[Access]:
        """Earlier accesses of other members to the same bytes that `mine` is not ordered after."""
        low, high = span_of(mine.pattern)
        for (member, writes), kept in self._kept.items():
            if member == mine.member or not (writes or mine.writes):
                continue
            seen = clock[member]
            for other in kept.near(low, high):
                if other.epoch > seen and patterns_overlap(mine.pattern, other.pattern):
                    yield other

    def harmless(self, mine: Access, other: Access) -> bool:
        """True when each core makes the write itself, and before it reads: then both see one value.

        That the values are equal is for the machine to see; so it does for an instruction that
        reads what it writes.
        """
        if mine.tag is not None and other.tag is not None:
            return mine.tag == other.tag or self._alike(mine, other)
        reader, writer = (other, mine) if mine.writes else (mine, other)
        own = self._history[reader.member, writer.pattern]
        at = bisect_left(own, reader.made.index, key=lambda entry: entry[0])
        if at < len(own) and own[at] == (reader.made.index, writer.tag):
            return True
        if at == 0 or own[at - 1][1] != writer.tag:
            return False
        return not self._overwritten(reader, writer.pattern, own[at - 1][0])

    def _alike(self, mine: Access, other: Access) -> bool:
        """Both cores make both writes in one order; what this core has yet to make is awaited."""
        assert mine.tag is not None and other.tag is not None
        theirs = self._issued.get((other.member, mine.tag))
        if theirs is None:
            return False
        if theirs < other.made.index:
            self._awaited.setdefault((mine.member, other.tag), (mine, other))
            return True
        return (mine.member, other.tag) in self._issued

    def _overwritten(self, reader: Access, these: Pattern, since: int) -> bool:
        """The reader's core wrote something else to these bytes after instruction `since`."""
        return any(
            since < other.made.index < reader.made.index
            and patterns_overlap(other.pattern, these)
            and patterns_overlap(other.pattern, reader.pattern)
            for other in self._kept[reader.member, True].near(*span_of(reader.pattern))
        )

    def missing(self, member: Member) -> tuple[Access, Access] | None:
        """A write that the member should have made, as the other core did, before it meets."""
        return next((pair for (who, _), pair in self._awaited.items() if who == member), None)

    def add(self, access: Access) -> None:
        """Remember an access; of equal ones, with no write of this core between them, the last."""
        count = None if access.writes else self._num_writes[access.member]
        kept = self._kept.setdefault((access.member, access.writes), _Kept())
        kept.add((access.pattern, count), access)

    def prune(self, seen: dict[Member, int]) -> None:
        """Forget what is before everything to come: epochs that all have `seen`."""
        for (member, _), kept in self._kept.items():
            kept.prune(seen[member])


class _Kept:
    """Accesses of one member and kind, found by the blocks of bytes that they touch."""

    _BLOCK, _MANY = 1 << 14, 16  # bytes; blocks beyond which an access is wide

    def __init__(self) -> None:
        self._entries: dict[object, tuple[int, int, Access]] = {}
        self._blocks: dict[int, dict[object, None]] = defaultdict(dict)
        self._wide: dict[object, None] = {}

    def near(self, low: int, high: int) -> Iterator[Access]:
        """Those whose first and last byte enclose some of these."""
        keys: Iterable[object] = self._entries
        blocks = range(low // self._BLOCK, high // self._BLOCK + 1)
        if len(blocks) < len(self._blocks):
            known = (self._blocks[b] for b in blocks if b in self._blocks)
            keys = dict.fromkeys(chain(self._wide, *known))
        for key in keys:
            start, end, access = self._entries[key]
            if start <= high and low <= end:
                yield access

    def add(self, key: object, access: Access) -> None:
        """Remember one, in place of an equal one."""
        low, high = span_of(access.pattern)
        if key not in self._entries:
            blocks = range(low // self._BLOCK, high // self._BLOCK + 1)
            tables = [self._wide] if len(blocks) > self._MANY else [self._blocks[b] for b in blocks]
            for table in tables:
                table[key] = None
        self._entries[key] = (low, high, access)

    def prune(self, seen: int) -> None:
        """Forget the epochs up to `seen`."""
        kept = [(k, e[2]) for k, e in self._entries.items() if e[2].epoch > seen]
        if len(kept) < len(self._entries):
            for table in (self._entries, self._blocks, self._wide):
                table.clear()
            for key, access in kept:
                self.add(key, access)
