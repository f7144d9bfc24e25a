"""`dma_copy`: strided copies, casts through float32, gathers and scatters of rows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from glia.isa.dma_engine.descriptors import (
    check_cast,
    check_operand,
    check_priority,
    convert,
    dma_work,
    is_software,
    member,
    picked_rows,
    row_tile,
    with_skip,
)
from glia.isa.engines import dge_mode as DgeMode
from glia.isa.engines import engine as Engine
from glia.isa.engines import oob_mode as OobMode
from glia.isa.launch.builder import current, instruction
from glia.isa.rules import refusal, require
from glia.isa.stream import Instruction, Work
from glia.isa.tensors.addressing import Rows
from glia.isa.tensors.tensor import NkiTensor
from glia.isa.unspecified import warner


@instruction
def dma_copy(
    dst: NkiTensor,
    src: NkiTensor,
    priority: int | None = None,
    oob_mode: OobMode = OobMode.error,
    dge_mode: DgeMode = DgeMode.unknown,
    engine: Engine = Engine.unknown,
    name: str | None = None,
) -> Instruction:
    """`dst = src` between HBM and SBUF; equal element totals; dtypes convert through float32.

    One side may pick rows of HBM at run time (`vector_offset`, shape (P, 1): one row number per row
    of the pattern), either may start at a run-time offset. What is out of bounds is an error, or is
    left alone with `oob_mode.skip`.
    """
    what, b = "dma_copy", current()
    check_operand(what, "dst", dst)
    check_operand(what, "src", src)
    check_priority(what, priority)
    oob, mode = member(what, OobMode, oob_mode), member(what, DgeMode, dge_mode)
    if dst.size != src.size:
        raise refusal(
            what, f"{src.shape} to {dst.shape}", "equal numbers of elements", "slice the larger"
        )
    check_cast(what, dst, src)
    software = is_software(what, mode, engine, dst, src)
    work = dma_work(dst, (src,), engine, software, mode=mode)
    if dst.indirection is not None or src.indirection is not None:
        dst, src = with_skip(dst, oob), with_skip(src, oob)
        dst.storage.scattered |= dst.indirection is not None
        gathers, scatters = (isinstance(v.indirection, Rows) for v in (src, dst))
        require(not (gathers and scatters), what, "vector_offset on both sides", "it on one side")
        if gathers:
            return _gather(dst, src, oob, work)
        if scatters:
            return _scatter(dst, src, oob, work)
    return b.emit(what, Engine.dma, (dst,), (src,), work, convert)


def _gather(dst: NkiTensor, src: NkiTensor, oob: OobMode, work: Work) -> Instruction:
    what, index = "dma_copy", row_tile("dma_copy", src)
    # Skipped rows keep what dst held, which must therefore be something.
    kept = (dst,) if oob is OobMode.skip else ()

    def meaning(out: np.ndarray, table: np.ndarray, numbers: np.ndarray, *_: np.ndarray) -> None:
        picked, keep = picked_rows(what, src, numbers, oob)
        rows = out if out.shape[0] == src.shape[0] else out.reshape(src.shape[0], -1)
        value = np.empty((keep.size, *rows.shape[1:]), out.dtype)
        convert(value, table[picked])
        rows[keep] = value
        if not np.may_share_memory(rows, out):  # a strided dst: its reshape was a copy
            out[...] = rows.reshape(out.shape)

    return current().emit(what, Engine.dma, (dst,), (src, index, *kept), work, meaning)


def _scatter(dst: NkiTensor, src: NkiTensor, oob: OobMode, work: Work) -> Instruction:
    what, index, warn = "dma_copy", row_tile("dma_copy", dst), warner()

    def meaning(table: np.ndarray, data: np.ndarray, numbers: np.ndarray) -> None:
        picked, keep = picked_rows(what, dst, numbers, oob)
        value = np.empty((keep.size, *table.shape[1:]), table.dtype)
        convert(value, data.reshape(dst.shape[0], -1)[keep])
        row = _row_written_twice(picked, value)
        if row >= 0:
            warn(
                f"dma_copy scattering to {dst.storage.name}: row {row} is written twice with "
                "different values; the queues keep no order between rows: the last one is kept here"
            )
        last = {int(number): at for at, number in enumerate(picked)}
        table[list(last)] = value[list(last.values())]

    return current().emit(what, Engine.dma, (dst,), (src, index), work, meaning)


def _row_written_twice(rows: np.ndarray, values: np.ndarray) -> int:
    """The first row number that stands there twice with values that differ; -1: none."""
    order = np.argsort(rows, kind="stable")
    for one, other in pairwise(order):
        if rows[one] == rows[other] and values[one].tobytes() != values[other].tobytes():
            return int(rows[one])
    return -1
