"""Sentence vectors: mean of the attended tokens, and rows scaled to unit length.

The mean is a product on the Tensor engine: a batch element's mask stands alone in its own column
of a selector [S, batch], so that the sums of up to 16 elements gather in one PSUM tile. Accepts
x [B, S, H] in fp32 or bf16 and a mask [B, S] of numbers; any H for which a tile of rows fits.
"""

from __future__ import annotations

from typing import Any

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.kernels._tiles import (
    P,
    ceil_div,
    hbm,
    itemsize,
    load_stacked,
    psum,
    sbuf,
    spans,
)

DTYPES = ("float32", "bfloat16")
_BANK = 512  # fp32 columns of a PSUM bank
_TOGETHER = 16  # batch elements whose sums share a PSUM tile
_LOAD_BYTES = 16384  # per partition and load


def accepts(num_columns: int, element_bytes: int, sbuf: int) -> bool:
    """True when a row in fp32, its squares and its result fit in `sbuf` bytes per partition."""
    return num_columns * (2 * element_bytes + 4) <= sbuf


@nki.jit
def masked_mean(x: Any, mask: Any, least: float = 1e-9) -> Any:
    """sum_s(x[b, s] * mask[b, s]) / max(sum_s(mask[b, s]), least): [B, S, H] to [B, H]."""
    num_batches, _, num_columns = x.shape
    out = hbm(num_batches, num_columns, dtype=x.dtype)
    for b0, count in spans(num_batches, _TOGETHER):
        rows = slice(b0, b0 + count)
        share = _reciprocal_counts(mask[rows], least)
        selector = _selector(mask[rows], x.dtype)
        for n0, size in spans(num_columns, _BANK):
            columns = slice(n0, n0 + size)
            sums = psum(count, size)
            _accumulate(sums, x[rows, :, columns], selector)
            result = sbuf(count, size, dtype=x.dtype)
            nisa.tensor_scalar(dst=result, data=sums, op0=nl.multiply, operand0=share)
            nisa.dma_copy(dst=out[rows, columns], src=result)
    return out


def _reciprocal_counts(mask: Any, least: float) -> Any:
    """1 / max(sum of each row of mask, least) as a tile [count, 1]."""
    tile, share = sbuf(*mask.shape, dtype=mask.dtype), sbuf(mask.shape[0], 1)
    nisa.dma_copy(dst=tile, src=mask)
    nisa.tensor_reduce(dst=share, op=nl.add, data=tile, axis=1)
    nisa.tensor_scalar(dst=share, data=share, op0=nl.maximum, operand0=least)
    nisa.reciprocal(dst=share, data=share)
    return share


def _selector(mask: Any, dtype: Any) -> Any:
    """Tile [128, ceil(S / 128), count * count]: for element b, column b holds its mask, else 0."""
    count, num_tokens = mask.shape
    tiles = ceil_div(num_tokens, P)
    numbers = sbuf(min(P, num_tokens), tiles, count, dtype=mask.dtype)
    load_stacked(numbers, mask.permute((1, 0)))
    selector = sbuf(min(P, num_tokens), tiles, count * count, dtype=dtype)
    nisa.memset(dst=selector, value=0.0)
    for start, rows in spans(num_tokens, P):
        diagonal = selector[0:rows, start // P, 0 : count * count : count + 1]
        nisa.tensor_copy(dst=diagonal, src=numbers[0:rows, start // P])
    return selector


def _accumulate(sums: Any, x: Any, selector: Any) -> None:
    """sums [count, N] = over b and tiles of tokens: selector of b, transposed, times x[b]."""
    count, num_tokens, size = x.shape
    step = max(1, _LOAD_BYTES // (size * itemsize(x.dtype))) * P
    for b in range(count):
        for part, part_size in spans(num_tokens, step):
            tile = sbuf(min(P, part_size), ceil_div(part_size, P), size, dtype=x.dtype)
            load_stacked(tile, x[b, part : part + part_size])
            for t0, rows in spans(part_size, P):
                picks = selector[0:rows, (part + t0) // P, b * count : (b + 1) * count]
                nisa.nc_matmul(
                    dst=sums,
                    stationary=picks,
                    moving=tile[0:rows, t0 // P],
                    accumulate=b + part + t0 > 0,
                )


@nki.jit
def l2_normalise(x: Any, epsilon: float = 1e-12) -> Any:
    """x / max(||x||, epsilon) over the last dim of x [T, H]."""
    out = hbm(*x.shape, dtype=x.dtype)
    for start, rows in spans(x.shape[0], P):
        value, squares = sbuf(rows, x.shape[1], dtype=x.dtype), sbuf(rows, x.shape[1])
        length, result = sbuf(rows, 1), sbuf(rows, x.shape[1], dtype=x.dtype)
        nisa.dma_copy(dst=value, src=x[start : start + rows])
        nisa.tensor_tensor(dst=squares, data1=value, data2=value, op=nl.multiply)
        nisa.tensor_reduce(dst=length, op=nl.add, data=squares, axis=1)
        nisa.activation(dst=length, op=nl.sqrt, data=length)
        nisa.tensor_scalar(dst=length, data=length, op0=nl.maximum, operand0=epsilon)
        nisa.reciprocal(dst=length, data=length)
        nisa.tensor_scalar(dst=result, data=value, op0=nl.multiply, operand0=length)
        nisa.dma_copy(dst=out[start : start + rows], src=result)
    return out
