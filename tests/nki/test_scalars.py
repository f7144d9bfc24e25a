"""Scalars of the device (NKI 0.7) in kernels that run on data."""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.nki.tiles import uniform

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl


def run(function: Any, *arrays: np.ndarray) -> Any:
    return nki.simulate(nki.jit(function), target="trn2")(*arrays)


def test_scalars_are_loaded_computed_and_stored():
    def kernel(x):
        tile = nl.load(x)
        i = nisa.scalar_load(tile)
        made = nl.ndarray((1, 1), nl.int32)
        nisa.scalar_store(made, 2 - (-(i * 4 + 1)) * 3)
        out = nl.ndarray((1, 1), nl.int32, buffer=nl.shared_hbm)
        nl.store(out, made)
        return out

    assert run(kernel, np.array([[5]], np.int32))[0, 0] == 2 + 21 * 3


def test_a_scalar_bounds_a_loop_and_moves_a_pattern():
    def kernel(x, count):
        out = nl.zeros(x.shape, x.dtype, buffer=nl.shared_hbm)
        row = nl.ndarray((1, x.shape[1]), x.dtype)
        bound = nisa.scalar_load(nl.load(count))

        def body(i):
            pattern = [[x.shape[1], 1], [1, x.shape[1]]]
            nisa.dma_copy(row, x.ap(pattern, scalar_offset=i, indirect_dim=0))
            nisa.dma_copy(out.ap(pattern, scalar_offset=i, indirect_dim=0), row)

        nl.fori_loop(0, bound, body)
        return out

    x = uniform(-1, 1, shape=(6, 8))
    found = run(kernel, x, np.array([[4]], np.int32))
    np.testing.assert_array_equal(found[:4], x[:4])
    assert not found[4:].any()
