"""Run a function of tiles as a kernel: load, call, store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import glia.nki as nki
import glia.nki.language as nl

ROWS, COLUMNS = 32, 48


def on_tiles(function: Callable[..., Any], *arrays: np.ndarray, target: str = "trn2") -> Any:
    """What `function` makes of the arrays as SBUF tiles, stored to HBM; one array or a tuple."""

    @nki.jit
    def kernel(*inputs):
        made = function(*(nl.load(x) for x in inputs))
        tiles = made if isinstance(made, tuple) else (made,)
        outputs = []
        for tile in tiles:
            on_sbuf = tile if tile.buffer == nl.sbuf else nl.copy(tile)
            output = nl.ndarray(tile.shape, tile.dtype, buffer=nl.shared_hbm)
            nl.store(output, on_sbuf)
            outputs.append(output)
        return tuple(outputs) if isinstance(made, tuple) else outputs[0]

    return nki.simulate(kernel, target=target)(*arrays)


def inside(function: Callable[[], Any], target: str = "trn2") -> Any:
    """What `function` returns when it is called inside a kernel."""
    found = []

    @nki.jit
    def kernel():
        found.append(function())
        return nl.zeros((1, 1), nl.float32, buffer=nl.shared_hbm)

    nki.simulate(kernel, target=target)()
    return found[0]


def uniform(
    low: float, high: float, seed: int = 0, shape: tuple[int, ...] = (ROWS, COLUMNS)
) -> Any:
    """float32 values, the same each time."""
    rng = np.random.default_rng(seed)
    return rng.uniform(low, high, shape).astype(np.float32)


def integers(kind: Any, low: int, high: int, seed: int = 0) -> np.ndarray:
    """Whole numbers of a dtype, the same each time."""
    rng = np.random.default_rng(seed)
    return rng.integers(low, high, (ROWS, COLUMNS)).astype(kind)
