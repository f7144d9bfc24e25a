"""What a core_barrier orders: the tensor that it is about, and what hangs together with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.errors import KernelError

X = np.random.default_rng(5).standard_normal((128, 64)).astype(np.float32)


def run(kernel: Any, *args: Any) -> Any:
    return nki.simulate(kernel, target="trn2")[2](*args)


def refused(kernel: Any) -> None:
    text = r"dma_copy on core 1 reads .* with nothing between them.*; put nisa.core_barrier"
    with pytest.raises(KernelError, match=text):
        run(kernel, X)


def barrier_about(tell: str, then: str) -> Any:
    """Core 0 stores `out`; both meet at a barrier about another tensor; core 1 goes on with out."""

    def kernel(x: Any) -> Any:
        out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        other = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        copy = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        if nl.program_id(0) == 0:
            tile = nl.load(x)
            nisa.dma_copy(out, tile)
            if tell == "handed on":  # what is stored to the other tensor comes from out itself
                again = nl.ndarray(x.shape, x.dtype)
                nisa.dma_copy(again, out)
                nisa.dma_copy(other, again)
            elif tell == "reused":  # the tile is free for the next value once out is stored
                nisa.memset(tile, 1.0)
                nisa.dma_copy(other, tile)
        about = out if tell == "out" else other
        nisa.core_barrier(about, (0, 1))
        if nl.program_id(0) == 1:
            mine = nl.ndarray(x.shape, x.dtype)
            if then == "through":  # what is read through the other tensor comes first
                nisa.dma_copy(mine, other)
            nisa.dma_copy(mine, out)  # at once
            nisa.dma_copy(copy, mine)
        nisa.core_barrier(copy, (0, 1))
        return copy

    return kernel


def test_a_barrier_is_about_its_tensor():
    assert np.array_equal(run(barrier_about("out", "at once"), X), X)
    kernel = barrier_about("nothing", "at once")
    refused(kernel)


@pytest.mark.parametrize("tell", ["handed on", "reused"])
def test_what_hangs_together_with_it_is_ordered_too(tell: str):
    assert np.array_equal(run(barrier_about(tell, "through"), X), X)


@pytest.mark.parametrize("tell", ["handed on", "reused"])
def test_but_only_on_both_sides(tell: str):
    refused(barrier_about(tell, "at once"))


def test_two_barriers_one_after_the_other_are_about_both():
    def kernel(x: Any) -> Any:
        parts = [nl.ndarray(x.shape, x.dtype, nl.shared_hbm) for _ in range(2)]
        core = nl.program_id(0)
        nisa.dma_copy(parts[core], nl.load(x))
        for part in parts:
            nisa.core_barrier(part, (0, 1))
        out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        rows = nl.ds(core * 64, 64)
        tile = nl.load(parts[1 - core][rows])
        nisa.dma_copy(out[rows], tile)
        return out

    assert np.array_equal(run(kernel, X), X)
