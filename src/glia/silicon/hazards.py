"""What each instruction must wait for, by memory region.

`needs` are true dependences (it reads what another wrote, or the kernel asked for the order);
`after` are the orders that reuse of memory imposes (write after read, write after write, a new
storage on an old one's address).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from glia.core.collection import no_collection
from glia.isa.stream import Instruction, Stream
from glia.isa.tensors.tensor import Storage
from glia.silicon.regions import Region, covers, overlap, region

Key = tuple[Region, str]
_MANY = 16  # accesses beyond which a table is searched by rows


@dataclass(frozen=True, slots=True)
class Dependences:
    """Per instruction, the indices of earlier instructions it waits for."""

    needs: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]


def track(made: Instruction) -> str:
    """The in-order resource an instruction is issued on: an engine or a DMA queue."""
    dma = made.work.dma
    return made.engine.name if dma is None else f"queue {dma.queue}"


class _Accesses:
    """The latest access to each region by each track; large tables are sorted into row blocks."""

    __slots__ = ("_blocks", "_latest", "_wide")

    _ROWS = 128

    def __init__(self) -> None:
        self._latest: dict[Key, int] = {}
        self._blocks: dict[int, dict[Key, int]] | None = None
        self._wide: dict[Key, int] = {}

    def record(self, key: Key, index: int) -> None:
        """This access is now the latest of its kind."""
        self._latest[key] = index
        if self._blocks is not None:
            self._table(key)[key] = index
        elif len(self._latest) > _MANY:
            self._blocks = {}
            for other, i in self._latest.items():
                self._table(other)[other] = i

    def touching(self, area: Region) -> list[tuple[Key, int]]:
        """Accesses to regions that overlap `area`."""
        if self._blocks is None:
            return [(k, i) for k, i in self._latest.items() if overlap(k[0], area)]
        tables = [self._wide]
        for block in range(area.first // self._ROWS, (area.last - 1) // self._ROWS + 1):
            if block in self._blocks:
                tables.append(self._blocks[block])
        return [(k, i) for table in tables for k, i in table.items() if overlap(k[0], area)]

    def drop(self, key: Key) -> None:
        """Forget an access that a later one stands for."""
        del self._latest[key]
        if self._blocks is not None:
            del self._table(key)[key]

    def _table(self, key: Key) -> dict[Key, int]:
        assert self._blocks is not None
        area = key[0]
        first = area.first // self._ROWS
        if (area.last - 1) // self._ROWS != first:
            return self._wide
        return self._blocks.setdefault(first, {})


class _History:
    """Accesses to one piece of memory that later ones may have to wait for."""

    __slots__ = ("last_by_track", "predecessors", "readers", "writers")

    def __init__(self) -> None:
        self.writers = _Accesses()
        self.readers = _Accesses()
        self.last_by_track: dict[str, int] = {}
        self.predecessors: tuple[int, ...] = ()

    def read(self, area: Region, where: str, index: int) -> list[int]:
        """Record a read; returns the writers it needs."""
        found = [i for _, i in self.writers.touching(area)]
        self.readers.record((area, where), index)
        self.last_by_track[where] = index
        return found

    def write(self, area: Region, where: str, index: int) -> list[int]:
        """Record a write; returns the earlier accesses it must follow."""
        found = list(self.predecessors)
        for table in (self.writers, self.readers):
            for key, i in table.touching(area):
                found.append(i)
                if covers(area, key[0]):
                    table.drop(key)
        self.writers.record((area, where), index)
        self.last_by_track[where] = index
        return found


class _Occupants:
    """Which storage last held each byte column of one on-chip memory, by address."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._pieces: list[tuple[int, int, int]] = []  # start, end, key of the storage

    def replace(self, start: int, end: int, key: int) -> list[int]:
        """Install a storage; returns those it takes bytes from."""
        at = bisect_left(self._starts, start)
        if at and self._pieces[at - 1][1] > start:
            at -= 1
        last, kept, previous = at, [], []
        while last < len(self._pieces) and self._pieces[last][0] < end:
            low, high, other = self._pieces[last]
            previous.append(other)
            if low < start:
                kept.append((low, start, other))
            if high > end:
                kept.append((end, high, other))
            last += 1
        kept.append((start, end, key))
        kept.sort()
        self._pieces[at:last] = kept
        self._starts[at:last] = [piece[0] for piece in kept]
        return previous


class _Memories:
    """The histories of all memory of a stream.

    Storages that the kernel pinned to common bytes and may use in turns have one history; in others
    the first use displaces whoever held the bytes before.
    """

    def __init__(self, stream: Stream) -> None:
        self._groups = _common_bytes(stream.storages)
        self._histories: dict[int, _History] = {}  # by group, which is a storage's index
        self._of: dict[int, _History] = {}  # by storage index
        self._occupants = {"sbuf": _Occupants(), "psum": _Occupants()}

    def of(self, storage: Storage) -> _History:
        """The history that accesses to a storage belong to."""
        found = self._of.get(storage.index)
        if found is None:
            found = self._of[storage.index] = self._install(storage)
        return found

    def _install(self, storage: Storage) -> _History:
        group = self._groups.get(storage.index, storage.index)
        history = self._histories.setdefault(group, _History())
        occupants = self._occupants.get(storage.memory)
        if occupants is not None:
            end = storage.address + storage.partition_bytes
            before = {g for g in occupants.replace(storage.address, end, group) if g != group}
            last = {i for g in before for i in self._histories[g].last_by_track.values()}
            history.predecessors = tuple(sorted({*history.predecessors, *last}))
        return history


def _common_bytes(storages: tuple[Storage, ...]) -> dict[int, int]:
    """For each pinned storage that shares bytes with another, the first of its group."""
    groups: dict[int, int] = {}
    for memory in ("sbuf", "psum"):
        pinned = [s for s in storages if s.pinned is not None and s.memory == memory]
        pinned.sort(key=lambda s: s.address)
        end, first = -1, -1
        for storage in pinned:
            if storage.address >= end:
                first = storage.index
            groups[storage.index] = first
            end = max(end, storage.address + storage.partition_bytes)
    return groups


def dependences(stream: Stream) -> Dependences:
    """Compute both kinds of dependence of every instruction; kept on the stream."""
    known = stream.cache.get("dependences")
    if known is None:
        with no_collection():
            known = stream.cache["dependences"] = _dependences(stream)
    return known


def _dependences(stream: Stream) -> Dependences:
    memories = _Memories(stream)
    asked: dict[int, list[int]] = {}
    for consumer, producer in stream.extra:
        asked.setdefault(consumer, []).append(producer)
    written = {view.storage.index for made in stream.instructions for view in made.writes}
    regions: dict[int, Region] = {}  # by the view's identity: many instructions name the same one
    needs: list[tuple[int, ...]] = []
    after: list[tuple[int, ...]] = []
    for made in stream.instructions:
        index, where = made.index, track(made)
        true: set[int] = set(asked.get(index, ()))
        order: set[int] = set()
        for view in made.reads:
            if view.storage.on_chip or view.storage.index in written:  # else it stays as it is
                area = regions.get(id(view)) or regions.setdefault(id(view), region(view))
                true.update(memories.of(view.storage).read(area, where, index))
        for view in made.writes:
            area = regions.get(id(view)) or regions.setdefault(id(view), region(view))
            order.update(memories.of(view.storage).write(area, where, index))
        order.discard(index)
        needs.append(tuple(true))
        after.append(tuple(order - true) if order else ())
    return Dependences(tuple(needs), tuple(after))
