"""Matrix products against NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erf, expit

from glia.kernels.matmul import batched_matmul, choose_blocks, linear
from kernels.helpers_kernels import (
    assert_close,
    both_dtypes,
    both_generations,
    random,
    run,
    wide,
)

ACTIVATIONS = {
    "gelu": lambda x: x * 0.5 * (1 + erf(x / np.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x * expit(x),
    "logistic": expit,
}
SHAPES = [(1, 1, 1), (7, 385, 513), (128, 128, 512), (129, 127, 129), (385, 513, 7), (513, 7, 1)]


@both_generations
@both_dtypes
@pytest.mark.parametrize("shape", SHAPES)
def test_linear(shape: tuple[int, int, int], dtype: str, target: str) -> None:
    m, k, n = shape
    x, w, bias = random((m, k), dtype), random((k, n), dtype, 1), random((n,), dtype, 2)
    want = wide(x) @ wide(w) + wide(bias)
    assert_close(run(linear, x, w, bias, target=target), want, dtype, k, 4 * np.sqrt(k))


@both_dtypes
@pytest.mark.parametrize("shape", SHAPES)
def test_linear_of_a_transposed_lhs(shape: tuple[int, int, int], dtype: str) -> None:
    m, k, n = shape
    x, w = random((k, m), dtype), random((k, n), dtype, 1)
    got = run(linear, x, w, lhs_transposed=True)
    assert_close(got, wide(x).T @ wide(w), dtype, k, 4 * np.sqrt(k))


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("with_bias", [False, True])
def test_activations(activation: str, with_bias: bool) -> None:
    x, w, bias = random((70, 64), "float32"), random((64, 96), "float32", 1, 0.2), None
    bias = random((96,), "float32", 2) if with_bias else None
    want = ACTIVATIONS[activation](wide(x) @ wide(w) + (wide(bias) if with_bias else 0))
    got = run(linear, x, w, bias, activation)
    assert_close(got, want, "float32", 64, 8)


@both_generations
@both_dtypes
@pytest.mark.parametrize("rhs_transposed", [False, True])
def test_batched(dtype: str, target: str, rhs_transposed: bool) -> None:
    a, b = random((3, 129, 70), dtype), random((3, 70, 130), dtype, 1)
    given_b = np.ascontiguousarray(b.transpose(0, 2, 1)) if rhs_transposed else b
    got = run(batched_matmul, a, given_b, target=target, rhs_transposed=rhs_transposed)
    assert_close(got, wide(a) @ wide(b), dtype, 70, 4 * np.sqrt(70))


@both_generations
@pytest.mark.parametrize("k,n,lhs_stays", [(8200, 600, True), (20_000, 520, False)])
def test_a_deep_sum_comes_in_chunks(k: int, n: int, lhs_stays: bool, target: str) -> None:
    blocks = choose_blocks(k, n, 4, 180_224)
    assert blocks.k < k and blocks.lhs_stays is lhs_stays
    x, w = random((140, k), "float32"), random((k, n), "float32", 1)
    got = run(linear, x, w, target=target)
    assert_close(got, wide(x) @ wide(w), "float32", k, 4 * np.sqrt(k))


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 1200), st.booleans())
def test_any_shape(m: int, k: int, n: int, turned: bool) -> None:
    x, w = random((k, m) if turned else (m, k), "float32"), random((k, n), "float32", 1)
    want = (wide(x).T if turned else wide(x)) @ wide(w)
    assert_close(run(linear, x, w, lhs_transposed=turned), want, "float32", k, 4 * np.sqrt(k))


@settings(deadline=None, max_examples=50)
@given(
    st.integers(1, 100_000),
    st.integers(1, 20_000),
    st.sampled_from([2, 4]),
    st.sampled_from([180_224, 212_984, 245_752]),
)
def test_blocks_fit_on_chip(k: int, n: int, element_bytes: int, budget: int) -> None:
    b = choose_blocks(k, n, element_bytes, budget)
    rhs = -(-b.k // 128) * b.n
    strip = -(-b.k // 128) * min(512, b.m)
    lhs = -(-k // 128) * b.m if b.lhs_stays else strip
    chunked = b.k < k
    held = lhs + 2 * rhs + (1 if chunked and b.lhs_stays else 2) * strip
    assert b.m >= 128 and b.n >= 1 and b.k >= min(k, 128)
    assert held * element_bytes + 2 * 4 * b.n <= budget
    assert not chunked or b.m // 128 * -(-b.n // 512) <= 4
