"""Addresses for on-chip storages, by live range, after the whole kernel is traced.

A storage lives from the first to the last instruction that touches it. Free space that was
released longest ago is reused first: reuse makes the new owner wait for the old one, so a rotation
keeps double-buffered loops overlapping. Pinned addresses are honoured; two live storages on one
address are an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from glia.core.errors import KernelError
from glia.isa.stream import Instruction
from glia.isa.target import Target
from glia.isa.tensor import Storage

_ALIGN_BYTES = 32  # smallest unit handed out; keeps 32-byte SBUF accesses whole


@dataclass(slots=True)
class _Piece:
    """A run of bytes in every partition, free since instruction `since` (-1: never used)."""

    start: int
    size: int
    since: int


class _Space:
    """Free pieces of one memory."""

    def __init__(self, size: int, unit: int) -> None:
        self.unit = unit
        self.pieces = [_Piece(0, size, -1)]
        self.used = 0
        self.peak = 0

    def take(self, size: int) -> int | None:
        """Reserve `size` bytes from the piece that fits and was released longest ago."""
        size = -(-size // self.unit) * self.unit
        fitting = [p for p in self.pieces if p.size >= size]
        if not fitting and not self._merge(size):
            return None
        best = min((p for p in self.pieces if p.size >= size), key=lambda p: (p.since, p.start))
        start = best.start
        best.start += size
        best.size -= size
        self.pieces = [p for p in self.pieces if p.size]
        self.used += size
        self.peak = max(self.peak, self.used)
        return start

    def give(self, start: int, size: int, now: int) -> None:
        """Release bytes; kept apart from their neighbours so that their age stays known."""
        size = -(-size // self.unit) * self.unit
        self.used -= size
        self.pieces.append(_Piece(start, size, now))

    def _merge(self, size: int) -> bool:
        merged: list[_Piece] = []
        for piece in sorted(self.pieces, key=lambda p: p.start):
            if merged and merged[-1].start + merged[-1].size == piece.start:
                merged[-1].size += piece.size
                merged[-1].since = max(merged[-1].since, piece.since)
            else:
                merged.append(piece)
        self.pieces = merged
        return any(p.size >= size for p in merged)


def allocate(
    storages: Sequence[Storage], instructions: Sequence[Instruction], target: Target
) -> tuple[int, int]:
    """Set `address` of every on-chip storage.

    Returns:
        Peak SBUF bytes per partition and peak PSUM banks in use.

    Raises:
        KernelError: when live storages do not fit, or pinned ones overlap while both live.
    """
    ranges = live_ranges(instructions)
    sbuf = _allocate_memory("sbuf", storages, ranges, target.sbuf_bytes, _ALIGN_BYTES, target)
    bank = target.psum_bank_bytes
    psum = _allocate_memory("psum", storages, ranges, target.psum_bytes, bank, target)
    return sbuf, -(-psum // bank)


def live_ranges(instructions: Iterable[Instruction]) -> dict[int, tuple[int, int]]:
    """First and last instruction index that touches each storage."""
    ranges: dict[int, tuple[int, int]] = {}
    for made in instructions:
        for view in (*made.writes, *made.reads):
            first, _ = ranges.get(view.storage.index, (made.index, 0))
            ranges[view.storage.index] = (first, made.index)
    return ranges


def _allocate_memory(
    memory: str,
    storages: Sequence[Storage],
    ranges: dict[int, tuple[int, int]],
    size: int,
    unit: int,
    target: Target,
) -> int:
    mine = [s for s in storages if s.memory == memory and s.index in ranges]
    mine.sort(key=lambda s: (ranges[s.index][0], s.index))
    pinned_top = _place_pinned([s for s in mine if s.pinned is not None], ranges, size)
    free = [s for s in mine if s.pinned is None]
    try:
        return pinned_top + _rotate(memory, free, ranges, size, unit, pinned_top, target)
    except KernelError:
        packed = _pack(free, ranges, size, unit, pinned_top)
        if packed is None:
            raise
        return packed


def _rotate(
    memory: str,
    storages: Sequence[Storage],
    ranges: dict[int, tuple[int, int]],
    size: int,
    unit: int,
    pinned_top: int,
    target: Target,
) -> int:
    """In program order, each on the memory released longest ago; returns the peak in use."""
    space = _Space(size - pinned_top, unit)
    live: list[Storage] = []
    for storage in storages:
        now = ranges[storage.index][0]
        for ended in [s for s in live if ranges[s.index][1] < now]:
            live.remove(ended)
            space.give(ended.address - pinned_top, ended.partition_bytes, ranges[ended.index][1])
        start = space.take(storage.partition_bytes)
        if start is None:
            raise _does_not_fit(memory, storage, live, size - pinned_top, target)
        storage.address = start + pinned_top
        live.append(storage)
    return space.peak


def _pack(
    storages: Sequence[Storage],
    ranges: dict[int, tuple[int, int]],
    size: int,
    unit: int,
    pinned_top: int,
) -> int | None:
    """Largest first, each at the lowest address that is free while it lives; the top, or None.

    Holds more than rotation, which scatters small pieces, but makes more instructions wait.
    """
    placed: list[Storage] = []
    top = pinned_top
    for storage in sorted(storages, key=lambda s: (-s.partition_bytes, s.index)):
        mine = ranges[storage.index]
        rivals = [s for s in placed if _both_live(ranges[s.index], mine)]
        at = pinned_top
        for rival in sorted(rivals, key=lambda s: s.address):
            if rival.address >= at + storage.partition_bytes:
                break
            at = max(at, -(-(rival.address + rival.partition_bytes) // unit) * unit)
        if at + storage.partition_bytes > size:
            return None
        storage.address = at
        placed.append(storage)
        top = max(top, at + storage.partition_bytes)
    return top


def _place_pinned(pinned: Sequence[Storage], ranges: dict[int, tuple[int, int]], size: int) -> int:
    """Honour explicit addresses; returns the first byte above all of them."""
    for storage in pinned:
        storage.start_partition, storage.address = storage.pinned or (0, 0)
        if storage.address + storage.partition_bytes > size:
            raise KernelError(
                f"placing {storage.name}: got address {storage.address} for "
                f"{storage.partition_bytes} bytes, expected it inside {size}"
            )
    for i, one in enumerate(pinned):
        for other in pinned[i + 1 :]:
            if _both_live(ranges[one.index], ranges[other.index]) and _overlap(one, other):
                raise KernelError(
                    f"placing {other.name}: got an address inside {one.name}, which is live at the "
                    "same time; move one of them"
                )
    return max((s.address + s.partition_bytes for s in pinned), default=0)


def _both_live(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _overlap(one: Storage, other: Storage) -> bool:
    rows = (
        one.start_partition < other.start_partition + other.num_partitions
        and other.start_partition < one.start_partition + one.num_partitions
    )
    columns = (
        one.address < other.address + other.partition_bytes
        and other.address < one.address + one.partition_bytes
    )
    return rows and columns


def _does_not_fit(
    memory: str, storage: Storage, live: Sequence[Storage], size: int, target: Target
) -> KernelError:
    largest = sorted(live, key=lambda s: -s.partition_bytes)[:4]
    listing = ", ".join(f"{s.name} {s.partition_bytes}" for s in largest)
    held = sum(s.partition_bytes for s in live)
    return KernelError(
        f"allocating {storage.name} in {memory} of {target.chip}: got {storage.partition_bytes} "
        f"bytes per partition on top of {held} live ones (largest: {listing}), expected at most "
        f"{size}; use smaller tiles, or let tiles die earlier"
    )
