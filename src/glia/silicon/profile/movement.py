"""Bytes that move more often than they must: loaded again, or spilled to HBM and back.

Regions are boxes, rows by bytes (see `hazards`). Loads that fill their box are counted exactly, on
a grid of all their edges; strided ones are compared with equal ones only, so that nothing is
called a reload that is none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from glia.core.kernel_records import Reload, Spill
from glia.isa.stream import Instruction, Stream
from glia.isa.tensors.tensor import NkiTensor
from glia.silicon.regions import Box, box

_MAX_CELLS = 4_000_000


@dataclass(frozen=True, slots=True)
class Load:
    """A DMA that brings part of an HBM tensor on chip."""

    index: int
    view: NkiTensor
    region: Box
    num_bytes: int
    line: str

    @property
    def fills_box(self) -> bool:
        """True when every byte of the box is read (repeating a row counts as reading it)."""
        low, high, first, end = self.region
        distinct = self.view.dtype.itemsize
        for size, step in zip(self.view.shape, self.view.steps, strict=True):
            distinct *= size if step else 1
        return distinct == (high - low) * (end - first)

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for loads of exactly the same elements."""
        view = self.view
        return (view.storage.index, view.dtype, view.start, view.shape, view.steps)


def loads(stream: Stream) -> Iterator[Load]:
    """Every DMA from HBM to SBUF whose source is known while tracing, in program order."""
    for one in stream.instructions:
        dma = one.work.dma
        if dma is None or not dma.hbm_read_bytes or not any(v.on_chip for v in one.writes):
            continue
        sources = [v for v in one.reads if not v.on_chip]
        if len(sources) != 1 or _num_bytes(sources[0]) != dma.hbm_read_bytes:
            continue  # a gather reads rows that only the data name
        view = sources[0]
        yield Load(one.index, view, box(view), dma.hbm_read_bytes, place(one))


def place(one: Instruction) -> str:
    """`file.py:12`."""
    return f"{Path(one.file).name}:{one.line}"


def _num_bytes(view: NkiTensor) -> int:
    return view.size * view.dtype.itemsize


def reloads(stream: Stream) -> tuple[Reload, ...]:
    """Tensors of HBM of which something was loaded more than once, the most bytes first."""
    by_storage: dict[int, list[Load]] = defaultdict(list)
    for load in loads(stream):
        by_storage[load.view.storage.index].append(load)
    found = []
    for group in by_storage.values():
        total = sum(load.num_bytes for load in group)
        distinct = min(total, _distinct_bytes(group))
        if distinct < total:
            lines = tuple(dict.fromkeys(load.line for load in group))
            found.append(Reload(group[0].view.storage.name, total, distinct, lines))
    return tuple(sorted(found, key=lambda r: -r.again_bytes))


def _distinct_bytes(group: list[Load]) -> int:
    full = {load.region for load in group if load.fills_box}
    strided = {load.key: load.num_bytes for load in group if not load.fills_box}
    return _union_bytes(sorted(full)) + sum(strided.values())


def _union_bytes(boxes: list[Box]) -> int:
    """Area of the union of boxes; the sum where the grid of their edges would be too large."""
    if not boxes:
        return 0
    rows = np.unique([edge for b in boxes for edge in b[:2]])
    columns = np.unique([edge for b in boxes for edge in b[2:]])
    if rows.size * columns.size > _MAX_CELLS:
        return sum((b[1] - b[0]) * (b[3] - b[2]) for b in boxes)
    covered = np.zeros((rows.size - 1, columns.size - 1), bool)
    for low, high, first, end in boxes:
        r0, r1 = np.searchsorted(rows, (low, high))
        c0, c1 = np.searchsorted(columns, (first, end))
        covered[r0:r1, c0:c1] = True
    return int(np.diff(rows) @ covered.astype(np.int64) @ np.diff(columns))


def repeated(stream: Stream) -> dict[int, int]:
    """Loads of exactly what an earlier load brought and nothing wrote since: index to earlier."""
    first: dict[tuple[object, ...], int] = {}
    found: dict[int, int] = {}
    by_index = {load.index: load for load in loads(stream)}
    for one in stream.instructions:
        load = by_index.get(one.index)
        if load is not None:
            if load.key in first:
                found[one.index] = first[load.key]
            else:
                first[load.key] = one.index
        for view in one.writes:
            if not view.on_chip:
                _forget(first, view.storage.index)
    return found


def _forget(first: dict[tuple[object, ...], int], storage: int) -> None:
    for key in [key for key in first if key[0] == storage]:
        del first[key]


@dataclass(slots=True)
class _Stored:
    """What a kernel wrote to one tensor in HBM, and what of it came back."""

    stores: list[tuple[Box, int, str]] = field(default_factory=list)
    returned: set[int] = field(default_factory=set)
    back_bytes: int = 0
    lines: dict[str, None] = field(default_factory=dict)


def spills(stream: Stream) -> tuple[Spill, ...]:
    """Tensors that went from SBUF to HBM and back to SBUF, the most bytes first."""
    stored: dict[int, _Stored] = defaultdict(_Stored)
    names = {s.index: s.name for s in stream.storages}
    for one in stream.instructions:
        dma = one.work.dma
        if dma is None:
            continue
        if any(v.on_chip for v in one.writes):
            for view in one.reads:
                if not view.on_chip and view.storage.index in stored:
                    _came_back(stored[view.storage.index], box(view), dma.hbm_read_bytes, one)
        elif any(v.on_chip for v in one.reads):
            for view in one.writes:
                entry = (box(view), dma.hbm_write_bytes, place(one))
                stored[view.storage.index].stores.append(entry)
    found = [
        Spill(names[index], _out_bytes(s), s.back_bytes, tuple(s.lines))
        for index, s in stored.items()
        if s.back_bytes
    ]
    return tuple(sorted(found, key=lambda s: -s.back_bytes))


def _came_back(stored: _Stored, region: Box, num_bytes: int, one: Instruction) -> None:
    touched = [i for i, (other, _, _) in enumerate(stored.stores) if _overlap(other, region)]
    if not touched:
        return
    stored.returned.update(touched)
    stored.back_bytes += num_bytes
    for i in touched:
        stored.lines[stored.stores[i][2]] = None
    stored.lines[place(one)] = None


def _out_bytes(stored: _Stored) -> int:
    return sum(stored.stores[i][1] for i in stored.returned)


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]
