"""Transposes: graph op `transpose` of the last two dims, [B, R, C] to [B, C, R].

Through the Tensor engine, 128 x 128 at a time. Accepts every dtype; on NeuronCore-v2, whose
transpose multiplies by an identity, only finite floats are exact.
"""

from __future__ import annotations

from typing import Any

import glia.nki as nki
import glia.nki.isa as nisa
from glia.kernels._tiles import P, hbm, itemsize, load_rows, spans, take_turns, turn_rows

_STRIP = 1024  # rows of the source that become one piece of each row of the result
_TILE_BYTES = 32768  # per partition


@nki.jit
def transpose(x: Any) -> Any:
    """out[b, c, r] = x[b, r, c] for x [B, R, C]."""
    num_batches, num_rows, num_columns = x.shape
    out = hbm(num_batches, num_columns, num_rows, dtype=x.dtype)
    step = _TILE_BYTES // (_STRIP * itemsize(x.dtype)) * P
    turns = take_turns(nisa.engine.vector, nisa.engine.scalar)
    for b in range(num_batches):
        for c0, columns in spans(num_columns, step):
            for r0, rows in spans(num_rows, _STRIP):
                tile = turn_rows(load_rows(x[b], c0, columns, r0, rows), turns)
                _store_stacked(out[b, c0 : c0 + columns, r0 : r0 + rows], tile)
    return out


def _store_stacked(dst: Any, tile: Any) -> None:
    """The reverse of `load_stacked`: row r of dst from partition r % 128."""
    whole, rest = divmod(dst.shape[0], P)
    if whole:
        places = dst[0 : whole * P].reshape_dim(0, (whole, P)).permute((1, 0, 2))
        nisa.dma_copy(dst=places, src=tile[:, 0:whole])
    if rest:
        nisa.dma_copy(dst=dst[whole * P :], src=tile[0:rest, whole])
