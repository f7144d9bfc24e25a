"""What all DMAs share: operands, who generates the descriptors, the queue, the pieces moved.

A DMA is issued on a queue. Unless the kernel names an engine, loads and stores go to separate
queues, so that a store waiting for its data does not hold up the next load.
Sources: aws-neuron-sdk nki/api/nki/isa/__init__.py, nki/deep-dives/nki-dge.rst,
nki/deep-dives/nki-dma-bandwidth-guide.rst, nki/get-started/about/nki-dma-overview.rst.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from glia.isa.engines import dge_mode as DgeMode
from glia.isa.engines import engine as Engine
from glia.isa.engines import oob_mode as OobMode
from glia.isa.launch.builder import current
from glia.isa.rules import FROM_HOST, described, f32, refusal, require, store, traffic
from glia.isa.stream import DmaWork, Work
from glia.isa.tensors.addressing import Columns, Rows, Shift, row_numbers
from glia.isa.tensors.tensor import NkiTensor

PACKET_BYTES = 4096  # default packet: a longer contiguous run is cut into packets of 4 KiB
_MAX_DIMS = 5  # language guide, tensor values: a strided access pattern with up to 5 dims
_PRIORITIES = range(4)


def check_operand(what: str, role: str, view: Any) -> None:
    """A DMA moves between HBM and SBUF, by a pattern of few dims."""
    if not isinstance(view, NkiTensor) or view.storage.memory not in ("hbm", "sbuf"):
        raise refusal(
            f"{what} {role}",
            described(view),
            "a tensor in HBM or SBUF",
            "copy PSUM to SBUF with tensor_copy first"
            if isinstance(view, NkiTensor)
            else FROM_HOST,
        )
    if view.outside:
        view.check_bounds()
    if isinstance(view.indirection, Columns):
        raise refusal(
            f"{what} {role}", "tensor indirection", "a plain view, or rows by vector_offset"
        )
    if len(view.shape) > _MAX_DIMS and (dims := _merged_dims(view)) > _MAX_DIMS:
        raise refusal(
            f"{what} {role}", f"a pattern of {dims} dims", f"at most {_MAX_DIMS}", "split the DMA"
        )


def _merged_dims(view: NkiTensor) -> int:
    """Dims that no single stride covers; on chip the partitions are one by themselves."""
    dims = [d for d in zip(view.shape, view.steps, strict=True) if d[0] != 1]
    merged = len(dims)
    first = 1 if view.on_chip else 0
    for (_, outer), (size, inner) in zip(dims[first:], dims[first + 1 :], strict=False):
        merged -= outer == size * inner
    return merged


E = TypeVar("E", DgeMode, OobMode)


def member(what: str, kind: type[E], value: Any) -> E:
    """A member of an option's enum; also by its number, as kernels written for NKI 0.3 say it.

    Raises:
        KernelError: for anything else.
    """
    if isinstance(value, kind):
        return value
    if type(value) is int and value in [m.value for m in kind]:
        return kind(value)
    names = ", ".join(m.name for m in kind)
    raise refusal(what, f"{kind.__name__} {value!r}", f"one of {names} of nki.isa.{kind.__name__}")


def check_priority(what: str, priority: Any) -> None:
    """Quality of service, only where the chip has it."""
    if priority is None:
        return
    target = current().target
    require(
        target.can.dma_priority, what, f"priority on {target.chip}", "a chip with DMA priorities"
    )
    require(priority in _PRIORITIES, what, f"priority {priority!r}", "0, 1, 2 or 3")


def is_software(what: str, mode: DgeMode, on: Engine, dst: NkiTensor, *srcs: NkiTensor) -> bool:
    """True when GpSimd builds the descriptors: gathers, scatters, casts, or when asked to.

    Raises:
        KernelError: for a mode that cannot do what is asked, or that the chip lacks.
    """
    casts = any(v.dtype != dst.dtype for v in srcs)
    moved = [v.indirection for v in (dst, *srcs) if v.indirection is not None]
    if mode is DgeMode.unknown and on is Engine.unknown and not moved:
        return casts
    rows = any(isinstance(m, Rows) for m in moved)
    if rows and mode not in (DgeMode.unknown, DgeMode.swdge):
        raise refusal(what, f"vector_offset with dge_mode {mode.name}", "swdge or unknown")
    if mode is DgeMode.hwdge:
        _check_hardware(what, on, casts)
    elif on is not Engine.unknown:
        raise refusal(
            what,
            f"engine {on.name} with dge_mode {mode.name}",
            "an engine only with dge_mode.hwdge",
        )
    if mode is DgeMode.none and moved:
        raise refusal(what, "a run-time address with dge_mode none", "swdge or hwdge")
    return rows or casts or mode is DgeMode.swdge


def _check_hardware(what: str, on: Engine, casts: bool) -> None:
    """The hardware generator: where there is one, no casts, two engines that start it."""
    target = current().target
    require(target.can.hwdge, what, f"hwdge on {target.chip}", "swdge or none on this chip")
    require(not casts, what, "hwdge with a cast", "swdge, or equal dtypes")
    allowed = (Engine.unknown, Engine.sync, Engine.scalar)
    require(on in allowed, what, f"engine {on.name} with hwdge", "sync or scalar")


def with_skip(view: NkiTensor, oob: OobMode) -> NkiTensor:
    """The view, its scalar run-time offset marked to be skipped when out of bounds, if so asked."""
    moved = view.indirection
    if oob is not OobMode.skip or not isinstance(moved, Shift):
        return view
    return view.with_address(replace(moved, skip=True))


def row_tile(what: str, view: NkiTensor) -> NkiTensor:
    """The row numbers of a gathered or scattered operand: one per row, in a column."""
    moved = view.indirection
    assert isinstance(moved, Rows)
    index = moved.index
    require(
        index.shape[0] == view.shape[0] and index.free_size == 1,
        f"{what} vector_offset",
        f"shape {index.shape}",
        f"({view.shape[0]}, 1), one per row of the pattern",
    )
    return index


def picked_rows(
    what: str, view: NkiTensor, numbers: np.ndarray, oob: OobMode
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers in bounds, and which rows of the pattern they are.

    `numbers` is the bound index tile; it is read down its columns.

    Raises:
        KernelError: for a number out of bounds that is not to be skipped.
    """
    moved = view.indirection
    assert isinstance(moved, Rows)
    picked = row_numbers(view, numbers)
    outside = (picked < 0) | (picked >= moved.num_rows)
    if outside.any() and oob is OobMode.error:
        raise refusal(
            f"{what} picking rows of {view.storage.name}",
            f"row {int(picked[outside][0])}",
            f"0..{moved.num_rows - 1}",
            "check the indices, or let the DMA skip them (oob_mode.skip)",
        )
    keep = np.flatnonzero(~outside)
    return picked[keep], keep


