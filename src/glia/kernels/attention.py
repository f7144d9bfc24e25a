"""Scaled dot-product attention: graph op `attention`; the scores never leave the chip.

Queries go by tiles of 128 rows, heads by groups whose scores share up to three PSUM banks, so that
scaling, masking, maximum, shift and exponential are one instruction for all heads of a group.
The values carry a column of ones: their product with the probabilities also gives the sums. That
product is issued after the scores of the next group, so that the engines overlap.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.kernels._masks import Masks
from glia.kernels._tiles import (
    P,
    ceil_div,
    hbm,
    itemsize,
    load_stacked,
    psum,
    sbuf,
    sbuf_bytes,
    spans,
    take_turns,
    transpose_all,
)

DTYPES = ("float32", "bfloat16")
_BANK = 512  # fp32 columns of a PSUM bank
_WIDE = 3 * _BANK  # columns of scores in PSUM at once
_TINY = 1e-30  # lower bound of a sum of probabilities; with any key in sight it is at least 1


def accepts(num_keys: int, head_dim: int, value_dim: int, element_bytes: int, sbuf: int) -> bool:
    """True when `sbuf` bytes per partition hold one row of scores and one pack of heads."""
    if not (0 < head_dim <= P and 0 < value_dim <= P and num_keys > 0):
        return False
    rows = num_keys * (4 + 4 + 2 * element_bytes)  # scores, mask, probabilities, transposed
    pack = heads_per_pack(head_dim)
    return rows + 2 * pack * _head_bytes(num_keys, head_dim, value_dim, element_bytes) <= sbuf


def heads_per_pack(head_dim: int) -> int:
    """Heads whose transposes share the 128 partitions; each must start at a legal partition."""
    return P // head_dim if head_dim in (32, 64) else 1


def _head_bytes(num_keys: int, head_dim: int, value_dim: int, element_bytes: int) -> int:
    """SBUF bytes per partition of one head's keys, values and transposed keys."""
    stacked = ceil_div(num_keys, P) * (head_dim + value_dim + 1)
    return element_bytes * (stacked + ceil_div(num_keys, heads_per_pack(head_dim)))


@dataclass
class Group:
    """Some heads of one tile of queries, with all that their attention needs on chip.

    `queries_t` [pack * d, packs, rows] and `keys_t` [pack * d, packs, Sk] hold `pack` heads on
    partitions; `values` is [128, ceil(Sk / 128), heads, dv + 1]. Of these, the group is the
    `count` heads from `first` on. `heads` and `queries` say where in the batch element it lies.
    """

    queries_t: Any
    keys_t: Any
    values: Any
    head_dim: int
    first: int
    count: int
    num_keys: int
    batch: int
    heads: tuple[int, int]
    queries: tuple[int, int]
    result: Any

    def operand(self, tile: Any, j: int) -> Any:
        """Head j of the group in a tile of transposed heads: [d, columns]."""
        at, start = divmod(self.first + j, heads_per_pack(self.head_dim))
        return tile[start * self.head_dim : (start + 1) * self.head_dim, at]


@nki.jit
def attention(
    q: Any, k: Any, v: Any, mask: Any = None, scale: float = 1.0, causal: bool = False
) -> Any:
    """softmax(q k^T * scale + mask) v for q [B, h, Sq, d], k [B, h, Sk, d], v [B, h, Sk, dv].

    mask: None, additive float, or integers with 1 = attend; each dim full or 1. A row whose keys
    are all hidden gives 0. Result [B, Sq, h, dv]: token-major, as the next product wants it.
    """
    out = hbm(q.shape[0], q.shape[2], q.shape[1], v.shape[3], dtype=q.dtype)
    masks = Masks(mask, causal)
    banks = itertools.cycle([psum(P, _WIDE), psum(P, _WIDE)])
    waiting: tuple[Group, Any] | None = None
    remaining = groups(q, k, v, causal)
    group = next(remaining, None)
    while group is not None:
        scores, top, left = masked_scores(group, masks, scale, banks)
        following = next(remaining, None)  # its loads and transposes go ahead of what waits
        if waiting is not None:
            weigh_values(out, *waiting)
        waiting = (group, exponentials(scores, top, left, q.dtype))
        group = following
    if waiting is not None:
        weigh_values(out, *waiting)
    return out


# -- the order of work, and operands -------------------------------------------------------------


