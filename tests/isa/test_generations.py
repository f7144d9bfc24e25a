"""What the other tests run on one generation only, on the others: values, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.errors import KernelError

RNG = np.random.default_rng(5)
A, B = (RNG.standard_normal((16, 64)).astype(np.float16) for _ in range(2))


def run(body: Callable[..., Any], generation: str, *arrays: np.ndarray, cores: int = 1) -> Any:
    kernel = nki.jit(body)
    return nki.simulate(kernel[cores] if cores > 1 else kernel, target=generation)(*arrays)


def stored(tile: Any) -> Any:
    out = nl.ndarray(tile.shape, tile.dtype, nl.shared_hbm)
    nisa.dma_copy(out, tile)
    return out


@pytest.mark.parametrize("generation", ["gen2", "gen3", "gen4"])
def test_dma_adds(generation: str):
    def kernel(a: Any, b: Any) -> Any:
        tile = nl.ndarray(a.shape, nl.float32, nl.sbuf)
        nisa.dma_compute(tile, [a, b], nl.add)
        return stored(tile)

    assert np.array_equal(run(kernel, generation, A, B), A.astype(np.float32) + B)


def transposed(a: Any) -> Any:
    tile = nl.ndarray((64, 16), a.dtype, nl.sbuf)
    nisa.dma_transpose(tile, a)
    return stored(tile)


@pytest.mark.parametrize("generation", ["gen3", "gen4"])
def test_dma_transposes(generation: str):
    assert np.array_equal(run(transposed, generation, A), A.T)


@pytest.mark.parametrize("generation", ["gen3", "gen4"])
def test_positions_of_nonzero(generation: str):
    def kernel(x: Any) -> Any:
        tile, found = nl.load(x), nl.ndarray((16, 9), nl.int32, nl.sbuf)
        nisa.nonzero_with_count(found, tile, index_offset=100)
        return stored(found[0:1])

    x = np.zeros((16, 8), np.int32)
    x[0, [2, 5]] = 7
    assert run(kernel, generation, x).tolist() == [[102, 105, -1, -1, -1, -1, -1, -1, 2]]


@pytest.mark.parametrize("generation", ["gen2", "gen3", "gen4"])
def test_registers_move(generation: str):
    def kernel(x: Any) -> Any:
        first, second = nisa.register_alloc(7), nisa.register_alloc()
        nisa.register_move(second, first)
        tile = nl.ndarray((1, 1), nl.int32, nl.sbuf)
        nisa.register_store(tile, second)
        return stored(tile)

    assert run(kernel, generation, A).tolist() == [[7]]


@pytest.mark.parametrize("generation", ["gen3", "gen4"])
def test_two_cores_swap(generation: str):
    def kernel(x: Any) -> Any:
        rank = nl.program_id(0)
        mine, theirs = nl.load(x[rank * 8 : rank * 8 + 8]), nl.ndarray((8, 64), x.dtype, nl.sbuf)
        nisa.sendrecv(mine, theirs, 1 - rank, 1 - rank, 0)
        out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        nisa.dma_copy(out[rank * 8 : rank * 8 + 8], theirs)
        return out

    assert np.array_equal(run(kernel, generation, A, cores=2), np.concatenate([A[8:], A[:8]]))


def activated(x: Any) -> Any:
    tile = nl.load(x)
    nisa.activate2(tile, nl.exp, tile, 1.0, 0.0, nl.multiply, nl.add)
    return stored(tile)


def uniform(x: Any) -> Any:
    tile = nl.ndarray((8, 8), nl.float32, nl.sbuf)
    nisa.rand2(tile, 0.0, 1.0)
    return stored(tile)


def swapped(x: Any) -> Any:
    tile, other = nl.load(x), nl.ndarray(x.shape, x.dtype, nl.sbuf)
    nisa.sendrecv(tile, other, 0, 0, 0)
    return stored(other)


@pytest.mark.parametrize("body", [transposed, activated, uniform, swapped])
def test_what_gen2_lacks_is_refused_by_the_chips_name(body: Callable[..., Any]):
    with pytest.raises(KernelError, match="trn1"):
        run(body, "gen2", A)


@pytest.mark.parametrize(("generation", "chip"), [("gen2", "trn1"), ("gen3", "trn2")])
def test_scaled_formats_are_refused_before_gen4(generation: str, chip: str):
    def kernel(x: Any) -> Any:
        tile, scale = nl.load(x), nl.ndarray((32, 4), nl.uint8)
        nisa.quantize_mx(nl.ndarray((32, 4), nl.uint32), tile, scale)
        return x

    with pytest.raises(KernelError, match=chip):
        run(kernel, generation, np.ones((32, 16), np.float16))
