"""What tracing a kernel gives: instructions in program order with the memory they touch.

An Instruction is frozen: op, engine, operands, work (what it costs) and its meaning, a function on
NumPy arrays. A Stream is one kernel launch on one core. It is traced once per kernel and shape and
replayed any number of times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from glia.isa.engines import engine
from glia.isa.launch.context import current
from glia.isa.tensors.tensor import NkiTensor, Storage


@dataclass(frozen=True, slots=True)
class Place:
    """Which of several programs this one is: `core` of `num_cores`, `rank` of `num_ranks`."""

    core: int = 0
    num_cores: int = 1
    rank: int = 0
    num_ranks: int = 1


ALONE = Place()
"""The place of a program that has no partners."""


@dataclass(frozen=True, slots=True)
class DmaWork:
    """What a DMA moves: bytes, contiguous pieces, and which side is HBM.

    Its descriptors are built by GpSimd (`software`), before the kernel starts (`static`), or by the
    hardware generator. `num_partitions` is that of its tile (the larger one's where both sides are
    on chip); 0: no tile is known to bound who moves it.
    """

    num_bytes: int
    num_elements: int
    element_bytes: int
    hbm_read_bytes: int
    hbm_write_bytes: int
    queue: str
    software: bool = False
    static: bool = False
    transpose: bool = False
    num_partitions: int = 0


@dataclass(frozen=True, slots=True)
class CollectiveWork:
    """What a collective moves, whatever its algorithm.

    `num_bytes` is the payload of one rank by the usual convention: the full vector of a reduction,
    the gathered result of an all-gather, what one rank sends otherwise.
    """

    kind: str
    group_size: int
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes read and written in the on-chip memories."""

    sbuf_bytes: int = 0
    psum_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ArrayTile:
    """Part of the systolic array: `rows` from `row` on, `columns` from `column` on.

    Instructions on tiles that have no cell in common run at once.
    """

    row: int
    rows: int
    column: int
    columns: int


@dataclass(frozen=True, slots=True)
class Work:
    """What an instruction costs its engine, and what energy is charged for.

    `cycles` are streaming cycles of the engine's own clock; the fixed cycles of each instruction
    are a constant of the engine, added by the timeline. `flops` counts multiply and add separately;
    `useful` is false for Tensor-engine transposes, which move data and compute nothing.
    `cell_rate` is how many products a cell of the systolic array makes per cycle in the mode that
    runs: 1 over the passes, 2 in double rows. `tile` is the part of the array that is taken (None:
    all of it).
    """

    cycles: float = 0.0
    flops: float = 0.0
    flop_kind: str = ""
    cell_rate: float = 1.0
    elements: int = 0
    sram: Traffic = Traffic()
    useful: bool = True
    table: str = ""
    dma: DmaWork | None = None
    collective: CollectiveWork | None = None
    tile: ArrayTile | None = None


@dataclass(frozen=True, slots=True)
class Sync:
    """A meeting of cores or ranks: none of `group` passes before all have come to `key`.

    `kind` is `barrier`, `sendrecv` or `collective`. `group` holds the members' numbers (cores of a
    logical core, or ranks). Members meet at the same `key` in the order in which each comes to it.
    `exchange(operands)` carries out what the meeting does: for each member in the order of `group`
    its bound arrays, writes first. None where only order is made.
    """

    kind: str
    group: tuple[int, ...]
    key: str
    exchange: Callable[[Sequence[Sequence[np.ndarray]]], None] | None = None


@dataclass(frozen=True, slots=True)
class Carries:
    """How undefined elements pass through an instruction.

    `defined(out, *reads)` fills the flags of the first write from those of the first `num_reads`
    reads. `computes` is false where they are only moved.
    """

    defined: Callable[..., None]
    num_reads: int = 1
    computes: bool = False


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction. `meaning(*writes, *reads)` takes the bound arrays, writes first.

    One with a `sync` waits for its partners and has no meaning of its own. `call` is the position,
    among the stream's calls, of the public call that issued it (-1: none). `carries` says of one
    that may meet undefined elements what they make of its first write.
    """

    index: int
    op: str
    engine: engine
    writes: tuple[NkiTensor, ...]
    reads: tuple[NkiTensor, ...]
    work: Work
    meaning: Callable[..., None]
    line: int
    file: str
    sync: Sync | None = None
    call: int = -1
    carries: Carries | None = None

    @property
    def where(self) -> str:
        """The kernel's file and line."""
        return f"{self.file}:{self.line}"

    def depends_on(self, *producers: Instruction) -> Instruction:
        """Run after every producer, whatever the scheduler does; returns this instruction.

        Raises:
            KernelError: for a producer issued later, or across the border of a device loop.
        """
        current("depends_on").depend(self, producers)
        return self


@dataclass(frozen=True, slots=True)
class Call:
    """One public call as the kernel made it; calls, not instructions, are what is saved."""

    op: str
    arguments: Mapping[str, Any]
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Stream:
    """One kernel launch on one core: its storages, its calls, its instructions.

    `shared` are the HBM storages that all cores of `place` have in common beside the inputs, in the
    order in which the kernel made them. `extra` holds (consumer, producer) pairs of instruction
    indices that the kernel asked for (depends_on, with_schedule). `data_dependent` is the kernel's
    file and line where its control flow asked for data, else empty: such a stream is right for
    the data it was traced with and for no other. `older` names the older version of the language
    whose rules hold, else it is empty. `uncertain` are the storages of which only the addresses of
    the run show what was written, by index.
    """

    name: str
    generation: str
    storages: tuple[Storage, ...]
    inputs: tuple[Storage, ...]
    outputs: tuple[Storage, ...]
    calls: tuple[Call, ...]
    instructions: tuple[Instruction, ...]
    sbuf_peak_bytes: int = 0
    psum_peak_banks: int = 0
    place: Place = ALONE
    shared: tuple[Storage, ...] = ()
    extra: tuple[tuple[int, int], ...] = ()
    data_dependent: str = ""
    older: str = ""
    uncertain: frozenset[int] = frozenset()
    cache: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def constants(self) -> Mapping[int, np.ndarray]:
        """Data of the constants that live in HBM, by storage index."""
        return {s.index: s.data for s in self.storages if s.data is not None}
