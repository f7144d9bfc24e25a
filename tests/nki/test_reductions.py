"""Reductions and what is built on them, against NumPy in float64 and PyTorch."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from tests.nki.tiles import on_tiles, uniform

import glia.nki.language as nl
from glia.core.errors import KernelError

torch = pytest.importorskip("torch")

SHAPE = (32, 3, 4, 5)
REDUCTIONS = {
    "sum": np.sum, "max": np.max, "min": np.min, "mean": np.mean, "prod": np.prod,
}  # fmt: skip
AXES = {1: [1, -1, (1,), [1]], 3: [(1, 2), [2, 1], (-2, -1)], 4: [3, -1, (2, 3), (1, 2, 3)]}
CASES = [
    (shape, axis)
    for shape, n in (((32, 20), 1), ((32, 4, 5), 3), (SHAPE, 4))
    for axis in AXES[n]
]  # fmt: skip


def as_tuple(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis


def on_chip(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape if len(shape) > 1 else (*shape, 1)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(("shape", "axis"), CASES)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduction(name: str, shape: tuple[int, ...], axis: Any, keepdims: bool):
    x = uniform(0.5, 1.5, shape=shape)
    found = on_tiles(lambda t: getattr(nl, name)(t, axis, keepdims=keepdims), x)
    exact = REDUCTIONS[name](x.astype(np.float64), axis=as_tuple(axis), keepdims=keepdims)
    np.testing.assert_allclose(found, exact.reshape(on_chip(exact.shape)), rtol=3e-6)


@pytest.mark.parametrize(("shape", "axis"), CASES)
def test_variance_always_keeps_the_dims(shape: tuple[int, ...], axis: Any):
    x = uniform(-3, 5, shape=shape)
    found = on_tiles(lambda t: nl.var(t, axis), x)
    exact = x.astype(np.float64).var(axis=as_tuple(axis), keepdims=True)
    np.testing.assert_allclose(found, exact, rtol=1e-5)


def test_all():
    x = np.ones((4, 6), np.float32)
    x[1, 3], x[2] = 0, 0
    np.testing.assert_array_equal(on_tiles(lambda t: nl.all(t, 1), x), [[1], [0], [0], [1]])


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_mean_of_short_formats_is_computed_in_float32(dtype: Any):
    x = (uniform(0, 1, shape=(8, 512)) + 256).astype(dtype)
    found = on_tiles(lambda t: nl.mean(t, 1), x)
    exact = x.astype(np.float64).mean(axis=1, keepdims=True).astype(dtype)
    assert found.dtype == exact.dtype
    np.testing.assert_array_equal(found, exact)


@pytest.mark.parametrize("axis", [0, (0, 1), (1,), 3, (1, 3)])
def test_axes_that_cannot_be_reduced(axis: Any):
    with pytest.raises(KernelError, match=r"nl\.sum: got axis .* expected the last free dims"):
        on_tiles(lambda t: nl.sum(t, axis), uniform(0, 1, shape=(4, 3, 5)))


@pytest.mark.parametrize("axis", [-1, (1, 2)])
def test_softmax(axis: Any):
    x = uniform(-30, 30, shape=(16, 4, 8))
    found = on_tiles(lambda t: nl.softmax(t, axis), x)
    wide = torch.from_numpy(x).double()
    flat = wide if axis == -1 else wide.reshape(16, 32)
    exact = torch.softmax(flat, -1).reshape(x.shape)
    np.testing.assert_allclose(found, exact, rtol=3e-5, atol=1e-9)


def test_rms_norm():
    x, w = uniform(-3, 3, 1, (16, 64)), uniform(0, 2, 2, (16, 64))
    found = on_tiles(lambda t, u: nl.rms_norm(t, u, axis=1, n=64, epsilon=1e-5), x, w)
    wide = torch.from_numpy(x).double()
    exact = torch.nn.functional.rms_norm(wide, (64,), eps=1e-5) * torch.from_numpy(w).double()
    np.testing.assert_allclose(found, exact, rtol=3e-6)


def test_rms_norm_computes_in_the_dtype_asked_for():
    x, w = uniform(-3, 3, 1, (16, 64)), np.ones((16, 64), np.float32)

    def both(t: Any, u: Any) -> Any:
        rough = nl.rms_norm(t, u, axis=1, n=64, compute_dtype=nl.bfloat16)
        return rough, nl.rms_norm(t, u, axis=1, n=64)

    rough, fine = on_tiles(both, x, w)
    worst = np.abs(rough - fine).max()
    assert 1e-4 < worst < 3e-2


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_where_between_tiles(dtype: Any):
    condition = (uniform(-1, 1, 3) > 0).astype(np.float32)
    x, y = uniform(-4, 4, 1).astype(dtype), uniform(-4, 4, 2).astype(dtype)
    found = on_tiles(nl.where, condition, x, y)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, np.where(condition > 0, x, y))


def test_where_with_numbers_and_another_dtype():
    condition = (uniform(-1, 1, 3) > 0).astype(np.float32)
    x = uniform(-4, 4, 1)
    kept, marks = on_tiles(
        lambda c, t: (nl.where(c, t, -1.0), nl.where(c, 7, 3, dtype=nl.int32)), condition, x
    )
    np.testing.assert_array_equal(kept, np.where(condition > 0, x, np.float32(-1)))
    np.testing.assert_array_equal(marks, np.where(condition > 0, 7, 3))
    assert marks.dtype == np.int32


def test_dropout_keeps_or_zeroes():
    x = uniform(1, 2, shape=(128, 400))
    none, most, every = on_tiles(
        lambda t: (nl.dropout(t, 0.0), nl.dropout(t, 0.75), nl.dropout(t, 1.0)), x
    )
    np.testing.assert_array_equal(none, x)
    assert not every.any()
    assert np.all((most == 0) | (most == x))
    share = np.mean(most == 0)
    assert abs(share - 0.75) < 4 * np.sqrt(0.75 * 0.25 / x.size)
