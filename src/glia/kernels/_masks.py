"""Attention masks in SBUF, as numbers to add to the scores.

A bool mask arrives as integers 0 and 1 and becomes 0 and -1e30 once per part that is loaded. A
part is loaded again only when the batch element, heads or queries it covers change.
"""

from __future__ import annotations

from typing import Any

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.kernels._tiles import P, is_float, sbuf

_MASKED = -1e30  # far below any score; a score added to it vanishes in the rounding of fp32
_MASKED_ROW = -1e29  # a row maximum below this means that a bool mask hides the whole row
_LOWEST = -3.4028235e38  # the most negative fp32: keeps rows of -inf from becoming NaN


class Masks:
    """The additive mask of an attention, and its causal triangle."""

    def __init__(self, mask: Any, causal: bool) -> None:
        self.mask = mask
        self.triangle = _triangle() if causal else None
        self._is_bool = mask is not None and not is_float(mask.dtype)
        self._key: tuple[int, ...] = ()
        self._tile: Any = None

    @property
    def none(self) -> bool:
        """True when every query sees every key."""
        return self.mask is None and self.triangle is None

    @property
    def floor(self) -> float:
        """Row maxima are raised to this, so that the probabilities of a hidden row become 0."""
        return _LOWEST if self.mask is not None and not self._is_bool else _MASKED_ROW

    def part(self, batch: int, heads: tuple[int, int], queries: tuple[int, int]) -> Any:
        """The mask [rows, 1 or heads, 1 or Sk] of heads and queries given as (start, count)."""
        num_batches, num_heads, num_queries, _ = self.mask.shape
        b = batch if num_batches > 1 else 0
        h, heads_here = heads if num_heads > 1 else (0, 1)
        q, rows = queries if num_queries > 1 else (0, P)
        if self._key != (b, h, heads_here, q, rows):
            part = self.mask[b, h : h + heads_here]
            part = part[:, q : q + rows] if num_queries > 1 else part.broadcast(1, P)
            self._tile = self._load(part.permute((1, 0, 2)))
            self._key = (b, h, heads_here, q, rows)
        return self._tile[0 : queries[1]]

    def _load(self, part: Any) -> Any:
        tile = sbuf(*part.shape, dtype=part.dtype)
        nisa.dma_copy(dst=tile, src=part)
        if not self._is_bool:
            return tile
        added = sbuf(*part.shape)
        nisa.tensor_scalar(
            dst=added,
            data=tile,
            op0=nl.subtract,
            operand0=1.0,
            op1=nl.multiply,
            operand1=-_MASKED,
        )
        return added


def _triangle() -> Any:
    """[128, 128]: 0 on and below the diagonal, masked above it."""
    zeros, tile = sbuf(P, P), sbuf(P, P)
    nisa.memset(dst=zeros, value=0.0)
    nisa.affine_select(
        dst=tile,
        pattern=[[-1, P]],
        channel_multiplier=1,
        on_true_tile=zeros,
        on_false_value=_MASKED,
        cmp_op=nl.greater_equal,
    )
    return tile
