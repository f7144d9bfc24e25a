"""GpSimd engine: index patterns and predicated selection by affine position. SBUF only.

Sources: aws-neuron-sdk nki/api/nki/isa/__init__.py; cost: git tag v2.26.1 of the same file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glia.isa.alu import ALU, alu
from glia.isa.builder import current, instruction
from glia.isa.engines import engine as Engine
from glia.isa.rules import f32, in_memory, on_chip, require, same_shape, store
from glia.isa.stream import Instruction
from glia.isa.tensor import NkiTensor
from glia.isa.vector_engine import engine_work

_COMPARISONS = ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal")


def _affine(pattern: Sequence[Sequence[int]], offset: int, rows: int, multiplier: int) -> Any:
    """`offset + partition * multiplier + sum(step * index)` as int64 [rows, num...]."""
    value = np.full((rows,), offset, np.int64) + np.arange(rows) * multiplier
    for step, count in pattern:
        value = value[..., None] + np.arange(count) * step
    return value.reshape(rows, -1)


def _check_pattern(what: str, pattern: Sequence[Sequence[int]], free_size: int) -> None:
    total = int(np.prod([count for _, count in pattern], dtype=np.int64))
    require(
        1 <= len(pattern) <= 4 and total == free_size,
        f"{what} pattern",
        f"{list(pattern)}",
        f"up to 4 [step, count] pairs with {free_size} elements",
    )


@instruction
def iota(
    dst: NkiTensor,
    pattern: Sequence[Sequence[int]],
    offset: int = 0,
    channel_multiplier: int = 0,
    name: str | None = None,
) -> Instruction:
    """`dst[p, i] = offset + p * channel_multiplier + pattern(i)`, in int32, then converted."""
    what, b = "iota", current()
    on_chip(what, dst=dst)
    in_memory(what, "dst", dst, "sbuf")
    _check_pattern(what, pattern, dst.free_size)
    values = _affine(pattern, offset, dst.num_partitions, channel_multiplier).astype(np.int32)

    def meaning(out: np.ndarray) -> None:
        store(out, values.astype(np.float64).reshape(out.shape))

    work = engine_work(b.target, Engine.gpsimd, dst.free_size, dst)
    return b.emit(what, Engine.gpsimd, (dst,), (), work, meaning)


@instruction
def affine_select(
    dst: NkiTensor,
    pattern: Sequence[Sequence[int]],
    channel_multiplier: int,
    on_true_tile: NkiTensor,
    on_false_value: float,
    cmp_op: Any = ALU["equal"],
    offset: int = 0,
    name: str | None = None,
) -> Instruction:
    """Keep on_true_tile where `affine(position) cmp_op 0` holds, else on_false_value."""
    what, b = "affine_select", current()
    on_chip(what, dst=dst, on_true_tile=on_true_tile)
    in_memory(what, "dst", dst, "sbuf")
    in_memory(what, "on_true_tile", on_true_tile, "sbuf")
    same_shape(what, dst, on_true_tile=on_true_tile)
    _check_pattern(what, pattern, dst.free_size)
    place = _affine(pattern, offset, dst.num_partitions, channel_multiplier)
    token = alu(cmp_op, what)
    require(token.name in _COMPARISONS, f"{what} cmp_op", f"{token!r}", "a comparison")
    keep = token.apply(place, 0).astype(bool)
    same = dst.dtype == on_true_tile.dtype

    def meaning(out: np.ndarray, data: np.ndarray) -> None:
        mask, value = keep.reshape(out.shape), data.reshape(out.shape)
        if same:
            other = np.empty((), out.dtype)
            store(other, np.asarray(on_false_value, np.float32))
            out[...] = np.where(mask, value, other)
        else:
            store(out, np.where(mask, f32(value), np.float32(on_false_value)))

    work = engine_work(b.target, Engine.gpsimd, dst.free_size, dst, on_true_tile)
    return b.emit(what, Engine.gpsimd, (dst,), (on_true_tile,), work, meaning)
