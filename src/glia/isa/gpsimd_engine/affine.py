"""iota and affine_select: values and predicates that are affine in the element's position.

`offset + partition * channel_multiplier + sum(step * index)` in 32-bit integers, which wrap.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from glia.isa.engines import engine as Engine
from glia.isa.gpsimd_engine.checks import gpsimd_work, in_sbuf, int32
from glia.isa.launch.builder import current, instruction
from glia.isa.operators.alu import ALU, alu
from glia.isa.rules import f32, refusal, require, same_shape, store
from glia.isa.stream import Instruction
from glia.isa.tensors.tensor import NkiTensor

_COMPARISONS = ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal")
_MAX_PAIRS = 4
Pattern = tuple[tuple[int, int], ...]


@instruction
def iota(
    dst: NkiTensor,
    pattern: Sequence[Sequence[int]],
    offset: int = 0,
    channel_multiplier: int = 0,
    name: str | None = None,
) -> Instruction:
    """`dst[p, i] = offset + p * channel_multiplier + pattern(i)`, in int32, then converted.

    `pattern` is up to four [step, number] pairs, the last one fastest.
    """
    what, b = "iota", current()
    in_sbuf(what, dst=dst)
    require(not dst.dtype.is_packed, f"{what} dst", str(dst.dtype), "numbers")
    place = _place(what, dst, pattern, offset, channel_multiplier)

    def meaning(out: np.ndarray) -> None:
        store(out, affine_values(*place).astype(np.float64).reshape(out.shape))

    work = gpsimd_work(dst.free_size * b.target.gpsimd_cycles, dst.size, dst)
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
    """Keep on_true_tile where `affine(position) cmp_op 0` holds, else on_false_value (float32)."""
    what, b = "affine_select", current()
    in_sbuf(what, dst=dst, on_true_tile=on_true_tile)
    same_shape(what, dst, on_true_tile=on_true_tile)
    place = _place(what, dst, pattern, offset, channel_multiplier)
    token = alu(cmp_op, f"{what} cmp_op")
    require(token.name in _COMPARISONS, f"{what} cmp_op", f"{token!r}", "a comparison")
    if not isinstance(on_false_value, (int, float, np.number)):
        got = type(on_false_value).__name__
        raise refusal(f"{what} on_false_value", got, "a number", "fill a tile and select twice")
    same = dst.dtype == on_true_tile.dtype

    def meaning(out: np.ndarray, data: np.ndarray) -> None:
        keep = token.apply(affine_values(*place), 0).astype(bool).reshape(out.shape)
        value = data.reshape(out.shape)
        if same:
            other = np.empty((), out.dtype)
            store(other, np.asarray(on_false_value, np.float32))
            out[...] = np.where(keep, value, other)
        else:
            store(out, np.where(keep, f32(value), np.float32(on_false_value)))

    work = gpsimd_work(dst.free_size * b.target.gpsimd_cycles, dst.size, dst, on_true_tile)
    return b.emit(what, Engine.gpsimd, (dst,), (on_true_tile,), work, meaning)


def _place(
    what: str, dst: NkiTensor, pattern: Any, offset: Any, multiplier: Any
) -> tuple[int, int, int, Pattern]:
    """The checked arguments of `affine_values`."""
    try:
        pairs = tuple((step, number) for step, number in pattern)
    except (TypeError, ValueError):
        raise refusal(f"{what} pattern", repr(pattern), "a list of [step, number] pairs") from None
    found = tuple(
        (int32(what, "pattern", step), int32(what, "pattern", number)) for step, number in pairs
    )
    total = int(np.prod([number for _, number in found], dtype=np.int64))
    if not 1 <= len(found) <= _MAX_PAIRS or total != dst.free_size or min(n for _, n in found) < 1:
        raise refusal(
            f"{what} pattern",
            f"{list(pattern)}",
            f"up to {_MAX_PAIRS} [step, number] pairs with {dst.free_size} elements",
        )
    first = int32(what, "offset", offset)
    return first, int32(what, "channel_multiplier", multiplier), dst.num_partitions, found


@lru_cache(maxsize=64)
def affine_values(offset: int, multiplier: int, rows: int, pattern: Pattern) -> np.ndarray:
    """int32 [rows, elements], read-only: masks of one shape come again and again."""
    value = np.full((rows,), offset, np.int64) + np.arange(rows) * multiplier
    for step, number in pattern:
        value = value[..., None] + np.arange(number) * step
    found = value.reshape(rows, -1).astype(np.int32)
    found.flags.writeable = False
    return found


__all__ = ["affine_select", "iota"]
