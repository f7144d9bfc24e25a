"""Values: one NeuronCore's memories as bytes, and the execution of traced streams on them.

A stream is bound to the core once (every SBUF and PSUM view becomes a NumPy array) and replayed
any number of times; only HBM views are bound per launch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from glia.core.errors import KernelError
from glia.core.threads import one_blas_thread
from glia.isa.builder import located
from glia.isa.stream import Instruction, Stream
from glia.isa.target import PARTITIONS, Target
from glia.isa.tensor import NkiTensor, Storage


@dataclass(frozen=True, slots=True)
class Hbm:
    """Where a storage lives: a flat uint8 array and the byte of its first element."""

    memory: np.ndarray
    base: int = 0

    @staticmethod
    def of(array: np.ndarray) -> Hbm:
        """Wrap a C-contiguous array; shares its memory."""
        return Hbm(array.reshape(-1).view(np.uint8), 0)


@dataclass(frozen=True, slots=True)
class _Step:
    """A bound instruction: arrays with None where an HBM view goes, and those views."""

    meaning: Callable[..., None]
    arrays: list[np.ndarray | None]
    hbm: tuple[tuple[int, NkiTensor], ...]
    source: Instruction


class Core:
    """One core of a chip: SBUF and PSUM as uint8 [128, bytes per partition]."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.sbuf = np.zeros((PARTITIONS, target.sbuf_bytes), np.uint8)
        self.psum = np.zeros((PARTITIONS, target.psum_bytes), np.uint8)
        self._registers: dict[str, np.ndarray] = {}
        self._plans: dict[int, tuple[Stream, list[_Step]]] = {}

    def run(self, stream: Stream, hbm: Mapping[int, Hbm]) -> None:
        """Execute every instruction in program order.

        `hbm` places each HBM storage of the stream (by index) except scratch and constants.

        Raises:
            KernelError: for what only values can show, such as a gather index out of bounds; names
                the kernel's file and line.
        """
        # Engines give inf and NaN without a word.
        with one_blas_thread(), np.errstate(all="ignore"):
            self._execute(stream, self._places(stream, hbm))

    def _execute(self, stream: Stream, places: Mapping[int, Hbm]) -> None:
        for step in self._plan(stream):
            arrays = step.arrays
            if step.hbm:
                arrays = list(arrays)
                for position, view in step.hbm:
                    place = places[view.storage.index]
                    arrays[position] = view.bind(place.memory, place.base)
            try:
                step.meaning(*arrays)
            except KernelError as error:
                raise located(error, step.source.file, step.source.line) from None

    def _places(self, stream: Stream, hbm: Mapping[int, Hbm]) -> dict[int, Hbm]:
        places = dict(hbm)
        for storage in stream.storages:
            if storage.on_chip or storage.index in places:
                continue
            if storage.role in ("input", "output"):
                raise KernelError(
                    f"running {stream.name}: got no memory for {storage.role} {storage.name}, "
                    "expected an array for every input and output"
                )
            places[storage.index] = Hbm.of(_initial(storage))
        return places

    def _plan(self, stream: Stream) -> list[_Step]:
        known = self._plans.get(id(stream))
        if known is None:
            known = (stream, [self._bind(made) for made in stream.instructions])
            self._plans[id(stream)] = known
        return known[1]

    def _bind(self, made: Instruction) -> _Step:
        arrays: list[np.ndarray | None] = []
        hbm: list[tuple[int, NkiTensor]] = []
        for view in (*made.writes, *made.reads):
            if view.on_chip:
                arrays.append(view.bind(self._memory(view.storage)))
            else:
                hbm.append((len(arrays), view))
                arrays.append(None)
        return _Step(made.meaning, arrays, tuple(hbm), made)

    def _memory(self, storage: Storage) -> np.ndarray:
        if storage.memory == "register":
            shape = (PARTITIONS, storage.partition_bytes)
            return self._registers.setdefault(storage.name, np.zeros(shape, np.uint8))
        return self.sbuf if storage.memory == "sbuf" else self.psum


def _initial(storage: Storage) -> np.ndarray:
    if storage.data is not None:
        return np.ascontiguousarray(storage.data)
    return np.zeros(storage.shape, storage.dtype.numpy)
