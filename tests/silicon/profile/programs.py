"""Small programs whose bytes and FLOPs can be counted by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.dtypes import dtype
from glia.isa.launch.builder import StreamBuilder, tracing
from glia.isa.stream import Stream
from glia.isa.target import Target, target_of

CHIP = "trn2"
TARGET = target_of(CHIP)
Body = Callable[..., Any]


def trace(body: Body, *inputs: tuple[tuple[int, ...], str], target: Target = TARGET) -> Stream:
    """The stream of `body(*inputs)`; each input is (shape, dtype)."""
    builder = StreamBuilder(body.__name__, target)
    views = [
        builder.storage(shape, dtype(kind), "hbm", f"x{i}", "input")
        for i, (shape, kind) in enumerate(inputs)
    ]
    with tracing(builder):
        result = body(*views)
    for out in result if isinstance(result, tuple) else (result,):
        builder.mark_output(out)
    return builder.finish(views)


def shared(*shape: int, kind: str = "float32") -> Any:
    return nl.ndarray(shape, dtype=kind, buffer=nl.shared_hbm)


def product(a: Any, b: Any) -> Any:
    """[128, 128]^T @ [128, 512]: one matmul, loads of 32 KiB and 128 KiB, a store of 256 KiB."""
    left = nl.ndarray((128, 128), dtype=a.dtype, buffer=nl.sbuf)
    right = nl.ndarray((128, 512), dtype=b.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=left, src=a)
    nisa.dma_copy(dst=right, src=b)
    sums = nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=sums, stationary=left, moving=right)
    result = nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_copy(dst=result, src=sums)
    out = shared(128, 512)
    nisa.dma_copy(dst=out, src=result)
    return out


def scaled(x: Any, again: bool, columns: int = 512, engine: Any = nisa.engine.unknown) -> Any:
    """Four tiles of x, each used twice; loaded twice when `again`."""
    out = shared(2, *x.shape)
    for i in range(4):
        rows = slice(i * 128, (i + 1) * 128)
        tile = nl.ndarray((128, columns), dtype=x.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=tile, src=x[rows])
        for use in range(2):
            if use and again:
                tile = nl.ndarray((128, columns), dtype=x.dtype, buffer=nl.sbuf)
                nisa.dma_copy(dst=tile, src=x[rows])
            result = nl.ndarray((128, columns), dtype=nl.float32, buffer=nl.sbuf)
            nisa.tensor_scalar(
                dst=result, data=tile, op0=nl.multiply, operand0=float(use), engine=engine
            )
            nisa.dma_copy(dst=out[use, rows], src=result)
    return out
