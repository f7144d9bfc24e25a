"""Run one or a few instructions on arrays, or see them refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.dtypes import dtype
from glia.core.errors import KernelError
from glia.isa.launch.builder import StreamBuilder, tracing
from glia.isa.stream import Instruction
from glia.isa.target import target_of

FLOATS = ("float32", "bfloat16", "float16", "float8_e4m3", "float8_e5m2")
CMD = nisa.reduce_cmd
Out = tuple[Sequence[int], Any]  # shape and dtype of a result


def of(kind: Any) -> np.dtype:
    """The NumPy dtype of a name."""
    return dtype(kind).numpy


def normal(*shape: int, kind: Any = "float32", seed: int = 7, scale: float = 1.0) -> np.ndarray:
    """Normal numbers, rounded to `kind`."""
    drawn = np.random.default_rng(seed).standard_normal(shape) * scale
    return drawn.astype(np.float32).astype(of(kind))


def whole(
    *shape: int, kind: Any = "int32", seed: int = 7, low: int = -9, high: int = 10
) -> np.ndarray:
    """Whole numbers of low..high-1."""
    drawn = np.random.default_rng(seed).integers(low, high, shape, dtype=np.int64)
    return drawn.astype(of(kind))


def run(
    call: Callable[..., Any],
    inputs: Sequence[np.ndarray],
    outs: Sequence[Out],
    chip: str | None = None,
    psum: bool = False,
) -> list[np.ndarray]:
    """`call(*results, *tiles)` in a kernel; what the result tiles (SBUF, or PSUM) hold after."""

    def kernel(*sources: Any) -> Any:
        tiles = [nl.ndarray(s.shape, s.dtype, nl.sbuf) for s in sources]
        for tile, source in zip(tiles, sources, strict=True):
            nisa.dma_copy(tile, source)
        results = [nl.ndarray(shape, kind, nl.psum if psum else nl.sbuf) for shape, kind in outs]
        call(*results, *tiles)
        stored = []
        for result, (shape, kind) in zip(results, outs, strict=True):
            if psum:
                copied = nl.ndarray(shape, kind, nl.sbuf)
                nisa.tensor_copy(copied, result)
                result = copied
            stored.append(nl.ndarray(shape, kind, nl.shared_hbm))
            nisa.dma_copy(stored[-1], result)
        return tuple(stored)

    found = nki.simulate(nki.jit(kernel), target=chip)(*inputs)
    return list(found) if isinstance(found, (tuple, list)) else [found]


def sbuf(*shape: int, kind: Any = "float32", fill: float = 0, **more: Any) -> Any:
    """A tile of one value in SBUF."""
    tile = nl.ndarray(shape, kind, nl.sbuf, **more)
    nisa.memset(tile, fill)
    return tile


def psum(*shape: int, kind: Any = "float32", fill: float = 0) -> Any:
    """A tile of one value in PSUM."""
    tile = nl.ndarray(shape, kind, nl.psum)
    nisa.memset(tile, fill)
    return tile


def traced(body: Callable[[], Any], chip: str = "trn2") -> list[Instruction]:
    """The instructions that a kernel body issues on a chip."""
    builder = StreamBuilder("test", target_of(chip))
    with tracing(builder):
        body()
    return builder.instructions


def refused(body: Callable[[], Any], message: str, chip: str = "trn2") -> None:
    """The body must be refused with this text."""
    with pytest.raises(KernelError, match=message):
        traced(body, chip)


def float64(array: np.ndarray) -> np.ndarray:
    """Any number exactly."""
    return array.astype(np.float64)


def close(got: np.ndarray, expected: np.ndarray, kind: Any = "float32", slack: float = 4) -> None:
    """Equal within a few roundings of `kind`, relative to max(1, magnitude)."""
    error = np.abs(float64(got) - expected) / np.maximum(1, np.abs(expected))
    budget = slack * max(dtype(kind).unit_roundoff, 2.0**-24)
    assert np.max(error, initial=0) <= budget
