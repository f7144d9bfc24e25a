"""Random programs on two cores against NumPy, which follows them core by core."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl

STEP = st.tuples(st.sampled_from(["work", "barrier", "swap", "mix"]), st.integers(0, 3))


@settings(max_examples=25, deadline=None)
@given(st.lists(STEP, max_size=6), st.booleans())
def test_random_programs_agree_with_a_sequential_model(program: list[Any], asks: bool):
    """Both cores follow one random plan; NumPy follows it core by core."""

    def kernel(x: Any) -> Any:
        core = nl.program_id(0)
        out = nl.ndarray((2, 8, 4), nl.float32, nl.shared_hbm)
        tile = nl.load(x)
        nisa.tensor_scalar(tile, tile, nl.add, float(core))
        boards = []
        for step, number in program:
            if step == "work":
                nisa.tensor_scalar(tile, tile, nl.multiply, float(number + core))
            elif step == "swap":
                nisa.sendrecv(tile, tile, 1 - core, 1 - core, number)
            else:
                board = nl.ndarray((2, 8, 4), nl.float32, nl.shared_hbm)
                boards.append(board)
                nisa.dma_copy(board[core], tile)
                nisa.core_barrier(board, (0, 1))
                if step == "mix":
                    theirs = nl.load(board[1 - core])
                    nisa.tensor_tensor(tile, tile, theirs, nl.add)
            if asks:
                str(tile)  # asks for values while tracing
        nisa.dma_copy(out[core], tile)
        return out

    x = np.arange(32, dtype=np.float32).reshape(8, 4)
    tiles = [x + 0, x + 1]
    for step, number in program:
        if step == "work":
            tiles = [t * np.float32(number + c) for c, t in enumerate(tiles)]
        elif step == "swap":
            tiles = tiles[::-1]
        elif step == "mix":
            tiles = [tiles[0] + tiles[1], tiles[1] + tiles[0]]
    assert np.array_equal(nki.simulate(nki.jit(kernel), target="trn2")[2](x), np.stack(tiles))
