"""What each instruction must wait for, by memory region.

`needs` are true dependences (it reads what another wrote); `after` are the orders that reuse of
memory imposes (write after read, write after write, a new storage on an old one's address). A
region is a box: rows (partitions, or rows of an HBM tensor) by bytes inside a row.
"""

from __future__ import annotations

from dataclasses import dataclass

from glia.isa.addressing import reach
from glia.isa.stream import Instruction, Stream
from glia.isa.tensor import NkiTensor, Storage

Box = tuple[int, int, int, int]  # first row, end row, first byte, end byte
Key = tuple[Box, str]


@dataclass(frozen=True, slots=True)
class Dependences:
    """Per instruction, the indices of earlier instructions it waits for."""

    needs: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]


def track(made: Instruction) -> str:
    """The in-order resource an instruction is issued on: an engine or a DMA queue."""
    dma = made.work.dma
    return made.engine.name if dma is None else f"queue {dma.queue}"


def box(view: NkiTensor) -> Box:
    """The smallest box around all that a view may touch, in its storage's rows and bytes."""
    view, size = reach(view), view.dtype.itemsize
    if view.on_chip:
        low, high = _span(view.shape[1:], view.steps[1:], view.start)
        last = view.partition + (view.shape[0] - 1) * view.steps[0]
        return (view.partition, last + 1, low * size, (high + 1) * size)
    return _hbm_box(view, max(view.storage.partition_bytes // size, 1), size)


def _hbm_box(view: NkiTensor, pitch: int, size: int) -> Box:
    """Rows and columns, when the view's strides respect the row pitch; else whole rows."""
    if view.storage.strides is not None:
        return (0, view.storage.num_partitions, 0, pitch * size)
    row, column = divmod(view.start, pitch)
    last_row, width = row, 0
    for count, stride in zip(view.shape, view.steps, strict=True):
        if stride % pitch == 0:
            last_row += (count - 1) * stride // pitch
        else:
            width += (count - 1) * stride
    if column + width >= pitch:
        low, high = _span(view.shape, view.steps, view.start)
        return (low // pitch, high // pitch + 1, 0, pitch * size)
    return (row, last_row + 1, column * size, (column + width + 1) * size)


def _span(shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> tuple[int, int]:
    reach = [(n - 1) * s for n, s in zip(shape, strides, strict=True)]
    return offset + sum(r for r in reach if r < 0), offset + sum(r for r in reach if r > 0)


class _History:
    """Accesses to one storage that later ones may have to wait for."""

    __slots__ = ("last_by_track", "predecessors", "readers", "writers")

    def __init__(self) -> None:
        self.writers: dict[Key, int] = {}
        self.readers: dict[Key, int] = {}
        self.last_by_track: dict[str, int] = {}
        self.predecessors: tuple[int, ...] | None = None

    def read(self, region: Box, where: str, index: int) -> list[int]:
        """Record a read; returns the writers it needs."""
        found = [i for (other, _), i in self.writers.items() if _overlap(other, region)]
        self.readers[(region, where)] = index
        self.last_by_track[where] = index
        return found

    def write(self, region: Box, where: str, index: int) -> list[int]:
        """Record a write; returns the earlier accesses it must follow."""
        found = []
        for table in (self.writers, self.readers):
            covered = []
            for key, i in table.items():
                if _overlap(key[0], region):
                    found.append(i)
                    if _covers(region, key[0]):
                        covered.append(key)
            for key in covered:
                del table[key]
        self.writers[(region, where)] = index
        self.last_by_track[where] = index
        return found


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]


def _covers(a: Box, b: Box) -> bool:
    return a[0] <= b[0] and a[1] >= b[1] and a[2] <= b[2] and a[3] >= b[3]


class _Occupants:
    """Which storage last held each byte column of one on-chip memory."""

    def __init__(self) -> None:
        self._pieces: list[tuple[int, int, int]] = []  # start, end, storage index

    def replace(self, storage: Storage) -> list[int]:
        """Install a storage; returns the storages it takes bytes from."""
        start, end = storage.address, storage.address + storage.partition_bytes
        kept, previous = [], []
        for low, high, index in self._pieces:
            if high <= start or low >= end:
                kept.append((low, high, index))
                continue
            previous.append(index)
            kept += [(low, start, index)] if low < start else []
            kept += [(end, high, index)] if high > end else []
        self._pieces = [*kept, (start, end, storage.index)]
        return previous


def dependences(stream: Stream) -> Dependences:
    """Compute both kinds of dependence of every instruction; kept on the stream."""
    known = stream.cache.get("dependences")
    if known is None:
        known = stream.cache["dependences"] = _dependences(stream)
    return known


def _dependences(stream: Stream) -> Dependences:
    histories: dict[int, _History] = {}
    occupants = {"sbuf": _Occupants(), "psum": _Occupants()}
    needs: list[tuple[int, ...]] = []
    after: list[tuple[int, ...]] = []
    for made in stream.instructions:
        where = track(made)
        true: set[int] = set()
        order: set[int] = set()
        for view in made.reads:
            history = _history(view.storage, histories, occupants)
            true.update(history.read(box(view), where, made.index))
        for view in made.writes:
            history = _history(view.storage, histories, occupants)
            order.update(history.write(box(view), where, made.index))
            order.update(history.predecessors or ())
        order.discard(made.index)
        needs.append(tuple(true))
        after.append(tuple(order - true))
    return Dependences(tuple(needs), tuple(after))


def _history(
    storage: Storage, histories: dict[int, _History], occupants: dict[str, _Occupants]
) -> _History:
    found = histories.get(storage.index)
    if found is None:
        found = histories[storage.index] = _History()
        if storage.memory in occupants:
            previous = occupants[storage.memory].replace(storage)
            last = [i for p in previous for i in histories[p].last_by_track.values()]
            found.predecessors = tuple(last)
    return found
