"""tensor_partition_reduce and sequence_bounds: what crosses partitions, or one whole sequence."""

from __future__ import annotations

from typing import Any

import numpy as np

from glia.core.errors import KernelError
from glia.isa.engines import engine as Engine
from glia.isa.gpsimd_engine.checks import gpsimd_work, in_sbuf, of_kind
from glia.isa.launch.builder import current, instruction
from glia.isa.operators.alu import ALU, sequential
from glia.isa.rules import f32, refusal, require, require_ints, store
from glia.isa.stream import Instruction
from glia.isa.tensors.tensor import NkiTensor

# The documentation's names of releases 2.32 and 2.33, and glia's names of the operators.
_NAMES = {
    "add": "add", "average": "average", "mean": "average", "max": "maximum", "maximum": "maximum",
    "bitwise_and": "bitwise_and", "bitwise_or": "bitwise_or", "bitwise_xor": "bitwise_xor",
}  # fmt: skip


@instruction
def tensor_partition_reduce(
    dst: NkiTensor, op: Any, data: NkiTensor, name: str | None = None
) -> Instruction:
    """`dst[0, i] = op over p of data[p, i]`: add, average, maximum, or a bit operator.

    float32 inside, summed from the first partition on; int32 sums are exact as in tensor_tensor.
    """
    what, b = "tensor_partition_reduce", current()
    in_sbuf(what, dst=dst, data=data)
    token = _NAMES.get(getattr(op, "name", getattr(op, "__name__", "")), "")
    if not token:
        names = ", ".join(f"nl.{n}" for n in ("add", "average", "maximum", "bitwise_and"))
        raise refusal(f"{what} op", f"{op!r}", f"{names}, bitwise_or or bitwise_xor")
    if (dst.num_partitions, dst.free_size) != (1, data.free_size):
        raise refusal(f"{what} dst", f"shape {dst.shape}", f"(1, {data.free_size})")
    if token.startswith("bitwise"):
        require_ints(what, dst, data)
        require(dst.dtype == data.dtype, f"{what} dst", str(dst.dtype), f"data's {data.dtype}")

    def meaning(out: np.ndarray, values: np.ndarray) -> None:
        store(out, _reduced(token, values.reshape(len(values), -1)).reshape(out.shape))

    cycles = data.free_size * b.target.partition_reduce_cycles
    work = gpsimd_work(cycles, data.size, dst, data)
    return b.emit(what, Engine.gpsimd, (dst,), (data,), work, meaning)


def _reduced(token: str, rows: np.ndarray) -> np.ndarray:
    if token.startswith("bitwise"):
        reduce = ALU[token].reduce
        assert reduce is not None
        return np.asarray(reduce(rows, axis=0))
    if token == "add" and rows.dtype in (np.int32, np.uint32):
        return np.add.reduce(rows, axis=0, dtype=rows.dtype)
    if token == "maximum":
        return np.maximum.reduce(rows if rows.dtype.kind in "iu" else f32(rows), axis=0)
    total = sequential(np.add, f32(rows).T)
    return total / np.float32(len(rows)) if token == "average" else total


@instruction
def sequence_bounds(dst: NkiTensor, segment_ids: NkiTensor, name: str | None = None) -> Instruction:
    """Where each element's segment begins and ends: dst [1, 2, n] of ids [1, n].

    A segment is a run of equal ids. Row 0 holds its first position, row 1 the one after its last;
    elements with id 0 are padding and get (n, -1). float32 or int32.
    """
    what, b = "sequence_bounds", current()
    in_sbuf(what, dst=dst, segment_ids=segment_ids)
    for role, view in (("dst", dst), ("segment_ids", segment_ids)):
        of_kind(what, role, view, "float32", "int32")
        require(
            view.num_partitions == 1, f"{what} {role}", f"{view.num_partitions} partitions", "1"
        )
    n = segment_ids.free_size
    if dst.shape != (1, 2, n):
        raise refusal(f"{what} dst", f"shape {dst.shape}", f"(1, 2, {n})")

    def meaning(out: np.ndarray, ids: np.ndarray) -> None:
        store(out, bounds(ids.reshape(-1)).astype(np.float64).reshape(out.shape))

    # Twice over the ids: forward for the starts, backward for the ends.
    work = gpsimd_work(2 * n * b.target.serial_cycles, n, dst, segment_ids)
    return b.emit(what, Engine.gpsimd, (dst,), (segment_ids,), work, meaning)


def bounds(ids: np.ndarray) -> np.ndarray:
    """int64 [2, n]: start and end of the run that each id of [n] belongs to."""
    if np.any(ids < 0) or np.any(ids != np.trunc(ids)):
        bad = ids[(ids < 0) | (ids != np.trunc(ids))][0]
        raise KernelError(
            f"sequence_bounds segment_ids: got {bad}, expected whole numbers of at least 0"
        )
    n, places = len(ids), np.arange(len(ids))
    begins = np.append(True, ids[1:] != ids[:-1])
    first = np.maximum.accumulate(np.where(begins, places, 0))
    ends = np.append(begins[1:], True)
    last = np.minimum.accumulate(np.where(ends, places + 1, n)[::-1])[::-1]
    padding = ids == 0
    return np.stack([np.where(padding, n, first), np.where(padding, -1, last)])


__all__ = ["sequence_bounds", "tensor_partition_reduce"]
