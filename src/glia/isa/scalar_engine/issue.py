"""What the Scalar engine's instructions share: their cost, and how they are issued."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from glia.isa.builder import current
from glia.isa.engines import engine as Engine
from glia.isa.functions import Activation
from glia.isa.rules import f32, store, traffic
from glia.isa.scalar_engine.accumulator import Accumulation
from glia.isa.stream import Instruction, Work
from glia.isa.target import Target
from glia.isa.tensor import NkiTensor


def scalar_cycles(target: Target, dst: NkiTensor, data: NkiTensor, reads_out: bool) -> float:
    """One element per cycle, more of narrow ones by generation; reading the accumulator out is a
    second, minimal instruction."""
    narrow = all(v.dtype.itemsize <= 2 for v in (dst, data))
    rate = target.scalar_rate_2byte if narrow else 1.0
    return max(dst.free_size / rate, target.scalar_min) + (target.scalar_min if reads_out else 0.0)


def emit(
    what: str,
    fn: Activation,
    dst: NkiTensor,
    data: NkiTensor,
    columns: tuple[NkiTensor, ...],
    function_of: Callable[[np.ndarray, list[np.ndarray]], np.ndarray],
    accumulator: Accumulation,
) -> Instruction:
    """Issue `dst = function_of(data, columns)`, float32 arrays, and its reduction."""
    b, result = current(), accumulator.result
    outs = (dst,) if result is None else (dst, result)
    work = Work(
        cycles=scalar_cycles(b.target, dst, data, result is not None),
        elements=dst.num_partitions * dst.free_size,
        table=fn.table,
        sram=traffic(*outs, data),
    )
    num_written, num_columns = len(accumulator.writes), len(columns)

    def meaning(out: np.ndarray, *arrays: np.ndarray) -> None:
        written, rest = arrays[:num_written], arrays[num_written:]
        tiles, read = list(rest[1 : 1 + num_columns]), rest[1 + num_columns :]
        value = function_of(f32(rest[0]), tiles)
        store(out, value)
        accumulator.carry_out(value, written, read)

    writes = (dst, *accumulator.writes)
    return b.emit(what, Engine.scalar, writes, (data, *columns, *accumulator.reads), work, meaning)
