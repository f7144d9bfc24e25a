"""What a core wrote, at the addresses of the run: for what no trace can know.

While a kernel is traced, a write at a run-time address counts for all that it may touch, and a read
needs some of it written. Storages of which that is not the whole truth (`Stream.uncertain`) are
looked at again while the kernel runs, byte by byte; and of memory that other cores see too, what
each run-time address was is kept for `races.py`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from glia.core.errors import KernelError
from glia.isa.launch.located import located
from glia.isa.stream import Instruction
from glia.isa.tensors.addressing import Columns, Rows, Shift, reach, row_numbers, shifted
from glia.isa.tensors.tensor import NkiTensor, Storage
from glia.isa.undefined import arriving, computed_with
from glia.isa.unspecified import warn_at
from glia.silicon.execution.binding import Hbm, Step, columns_at

Addresses = dict[tuple[int, int], tuple[NkiTensor, ...]]
"""By instruction and operand (writes first): the views that a run-time address came to."""


@dataclass(frozen=True, slots=True)
class _Touched:
    """An operand where the run put it: of `view` all, or what `at` picks; None was skipped.

    `arrived` are, of a result that undefined elements were moved to, those that are defined.
    """

    position: int
    given: NkiTensor
    view: NkiTensor | None
    at: tuple[Any, ...] = ()
    arrived: np.ndarray | None = None

    def of(self, flags: np.ndarray) -> np.ndarray:
        """Its flags, the bytes of an element in the last dim; a copy where elements are picked."""
        assert self.view is not None
        found = _bytes_of(self.view, flags)
        return found[self.at] if self.at else found

    def mark(self, flags: np.ndarray) -> None:
        """It was written, or what arrived of it."""
        if self.view is not None:
            written = True if self.arrived is None else self.arrived[..., None]
            _bytes_of(self.view, flags)[self.at or ...] = written


def _touched(position: int, view: NkiTensor, index: np.ndarray | None, step: Step) -> _Touched:
    moved = view.indirection
    if moved is None or index is None:
        return _Touched(position, view, reach(view))
    if isinstance(moved, Shift):
        return _Touched(position, view, shifted(view, int(index.reshape(-1)[0])))
    if isinstance(moved, Columns):
        return _Touched(position, view, reach(view), columns_at(view, index, step.source.engine))
    rows = row_numbers(view, index)
    rows = rows[(rows >= 0) & (rows < moved.num_rows)]
    return _Touched(position, view, reach(view), (rows,))


def _bytes_of(view: NkiTensor, flags: np.ndarray) -> np.ndarray:
    """The flags of a view, one per byte: [*view.shape, bytes of an element]."""
    size, start = view.dtype.itemsize, view.start * view.dtype.itemsize
    steps = [s * size for s in view.steps]
    if view.on_chip:
        steps[0] = view.steps[0] * flags.strides[0]
        start += view.partition * flags.strides[0]
    return np.ndarray((*view.shape, size), bool, flags, start, (*steps, 1))


def is_common(storage: Storage) -> bool:
    """True for memory that all cores of a logical core see."""
    return not storage.on_chip and (storage.shared or storage.role == "input")


class Witness:
    """Follows one launch on one core. `program` are its instructions, and may grow.

    `several` says that other cores see the memory of HBM that is shared.
    """

    def __init__(self, program: Sequence[Instruction], several: bool) -> None:
        self.addresses: Addresses = {}
        self.sums: dict[int, int] = {}  # of what was written at run-time addresses of shared memory
        self._program, self._several = program, several
        self._flags: dict[int, np.ndarray] = {}

    def track(self, storages: Iterable[Storage], before: int) -> None:
        """Follow these from the instruction `before` on; until there all addresses were known."""
        for storage in storages:
            if storage.index in self._flags:
                continue
            rows = storage.num_partitions if storage.on_chip else 1
            flags = np.zeros((rows, max(storage.extent_bytes, 1)), bool)
            self._flags[storage.index] = flags
            for made in self._program[:before]:
                for view in made.writes:
                    if view.storage is storage:
                        _bytes_of(reach(view), flags)[...] = True

    def look(self, step: Step) -> list[_Touched]:
        """The operands to be noted after the step; what it reads must have been written.

        Raises:
            KernelError: for what was not, and for a run-time address out of bounds.
        """
        made = step.source
        views = (*made.writes, *made.reads)
        if not any(v.storage.index in self._flags or self._is_open(v) for v in views):
            return []
        indices = {one.position: one.index for one in step.late if one.index is not None}
        found = [
            _touched(i, v, None if (index := indices.get(i)) is None else np.array(index), step)
            for i, v in enumerate(views)
        ]
        holes = [self._holes(one) for one in found[len(made.writes) :]]
        if all(one is None for one in holes):
            return found
        num_carried = 0 if made.carries is None else made.carries.num_reads
        flags = [
            None if one is None else np.asarray(one.all(axis=-1)) for one in holes[:num_carried]
        ]
        arrived = arriving(made.carries, made.writes, flags)
        for number, (one, seen) in enumerate(zip(found[len(made.writes) :], holes, strict=True)):
            if seen is None:
                continue
            if arrived is None or number >= num_carried or not seen.any():
                raise _never_written(made, one, seen)
            if made.carries is not None and made.carries.computes:
                warn_at(computed_with(made.op, one.given), made.file, made.line)
        self.track([made.writes[0].storage], made.index)
        found[0] = replace(found[0], arrived=arrived)
        return found

    def _holes(self, one: _Touched) -> np.ndarray | None:
        """The flags of what is read where some of it was never written, as far as that is known."""
        known = self._flags.get(one.given.storage.index)
        if known is None or one.view is None:
            return None
        flags = one.of(known)
        return None if flags.all() else flags

    def sent(self, made: Instruction) -> np.ndarray | None:
        """Which elements of what a core sends are defined; None: all."""
        src = made.reads[0]
        flags = self._flags.get(src.storage.index)
        return None if flags is None else np.asarray(_bytes_of(src, flags).all(axis=-1))

    def received(self, made: Instruction, defined: np.ndarray) -> None:
        """What the other core sent arrived, and is as defined as it was there."""
        dst = made.writes[0]
        self.track([dst.storage], made.index)
        _Touched(0, dst, dst, arrived=defined).mark(self._flags[dst.storage.index])

    def note(self, made: Instruction, found: Sequence[_Touched], places: Mapping[int, Hbm]) -> None:
        """The step was carried out: its results are written."""
        for one in found[: len(made.writes)]:
            flags = self._flags.get(one.given.storage.index)
            if flags is not None:
                one.mark(flags)
        sums = 0
        for one in found:
            if not self._is_open(one.given):
                continue
            views = self.addresses[made.index, one.position] = _plain(one)
            for view in views if one.position < len(made.writes) else ():
                home = places[view.storage.index]
                sums = zlib.crc32(view.bind(home.memory, home.base).tobytes(), sums)
                self.sums[made.index] = sums

    def _is_open(self, view: NkiTensor) -> bool:
        """True where other cores want to know which address it was."""
        return self._several and view.indirection is not None and is_common(view.storage)

    def missing(self, view: NkiTensor) -> bool:
        """True when some of this view was never written, as far as it was followed."""
        flags = self._flags.get(view.storage.index)
        return flags is not None and not _bytes_of(view, flags).all()


def _plain(one: _Touched) -> tuple[NkiTensor, ...]:
    """As few views without run-time addresses as are the same elements."""
    if one.view is None or not isinstance(one.given.indirection, Rows):
        return () if one.view is None else (one.view,)
    rows = np.unique(one.at[0])
    runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
    whole, stride = one.view, one.given.indirection.row_stride
    return tuple(
        whole.replaced(
            (len(run), *whole.shape[1:]), whole.steps, whole.start + int(run[0]) * stride
        )
        for run in runs
        if len(run)
    )


def _never_written(made: Instruction, one: _Touched, flags: np.ndarray) -> KernelError:
    assert one.view is not None
    moved, which = one.given.indirection, ""
    where = np.argwhere(~flags.all(axis=-1))[0]
    if isinstance(moved, Rows):
        which = f", row {int(one.at[0][where[0]])} of {moved.num_rows}"
    elif isinstance(moved, Shift):
        by = one.view.partition - one.given.partition
        offset = by if moved.by_partition else one.view.start - one.given.start
        which = f", at run-time offset {offset // moved.step}"
    else:
        which = f", as element {tuple(int(i) for i in where)}"
    return located(
        KernelError(
            f"{made.op} reading {one.given!r}: got memory never written{which}, expected "
            "initialised memory; check the index tile, or fill the tensor first (memset, dma_copy)"
        ),
        made.file,
        made.line,
    )


class WatchedStep:
    """A step that a witness looks at."""

    __slots__ = ("_step", "_witness", "source")

    source: Instruction

    def __init__(self, step: Step, witness: Witness) -> None:
        self._step, self._witness = step, witness
        self.source = step.source

    def operands(self, places: Mapping[int, Hbm]) -> Any:
        """Those of the step."""
        return self._step.operands(places)

    def run(self, places: Mapping[int, Hbm]) -> None:
        """Carry out the step between the witness's two looks."""
        found = self._look()
        self._step.run(places)
        if found:
            self._witness.note(self.source, found, places)

    def passed(self, places: Mapping[int, Hbm]) -> None:
        """The meeting that the step stands for is over; a barrier leaves its tensor alone."""
        assert self.source.sync is not None
        if self.source.sync.kind != "barrier":
            self._witness.note(self.source, self._look(), places)

    def _look(self) -> list[_Touched]:
        try:
            return self._witness.look(self._step)
        except KernelError as error:
            raise located(error, self.source.file, self.source.line) from None
