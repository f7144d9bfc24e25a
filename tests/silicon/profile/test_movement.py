"""Bytes loaded again and spilled, against counts by hand and a map of every byte."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.silicon.profile.movement import reloads, repeated, spills
from silicon.profile.programs import product, scaled, shared, trace


def load(x, rows, columns):
    """Load a part of x, and store it so that it counts as used."""
    part = x[rows, columns]
    tile = nl.ndarray(part.shape, dtype=x.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=part)
    return tile


def loading(*parts):
    def body(x):
        for rows, columns in parts:
            tile = load(x, rows, columns)
        out = shared(*tile.shape)
        nisa.dma_copy(dst=out, src=tile)
        return out

    return body


def test_a_tensor_loaded_once_is_no_reload():
    stream = trace(product, ((128, 128), "bfloat16"), ((128, 512), "bfloat16"))
    assert reloads(stream) == () and spills(stream) == ()


def test_each_of_four_tiles_loaded_twice():
    (found,) = reloads(trace(lambda x: scaled(x, again=True), ((512, 512), "float32")))
    whole = 512 * 512 * 4
    assert (found.tensor, found.loaded_bytes, found.distinct_bytes) == ("x0", 2 * whole, whole)
    assert found.again_bytes == whole
    assert len(found.lines) == 2 and all("programs.py:" in line for line in found.lines)


def test_overlapping_tiles_count_the_overlap_only():
    body = loading((slice(0, 96), slice(0, 64)), (slice(32, 128), slice(32, 96)))
    (found,) = reloads(trace(body, ((128, 128), "float32")))
    assert found.again_bytes == 64 * 32 * 4


def test_interleaved_columns_are_not_reloads():
    body = loading((slice(0, 128), slice(0, 64, 2)), (slice(0, 128), slice(1, 64, 2)))
    assert reloads(trace(body, ((128, 64), "float32"))) == ()


def test_a_strided_load_made_twice_is_a_reload():
    odd = (slice(0, 128), slice(1, 64, 2))
    (found,) = reloads(trace(loading(odd, odd), ((128, 64), "float32")))
    assert found.again_bytes == 128 * 32 * 4


def test_a_row_broadcast_to_all_partitions_is_loaded_128_times():
    def body(x):
        tile = nl.ndarray((128, 64), dtype=x.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=tile, src=x.ap([[0, 128], [1, 64]]))
        out = shared(128, 64)
        nisa.dma_copy(dst=out, src=tile)
        return out

    (found,) = reloads(trace(body, ((1, 64), "float32")))
    assert (found.loaded_bytes, found.distinct_bytes) == (128 * 256, 256)


PARTS = st.tuples(st.integers(0, 6), st.integers(1, 3), st.integers(0, 6), st.integers(1, 3))


@settings(max_examples=60, deadline=None)
@given(st.lists(PARTS, min_size=1, max_size=8))
def test_reloaded_bytes_are_those_of_a_map_of_every_byte(parts):
    unit, seen = 16, np.zeros((144, 144), int)
    slices = [
        (slice(r * unit, (r + h) * unit), slice(c * unit, (c + w) * unit)) for r, h, c, w in parts
    ]
    for rows, columns in slices:
        seen[rows, columns] += 1
    expected = 4 * int(np.maximum(seen - 1, 0).sum())
    found = reloads(trace(loading(*slices), ((144, 144), "float32")))
    assert sum(r.again_bytes for r in found) == expected


def test_a_round_trip_through_hbm_is_a_spill():
    def body(x):
        tile = load(x, slice(0, 128), slice(0, 64))
        aside = nl.ndarray((128, 64), dtype=x.dtype, buffer=nl.private_hbm)
        nisa.dma_copy(dst=aside, src=tile)
        half = nl.ndarray((64, 64), dtype=x.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=half, src=aside[0:64])
        out = shared(64, 64)
        nisa.dma_copy(dst=out, src=half)
        return out

    (found,) = spills(trace(body, ((128, 64), "float32")))
    assert (found.out_bytes, found.back_bytes) == (128 * 64 * 4, 64 * 64 * 4)
    assert len(found.lines) == 2


def test_what_is_stored_and_never_read_again_is_no_spill():
    stream = trace(lambda x: scaled(x, again=False), ((512, 512), "float32"))
    assert spills(stream) == ()


def test_a_load_after_a_store_to_the_same_tensor_is_not_repeated():
    def body(x):
        out = shared(128, 64)
        tile = load(x, slice(0, 128), slice(0, 64))
        for _ in range(2):
            nisa.dma_copy(dst=out, src=tile)
            back = nl.ndarray((128, 64), dtype=x.dtype, buffer=nl.sbuf)
            nisa.dma_copy(dst=back, src=out)
            tile = back
        return out

    assert repeated(trace(body, ((128, 64), "float32"))) == {}


@pytest.mark.parametrize("again", [False, True])
def test_repeated_names_each_second_load(again):
    stream = trace(lambda x: scaled(x, again=again), ((512, 512), "float32"))
    assert len(repeated(stream)) == (4 if again else 0)
