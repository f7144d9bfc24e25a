"""nonzero_with_count and topk: positions found while the kernel runs."""

from __future__ import annotations

import numpy as np

from glia.isa.engines import engine as Engine
from glia.isa.gpsimd_engine.checks import (
    CORE_PARTITIONS,
    gpsimd_work,
    in_sbuf,
    int32,
    of_kind,
    whole_cores,
)
from glia.isa.launch.builder import current, instruction
from glia.isa.rules import f32, refusal, require
from glia.isa.stream import Instruction
from glia.isa.tensors.tensor import NkiTensor
from glia.isa.undefined import within_partitions

_TOPK_MIN, _TOPK_END, _TOPK_K_END = 8, 65536, 32768


@instruction
def nonzero_with_count(
    dst: NkiTensor,
    src: NkiTensor,
    index_offset: int = 0,
    padding_val: int = -1,
    name: str | None = None,
) -> Instruction:
    """Positions of nonzero elements in partitions 0, 16, 32, ... of src [P, n], and their number.

    dst [P, n + 1] int32: the positions plus index_offset, then padding_val, then in the last place
    the number. Only those partitions are read and written. One that holds elements never written
    gives nothing: its result counts as never written.
    """
    what, b = "nonzero_with_count", current()
    require(b.target.can.nonzero_with_count, what, b.target.chip, "a chip that has it")
    in_sbuf(what, dst=dst, src=src)
    of_kind(what, "src", src, "float32", "int32")
    of_kind(what, "dst", dst, "int32")
    offset = int32(what, "index_offset", index_offset)
    padding = int32(what, "padding_val", padding_val)
    n = src.free_size
    if (dst.num_partitions, dst.free_size) != (src.num_partitions, n + 1):
        raise refusal(f"{what} dst", f"shape {dst.shape}", f"({src.num_partitions}, {n + 1})")

    def meaning(out: np.ndarray, data: np.ndarray) -> None:
        found = np.full((len(data), n + 1), padding, np.int32)
        for row, values in zip(found, data.reshape(len(data), -1), strict=True):  # at most 8
            (positions,) = np.nonzero(values)
            row[: len(positions)] = positions + offset
            row[-1] = len(positions)
        out[...] = found.reshape(out.shape)

    read, written = src[::CORE_PARTITIONS], dst[::CORE_PARTITIONS]
    work = gpsimd_work(n * b.target.serial_cycles, read.size, written, read)
    return b.emit(
        what, Engine.gpsimd, (written,), (read,), work, meaning, carries=within_partitions()
    )


@instruction
def topk(
    val_dst: NkiTensor, idx_dst: NkiTensor, src: NkiTensor, n: int, name: str | None = None
) -> Instruction:
    """The K largest of n numbers that lie snaking through 16 partitions, ascending, with positions.

    Element i of a group of 16 partitions is `src[i % 16, i // 16]`. val_dst [P, K] bfloat16 and
    idx_dst [P, K] uint32 hold the result in every partition of the group. Of equal numbers the
    first positions are taken, and stand in ascending order.
    """
    what, b = "topk", current()
    in_sbuf(what, val_dst=val_dst, idx_dst=idx_dst, src=src)
    of_kind(what, "src", src, "bfloat16")
    of_kind(what, "val_dst", val_dst, "bfloat16")
    of_kind(what, "idx_dst", idx_dst, "uint32")
    whole_cores(f"{what} src", src)
    count, rows = int32(what, "n", n), src.num_partitions
    k = val_dst.free_size
    if not _TOPK_MIN <= count < _TOPK_END:
        raise refusal(f"{what} n", str(count), f"{_TOPK_MIN}..{_TOPK_END - 1}")
    if not 1 <= k < _TOPK_K_END or k > count:
        raise refusal(f"{what} val_dst", f"K = {k}", f"at most {min(count, _TOPK_K_END - 1)}")
    for role, view in (("val_dst", val_dst), ("idx_dst", idx_dst)):
        if (view.num_partitions, view.free_size) != (rows, k):
            raise refusal(f"{what} {role}", f"shape {view.shape}", f"({rows}, {k})")
    columns = -(-count // CORE_PARTITIONS)
    if src.free_size < columns:
        raise refusal(f"{what} src", f"{src.free_size} columns", f"at least {columns}")
    used = src[:, :columns]

    def meaning(values: np.ndarray, positions: np.ndarray, data: np.ndarray) -> None:
        cores = f32(data).reshape(-1, CORE_PARTITIONS, columns)
        snake = cores.transpose(0, 2, 1).reshape(len(cores), -1)[:, :count]
        chosen = np.sort(np.argsort(-snake, axis=1, kind="stable")[:, :k], axis=1)
        ranks = np.argsort(np.take_along_axis(snake, chosen, 1), axis=1, kind="stable")
        order = np.take_along_axis(chosen, ranks, 1)
        best = np.take_along_axis(snake, order, 1)
        best, order = (np.repeat(a, CORE_PARTITIONS, axis=0) for a in (best, order))
        values[...] = best.astype(values.dtype).reshape(values.shape)
        positions[...] = order.reshape(positions.shape)

    cycles = b.target.topk_cycles * count + k
    work = gpsimd_work(cycles, used.size, val_dst, idx_dst, used)
    return b.emit(what, Engine.gpsimd, (val_dst, idx_dst), (used,), work, meaning)


__all__ = ["nonzero_with_count", "topk"]
