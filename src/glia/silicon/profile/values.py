"""What a program computes again although it is there: value numbering over a stream.

Two instructions have one value when they do the same (operation, attributes, layout of the result)
with operands of the same content. The content of an operand is who wrote it last, byte by byte:
the values of the writers and where in their results the operand lies. Whatever cannot be known
without data has a value of its own: run-time addresses, several results (random numbers,
accumulators), HBM after a meeting of cores or ranks.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from glia.core.collection import no_collection
from glia.isa.engines import engine
from glia.isa.stream import Instruction, Stream
from glia.isa.tensors.tensor import NkiTensor
from glia.silicon.regions import Region, covers, overlap, region

_MAX_WRITERS = 64  # of one storage that are told apart
_FREE = ("name",)  # arguments that change nothing


class _Writer(NamedTuple):
    """The bytes that instruction `by` wrote; `dense` when it left none of its region out."""

    area: Region
    dense: bool
    by: int
    view: NkiTensor


class _Operand(NamedTuple):
    """Whose results a read found, and whether it was all in one."""

    view: NkiTensor
    writers: tuple[int, ...]
    alone: bool


@dataclass(slots=True)
class _Values:
    """The contents of memory while a stream passes by; a value is the index of its first maker."""

    stream: Stream
    values: list[int] = field(default_factory=list)
    reads: list[tuple[_Operand, ...]] = field(default_factory=list)
    _written: dict[int, list[_Writer]] = field(default_factory=lambda: defaultdict(list))
    _bases: dict[int, object] = field(default_factory=dict)
    _known: dict[Hashable, int] = field(default_factory=dict)
    _regions: dict[int, Region] = field(default_factory=dict)  # by the view's identity
    _meetings: int = 0

    def step(self, one: Instruction, ordinal: int) -> None:
        """Number the next instruction, the `ordinal`-th of its call."""
        if one.sync is not None:
            self._meetings += 1
        found = [self._content(view) for view in one.reads]
        self.reads.append(tuple(operand for _, operand in found))
        value = one.index
        if has_one_value(one):
            key = self._key(one, ordinal, tuple(content for content, _ in found))
            value = self._known.setdefault(key, one.index)
        self.values.append(value)
        for view in one.writes:
            self._write(view, one.index)

    def _key(self, one: Instruction, ordinal: int, contents: tuple[Hashable, ...]) -> Hashable:
        result = one.writes[0]
        at = result.storage.memory, result.start_partition
        asked = given(self.stream, one)
        return one.op, one.engine, asked, ordinal, layout(result), at, contents

    def _content(self, view: NkiTensor) -> tuple[Hashable, _Operand]:
        written = self._written.get(view.storage.index)
        if not written:
            base = self._base(view), view.partition, view.start
            return (layout(view), base), _Operand(view, (), False)
        if view.indirection is not None:
            return object(), _Operand(view, tuple(w.by for w in written), False)
        last = written[-1]
        if last.view is view and last.dense:  # as it was written: by far the most
            return (layout(view), (self.values[last.by], 0, 0)), _Operand(view, (last.by,), True)
        area, parts, writers, covered = self._region(view), list[Hashable](), list[int](), False
        for writer in reversed(written):
            if overlap(writer.area, area):
                rows = view.partition - writer.view.partition
                first = view.start * view.dtype.itemsize
                first -= writer.view.start * writer.view.dtype.itemsize
                parts.append((self.values[writer.by], rows, first))
                writers.append(writer.by)
                covered = writer.dense and covers(writer.area, area)
                if covered:
                    break
        if not covered:
            parts.append((self._base(view), view.partition, view.start))
        alone = covered and len(writers) == 1
        return (layout(view), *parts), _Operand(view, tuple(writers), alone)

    def _region(self, view: NkiTensor) -> Region:
        known = self._regions.get(id(view))
        if known is None:
            known = self._regions[id(view)] = region(view)
        return known

    def _base(self, view: NkiTensor) -> Hashable:
        """What a storage holds where the stream did not write it."""
        storage = view.storage
        since = 0 if storage.on_chip else self._meetings
        return storage.index, self._bases.get(storage.index), since

    def _write(self, view: NkiTensor, index: int) -> None:
        storage = view.storage.index
        area, kept = self._region(view), self._written[storage]
        dense = view.indirection is None and _is_dense(view, area)
        if dense:
            kept = [w for w in kept if not covers(area, w.area)]
        self._written[storage] = [*kept, _Writer(area, dense, index, view)]
        if len(kept) >= _MAX_WRITERS:
            self._written[storage] = []
            self._bases[storage] = index  # like no other from here on


def given(stream: Stream, one: Instruction) -> Hashable:
    """The call that issued an instruction, so that equal ones ask for the same."""
    call = stream.calls[one.call]
    return call.op, tuple((k, _plain(v)) for k, v in call.arguments.items() if k not in _FREE)


def has_one_value(one: Instruction) -> bool:
    """It makes one result on chip, and nothing but its call and its operands decides on it."""
    if len(one.writes) != 1 or one.sync is not None or one.call < 0 or one.engine is engine.sync:
        return False
    views = (*one.writes, *one.reads)
    return one.writes[0].on_chip and all(view.indirection is None for view in views)


def _is_dense(view: NkiTensor, area: Region) -> bool:
    if area.period or not all(view.steps):
        return False
    num_bytes = math.prod(view.shape) * view.dtype.itemsize
    return num_bytes == (area.last - area.first) * (area.high - area.low)


def layout(view: NkiTensor) -> Hashable:
    """What of a view is not where it is."""
    return view.shape, view.steps, view.dtype


def _plain(value: Any) -> Hashable:
    """An argument, so that equal ones mean the same; what an operand holds is looked at apart."""
    if isinstance(value, NkiTensor):
        return NkiTensor
    if isinstance(value, (list, tuple)):
        return tuple(map(_plain, value))
    if isinstance(value, float):
        return value, math.copysign(1.0, value)
    if isinstance(value, (np.ndarray, np.generic)):
        return value.dtype.str, value.shape, value.tobytes()
    return value if isinstance(value, Hashable) else object()


def computed_again(stream: Stream) -> Mapping[int, int]:
    """Instructions that could be left out: index to that of the one with the same result.

    Whoever read the one's result can read the other's: as a whole, and not to change it in place.
    DMAs are not among them (see `movement.repeated`), nor is anything that follows from data.
    """
    if stream.data_dependent:
        return {}
    known = stream.cache.get("computed again")
    if known is None:
        with no_collection():
            known = stream.cache["computed again"] = _computed_again(stream)
    return known


def _computed_again(stream: Stream) -> dict[int, int]:
    state, call, ordinal = _Values(stream), -1, 0
    for one in stream.instructions:
        ordinal = ordinal + 1 if one.call == call else 0
        call = one.call
        state.step(one, ordinal)
    left_out, needed = dict[int, int](), set[int]()
    for one in reversed(stream.instructions):
        first = state.values[one.index]
        if first != one.index and one.index not in needed and one.work.dma is None:
            left_out[one.index] = first
        else:
            needed.update(_must_stay(one, state.reads[one.index]))
    return left_out


def _must_stay(one: Instruction, reads: Sequence[_Operand]) -> set[int]:
    """Writers whose result this reader needs just where it is."""
    stay: set[int] = set()
    for operand in reads:
        changed = any(view.storage is operand.view.storage for view in one.writes)
        if changed or not operand.alone:
            stay.update(operand.writers)
    return stay
