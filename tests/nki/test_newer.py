"""What NKI 0.7 adds: grids of tiles and blocks, scalars of the device."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nki.tiles import inside, uniform

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.errors import KernelError

# Signatures of the public pages nki.language.tiles, blocks, alloc_tiles, alloc_blocks (2.33).
KEYWORDS = {
    "tiles": {"tile_shape": None},
    "blocks": {"tile_shape": None, "block_shape": inspect.Parameter.empty},
    "alloc_tiles": {"address": None, "name": ""},
    "alloc_blocks": {"address": None, "name": ""},
}


def run(function: Any, *arrays: np.ndarray) -> Any:
    return nki.simulate(nki.jit(function), target="trn2")(*arrays)


@pytest.mark.parametrize("name", KEYWORDS)
def test_grid_functions_take_keywords(name: str):
    found = inspect.signature(getattr(nl, name)).parameters
    for keyword, default in KEYWORDS[name].items():
        assert found[keyword].kind is inspect.Parameter.KEYWORD_ONLY
        assert found[keyword].default == default


@settings(max_examples=15, deadline=None)
@given(
    rows=st.integers(1, 200), columns=st.integers(1, 90),
    tile=st.tuples(st.integers(1, 128), st.integers(1, 60)),
)  # fmt: skip
def test_copy_tile_by_tile(rows: int, columns: int, tile: tuple[int, int]):
    def kernel(x):
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        source, target = nl.tiles(x, tile_shape=tile), nl.tiles(out, tile_shape=tile)
        assert source.shape == (-(-rows // tile[0]), -(-columns // tile[1]))
        for i in range(source.shape[0]):
            for j in range(source.shape[1]):
                held = nl.ndarray(source[i, j].element_shape, x.dtype, buffer=nl.sbuf)
                nisa.dma_copy(dst=held.data, src=source[i, j].data)
                nisa.dma_copy(dst=target[i, j].data, src=held.data)
        return out

    x = uniform(-1, 1, shape=(rows, columns))
    np.testing.assert_array_equal(run(kernel, x), x)


@pytest.mark.parametrize("shape", [(256, 96), (200, 70), (300, 33)])
def test_a_grid_on_chip_has_more_rows_than_partitions(shape: tuple[int, int]):
    def kernel(x):
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        source, target = (nl.tiles(t, tile_shape=(128, 32)) for t in (x, out))
        held = nl.alloc_tiles(
            tile_shape=(128, 32), element_shape=x.shape, buffer=nl.sbuf, dtype=x.dtype
        )
        assert held.shape == source.shape
        for i in range(held.shape[0]):
            for j in range(held.shape[1]):
                nisa.dma_copy(dst=held[i, j].data, src=source[i, j].data)
        for i in range(held.shape[0]):  # a row of tiles at once
            nisa.dma_copy(dst=target[i, :].data, src=held[i, :].data)
        return out

    x = uniform(-1, 1, shape=shape)
    np.testing.assert_array_equal(run(kernel, x), x)


def test_blocks_group_tiles_and_open_into_them():
    def facts() -> Any:
        x = nl.ndarray((500, 1000), nl.float32, buffer=nl.hbm)
        grid = nl.blocks(x, tile_shape=(128, 256), block_shape=(2, 2))
        block = grid[1, 1]
        opened = nl.tiles(block)
        return (
            grid.shape, grid.block_shape, grid.tile_shape, grid.index_step_elements,
            block.element_shape, block.is_remainder, opened.shape, opened[1, 1].element_shape,
            opened[1, 1].data.shape, grid[0, 0].is_remainder, isinstance(block, nl.NkiGrid),
        )  # fmt: skip

    assert inside(facts) == (
        (2, 2), (2, 2), (128, 256), (256, 512), (244, 488), True, (2, 2), (116, 232), (116, 232),
        False, True,
    )  # fmt: skip


def test_leading_dims_are_slabs():
    def facts() -> Any:
        grid = nl.tiles(nl.ndarray((3, 256, 64), nl.float32, buffer=nl.hbm), tile_shape=(128, 64))
        return grid.shape, grid[2].shape, grid[2, 1, 0].data.shape, grid[2, ..., 0].element_shape

    assert inside(facts) == ((3, 2, 1), (2, 1), (128, 64), (256, 64))


def test_alloc_blocks():
    def facts() -> Any:
        made = nl.alloc_blocks(
            tile_shape=(64, 32), block_shape=(1, 2), element_shape=(128, 128), buffer=nl.sbuf,
            dtype=nl.bfloat16,
        )  # fmt: skip
        return made.shape, made[1, 1].data.shape, made.dtype, made.buffer

    assert inside(facts) == ((2, 2), (64, 64), nl.bfloat16, nl.sbuf)


GRID = "nl.alloc_tiles(tile_shape=(64, 8), element_shape=(128, 16), buffer=nl.sbuf, dtype=nl.int8)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{GRID}.data", "expected one row"),
        (f"{GRID}[2, 0]", r"got cell 2 in dim 0, expected 0\.\.1"),
        (f"{GRID}[0, 0, 0]", "got 3 coordinates, expected at most 2"),
        (f"{GRID}[::2]", "expected a slice with step 1"),
        (f"nl.tiles({GRID}, tile_shape=(32, 8))", r"expected \(64, 8\)"),
        (f"nl.blocks({GRID}, block_shape=(2,))", "expected one count per dim of the tile"),
        ("nl.tiles(nl.ndarray((4, 4), nl.int8), tile_shape=(4,))", "expected 2 to 2"),
        ("nl.tiles(nl.ndarray((4, 4), nl.int8), tile_shape=(4, 0))", "integers above 0"),
        (GRID.replace("(128, 16)", "(2, 128, 16)"), "expected 2 dims on chip"),
    ],
)
def test_grids_that_cannot_be(text: str, message: str):
    with pytest.raises(KernelError, match=message):
        inside(lambda: eval(text, {"nl": nl}))


@pytest.mark.parametrize(
    ("value", "compute", "expected"),
    [(100000, lambda i: i * 100000, 1410065408), (2**31 - 1, lambda i: i + 1, -(2**31)),
     (-(2**31), lambda i: i - 1, 2**31 - 1)],
)  # fmt: skip
def test_scalars_wrap(value: int, compute: Any, expected: int):
    assert compute(nisa.NkiScalar(value)).number() == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nisa.scalar_load(nl.zeros((1, 1), nl.uint32)), "got uint32, expected .* nl.int32"),
        (lambda: nisa.scalar_store(nl.ndarray((1, 1), nl.int32), 3), "got int, expected a scalar"),
        (lambda: bool(nisa.NkiScalar(1)), "branching on a scalar"),
        (lambda: nisa.NkiScalar(1) // 2, "got floordiv"),
        (lambda: nisa.NkiScalar(1) < 2, "comparing a register"),
    ],
)
def test_what_scalars_refuse(call: Any, message: str):
    with pytest.raises(KernelError, match=message):
        inside(call)