def convert(dst: np.ndarray, src: np.ndarray) -> None:
    """Copy; between dtypes through float32."""
    if dst.dtype == src.dtype:
        dst[...] = src if src.shape == dst.shape else src.reshape(dst.shape)
    else:
        store(dst, f32(src).reshape(dst.shape))


def check_cast(what: str, dst: NkiTensor, src: NkiTensor) -> None:
    """Packed formats have no value of their own: a DMA only moves them."""
    if dst.dtype != src.dtype and (dst.dtype.is_packed or src.dtype.is_packed):
        raise refusal(
            what,
            f"{src.dtype} to {dst.dtype}",
            "equal dtypes where one is packed",
            "view() the tensor as another dtype",
        )


def dma_work(
    dst: NkiTensor,
    srcs: Sequence[NkiTensor],
    on: Engine,
    software: bool,
    transpose: bool = False,
    mode: DgeMode = DgeMode.unknown,
) -> Work:
    """What the DMA moves: every source once in, the destination once out.

    Left to the compiler, descriptors come from the hardware generator where there is one.
    """
    run = min(map(_run_bytes, srcs)) if transpose else min(map(_run_bytes, (dst, *srcs)))
    queue, builder = _queue(dst, on, software), current()
    static = not software and (mode is DgeMode.none or not builder.target.can.hwdge)
    sides = tuple((v.size, v.dtype.itemsize, v.storage.memory) for v in (dst, *srcs))
    partitions = max((v.shape[0] for v in (dst, *srcs) if v.on_chip), default=0)
    alike = ("dma", sides, run, queue, software, static, transpose, partitions)
    work = builder.works.get(alike)
    if work is not None:
        return work
    run = min(run, PACKET_BYTES)
    total, out_size = dst.size, dst.dtype.itemsize
    in_sizes = [s.dtype.itemsize for s in srcs]
    num_bytes = total * max(out_size, sum(in_sizes))
    moved = DmaWork(
        num_bytes=num_bytes,
        num_elements=-(-num_bytes // run),
        element_bytes=run,
        hbm_read_bytes=total * sum(n for n, s in zip(in_sizes, srcs, strict=True) if not s.on_chip),
        hbm_write_bytes=0 if dst.on_chip else total * out_size,
        queue=queue,
        software=software,
        static=static,
        transpose=transpose,
        num_partitions=partitions,
    )
    work = builder.works[alike] = Work(dma=moved, sram=traffic(dst, *srcs))
    return work


def _queue(dst: NkiTensor, on: Engine, software: bool) -> str:
    if on is not Engine.unknown:
        return on.name
    if software:
        return "gpsimd"
    return "load" if dst.on_chip else "store"


def _run_bytes(view: NkiTensor) -> int:
    """Bytes of the longest contiguous run of a view: one DMA descriptor element.

    On chip a run never crosses partitions. A dim of size 1 never breaks a run.
    """
    first = 1 if view.on_chip or isinstance(view.indirection, Rows) else 0
    run, shape, steps = 1, view.shape, view.steps
    for dim in range(len(shape) - 1, first - 1, -1):
        size = shape[dim]
        if size == 1:
            continue
        if steps[dim] != run:
            break
        run *= size
    return run * view.dtype.itemsize
