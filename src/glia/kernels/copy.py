"""Views made dense, and laid side by side: graph op `concatenate`, and any view that must be dense.

One DMA from HBM to HBM per part; nothing passes through SBUF. Accepts every dtype, rank and
strides. Short contiguous runs cost DMA time per run, so that exchanging the last two dims belongs
to `kernels.transpose`.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

import glia.nki as nki
import glia.nki.isa as nisa
from glia.kernels._tiles import hbm


@nki.jit
def copy(x: Any) -> Any:
    """The elements of x, of any rank and strides, in a dense tensor."""
    out = hbm(*x.shape, dtype=x.dtype)
    nisa.dma_copy(dst=out, src=x)
    return out


@functools.cache
def concatenate(num_parts: int) -> nki.Kernel:
    """The kernel that joins x0, x1, ... [A, n_i, C] along the middle dim: [A, sum(n_i), C]."""

    def concatenate(*parts: Any) -> Any:
        outer, _, inner = parts[0].shape
        total = sum(part.shape[1] for part in parts)
        out = hbm(outer, total, inner, dtype=parts[0].dtype)
        start = 0
        for part in parts:
            stop = start + part.shape[1]
            nisa.dma_copy(dst=out[:, start:stop], src=part)
            start = stop
        return out

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    names = [inspect.Parameter(f"x{i}", kind) for i in range(num_parts)]
    concatenate.__signature__ = inspect.Signature(names)  # type: ignore[attr-defined]
    return nki.jit(concatenate)
