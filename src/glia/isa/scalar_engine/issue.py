"""What the Scalar engine's instructions share: their cost, and how they are issued."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from glia.isa.engines import engine as Engine
from glia.isa.launch.builder import current
from glia.isa.operators.functions import Activation
from glia.isa.rules import f32, refusal, store, traffic
from glia.isa.scalar_engine.accumulator import NOTHING, Accumulation
from glia.isa.stream import Instruction, Work
from glia.isa.target import Target
from glia.isa.tensors.tensor import NkiTensor
from glia.isa.undefined import elementwise
from glia.isa.unspecified import warner


def scalar_cycles(target: Target, dst: NkiTensor, data: NkiTensor, reads_out: bool) -> float:
    """One element per cycle, more of narrow ones by generation; reading the accumulator out is a
    second, minimal instruction."""
    narrow = all(v.dtype.itemsize <= 2 for v in (dst, data))
    rate = target.scalar_rate_2byte if narrow else 1.0
    return max(dst.free_size / rate, target.scalar_min) + (target.scalar_min if reads_out else 0.0)


def _on_gpsimd(what: str, accumulator: Accumulation, *views: NkiTensor) -> None:
    """Who may run on GpSimd instead (NKI 0.7): no accumulator there, and no PSUM."""
    target = current().target
    if not target.can.gpsimd_activation:
        raise refusal(f"{what} engine", f"gpsimd on {target.chip}", "the scalar engine")
    if accumulator is not NOTHING:
        raise refusal(f"{what} on gpsimd", "a reduction", "none: only Scalar has an accumulator")
    for view in views:
        if view.storage.memory == "psum":
            raise refusal(what, "a PSUM operand on gpsimd", "SBUF operands")


def _gpsimd_cycles(target: Target, fn: Activation, n: int) -> float:
    """Nothing is printed: as other instructions of one tile, and functions as rsqrt in
    tensor_scalar on that engine."""
    return max(
        n * (target.gpsimd_rsqrt_cycles if fn.table else target.gpsimd_cycles), target.gpsimd_min
    )


def telling(what: str, fn: Activation) -> Callable[..., np.ndarray]:
    """The function; with a warning where it takes what its documented range leaves out."""
    if fn.high == np.inf:
        return fn
    warn = warner()

    def apply(x: np.ndarray, parameter: Any = 0.0) -> np.ndarray:
        got = fn.open_input(x)
        if got:
            warn(
                f"{what} {fn.name}: got {got} (after scale and bias), outside the documented "
                "range; the chip's result may be invalid, here it is that of IEEE 754"
            )
        return fn(x, parameter)

    return apply


def emit(
    what: str,
    fn: Activation,
    dst: NkiTensor,
    data: NkiTensor,
    columns: tuple[NkiTensor, ...],
    function_of: Callable[[np.ndarray, list[np.ndarray]], np.ndarray],
    accumulator: Accumulation,
    on: Engine = Engine.scalar,
) -> Instruction:
    """Issue `dst = function_of(data, columns)`, float32 arrays, and its reduction."""
    b, result = current(), accumulator.result
    outs = (dst,) if result is None else (dst, result)
    if on is Engine.gpsimd:
        _on_gpsimd(what, accumulator, dst, data, *columns)
        cycles, table = _gpsimd_cycles(b.target, fn, dst.free_size), ""
    elif on in (Engine.scalar, Engine.unknown):
        on = Engine.scalar
        cycles, table = scalar_cycles(b.target, dst, data, result is not None), fn.table
    else:
        raise refusal(f"{what} engine", getattr(on, "name", repr(on)), "scalar or gpsimd")
    elements = dst.num_partitions * dst.free_size
    work = Work(cycles, elements=elements, table=table, sram=traffic(*outs, data))
    num_written, num_columns = len(accumulator.writes), len(columns)

    def meaning(out: np.ndarray, *arrays: np.ndarray) -> None:
        written, rest = arrays[:num_written], arrays[num_written:]
        tiles, read = list(rest[1 : 1 + num_columns]), rest[1 + num_columns :]
        value = function_of(f32(rest[0]), tiles)
        store(out, value)
        accumulator.carry_out(value, written, read)

    writes = (dst, *accumulator.writes)
    reads = (data, *columns, *accumulator.reads)
    carries = elementwise(len(reads)) if accumulator is NOTHING else None
    return b.emit(what, on, writes, reads, work, meaning, carries=carries)