def groups(q: Any, k: Any, v: Any, causal: bool) -> Iterator[Group]:
    """Batch by batch, block of heads by block, tile of queries by tile, group by group."""
    num_batches, num_heads, num_queries, head_dim = q.shape
    num_keys, value_dim = v.shape[2:]
    pack = heads_per_pack(head_dim)
    head_bytes = _head_bytes(num_keys, head_dim, value_dim, itemsize(q.dtype))
    block = max(1, sbuf_bytes() // 3 // (head_bytes * pack)) * pack
    for b in range(num_batches):
        for h0, block_size in spans(num_heads, block):
            keys_t = transposed_heads(k[b, h0 : h0 + block_size])
            values = values_and_ones(v[b, h0 : h0 + block_size])
            for q0, rows in spans(num_queries, P):
                queries_t = transposed_heads(q[b, h0 : h0 + block_size, q0 : q0 + rows])
                seen = min(num_keys, q0 + rows) if causal else num_keys
                result = sbuf(rows, block_size, value_dim, dtype=q.dtype)
                for first, count in spans(block_size, group_size(block_size, seen, value_dim)):
                    yield Group(
                        queries_t, keys_t, values, head_dim, first, count, seen,
                        b, (h0 + first, count), (q0, rows), result,
                    )  # fmt: skip


def group_size(num_heads: int, num_keys: int, value_dim: int) -> int:
    """Heads whose scores fit their banks and whose results fit one bank, in equal shares."""
    if num_keys > _BANK:
        return 1
    most = min(_WIDE // slot_columns(num_keys), _BANK // (value_dim + 1), num_heads)
    return ceil_div(num_heads, ceil_div(num_heads, most))


def slot_columns(num_keys: int) -> int:
    """PSUM columns set aside for one head's scores: a power of two, so that none crosses a bank."""
    return num_keys if num_keys > _BANK else 1 << (num_keys - 1).bit_length()


def transposed_heads(x: Any) -> Any:
    """x [heads, S, d] in HBM as a tile [pack * d, ceil(heads / pack), S]."""
    num_heads, num_rows, head_dim = x.shape
    pack = min(heads_per_pack(head_dim), num_heads)
    whole, rest = divmod(num_heads, pack)
    turns = take_turns(nisa.engine.scalar, nisa.engine.vector)
    rows = sbuf(min(P, num_rows), ceil_div(num_rows, P), num_heads, head_dim, dtype=x.dtype)
    load_stacked(rows, x.permute((1, 0, 2)))
    tile = sbuf(pack * head_dim, ceil_div(num_heads, pack), num_rows, dtype=x.dtype)
    for r0, size in spans(num_rows, P):
        part, place = rows[0:size, r0 // P], tile[:, :, r0 : r0 + size]
        packs = [part[:, i * pack : (i + 1) * pack] for i in range(whole)]
        transpose_all(place[:, 0:whole], packs, turns)
        if rest:
            transpose_all(place[0 : rest * head_dim, whole:], [part[:, whole * pack :]], turns)
    return tile


def values_and_ones(v: Any) -> Any:
    """v [heads, Sk, dv] in HBM as a tile [128, ceil(Sk / 128), heads, dv + 1]; the last is 1."""
    num_heads, num_keys, value_dim = v.shape
    tile = sbuf(min(P, num_keys), ceil_div(num_keys, P), num_heads, value_dim + 1, dtype=v.dtype)
    nisa.memset(dst=tile[:, :, :, value_dim:], value=1.0, engine=nisa.engine.gpsimd)
    load_stacked(tile[:, :, :, 0:value_dim], v.permute((1, 0, 2)))
    return tile


# -- scores, exponentials, weighted values -------------------------------------------------------


def masked_scores(
    group: Group, masks: Masks, scale: float, banks: Iterator[Any]
) -> tuple[Any, Any, float]:
    """Scores [rows, heads, keys], their row maxima, and the scale that is still to be applied.

    Those of a single head without a mask stay in PSUM, as far as they fit there; all others are
    scaled on the way to SBUF, where GpSimd reaches them.
    """
    rows, count, num_keys = group.queries[1], group.count, group.num_keys
    if masks.none and count == 1 and num_keys <= _WIDE and scale > 0:
        scores = raw_scores(group, 0, num_keys, next(banks))
    else:
        scores = sbuf(rows, count, num_keys)
        for start, size in spans(num_keys, _WIDE):
            raw = raw_scores(group, start, size, next(banks))
            scale_and_mask(scores[:, :, start : start + size], raw, group, masks, start, scale)
        add_triangle(scores, group, masks)
        scale = 1.0
    top = sbuf(rows, count, 1)
    nisa.tensor_reduce(dst=top, op=nl.maximum, data=scores, axis=2)
    if not masks.none:
        nisa.tensor_scalar(dst=top, data=top, op0=nl.maximum, operand0=masks.floor)
    return scores, top, scale


def exponentials(scores: Any, top: Any, scale: float, dtype: Any) -> Any:
    """exp((scores - top) * scale) as a tile [rows, heads, keys], not yet divided by its sum.

    Several heads are scaled already: for them `scale` is 1.
    """
    _, count, num_keys = scores.shape
    result = sbuf(*scores.shape, dtype=dtype)
    if count == 1:
        nisa.tensor_scalar(dst=top, data=top, op0=nl.multiply, operand0=-scale)
        nisa.activation(dst=result, op=nl.exp, data=scores, bias=top[:, 0], scale=scale)
    else:
        shifted, top = sbuf(*scores.shape), top.broadcast(2, num_keys)
        on = nisa.engine.gpsimd  # the Vector engine has enough to do
        nisa.tensor_tensor(dst=shifted, data1=scores, data2=top, op=nl.subtract, engine=on)
        nisa.activation(dst=result, op=nl.exp, data=shifted)
    return result


def raw_scores(group: Group, start: int, size: int, bank: Any) -> Any:
    """q k^T for the keys `start .. start + size`, as a PSUM view [rows, heads, size]."""
    slot = slot_columns(size)
    bank = bank[0 : group.queries[1], 0 : group.count * slot].reshape_dim(1, (group.count, slot))
    for j in range(group.count):
        keys = group.operand(group.keys_t, j)
        for c0, columns in spans(size, _BANK):
            nisa.nc_matmul(
                dst=bank[:, j, c0 : c0 + columns],
                stationary=group.operand(group.queries_t, j),
                moving=keys[:, start + c0 : start + c0 + columns],
                accumulate=False,
            )
    return bank[:, :, 0:size]


def scale_and_mask(
    dst: Any, raw: Any, group: Group, masks: Masks, start: int, scale: float
) -> None:
    """dst = raw * scale + mask, from PSUM to SBUF."""
    if masks.mask is None:
        nisa.tensor_scalar(dst=dst, data=raw, op0=nl.multiply, operand0=scale)
        return
    _, count, size = dst.shape
    mask = masks.part(group.batch, group.heads, group.queries)
    every_key = mask.shape[2] == 1
    mask = mask.broadcast(2, size) if every_key else mask[:, :, start : start + size]
    mask = mask.broadcast(1, count) if mask.shape[1] == 1 else mask
    nisa.scalar_tensor_tensor(
        dst=dst, data=raw, op0=nl.multiply, operand0=scale, op1=nl.add, operand1=mask
    )


def add_triangle(scores: Any, group: Group, masks: Masks) -> None:
    """Hide the keys after each query; all earlier tiles of keys are seen whole."""
    q0, rows = group.queries
    size = group.num_keys - q0
    if masks.triangle is None or size <= 0:
        return
    triangle = masks.triangle[0:rows, 0:size].expand_dim(1).broadcast(1, group.count)
    corner = scores[:, :, q0 : q0 + size]
    nisa.tensor_tensor(
        dst=corner, data1=corner, data2=triangle, op=nl.add, engine=nisa.engine.gpsimd
    )


def weigh_values(out: Any, group: Group, probabilities: Any) -> None:
    """result = probabilities @ values / sum; stored once the tile of queries is complete."""
    rows, count, num_keys = probabilities.shape
    value_dim = group.result.shape[2]
    turned = transposed_probabilities(probabilities)
    sums = psum(rows, count, value_dim + 1)
    for j in range(count):
        for k0, size in spans(num_keys, P):
            nisa.nc_matmul(
                dst=sums[:, j],
                stationary=turned[0:size, k0 // P * count + j],
                moving=group.values[0:size, k0 // P, group.first + j],
                accumulate=k0 > 0,
            )
    share = sbuf(rows, count, 1)
    nisa.tensor_scalar(
        dst=share,
        data=sums[:, :, value_dim:],
        op0=nl.maximum,
        operand0=_TINY,
        op1=nl.reciprocal,
        operand1=None,
    )
    nisa.tensor_tensor(
        dst=group.result[:, group.first : group.first + count],
        data1=sums[:, :, 0:value_dim],
        data2=share.broadcast(2, value_dim),
        op=nl.multiply,
    )
    if group.first + count == group.result.shape[1]:
        q0, h0 = group.queries[0], group.heads[0] - group.first
        place = out[group.batch, q0 : q0 + rows, h0 : h0 + group.result.shape[1]]
        nisa.dma_copy(dst=place, src=group.result)


def transposed_probabilities(probabilities: Any) -> Any:
    """[rows, heads, keys] as a tile [128, ceil(keys / 128) * heads, rows], heads innermost."""
    rows, count, num_keys = probabilities.shape
    whole, rest = divmod(num_keys, P)
    turns = take_turns(nisa.engine.scalar, nisa.engine.vector)
    tile = sbuf(min(P, num_keys), ceil_div(num_keys, P) * count, rows, dtype=probabilities.dtype)
    for first, size, height in ((0, whole, P), (whole, 1 if rest else 0, rest)):
        parts = [
            probabilities[:, j, t * P : t * P + height]
            for t in range(first, first + size)
            for j in range(count)
        ]
        if parts:
            place = tile[0:height, first * count : (first + size) * count]
            transpose_all(place, parts, turns)
    return tile
