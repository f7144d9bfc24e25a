"""Attention against NumPy in float64, and against PyTorch's scaled_dot_product_attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glia.kernels.attention import accepts, attention, group_size, slot_columns
from kernels.helpers_kernels import NUMPY, both_dtypes, both_generations, random, run, wide

# Relative error of probabilities and values rounded to the dtype, on results of size about 1.
TOLERANCE = {"float32": 2e-6, "bfloat16": 1.5e-2}


def reference(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, mask: Any, scale: float, causal: bool
) -> np.ndarray:
    scores = wide(q) @ wide(k).swapaxes(2, 3) * scale
    if mask is not None:
        additive = np.where(mask, 0.0, -np.inf) if mask.dtype.kind in "ui" else wide(mask)
        scores = scores + additive
    if causal:
        scores = np.where(np.tri(*scores.shape[2:], dtype=bool), scores, -np.inf)
    top = np.maximum(scores.max(axis=3, keepdims=True), -1e300)
    powers = np.exp(scores - top)
    total = powers.sum(axis=3, keepdims=True)
    return (np.where(total > 0, powers / np.maximum(total, 1e-300), 0) @ wide(v)).swapaxes(1, 2)


def check(
    shape: tuple[int, int, int, int, int, int],
    dtype: str,
    mask: np.ndarray | None = None,
    target: str = "trn2",
    causal: bool = False,
) -> np.ndarray:
    batch, heads, queries, keys, head_dim, value_dim = shape
    q = random((batch, heads, queries, head_dim), dtype, 1)
    k = random((batch, heads, keys, head_dim), dtype, 2)
    v = random((batch, heads, keys, value_dim), dtype, 3)
    scale = 1 / math.sqrt(head_dim)
    got = run(attention, q, k, v, mask, target=target, scale=scale, causal=causal)
    want = reference(q, k, v, mask, scale, causal)
    assert got.shape == want.shape and got.dtype == NUMPY[dtype]
    error = np.abs(wide(got) - want).max()
    assert error <= TOLERANCE[dtype] * max(1.0, np.abs(want).max()), error
    return got


SHAPES = [
    (1, 1, 1, 1, 1, 1),
    (2, 12, 128, 128, 32, 32),
    (1, 3, 129, 129, 64, 64),
    (2, 5, 7, 385, 32, 16),
    (1, 2, 128, 513, 128, 128),
    (1, 7, 20, 20, 8, 8),
    (1, 12, 1, 127, 64, 64),
    (1, 2, 60, 1700, 64, 64),
    (1, 1, 30, 40, 96, 100),
]


@both_generations
@both_dtypes
@pytest.mark.parametrize("shape", SHAPES)
def test_without_mask(shape: tuple[int, ...], dtype: str, target: str) -> None:
    check(shape, dtype, target=target)


@both_dtypes
@pytest.mark.parametrize("shape", SHAPES)
def test_bool_mask_of_keys(shape: tuple[int, ...], dtype: str) -> None:
    batch, _, _, keys, _, _ = shape
    mask = np.random.default_rng(4).integers(0, 2, (batch, 1, 1, keys)).astype(np.uint8)
    mask[..., 0] = 1
    check(shape, dtype, mask)


@pytest.mark.parametrize("dims", range(16))
def test_masks_may_repeat_any_dim(dims: int) -> None:
    full = (2, 3, 256, 140)
    shape = tuple(size if dims >> i & 1 else 1 for i, size in enumerate(full))
    additive = random(shape, "float32", 5)
    check((2, 3, 256, 140, 32, 32), "float32", additive)
    truth = (additive > -0.7).astype(np.uint8)
    check((2, 3, 256, 140, 32, 32), "float32", truth)


@both_generations
@both_dtypes
def test_rows_masked_everywhere_give_zero(dtype: str, target: str) -> None:
    mask = np.ones((2, 1, 9, 9), np.uint8)
    mask[0, 0, 3] = 0
    mask[1] = 0
    got = check((2, 4, 9, 9, 32, 32), dtype, mask, target)
    assert not np.any(wide(got[0, 3])) and not np.any(wide(got[1]))


def test_additive_mask_of_minus_infinity_hides_and_never_gives_nan() -> None:
    mask = np.zeros((1, 1, 5, 6), np.float32)
    mask[0, 0, :, 4:] = -np.inf
    mask[0, 0, 2] = -np.inf
    got = check((1, 2, 5, 6, 16, 16), "float32", mask)
    assert not np.any(got[0, 2])


def test_most_negative_additive_mask_on_a_whole_row_averages_as_in_pytorch() -> None:
    import torch

    mask = np.zeros((1, 1, 5, 6), np.float32)
    mask[0, 0, 2] = np.finfo(np.float32).min
    q, k, v = (random((1, 2, n, 16), "float32", n) for n in (5, 6, 6))
    got = run(attention, q, k, v, mask, scale=0.25)
    want = torch.nn.functional.scaled_dot_product_attention(
        *map(torch.from_numpy, (q, k, v, mask)), scale=0.25
    )
    assert np.abs(got - want.numpy().swapaxes(1, 2)).max() < 2e-6


@both_dtypes
@pytest.mark.parametrize(
    "queries,keys", [(1, 1), (130, 130), (300, 300), (140, 20), (20, 140), (520, 530)]
)
def test_causal(queries: int, keys: int, dtype: str) -> None:
    check((1, 3, queries, keys, 32, 32), dtype, causal=True)


def test_causal_agrees_with_pytorch_and_combines_with_a_mask() -> None:
    import torch

    q, k, v = (random((2, 4, 200, 64), "float32", i) for i in range(3))
    got = run(attention, q, k, v, None, scale=0.125, causal=True)
    want = torch.nn.functional.scaled_dot_product_attention(
        *map(torch.from_numpy, (q, k, v)), is_causal=True
    )
    assert np.abs(got - want.numpy().swapaxes(1, 2)).max() < 2e-6
    mask = np.ones((2, 1, 1, 200), np.uint8)
    mask[0, ..., :50] = 0
    check((2, 4, 200, 200, 64, 64), "float32", mask, causal=True)


def test_large_scores_do_not_overflow() -> None:
    q, k, v = (random((1, 2, 40, 32), "float32", i, 60.0) for i in range(3))
    got = run(attention, q, k, v, scale=1.0)
    want = reference(q, k, v, None, 1.0, False)
    assert np.abs(got - want).max() <= 1e-3 * np.abs(want).max()


@settings(deadline=None, max_examples=12)
@given(
    st.integers(1, 2),
    st.integers(1, 9),
    st.integers(1, 150),
    st.integers(1, 300),
    st.sampled_from([4, 32, 64, 80, 128]),
    st.booleans(),
)
def test_any_shape(
    batch: int, heads: int, queries: int, keys: int, head_dim: int, causal: bool
) -> None:
    check((batch, heads, queries, keys, head_dim, head_dim), "float32", causal=causal)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 64), st.integers(1, 5000), st.integers(1, 128))
def test_groups_fit_their_banks(heads: int, keys: int, value_dim: int) -> None:
    size = group_size(heads, keys, value_dim)
    assert 1 <= size <= heads
    assert size == 1 or size * slot_columns(keys) <= 3 * 512
    assert size == 1 or size * (value_dim + 1) <= 512


@pytest.mark.parametrize("target,sbuf", [("trn2", 212_984), ("inf2", 180_224)])
@pytest.mark.parametrize("dtype,size", [("bfloat16", 2), ("float32", 4)])
def test_what_is_accepted_fits(target: str, sbuf: int, dtype: str, size: int) -> None:
    """Traced only: the longest accepted sequence must allocate."""
    from glia.core.dtypes import dtype as find
    from glia.isa.target import target_of
    from glia.nki.kernel import TensorSpec

    keys = max(n for n in range(128, 20_000, 128) if accepts(n, 64, 64, size, sbuf))
    assert keys >= 2048
    spec = TensorSpec((1, 2, keys, 64), find(dtype))
    q = TensorSpec((1, 2, 128, 64), find(dtype))
    mask = TensorSpec((1, 1, 128, keys), find("uint8"))
    stream = attention.trace(q, spec, spec, mask, target=target_of(target), scale=0.125)
    assert stream.sbuf_peak_bytes <= sbuf
    assert not accepts(keys, 129, 64, size, sbuf)
