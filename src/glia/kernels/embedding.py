"""Rows of a table by number: graph op `embedding`.

Each partition gathers the rows of consecutive tokens, one DMA per 128 rows, so that numbers and
results move in long pieces. Accepts a table [V, H] of any dtype and int32 numbers [T]; a number
outside the table is an error of the run. A row must fit in SBUF.
"""

from __future__ import annotations

from typing import Any

import glia.nki as nki
import glia.nki.isa as nisa
from glia.kernels._tiles import P, hbm, itemsize, sbuf, spans

_STORE_BYTES = 16384  # per partition and store


def accepts(num_columns: int, element_bytes: int, sbuf: int) -> bool:
    """True when a row fits in `sbuf` bytes of a partition."""
    return num_columns * element_bytes <= sbuf


@nki.jit
def embedding(table: Any, ids: Any) -> Any:
    """out[t] = table[ids[t]] for table [V, H] and ids [T]."""
    (num_tokens,), num_columns = ids.shape, table.shape[1]
    out = hbm(num_tokens, num_columns, dtype=table.dtype)
    per_partition = num_tokens // P
    whole = per_partition * P
    if whole:
        _gather(out[0:whole], table, ids[0:whole], P, per_partition)
    if num_tokens > whole:
        _gather(out[whole:], table, ids[whole:], num_tokens - whole, 1)
    return out


def _gather(out: Any, table: Any, ids: Any, rows: int, per_partition: int) -> None:
    """Token `p * per_partition + j` on partition p."""
    num_columns = table.shape[1]
    numbers = sbuf(rows, per_partition, dtype=ids.dtype)
    nisa.dma_copy(dst=numbers, src=ids.reshape((rows, per_partition)))
    places = out.reshape((rows, per_partition, num_columns))
    step = max(1, _STORE_BYTES // (num_columns * itemsize(table.dtype)))
    for first, count in spans(per_partition, step):
        tile = sbuf(rows, count, num_columns, dtype=table.dtype)
        for j in range(count):
            picked = table.ap(
                pattern=[[num_columns, rows], [1, num_columns]],
                vector_offset=numbers[:, first + j : first + j + 1],
                indirect_dim=0,
            )
            nisa.dma_copy(dst=tile[:, j], src=picked)
        nisa.dma_copy(dst=places[:, first : first + count], src=tile)
