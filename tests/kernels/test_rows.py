"""Kernels that work row by row: norms, softmax, embedding, running sums; against float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glia.core.errors import KernelError
from glia.kernels import layer_norm as norms
from glia.kernels import softmax as softmaxes
from glia.kernels.embedding import embedding
from glia.kernels.scan import cumsum
from kernels.helpers_kernels import (
    NUMPY,
    assert_close,
    both_dtypes,
    both_generations,
    random,
    run,
    wide,
)

SHAPES = [(1, 1), (7, 384), (128, 513), (129, 127), (300, 1030)]
EPSILON = 1e-5


def normalised(x: np.ndarray) -> np.ndarray:
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + EPSILON)


def offset_rows(shape: tuple[int, int], dtype: str, seed: int = 0) -> np.ndarray:
    """Rows whose mean is not zero, so that a wrong centring shows."""
    x = random(shape, "float32", seed) * 1.5 + 2 * random((shape[0], 1), "float32", seed + 9)
    return x.astype(NUMPY[dtype])


@both_generations
@both_dtypes
@pytest.mark.parametrize("shape", SHAPES)
def test_layer_norm(shape: tuple[int, int], dtype: str, target: str) -> None:
    x, weight, bias = offset_rows(shape, dtype), *(random(shape[1:], dtype, s) for s in (1, 2))
    want = normalised(wide(x)) * wide(weight) + wide(bias)
    got = run(norms.layer_norm, x, weight, bias, target=target, epsilon=EPSILON)
    assert_close(got, want, dtype, shape[1], 16)


@both_generations
@both_dtypes
@pytest.mark.parametrize("shape", SHAPES)
def test_add_layer_norm(shape: tuple[int, int], dtype: str, target: str) -> None:
    x, residual = offset_rows(shape, dtype), offset_rows(shape, dtype, 3)
    weight, bias = random(shape[1:], dtype, 1), random(shape[1:], dtype, 2)
    want = normalised(wide(x) + wide(residual)) * wide(weight) + wide(bias)
    got = run(norms.add_layer_norm, x, residual, weight, bias, target=target, epsilon=EPSILON)
    assert_close(got, want, dtype, shape[1], 16)


@both_generations
@both_dtypes
@pytest.mark.parametrize("shape", SHAPES)
def test_rms_norm(shape: tuple[int, int], dtype: str, target: str) -> None:
    x, weight = offset_rows(shape, dtype), random(shape[1:], dtype, 1)
    scale = 1 / np.sqrt(np.square(wide(x)).mean(axis=1, keepdims=True) + EPSILON)
    got = run(norms.rms_norm, x, weight, target=target, epsilon=EPSILON)
    assert_close(got, wide(x) * scale * wide(weight), dtype, shape[1], 16)


@pytest.mark.parametrize("target,sbuf", [("trn2", 212_984), ("inf2", 180_224)])
@both_dtypes
def test_the_widest_rows_fit(dtype: str, target: str, sbuf: int) -> None:
    size = NUMPY[dtype].itemsize
    assert norms.accepts(8192, size, sbuf)
    columns = max(n for n in range(8192, 40_000, 256) if norms.accepts(n, size, sbuf))
    x, residual = random((2, columns), dtype), random((2, columns), dtype, 1)
    weight, bias = random((columns,), dtype, 2), random((columns,), dtype, 3)
    want = normalised(wide(x) + wide(residual)) * wide(weight) + wide(bias)
    got = run(norms.add_layer_norm, x, residual, weight, bias, target=target, epsilon=EPSILON)
    assert_close(got, want, dtype, columns, 16)
    columns = max(n for n in range(8192, 40_000, 256) if softmaxes.accepts(n, size, sbuf))
    run(softmaxes.softmax, random((2, columns), dtype), target=target)


def softmax_reference(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@both_generations
@both_dtypes
@pytest.mark.parametrize("shape", SHAPES)
def test_softmax(shape: tuple[int, int], dtype: str, target: str) -> None:
    x = random(shape, dtype, scale=6.0)
    got = run(softmaxes.softmax, x, target=target)
    assert_close(got, softmax_reference(wide(x)), dtype, shape[1], 2)


@both_generations
@both_dtypes
@pytest.mark.parametrize("shape", SHAPES)
def test_log_softmax(shape: tuple[int, int], dtype: str, target: str) -> None:
    x = random(shape, dtype, scale=6.0)
    want = wide(x) - wide(x).max(axis=1, keepdims=True)
    want -= np.log(np.exp(want).sum(axis=1, keepdims=True))
    got = run(softmaxes.log_softmax, x, target=target)
    assert_close(got, want, dtype, shape[1], 32)


@both_generations
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32"])
@pytest.mark.parametrize("num_tokens", [1, 7, 127, 128, 129, 385, 1024])
def test_embedding(num_tokens: int, dtype: str, target: str) -> None:
    table = (random((50, 33), "float32") * 100).astype(NUMPY.get(dtype, np.dtype(np.int32)))
    ids = np.random.default_rng(0).integers(0, 50, num_tokens).astype(np.int32)
    got = run(embedding, table, ids, target=target)
    np.testing.assert_array_equal(got, table[ids])


def test_embedding_of_a_number_outside_the_table_is_an_error() -> None:
    table, ids = random((50, 8), "float32"), np.array([0, 50], np.int32)
    with pytest.raises(KernelError, match=r"got row 50, expected 0..49"):
        run(embedding, table, ids)


@both_generations
@pytest.mark.parametrize("shape", [(1, 1), (130, 7), (5, 2500)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32"])
def test_cumsum(shape: tuple[int, int], dtype: str, target: str) -> None:
    if dtype == "int32":
        numbers = np.random.default_rng(0).integers(-9, 99, shape).astype(np.int32)
        np.testing.assert_array_equal(run(cumsum, numbers, target=target), numbers.cumsum(1))
        return
    x = random(shape, dtype)
    assert_close(
        run(cumsum, x, target=target), wide(x).cumsum(1), dtype, shape[1], np.sqrt(shape[1]) * 4
    )


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 300), st.integers(1, 1200))
def test_any_shape(rows: int, columns: int) -> None:
    x: Any = offset_rows((rows, columns), "float32")
    one, zero = np.ones(columns, np.float32), np.zeros(columns, np.float32)
    got = run(norms.layer_norm, x, one, zero, epsilon=EPSILON)
    assert_close(got, normalised(wide(x)), "float32", columns, 16)
    assert_close(run(softmaxes.softmax, x), softmax_reference(wide(x)), "float32", columns, 2)
