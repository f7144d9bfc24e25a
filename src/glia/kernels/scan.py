"""Running sums: graph op `cumsum` over the last dim of [T, N].

The Vector engine scans along the free dim in fp32; a chunk starts from the last column of the one
before it. Accepts fp32, bf16 and int32; integers are exact while sums stay below 2^24.
"""

from __future__ import annotations

from typing import Any

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.kernels._tiles import P, hbm, sbuf, spans

DTYPES = ("float32", "bfloat16", "int32")
_COLUMNS = 2048  # columns scanned by one instruction


def accepts(dtype: str) -> bool:
    """True for the dtypes of `cumsum`; any [T, N]."""
    return dtype in DTYPES


@nki.jit
def cumsum(x: Any) -> Any:
    """out[t, n] = sum of x[t, 0..n] for x [T, N]."""
    num_rows, num_columns = x.shape
    out = hbm(num_rows, num_columns, dtype=x.dtype)
    ones = sbuf(P, min(_COLUMNS, num_columns))
    nisa.memset(dst=ones, value=1.0)
    for start, rows in spans(num_rows, P):
        before: Any = 0.0
        for n0, size in spans(num_columns, _COLUMNS):
            place = (slice(start, start + rows), slice(n0, n0 + size))
            tile, sums = sbuf(rows, size, dtype=x.dtype), sbuf(rows, size)
            nisa.dma_copy(dst=tile, src=x[place])
            nisa.tensor_tensor_scan(
                dst=sums,
                data0=ones[0:rows, 0:size],
                data1=tile,
                initial=before,
                op0=nl.multiply,
                op1=nl.add,
            )
            before = sums[:, size - 1 : size]
            nisa.dma_copy(dst=out[place], src=_as(sums, x.dtype))
    return out


def _as(tile: Any, dtype: Any) -> Any:
    if tile.dtype == dtype:
        return tile
    result = sbuf(*tile.shape, dtype=dtype)
    nisa.tensor_copy(dst=result, src=tile)
    return result
