"""`dma_compute`: element-wise sums on the way, and read-modify-write of rows picked at run time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glia.isa.dma_engine.descriptors import (
    check_cast,
    check_operand,
    dma_work,
    member,
    picked_rows,
    row_tile,
)
from glia.isa.engines import engine as Engine
from glia.isa.engines import oob_mode as OobMode
from glia.isa.launch.builder import current, instruction
from glia.isa.operators.alu import alu
from glia.isa.rules import f32, refusal, require, store
from glia.isa.stream import Instruction, Work
from glia.isa.tensors.addressing import Rows
from glia.isa.tensors.tensor import NkiTensor

_MAX_SOURCES = 16


@instruction
def dma_compute(
    dst: NkiTensor,
    srcs: Sequence[NkiTensor],
    reduce_op: Any,
    scales: Sequence[float] | None = None,
    unique_indices: bool = True,
    oob_mode: OobMode = OobMode.error,
    name: str | None = None,
) -> Instruction:
    """`dst = srcs[0] + srcs[1] + ...` in float32, up to 16 tensors of HBM or SBUF.

    With `vector_offset` it updates: `dst += src[rows]` into SBUF or `dst[rows] += src` into HBM,
    where the other of exactly two sources is dst itself; the rows must differ from each other.
    """
    what = "dma_compute"
    sources = tuple(srcs) if isinstance(srcs, (list, tuple)) else (srcs,)
    require(
        1 <= len(sources) <= _MAX_SOURCES, what, f"{len(sources)} sources", f"1..{_MAX_SOURCES}"
    )
    for role, view in (("dst", dst), *(("source", s) for s in sources)):
        check_operand(what, role, view)
    oob = member(what, OobMode, oob_mode)
    _check_arithmetic(what, sources, reduce_op, scales)
    for source in sources:
        if source.size != dst.size:
            raise refusal(what, f"{source.shape} to {dst.shape}", "equal numbers of elements")
        check_cast(what, dst, source)
    views = (dst, *sources)
    if any(isinstance(v.indirection, Rows) for v in views):
        require(unique_indices is True, what, "unique_indices=False", "rows that differ")
        return _update(dst, sources, oob)
    moved = [v for v in views if v.is_indirect()]
    require(not moved, what, f"a run-time address of {moved}", "addresses known when compiling")
    work = dma_work(dst, sources, Engine.unknown, software=False)
    return current().emit(what, Engine.dma, (dst,), sources, work, _sum)


def _check_arithmetic(
    what: str, sources: Sequence[NkiTensor], op: Any, scales: Sequence[float] | None
) -> None:
    found = alu(op, what)
    require(found.name == "add", what, f"reduce_op {found.name}", "nl.add, the only one there is")
    if scales is None:
        return
    ones = len(scales) == len(sources) and all(s == 1.0 for s in scales)
    require(ones, what, f"scales {tuple(scales)}", f"None or {len(sources)} times 1.0")


def _sum(out: np.ndarray, *sources: np.ndarray) -> None:
    total = f32(sources[0]).reshape(out.shape)
    for source in sources[1:]:
        total = total + f32(source).reshape(out.shape)
    store(out, total)


def _update(dst: NkiTensor, sources: tuple[NkiTensor, ...], oob: OobMode) -> Instruction:
    """Read, add, write back; dst is one of the two sources."""
    what = "dma_compute with vector_offset"
    require(len(sources) == 2, what, f"{len(sources)} sources", "exactly 2, dst and another")
    others = [s for s in sources if not _same(s, dst)]
    require(len(others) == 1, what, f"sources {sources}", f"dst {dst!r} and one other")
    other = others[0]
    scatters = isinstance(dst.indirection, Rows)
    require(
        scatters != isinstance(other.indirection, Rows),
        what,
        "rows picked on both sides",
        "them on one side",
    )
    tile, rows = (other, dst) if scatters else (dst, other)
    require(tile.storage.memory == "sbuf", what, f"{tile!r}", "the other operand in SBUF")
    require(
        tile.shape[0] == rows.shape[0], what, f"shapes {tile.shape} and {rows.shape}", "equal rows"
    )
    index = row_tile(what, rows)
    work = dma_work(dst, sources, Engine.unknown, software=True)
    if scatters:
        return _scatter_add(dst, other, index, oob, work)
    return _gather_add(dst, other, index, oob, work)


def _same(one: NkiTensor, other: NkiTensor) -> bool:
    """The same elements of the same memory, by the same run-time rows."""
    if one.storage is not other.storage or one.get_pattern() != other.get_pattern():
        return False
    a, b = one.indirection, other.indirection
    if a is None or b is None:
        return a is b and one.offset == other.offset and one.dtype == other.dtype
    return _same(a.index, b.index) and one.offset == other.offset


def _scatter_add(
    dst: NkiTensor, src: NkiTensor, index: NkiTensor, oob: OobMode, work: Work
) -> Instruction:
    what = "dma_compute"

    def meaning(table: np.ndarray, _: np.ndarray, data: np.ndarray, numbers: np.ndarray) -> None:
        picked, keep = picked_rows(what, dst, numbers, oob)
        values, counts = np.unique(picked, return_counts=True)
        if values.size < picked.size:
            raise refusal(
                f"{what} scattering to rows of {dst.storage.name}",
                f"row {int(values[counts > 1][0])} twice",
                "each row once (unique_indices)",
            )
        old = f32(table[picked])
        added = old + f32(data.reshape(dst.shape[0], -1)[keep]).reshape(old.shape)
        value = np.empty(added.shape, table.dtype)
        store(value, added)
        table[picked] = value

    return current().emit(what, Engine.dma, (dst,), (dst, src, index), work, meaning)


def _gather_add(
    dst: NkiTensor, src: NkiTensor, index: NkiTensor, oob: OobMode, work: Work
) -> Instruction:
    what = "dma_compute"

    def meaning(out: np.ndarray, _: np.ndarray, table: np.ndarray, numbers: np.ndarray) -> None:
        picked, keep = picked_rows(what, src, numbers, oob)
        old = f32(out[keep])
        value = np.empty(old.shape, out.dtype)
        store(value, old + f32(table[picked]).reshape(old.shape))
        out[keep] = value

    return current().emit(what, Engine.dma, (dst,), (dst, src, index), work, meaning)
