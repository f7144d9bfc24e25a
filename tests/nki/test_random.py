"""Random tiles: range, spread, and what a seed repeats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.nki.tiles import on_tiles

import glia.nki.language as nl
from glia.core.errors import KernelError

SHAPE = (128, 300)
SEED = np.zeros((1, 1), np.int32)


def seeded(value: int) -> None:
    nl.random_seed(nl.full((1, 1), value, nl.int32))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("target", ["trn1", "trn2", "trn3"])
def test_uniform_in_zero_to_one(dtype: str, target: str):
    def make(_: Any) -> Any:
        seeded(7)
        return nl.rand(SHAPE, getattr(nl, dtype))

    found = on_tiles(make, SEED, target=target).astype(np.float64)
    assert found.min() >= 0
    assert found.max() < 1
    size = found.size
    assert abs(found.mean() - 0.5) < 4 / np.sqrt(12 * size) + 2.0**-9
    counts, _ = np.histogram(found, 8, (0, 1))
    assert np.all(np.abs(counts - size / 8) < 5 * np.sqrt(size / 8))


def test_a_seed_repeats_and_another_differs():
    def make(_: Any) -> Any:
        tiles = []
        for seed in (42, 42, 43):
            seeded(seed)
            tiles.append(nl.rand(SHAPE, nl.float32))
        tiles.append(nl.rand(SHAPE, nl.float32))
        return tuple(tiles)

    one, again, other, later = on_tiles(make, SEED)
    np.testing.assert_array_equal(one, again)
    assert np.mean(one == other) < 0.01
    assert np.mean(other == later) < 0.01


def test_a_seed_is_a_tile():
    with pytest.raises(KernelError, match=r"nl\.random_seed: got 42, expected a \(1, 1\) tile"):
        on_tiles(lambda _: nl.random_seed(42), SEED)


@pytest.mark.parametrize(("dtype", "buffer"), [(nl.int32, nl.sbuf), (nl.float32, nl.hbm)])
def test_where_random_tiles_cannot_be(dtype: Any, buffer: Any):
    with pytest.raises(KernelError, match=r"nl\.rand: got .* expected a float dtype in SBUF"):
        on_tiles(lambda _: nl.rand((4, 4), dtype, buffer), SEED)
