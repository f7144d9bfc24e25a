"""`dma_transpose`: dims swapped on the way into SBUF, of rows picked at run time too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from glia.isa.dma_engine.descriptors import (
    check_operand,
    check_priority,
    dma_work,
    is_software,
    member,
    picked_rows,
    with_skip,
)
from glia.isa.engines import dge_mode as DgeMode
from glia.isa.engines import engine as Engine
from glia.isa.engines import oob_mode as OobMode
from glia.isa.launch.builder import current, instruction
from glia.isa.rules import refusal, require
from glia.isa.stream import Instruction, Work
from glia.isa.target import PARTITIONS
from glia.isa.tensors.addressing import Rows
from glia.isa.tensors.tensor import NkiTensor

_AXES = {2: (1, 0), 3: (2, 1, 0), 4: (3, 1, 2, 0)}
_BLOCK = 16  # rows that the transpose hardware takes at once
_ROW_SIZES = (1, 2, 4, 8, 16)
_MAX_LAST = 128


@instruction
def dma_transpose(
    dst: NkiTensor,
    src: NkiTensor,
    axes: Sequence[int] | None = None,
    priority: int | None = None,
    dge_mode: DgeMode = DgeMode.unknown,
    oob_mode: OobMode = OobMode.error,
    name: str | None = None,
) -> Instruction:
    """`dst[SBUF] = src.transpose(axes)`: (1, 0), (2, 1, 0) or (3, 1, 2, 0) by the rank of src.

    dst has the permuted shape and src's dtype of 2 or 4 bytes. A src that picks rows
    (`vector_offset`) is gathered first; the row numbers are read down the columns of their tile.
    """
    what, b = "dma_transpose", current()
    check_operand(what, "dst", dst)
    check_operand(what, "src", src)
    check_priority(what, priority)
    oob, mode = member(what, OobMode, oob_mode), member(what, DgeMode, dge_mode)
    target = b.target
    require(target.can.dma_transpose, what, target.chip, "a chip with DMA transposes")
    require(dst.storage.memory == "sbuf", f"{what} dst", f"{dst!r}", "a tile in SBUF")
    require(not dst.is_indirect(), f"{what} dst", "a run-time address", "a plain tile")
    order = _check_shapes(what, dst, src, axes)
    gathers = isinstance(src.indirection, Rows)
    require(gathers or mode is not DgeMode.swdge, what, "swdge without vector_offset", "hwdge")
    require(
        src.is_indirect() or oob is OobMode.error,
        what,
        "oob_mode skip",
        "it only with indices of src",
    )
    software = is_software(what, mode, Engine.unknown, dst, src)
    if mode is DgeMode.hwdge:
        _check_hardware(what, src)
    work = dma_work(dst, (src,), Engine.unknown, software, transpose=True, mode=mode)
    if gathers:
        return _gather_transpose(dst, src, oob, work)
    src = with_skip(src, oob)

    def meaning(out: np.ndarray, data: np.ndarray) -> None:
        out[...] = data.transpose(order)

    return b.emit(what, Engine.dma, (dst,), (src,), work, meaning)


def _check_shapes(
    what: str, dst: NkiTensor, src: NkiTensor, axes: Sequence[int] | None
) -> tuple[int, ...]:
    order = _AXES.get(src.ndim)
    if order is None:
        raise refusal(f"{what} src", f"{src.ndim} dims", "2, 3 or 4")
    require(
        axes is None or tuple(axes) == order, what, f"axes {axes}", f"{order} for {src.ndim} dims"
    )
    permuted = tuple(src.shape[d] for d in order)
    require(dst.shape == permuted, f"{what} dst", f"shape {dst.shape}", f"{permuted}")
    require(dst.dtype == src.dtype, what, f"{src.dtype} to {dst.dtype}", "equal dtypes")
    require(
        src.dtype.itemsize in (2, 4), what, f"{src.dtype}", "elements of 2 or 4 bytes",
        "view() the tensor as such",
    )  # fmt: skip
    return order


def _check_hardware(what: str, src: NkiTensor) -> None:
    """What the hardware descriptor generator can transpose."""
    rows, where = src.shape[0], f"{what} with hwdge"
    require(src.dtype.itemsize == 2, where, f"{src.dtype}", "elements of 2 bytes")
    require(src.shape[-1] <= _MAX_LAST, where, f"last dim {src.shape[-1]}", f"<= {_MAX_LAST}")
    if src.ndim == 2:
        require(rows == _BLOCK, where, f"{rows} rows", f"{_BLOCK} rows in 2 dims")
        return
    require(rows in _ROW_SIZES, where, f"{rows} rows", f"one of {_ROW_SIZES}")
    block = rows * src.shape[-2]
    require(
        block % _BLOCK == 0, where, f"shape[0] * shape[-2] = {block}", f"a multiple of {_BLOCK}"
    )


def _gather_transpose(dst: NkiTensor, src: NkiTensor, oob: OobMode, work: Work) -> Instruction:
    what = "dma_transpose"
    index = _check_gather(f"{what} with vector_offset", src)
    order = _AXES[src.ndim]
    kept = (dst,) if oob is OobMode.skip else ()

    def meaning(out: np.ndarray, table: np.ndarray, numbers: np.ndarray, *_: np.ndarray) -> None:
        picked, keep = picked_rows(what, src, numbers, oob)
        out[..., keep] = table[picked].transpose(order)

    return current().emit(what, Engine.dma, (dst,), (src, index, *kept), work, meaning)


def _check_gather(what: str, src: NkiTensor) -> NkiTensor:
    moved = src.indirection
    assert isinstance(moved, Rows)
    index, rows = moved.index, src.shape[0]
    if src.ndim == 4:
        require(1 in src.shape[1:3], what, f"shape {src.shape}", "shape[1] or shape[2] of 1")
    require(src.shape[-1] <= _MAX_LAST, what, f"last dim {src.shape[-1]}", f"<= {_MAX_LAST}")
    require(src.dtype.itemsize == 2, what, f"{src.dtype}", "elements of 2 bytes")
    require(rows % _BLOCK == 0, what, f"{rows} rows", f"a multiple of {_BLOCK}")
    require(index.ndim == 2, what, f"indices of shape {index.shape}", "2 dims")
    require(index.dtype.name == "uint32", what, f"{index.dtype} indices", "uint32")
    require(index.size >= rows, what, f"{index.size} indices for {rows} rows", "enough of them")
    height = index.shape[0]
    require(
        height % _BLOCK == 0 and _BLOCK <= height <= PARTITIONS,
        what,
        f"{height} partitions of indices",
        f"{_BLOCK}..{PARTITIONS}, a multiple of {_BLOCK}",
    )
    require(
        index.shape[1] == 1 or height == PARTITIONS,
        what,
        f"indices of shape {index.shape}",
        f"{PARTITIONS} partitions where there is more than one column",
    )
    return index
