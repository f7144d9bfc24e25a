"""DMA: moves data between HBM and SBUF by strided patterns, with gather by row index.

A DMA is issued on a queue. Unless the kernel names an engine, loads and stores go to separate
queues, so that a store waiting for its data does not hold up the next load.
Sources: aws-neuron-sdk nki/api/nki/isa/__init__.py, nki/deep-dives/nki-dma-bandwidth-guide.rst,
nki/get-started/about/nki-dma-overview.rst.
"""

from __future__ import annotations

import math

import numpy as np

from glia.core.errors import KernelError
from glia.isa.addressing import reach
from glia.isa.builder import current, instruction
from glia.isa.engines import dge_mode as DgeMode
from glia.isa.engines import engine as Engine
from glia.isa.engines import oob_mode as OobMode
from glia.isa.rules import f32, refusal, require, store, traffic
from glia.isa.stream import DmaWork, Instruction, Work
from glia.isa.tensor import NkiTensor, Rows

_PACKET_BYTES = 4096  # default packet: a longer contiguous run is cut into packets of 4 KiB
_ISSUERS = (Engine.unknown, Engine.sync, Engine.scalar, Engine.gpsimd, Engine.vector, Engine.tensor)


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

    A src made by `.ap(vector_offset=index)` gathers rows of HBM.
    """
    what, b = "dma_copy", current()
    for role, view in (("dst", dst), ("src", src)):
        if not isinstance(view, NkiTensor) or view.storage.memory == "psum":
            raise refusal(
                f"{what} {role}",
                f"{view!r}",
                "a tensor in HBM or SBUF",
                "copy PSUM to SBUF with tensor_copy first",
            )
    if math.prod(dst.shape) != math.prod(src.shape):
        raise refusal(what, f"{src.shape} to {dst.shape}", "equal numbers of elements")
    require(engine in _ISSUERS, what, f"engine {engine.name}", "an engine that issues DMAs")
    require(
        dst.indirection is None,
        f"{what} dst",
        "a scatter",
        "a plain destination",
        "glia does not scatter yet",
    )
    software = _software(what, dge_mode, engine, dst, src)
    work = Work(dma=_dma_work(dst, src, engine, software), sram=traffic(dst, src))
    if src.indirection is not None:
        return _gather(dst, src, oob_mode, work)
    return b.emit(what, Engine.dma, (dst,), (src,), work, _convert)


def _move(dst: np.ndarray, src: np.ndarray) -> None:
    dst[...] = src if src.shape == dst.shape else src.reshape(dst.shape)


def _convert(dst: np.ndarray, src: np.ndarray) -> None:
    if dst.dtype == src.dtype:
        _move(dst, src)
    else:
        store(dst, f32(src).reshape(dst.shape))


def _gather(dst: NkiTensor, src: NkiTensor, oob: OobMode, work: Work) -> Instruction:
    what, index = "dma_copy", src.indirection
    assert isinstance(index, Rows)
    rows = index.index
    require(
        rows.num_partitions == src.shape[0] == dst.shape[0] and rows.free_size == 1,
        f"{what} vector_offset",
        f"shape {rows.shape}",
        f"({src.shape[0]}, 1), and as many rows in dst",
    )
    limit = index.num_rows
    table = reach(src)
    # Skipped rows keep what dst held, which must therefore be something.
    kept = (dst,) if oob is OobMode.skip else ()

    def meaning(out: np.ndarray, data: np.ndarray, numbers: np.ndarray, *_: np.ndarray) -> None:
        picked = numbers.reshape(-1).astype(np.int64)
        outside = (picked < 0) | (picked >= limit)
        if outside.any() and oob is OobMode.error:
            bad = int(picked[outside][0])
            raise KernelError(
                f"dma_copy gathering rows of {table!r}: got row {bad}, expected 0..{limit - 1}; "
                "check the indices"
            )
        keep = np.flatnonzero(~outside)
        found = data[picked[keep]].reshape(keep.size, *out.shape[1:])
        value = np.empty(found.shape, out.dtype)
        _convert(value, found)
        out[keep] = value

    return current().emit(what, Engine.dma, (dst,), (table, rows, *kept), work, meaning)


def _software(what: str, mode: DgeMode, engine: Engine, dst: NkiTensor, src: NkiTensor) -> bool:
    """True when GpSimd builds the descriptors: gathers, casts, or when asked to."""
    can = current().target.can
    needs = src.indirection is not None or dst.dtype != src.dtype
    if mode is DgeMode.hwdge:
        require(can.hwdge, what, "hwdge", "another mode on this chip")
        require(not needs, what, "hwdge with a cast or gather", "swdge")
    return needs or mode is DgeMode.swdge or engine is Engine.gpsimd


def _dma_work(dst: NkiTensor, src: NkiTensor, engine: Engine, software: bool) -> DmaWork:
    total = math.prod(dst.shape)
    run = min(_run_bytes(dst), _run_bytes(src), _PACKET_BYTES)
    num_bytes = total * max(dst.dtype.itemsize, src.dtype.itemsize)
    return DmaWork(
        num_bytes=num_bytes,
        num_elements=-(-num_bytes // run),
        element_bytes=run,
        hbm_read_bytes=total * src.dtype.itemsize if not src.on_chip else 0,
        hbm_write_bytes=total * dst.dtype.itemsize if not dst.on_chip else 0,
        queue=_queue(dst, engine, software),
        software=software,
    )


def _queue(dst: NkiTensor, engine: Engine, software: bool) -> str:
    if engine is not Engine.unknown:
        return engine.name
    if software:
        return "gpsimd"
    return "load" if dst.on_chip else "store"


def _run_bytes(view: NkiTensor) -> int:
    """Bytes of the longest contiguous run of a view: one DMA descriptor element.

    On chip a run never crosses partitions. A dim of size 1 never breaks a run.
    """
    first = 1 if view.on_chip or view.indirection is not None else 0
    run = 1
    dims = zip(view.shape[first:], view.steps[first:], strict=True)
    for size, stride in reversed([d for d in dims if d[0] != 1]):
        if stride != run:
            break
        run *= size
    return run * view.dtype.itemsize
