"""local_gather and nc_n_gather: elements picked by offsets that are known while the kernel runs."""

from __future__ import annotations

import numpy as np

from glia.core.errors import KernelError
from glia.isa.engines import engine as Engine
from glia.isa.gpsimd_engine.checks import (
    CORE_PARTITIONS,
    gpsimd_work,
    in_sbuf,
    of_kind,
    whole_cores,
)
from glia.isa.launch.builder import current, instruction
from glia.isa.rules import refusal, require
from glia.isa.stream import Instruction
from glia.isa.target import Target
from glia.isa.tensors.tensor import NkiTensor
from glia.isa.undefined import within_partitions

_RUN_LENGTHS = (1, 2, 4, 8, 16, 32)
_MAX_INDICES = 4096  # per core
_WORD = 4  # bytes that a lane moves at once
_GROUP = 512  # elements of one instruction group of nc_n_gather


@instruction
def local_gather(
    dst: NkiTensor,
    src_buffer: NkiTensor,
    index: NkiTensor,
    num_elem_per_idx: int = 1,
    num_valid_indices: int | None = None,
    name: str | None = None,
) -> Instruction:
    """Each group of 16 partitions picks runs of elements by its own indices, the same in all 16.

    The indices (uint16) are read down the partitions first; run i of `num_elem_per_idx` elements
    starts at element `index[i % 16, i // 16]` of every partition's flattened free dims. dst
    [P, num_valid_indices * num_elem_per_idx] has the dtype of src_buffer.
    """
    what, b = "local_gather", current()
    in_sbuf(what, dst=dst, src_buffer=src_buffer, index=index)
    whole_cores(f"{what} src_buffer", src_buffer)
    rows, length = src_buffer.num_partitions, num_elem_per_idx
    for role, view in (("index", index), ("dst", dst)):
        if (view.num_partitions, view.start_partition) != (rows, src_buffer.start_partition):
            got = f"{view.num_partitions} partitions from {view.start_partition}"
            expected = f"src_buffer's {rows} from {src_buffer.start_partition}"
            raise refusal(f"{what} {role}", got, expected)
    of_kind(what, "index", index, "uint16")
    require(
        dst.dtype == src_buffer.dtype, f"{what} dst", str(dst.dtype), f"src's {src_buffer.dtype}"
    )
    if length not in _RUN_LENGTHS:
        raise refusal(f"{what} num_elem_per_idx", f"{length}", f"one of {_RUN_LENGTHS}")
    total = CORE_PARTITIONS * index.free_size
    count = total if num_valid_indices is None else num_valid_indices
    if not 1 <= count <= min(total, _MAX_INDICES):
        expected = f"1..{min(total, _MAX_INDICES)} per core"
        raise refusal(f"{what} num_valid_indices", f"{count}", expected)
    if dst.free_size != count * length:
        raise refusal(f"{what} dst", f"{dst.free_size} elements per partition", f"{count * length}")

    def meaning(out: np.ndarray, data: np.ndarray, indices: np.ndarray) -> None:
        cores = data.reshape(-1, CORE_PARTITIONS, src_buffer.free_size)
        starts = indices.reshape(len(cores), CORE_PARTITIONS, -1).transpose(0, 2, 1)
        starts = starts.reshape(len(cores), -1)[:, :count].astype(np.int64)
        places = (starts[..., None] + np.arange(length)).reshape(len(cores), 1, -1)
        _check_bounds(what, places, src_buffer.free_size)
        out[...] = np.take_along_axis(cores, places, axis=2).reshape(out.shape)

    work = gpsimd_work(
        _gather_cycles(b.target, count, length, src_buffer), dst.size, dst, dst, index
    )
    carries, reads = within_partitions(), (src_buffer, index)
    return b.emit(what, Engine.gpsimd, (dst,), reads, work, meaning, carries=carries)


@instruction
def nc_n_gather(
    dst: NkiTensor, data: NkiTensor, indices: NkiTensor, name: str | None = None
) -> Instruction:
    """`dst[p, i] = data[p, indices[p, i]]` over flattened free dims; indices uint32."""
    what, b = "nc_n_gather", current()
    in_sbuf(what, dst=dst, data=data, indices=indices)
    of_kind(what, "indices", indices, "uint32")
    require(dst.dtype == data.dtype, f"{what} dst", str(dst.dtype), f"data's {data.dtype}")
    rows, count = data.num_partitions, indices.free_size
    require(
        indices.num_partitions == rows,
        f"{what} indices",
        f"{indices.num_partitions} partitions",
        f"data's {rows}",
    )
    if (dst.num_partitions, dst.free_size) != (rows, count):
        raise refusal(f"{what} dst", f"shape {dst.shape}", f"({rows}, {count})")

    def meaning(out: np.ndarray, values: np.ndarray, chosen: np.ndarray) -> None:
        places = chosen.reshape(rows, -1).astype(np.int64)
        _check_bounds(what, places, data.free_size)
        flat = values.reshape(rows, -1)
        out[...] = np.take_along_axis(flat, places, axis=1).reshape(out.shape)

    starts = (-(-count // _GROUP) - 1) * b.target.gpsimd_fixed
    cycles = _gather_cycles(b.target, count, 1, data) + starts
    work = gpsimd_work(cycles, dst.size, dst, dst, indices)
    return b.emit(what, Engine.gpsimd, (dst,), (data, indices), work, meaning)


def _gather_cycles(target: Target, count: int, length: int, data: NkiTensor) -> float:
    """Cycles of `count` runs of `length` elements.

    Read from the printed formula as cycles per element: taken as elements per cycle, as printed,
    longer runs would be slower, against the text beside it.
    """
    batch = target.gather_batch * length
    per_element = (target.gather_overhead + batch) / batch
    return count * length * per_element / min(_WORD / data.dtype.itemsize, length)


def _check_bounds(what: str, places: np.ndarray, limit: int) -> None:
    if places.size and int(places.max()) >= limit:
        raise KernelError(
            f"{what}: got index {int(places.max())}, expected 0..{limit - 1}; the hardware's "
            "result is undefined"
        )


__all__ = ["local_gather", "nc_n_gather"]
