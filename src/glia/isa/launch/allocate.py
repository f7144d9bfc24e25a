"""Addresses for on-chip storages, by live range, after the whole kernel is traced.

A storage lives from the first to the last instruction that touches it. Free space that was
released longest ago is reused first: reuse makes the new owner wait for the old one, so a rotation
keeps double-buffered loops overlapping. Pinned addresses are honoured (`pinned.py`), and the others
are placed around them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from glia.core.errors import KernelError
from glia.isa.launch.located import located
from glia.isa.launch.pinned import place_pinned
from glia.isa.stream import Instruction
from glia.isa.target import Target
from glia.isa.tensors.tensor import Storage

_ALIGN_BYTES = 32  # smallest unit handed out; keeps 32-byte SBUF accesses whole
_MAX_PIECES = 128  # free pieces whose ages are kept apart

Ranges = dict[int, tuple[int, int]]


class _Space:
    """Free pieces of one memory, in order of address.

    A piece is a run of bytes in every partition, from `starts` on, `sizes` long, free since
    instruction `sinces` (-1: never used). Three lists, because they are searched for every tile of
    a kernel and Python looks through lists of numbers fast.
    """

    def __init__(self, free: Sequence[tuple[int, int]], unit: int) -> None:
        self.unit = unit
        self.starts = [start for start, _ in free]
        self.sizes = [end - start for start, end in free]
        self.sinces = [-1] * len(free)
        self.used = 0
        self.peak = 0

    def take(self, size: int) -> int | None:
        """Reserve `size` bytes of neighbouring pieces, those whose youngest is the oldest."""
        size = -(-size // self.unit) * self.unit
        found = self._oldest_run(size)
        if found is None:
            return None
        first, last = found
        start, end = self.starts[first], self.starts[last] + self.sizes[last]
        left = end - (start + size)
        rest = slice(first, last + 1)
        self.starts[rest] = [end - left] if left else []
        self.sizes[rest] = [left] if left else []
        self.sinces[rest] = [self.sinces[last]] if left else []
        self.used += size
        self.peak = max(self.peak, self.used)
        return start

    def _oldest_run(self, size: int) -> tuple[int, int] | None:
        """Positions of the first and last piece of the best run, or None when none is as long.

        The best single piece comes first: a run of several can only win when all are as old.
        """
        sizes, sinces = self.sizes, self.sinces
        if not sinces:
            return None
        oldest = min(sinces)
        at = sinces.index(oldest)
        if sizes[at] >= size and sinces.count(oldest) == 1:
            return at, at  # nearly always
        best, found = None, None
        fitting = [since for since, have in zip(sinces, sizes, strict=True) if have >= size]
        if fitting:
            best = min(fitting)
            old = [i for i, since in enumerate(sinces) if since <= best]
            at = next(i for i in old if sizes[i] >= size)
            found = (at, at)
            if len(old) == 1:
                return found
        else:
            old = list(range(len(sinces)))
        for first, last in self._stretches(size, old):
            for at in range(first, last):
                end, age = self._run_from(at, size, best)
                if end >= 0 and (found is None or best is None or (age, at) < (best, found[0])):
                    best, found = age, (at, end)
        return found

    def _stretches(self, size: int, chosen: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Spans of several neighbours among the pieces at `chosen` that hold `size` together."""
        first, have, last, end = 0, 0, -2, -1
        for at in chosen:
            if at == last + 1 and self.starts[at] == end:
                have += self.sizes[at]
            else:
                if have >= size and last > first:
                    yield first, last + 1
                first, have = at, self.sizes[at]
            last, end = at, self.starts[at] + self.sizes[at]
        if have >= size and last > first:
            yield first, last + 1

    def _run_from(self, first: int, size: int, limit: int | None) -> tuple[int, int]:
        """The last piece of the shortest run from `first` on that is long enough, and its age.

        The last is -1 when there is none whose pieces are all as old as `limit`.
        """
        age, have, end = -1, 0, self.starts[first]
        for last in range(first, len(self.starts)):
            start, since = self.starts[last], self.sinces[last]
            if start != end or (limit is not None and since > limit):
                break
            age, have, end = max(age, since), have + self.sizes[last], start + self.sizes[last]
            if have >= size:
                return last, age
        return -1, age

    def give(self, start: int, size: int, now: int) -> None:
        """Release bytes; kept apart from their neighbours so that their age stays known."""
        size = -(-size // self.unit) * self.unit
        self.used -= size
        at = bisect_right(self.starts, start)
        self.starts.insert(at, start)
        self.sizes.insert(at, size)
        self.sinces.insert(at, now)
        if len(self.starts) > _MAX_PIECES:
            self._join_oldest()

    def _join_oldest(self) -> None:
        """Join neighbours that were both released in the older half of what is free."""
        limit = sorted(self.sinces)[len(self.sinces) // 2]
        joined: list[tuple[int, int, int]] = []
        for start, size, since in zip(self.starts, self.sizes, self.sinces, strict=True):
            before = joined[-1] if joined else (-1, 0, 0)
            if before[0] + before[1] == start and max(before[2], since) <= limit:
                joined[-1] = (before[0], before[1] + size, max(before[2], since))
            else:
                joined.append((start, size, since))
        self.starts = [start for start, _, _ in joined]
        self.sizes = [size for _, size, _ in joined]
        self.sinces = [since for _, _, since in joined]


def allocate(
    storages: Sequence[Storage], instructions: Sequence[Instruction], target: Target
) -> tuple[int, int]:
    """Set `address` of every on-chip storage.

    Returns:
        Peak SBUF bytes per partition and peak PSUM banks in use.

    Raises:
        KernelError: when live storages do not fit, or when one is read whose bytes another, pinned
            to the same address, has written since.
    """
    ranges = live_ranges(instructions)
    sbuf = _Placing("sbuf", target.sbuf_bytes, _ALIGN_BYTES, target, ranges, instructions)
    psum = _Placing("psum", target.psum_bytes, target.psum_bank_bytes, target, ranges, instructions)
    return sbuf.place(storages), -(-psum.place(storages) // target.psum_bank_bytes)


def live_ranges(instructions: Iterable[Instruction]) -> Ranges:
    """First and last instruction index that touches each storage."""
    ranges: Ranges = {}
    for made in instructions:
        for view in (*made.writes, *made.reads):
            first, _ = ranges.get(view.storage.index, (made.index, 0))
            ranges[view.storage.index] = (first, made.index)
    return ranges


@dataclass(frozen=True)
class _Placing:
    """The allocation of one memory: its bytes per partition, its unit, and who lives when."""

    memory: str
    size: int
    unit: int
    target: Target
    ranges: Ranges
    instructions: Sequence[Instruction]

    def place(self, storages: Sequence[Storage]) -> int:
        """Address every used storage of this memory; returns the peak bytes in use."""
        mine = [s for s in storages if s.memory == self.memory and s.index in self.ranges]
        mine.sort(key=lambda s: (self.ranges[s.index][0], s.index))
        pinned = [s for s in mine if s.pinned is not None]
        place_pinned(pinned, self.ranges, self.instructions)
        free = [s for s in mine if s.pinned is None]
        taken = _merged([(s.address, s.address + s.partition_bytes) for s in pinned])
        try:
            return self._rotate(free, taken) + sum(end - start for start, end in taken)
        except KernelError:
            packed = self._pack(free, pinned)
            if packed is None:
                raise
            return packed

    def _rotate(self, storages: Sequence[Storage], taken: Sequence[tuple[int, int]]) -> int:
        """In program order, each on the memory released longest ago; returns the peak in use.

        What is pinned at any time is left alone.
        """
        space = _Space(_gaps(taken, self.size, self.unit), self.unit)
        live: list[tuple[int, int, Storage]] = []  # last use, number, storage: a heap
        for number, storage in enumerate(storages):
            now = self.ranges[storage.index][0]
            ended = []
            while live and live[0][0] < now:
                ended.append(heappop(live))
            for last, _, old in sorted(ended, key=lambda entry: entry[1]):
                space.give(old.address, old.partition_bytes, last)
            start = space.take(storage.partition_bytes)
            if start is None:
                raise self._does_not_fit(storage, [s for _, _, s in live], taken)
            storage.address = start
            heappush(live, (self.ranges[storage.index][1], number, storage))
        return space.peak

    def _pack(self, storages: Sequence[Storage], pinned: Sequence[Storage]) -> int | None:
        """Largest first, each at the lowest address that is free while it lives; the top, or None.

        Holds more than rotation, which scatters small pieces and leaves alone what is pinned at any
        time, but makes more instructions wait.
        """
        placed = list(pinned)
        top = max((s.address + s.partition_bytes for s in pinned), default=0)
        for storage in sorted(storages, key=lambda s: (-s.partition_bytes, s.index)):
            first, last = self.ranges[storage.index]
            at = 0
            rivals = [
                s
                for s in placed
                if self.ranges[s.index][0] <= last and first <= self.ranges[s.index][1]
            ]
            for rival in sorted(rivals, key=lambda s: s.address):
                if rival.address >= at + storage.partition_bytes:
                    break
                at = max(at, -(-(rival.address + rival.partition_bytes) // self.unit) * self.unit)
            if at + storage.partition_bytes > self.size:
                return None
            storage.address = at
            placed.append(storage)
            top = max(top, at + storage.partition_bytes)
        return top

    def _does_not_fit(
        self, storage: Storage, live: Sequence[Storage], taken: Sequence[tuple[int, int]]
    ) -> KernelError:
        largest = sorted(live, key=lambda s: -s.partition_bytes)[:4]
        listing = ", ".join(f"{s.label} {s.partition_bytes}" for s in largest)
        held = sum(s.partition_bytes for s in live)
        size = self.size - sum(end - start for start, end in taken)
        pinned = f" beside {self.size - size} pinned" if taken else ""
        where = self.instructions[self.ranges[storage.index][0]]
        error = KernelError(
            f"allocating {storage.label} in {self.memory} of {self.target.chip}: got "
            f"{storage.partition_bytes} bytes per partition on top of {held} live ones (largest: "
            f"{listing or 'none'}){pinned}, expected at most {size}; use smaller tiles, or let "
            "tiles die earlier"
        )
        return located(error, where.file, where.line)


def _merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The union of spans, as spans that do not touch."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _gaps(taken: Sequence[tuple[int, int]], size: int, unit: int) -> list[tuple[int, int]]:
    """What of 0..size no span takes, from one multiple of `unit` on."""
    gaps, at = [], 0
    for start, end in (*taken, (size, size)):
        if start - at > 0:
            gaps.append((at, start))
        at = -(-end // unit) * unit
    return gaps
