"""Reductions: graph op `reduce` over the last dim of [T, N] or the middle dim of [B, R, N].

The last dim lies in the free dim of a tile: the Vector engine reduces it. The middle dim lies on
partitions: sums are products with a column of ones on the Tensor engine; other kinds combine the
tiles elementwise, and the last 128 rows through a transpose. Float sums accumulate in fp32.
Integers pass through fp32 inside a reduction: exact while all partial results are below 2^24.
"""

from __future__ import annotations

from typing import Any

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.kernels._tiles import P, ceil_div, hbm, is_float, psum, sbuf, spans

KINDS = ("add", "multiply", "maximum", "minimum", "and", "or")
_COLUMNS = 4096  # columns of a row reduced by one instruction
_BANK = 512  # fp32 columns of a PSUM bank
_ROWS_COLUMNS = 2048  # columns whose rows are reduced together


def accepts(kind: str) -> bool:
    """True for the kinds of the graph op; `and` and `or` take 0 and 1."""
    return kind in KINDS


@nki.jit
def reduce_last(x: Any, kind: str) -> Any:
    """Reduce the last dim of x [T, N]; result [T]."""
    out = hbm(x.shape[0], dtype=x.dtype)
    for start, rows in spans(x.shape[0], P):
        total = _reduce_tile(x[start : start + rows], _operator(kind))
        result = sbuf(rows, 1, dtype=x.dtype)
        nisa.tensor_copy(dst=result, src=total)
        nisa.dma_copy(dst=out[start : start + rows].expand_dim(1), src=result)
    return out


@nki.jit
def reduce_rows(x: Any, kind: str) -> Any:
    """Reduce the middle dim of x [B, R, N]; result [B, N]."""
    num_batches, _, num_columns = x.shape
    out = hbm(num_batches, num_columns, dtype=x.dtype)
    by_ones = kind == "add" and is_float(x.dtype)
    ones = _ones(x.dtype) if by_ones else None
    for b in range(num_batches):
        for n0, size in spans(num_columns, _BANK if by_ones else _ROWS_COLUMNS):
            part, place = x[b, :, n0 : n0 + size], out[b, n0 : n0 + size]
            if by_ones:
                _sum_rows(place, part, ones)
            else:
                _combine_rows(place, part, _operator(kind))
    return out


def _operator(kind: str) -> Any:
    """The Vector engine's operator; on 0 and 1, `and` is the minimum and `or` the maximum."""
    return getattr(nl, {"and": "minimum", "or": "maximum"}.get(kind, kind))


def _ones(dtype: Any) -> Any:
    tile = sbuf(P, 1, dtype=dtype)
    nisa.memset(dst=tile, value=1.0)
    return tile


def _reduce_tile(x: Any, op: Any) -> Any:
    """Reduce x [rows, N] by chunks of columns, then the chunks."""
    rows, num_columns = x.shape
    partial = sbuf(rows, ceil_div(num_columns, _COLUMNS))
    for start, size in spans(num_columns, _COLUMNS):
        tile, at = sbuf(rows, size, dtype=x.dtype), start // _COLUMNS
        nisa.dma_copy(dst=tile, src=x[:, start : start + size])
        nisa.tensor_reduce(dst=partial[:, at : at + 1], op=op, data=tile, axis=1)
    total = sbuf(rows, 1)
    nisa.tensor_reduce(dst=total, op=op, data=partial, axis=1)
    return total


def _sum_rows(out: Any, x: Any, ones: Any) -> None:
    """out [N] = ones^T x for x [R, N <= 512], accumulated in PSUM over tiles of rows."""
    num_rows, size = x.shape
    total = psum(1, size)
    for start, rows in spans(num_rows, P):
        tile = sbuf(rows, size, dtype=x.dtype)
        nisa.dma_copy(dst=tile, src=x[start : start + rows])
        nisa.nc_matmul(dst=total, stationary=ones[0:rows], moving=tile, accumulate=start > 0)
    result = sbuf(1, size, dtype=x.dtype)
    nisa.tensor_copy(dst=result, src=total)
    nisa.dma_copy(dst=out.expand_dim(0), src=result)


def _combine_rows(out: Any, x: Any, op: Any) -> None:
    """out [N] = op over the rows of x [R, N]."""
    num_rows, size = x.shape
    most = min(P, num_rows)
    best = sbuf(most, size)
    for start, rows in spans(num_rows, P):
        tile = sbuf(rows, size, dtype=x.dtype)
        nisa.dma_copy(dst=tile, src=x[start : start + rows])
        if start == 0:
            nisa.tensor_copy(dst=best, src=tile)
        else:
            nisa.tensor_tensor(dst=best[0:rows], data1=best[0:rows], data2=tile, op=op)
    for c0, columns in spans(size, P):
        turned, column = psum(columns, most), sbuf(columns, 1, dtype=x.dtype)
        nisa.nc_transpose(dst=turned, data=best[:, c0 : c0 + columns], engine=nisa.engine.tensor)
        nisa.tensor_reduce(dst=column, op=op, data=turned, axis=1)
        nisa.dma_copy(dst=out[c0 : c0 + columns].expand_dim(1), src=column)
