"""From an instruction's views to NumPy arrays: once for what is fixed, at each run for the rest.

What is fixed is on chip and has no run-time address. HBM is placed at each launch; a run-time
address is read from its index tile when the instruction runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from glia.core.errors import KernelError
from glia.isa.engines import engine
from glia.isa.launch.located import located
from glia.isa.stream import Instruction
from glia.isa.tensors.addressing import (
    Columns,
    Shift,
    column_numbers,
    group_size,
    own_reads,
    reach,
    shifted,
)
from glia.isa.tensors.tensor import NkiTensor, Storage


@dataclass(frozen=True, slots=True)
class Hbm:
    """Where a storage lives: a uint8 array and the byte of its first element."""

    memory: np.ndarray
    base: int = 0

    @staticmethod
    def of(array: np.ndarray) -> Hbm:
        """Wrap a C-contiguous array; shares its memory."""
        return Hbm(array.reshape(-1).view(np.uint8), 0)


@dataclass(frozen=True, slots=True)
class Late:
    """An operand bound at each run. `home` is None in HBM; `index` is its bound index tile."""

    position: int
    view: NkiTensor
    home: Hbm | None
    index: np.ndarray | None


Scatter = tuple[np.ndarray, tuple[Any, ...], np.ndarray]


@dataclass(frozen=True, slots=True)
class Step:
    """A bound instruction: the arrays of its own operands, None where one is bound late."""

    source: Instruction
    arrays: list[np.ndarray | None]
    late: tuple[Late, ...]

    def operands(self, places: Mapping[int, Hbm]) -> tuple[list[Any], list[Scatter]] | None:
        """All arrays, writes first, and what to scatter after; None when a DMA is to be skipped.

        `places` holds the HBM storages by index.

        Raises:
            KernelError: for a run-time address out of bounds.
        """
        if not self.late:
            return self.arrays, []
        arrays: list[Any] = list(self.arrays)
        scatters: list[Scatter] = []
        num_writes = len(self.source.writes)
        for one in self.late:
            home = one.home if one.home is not None else places[one.view.storage.index]
            picked = one.view.indirection
            if isinstance(picked, Columns):
                assert one.index is not None
                whole = reach(one.view).bind(home.memory, home.base)
                at = columns_at(one.view, one.index, self.source.engine)
                arrays[one.position] = whole[at]
                if one.position < num_writes:
                    scatters.append((whole, at, arrays[one.position]))
                continue
            view: NkiTensor | None = reach(one.view) if picked is not None else one.view
            if isinstance(picked, Shift):
                assert one.index is not None
                view = shifted(one.view, int(one.index.reshape(-1)[0]))
            if view is None:
                return None
            arrays[one.position] = view.bind(home.memory, home.base)
        return arrays, scatters

    def run(self, places: Mapping[int, Hbm]) -> None:
        """Carry out what the instruction means.

        Raises:
            KernelError: for what only values show; names the kernel's file and line.
        """
        made = self.source
        try:
            if not self.late:
                made.meaning(*self.arrays)
                return
            found = self.operands(places)
            if found is None:
                return
            made.meaning(*found[0])
            for whole, at, value in found[1]:
                whole[at] = value
        except KernelError as error:
            raise located(error, made.file, made.line) from None

    def passed(self, places: Mapping[int, Hbm]) -> None:
        """The meeting that it stands for is over."""


def columns_at(view: NkiTensor, index: np.ndarray, on: engine) -> tuple[Any, ...]:
    """Which elements of `reach(view)` a `Columns` view is, as a NumPy index.

    Raises:
        KernelError: for an offset out of bounds.
    """
    numbers = column_numbers(view, index, group_size(on))
    rows = np.arange(numbers.shape[0])[:, None]
    return (rows, *np.unravel_index(numbers, reach(view).shape[1:]))


def bind(made: Instruction, place: Callable[[Storage], Hbm]) -> Step:
    """The step of an instruction; `place` says where an on-chip storage lives."""
    arrays: list[np.ndarray | None] = []
    late: list[Late] = []
    for position, view in enumerate((*made.writes, *own_reads(made.writes, made.reads))):
        home = place(view.storage) if view.on_chip else None
        picked = view.indirection
        if home is not None and picked is None:
            arrays.append(view.bind(home.memory, home.base))
            continue
        index = None
        if picked is not None:
            there = place(picked.index.storage)
            index = picked.index.bind(there.memory, there.base)
        late.append(Late(position, view, home, index))
        arrays.append(None)
    return Step(made, arrays, tuple(late))
