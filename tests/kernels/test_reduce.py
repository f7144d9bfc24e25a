"""Reductions and pooling against float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glia.kernels.pooling import l2_normalise, masked_mean
from glia.kernels.reduce import accepts, reduce_last, reduce_rows
from kernels.helpers_kernels import (
    NUMPY,
    assert_close,
    both_dtypes,
    both_generations,
    random,
    run,
    wide,
)

FLOAT_KINDS = {
    "add": np.add,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "multiply": np.multiply,
}
MIDDLE = [(1, 1, 1), (2, 7, 130), (1, 129, 513), (3, 385, 40), (1, 128, 2100)]


def near_one(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Products of these neither overflow nor vanish."""
    return (1 + random(shape, "float32") * 0.02).astype(NUMPY[dtype])


@both_generations
@both_dtypes
@pytest.mark.parametrize("kind", sorted(FLOAT_KINDS))
@pytest.mark.parametrize("shape", [(1, 1), (129, 385), (7, 5000)])
def test_last(shape: tuple[int, int], kind: str, dtype: str, target: str) -> None:
    x = near_one(shape, dtype) if kind == "multiply" else random(shape, dtype)
    want = FLOAT_KINDS[kind].reduce(wide(x), axis=1)
    got = run(reduce_last, x, kind, target=target)
    assert_close(got, want, dtype, shape[1] ** 2, max(1, np.abs(want).max()))


@both_generations
@both_dtypes
@pytest.mark.parametrize("kind", sorted(FLOAT_KINDS))
@pytest.mark.parametrize("shape", MIDDLE)
def test_middle(shape: tuple[int, int, int], kind: str, dtype: str, target: str) -> None:
    x = near_one(shape, dtype) if kind == "multiply" else random(shape, dtype)
    want = FLOAT_KINDS[kind].reduce(wide(x), axis=1)
    got = run(reduce_rows, x, kind, target=target)
    assert_close(got, want, dtype, shape[1] ** 2, max(1, np.abs(want).max()))


@pytest.mark.parametrize("kind", ["add", "maximum", "minimum"])
def test_integers(kind: str) -> None:
    x = np.random.default_rng(0).integers(-1000, 1000, (3, 140, 150)).astype(np.int32)
    ufunc = FLOAT_KINDS[kind]
    np.testing.assert_array_equal(run(reduce_rows, x, kind), ufunc.reduce(x, axis=1))
    np.testing.assert_array_equal(run(reduce_last, x[0], kind), ufunc.reduce(x[0], axis=1))


@pytest.mark.parametrize("kind,want", [("and", np.all), ("or", np.any)])
def test_truth(kind: str, want: object) -> None:
    x = np.random.default_rng(0).integers(0, 2, (2, 3, 20)).astype(np.uint8)
    x[0, :, :9] = kind == "and"
    np.testing.assert_array_equal(run(reduce_rows, x, kind), want(x, axis=1))  # type: ignore[operator]
    np.testing.assert_array_equal(run(reduce_last, x[0], kind), want(x[0], axis=1))  # type: ignore[operator]


def test_kinds_are_those_of_the_graph_op() -> None:
    assert accepts("add") and accepts("or") and not accepts("mean")


@both_generations
@both_dtypes
@pytest.mark.parametrize("shape", [(1, 1, 1), (8, 128, 384), (17, 130, 600), (2, 7, 33)])
def test_masked_mean(shape: tuple[int, int, int], dtype: str, target: str) -> None:
    x = random(shape, dtype)
    mask = np.random.default_rng(1).integers(0, 2, shape[:2]).astype(np.int32)
    mask[0] = 0
    mask[-1, 0] = 1
    total = (wide(x) * mask[:, :, None]).sum(axis=1)
    want = total / np.maximum(mask.sum(axis=1), 1e-9)[:, None]
    assert_close(run(masked_mean, x, mask, target=target), want, dtype, shape[1], 4)


@both_generations
@both_dtypes
@pytest.mark.parametrize("shape", [(1, 1), (129, 384), (7, 1030)])
def test_l2_normalise(shape: tuple[int, int], dtype: str, target: str) -> None:
    x = random(shape, dtype)
    x[0] = 0
    length = np.sqrt(np.square(wide(x)).sum(axis=1, keepdims=True))
    want = wide(x) / np.maximum(length, 1e-12)
    assert_close(run(l2_normalise, x, target=target), want, dtype, shape[1], 1)


@settings(deadline=None, max_examples=25)
@given(
    st.integers(1, 3), st.integers(1, 300), st.integers(1, 600), st.sampled_from(["add", "maximum"])
)
def test_any_shape(batch: int, rows: int, columns: int, kind: str) -> None:
    x = random((batch, rows, columns), "float32")
    want = FLOAT_KINDS[kind].reduce(wide(x), axis=1)
    assert_close(run(reduce_rows, x, kind), want, "float32", rows, 4 * np.sqrt(rows))
