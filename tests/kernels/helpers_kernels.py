"""Shared by the kernel tests: generations, tolerances, random inputs."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import glia.nki as nki

both_generations = pytest.mark.parametrize("target", ["trn2", "inf2"])
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
NUMPY = {"float32": np.dtype(np.float32), "bfloat16": np.dtype(ml_dtypes.bfloat16)}
ROUNDOFF = {"float32": 2.0**-24, "bfloat16": 2.0**-8}


def random(shape: tuple[int, ...], dtype: str, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal(shape) * scale
    return values.astype(NUMPY[dtype])


def wide(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float64)


def run(kernel: Any, *arrays: Any, target: str = "trn2", **static: Any) -> Any:
    return nki.simulate(kernel, target=target)(*arrays, **static)


def assert_close(got: np.ndarray, want: np.ndarray, dtype: str, depth: int, size: float) -> None:
    """Errors stay below a few roundings of the result, and sqrt(depth) fp32 roundings of `size`.

    `size` is the magnitude that intermediate sums reach.
    """
    assert got.shape == want.shape and got.dtype == NUMPY[dtype]
    error = np.abs(wide(got) - want)
    limit = 2 * ROUNDOFF[dtype] * np.abs(want) + 8 * 2.0**-24 * np.sqrt(depth) * size
    worst = np.unravel_index(np.argmax(error - limit), error.shape)
    assert np.all(error <= limit), f"at {worst}: {got[worst]} for {want[worst]}, {limit[worst]}"
