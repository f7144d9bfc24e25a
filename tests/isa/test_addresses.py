"""Addresses known only at run time, through the machine: offsets, registers, indirection."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.isa.kernels import Bench, refuses
from tests.isa.views import F32, hbm, sbuf, seen

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.errors import KernelError
from glia.isa.tensors.addressing import reach
from glia.isa.tensors.tensor import NkiTensor


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_dynamic_select_and_slice(data: st.DataObject):
    shape = tuple(data.draw(st.lists(st.integers(2, 5), min_size=3, max_size=3)))
    on_chip = data.draw(st.booleans())
    dim = data.draw(st.integers(1 if on_chip else 0, 2))
    size = data.draw(st.integers(1, shape[dim]))
    at = data.draw(st.integers(0, shape[dim] - 1))
    at_slice = data.draw(st.integers(0, shape[dim] - size))
    values = np.arange(math.prod(shape), dtype=np.float32).reshape(shape)
    bench = Bench(x=values, i=np.array([[at]], np.int32), j=np.array([[at_slice]], np.int32))
    with bench:
        source = bench.loaded("x") if on_chip else bench["x"]
        picked = source.select(dim, bench.loaded("i"))
        cut = source[(*(slice(None),) * dim, nl.ds(bench.loaded("j"), size))]
        one = bench.new(picked.shape, np.float32, "hbm")
        many = bench.new(cut.shape, np.float32, "hbm")
        nisa.dma_copy(one, picked)
        nisa.dma_copy(many, cut)
    assert np.array_equal(bench.run(many), values.take(range(at_slice, at_slice + size), dim))
    bench_two = Bench(x=values, i=np.array([[at]], np.int32))
    with bench_two:
        source = bench_two.loaded("x") if on_chip else bench_two["x"]
        picked = source.select(dim, bench_two.loaded("i"))
        one = bench_two.new(picked.shape, np.float32, "hbm")
        nisa.dma_copy(one, picked)
    assert np.array_equal(bench_two.run(one), values.take(at, dim).reshape(picked.shape))


def test_scalar_offset_scales_by_the_base_tensor():
    values = np.arange(512 * 16, dtype=np.float32).reshape(512, 16)
    bench = Bench(x=values, i=np.array([[3 * 128]], np.int32))
    with bench:
        out = bench.new((128, 8), np.float32, "hbm")
        source = bench["x"].ap([[16, 128], [1, 8]], 0, scalar_offset=bench.loaded("i"))
        nisa.dma_copy(out, source)
    assert np.array_equal(bench.run(out), values[384:, :8])


def test_engines_read_and_write_at_run_time_addresses():
    values = np.arange(32 * 12, dtype=np.float32).reshape(32, 12)
    bench = Bench(x=values, i=np.array([[2]], np.int32), j=np.array([[8]], np.int32))
    with bench:
        source, out = bench.loaded("x"), bench.new((32, 12), np.float32)
        nisa.memset(out, 0.0)
        there = out[:, nl.ds(bench.loaded("j"), 3)]
        made = nisa.tensor_copy(there, source[:, nl.ds(bench.loaded("i"), 3)])
    assert len(made.reads) == 3  # the source and both offsets, for hazards
    expected = np.zeros((32, 12), np.float32)
    expected[:, 8:11] = values[:, 2:5]
    assert np.array_equal(bench.run(out), expected)


def test_partitions_may_move_at_run_time():
    values = np.arange(64 * 4, dtype=np.float32).reshape(64, 4)
    bench = Bench(x=values, i=np.array([[40]], np.int32))
    with bench:
        out = bench.new((8, 4), np.float32, "hbm")
        nisa.dma_copy(out, bench.loaded("x")[nl.ds(bench.loaded("i"), 8), :])
    assert np.array_equal(bench.run(out), values[40:48])


def test_registers_are_static_offsets():
    bench = Bench(x=np.arange(20, dtype=np.float32).reshape(5, 4))
    with bench:
        register = nisa.register_alloc(2)
        view = bench["x"].ap([[4, 2], [1, 4]], scalar_offset=register)
        assert not view.is_indirect()
        assert view.offset == bench["x"].select(0, register).offset == 8
        assert bench["x"][register].offset == 8
        assert bench["x"][nl.ds(register, 2)].offset == 8


def test_out_of_bounds_at_run_time_names_the_line():
    bench = Bench(x=np.zeros((4, 8), np.float32), i=np.array([[4]], np.int32))
    with bench:
        out = bench.new((8,), np.float32, "hbm")
        nisa.dma_copy(out, bench["x"].select(0, bench.loaded("i")))
    with pytest.raises(
        KernelError, match=r"test_addresses.py:\d+: run-time offset .* got 4.*0\.\.3"
    ):
        bench.run(out)


def test_shadow_of_run_time_addresses():
    """A write counts for all it may touch; a read needs some of what it may touch."""
    bench = Bench(i=np.array([[1]], np.int32))
    with bench:
        index, tile = bench.loaded("i"), bench.new((32, 4, 2), np.float32)
        other = bench.new((32, 2), np.float32)
        with pytest.raises(KernelError, match="never written"):
            nisa.tensor_copy(other, tile.select(1, index))
        nisa.memset(tile.select(1, index), 1.0)
        nisa.tensor_copy(other, tile[:, 3])
    with refuses("never written"):
        zeros = nl.ndarray((32, 4), F32, nl.sbuf)
        nisa.memset(zeros[:, nl.ds(nl.ndarray((1, 1), nl.int32, nl.sbuf), 2)], 0.0)


@settings(max_examples=40)
@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3))
def test_reach_covers_every_position(size: int, limit: int, step: int, count: int):
    """Whatever the value, the shifted view stays inside `reach`."""
    tensor = hbm(200)
    index = sbuf(1, 1, kind=nl.int32)
    view = tensor.ap([[step, size], [1, count]], offset=3)
    moved = tensor.ap([[step, size], [1, count]], offset=3, scalar_offset=index)
    covered = set(seen(reach(moved)).reshape(-1).tolist())
    for value in range(limit):
        assert set((seen(view) + value).reshape(-1).tolist()) <= covered


# -- tensor indirection --------------------------------------------------------------------------


@pytest.mark.parametrize("partitions", [16, 32])
def test_tensor_indirection_gathers_and_scatters(partitions: int):
    rng = np.random.default_rng(5)
    values = rng.standard_normal((partitions, 3, 9)).astype(np.float32)
    offsets = rng.permutation(27)[:24].reshape(1, 24)
    index = np.zeros((partitions, 2), np.int32)
    for group in range(partitions // 16):
        for i in range(24):
            index[group * 16 + i % 16, i // 16] = (offsets[0, i] + group) % 27
    bench = Bench(chip="trn3", x=values, i=index)
    with bench:
        source, tile = bench.loaded("x"), bench.loaded("i")
        gathered = bench.new((partitions, 24), np.float32)
        nisa.tensor_copy(gathered, source.indirect(tile, 24), engine=nisa.engine.vector)
        back = bench.new((partitions, 27), np.float32)
        nisa.memset(back, 0.0)
        nisa.tensor_copy(back.indirect(tile, 24), gathered, engine=nisa.engine.vector)
        both = bench.new((partitions, 51), np.float32, "hbm")
        nisa.dma_copy(both[:, :24], gathered)
        nisa.dma_copy(both[:, 24:], back)
    flat = values.reshape(partitions, 27)
    where = (offsets + np.arange(partitions)[:, None] // 16) % 27
    expected = np.take_along_axis(flat, where, 1)
    scattered = np.zeros_like(flat)
    np.put_along_axis(scattered, where, expected, 1)
    assert np.array_equal(bench.run(both), np.concatenate([expected, scattered], 1))


@pytest.mark.parametrize("partitions", [16, 32, 128])
def test_tensor_indirection_of_all_offsets(partitions: int):
    """Without num_elem: the 16 * K offsets of a group, here i, i + 1, ... of the free dim."""
    index = np.zeros((partitions, 2), np.int32)
    for group in range(partitions // 16):
        for i in range(32):
            index[group * 16 + i % 16, i // 16] = (i + group) % 40
    values = np.random.default_rng(6).standard_normal((partitions, 40)).astype(np.float32)
    bench = Bench(chip="trn3", x=values, i=index)
    with bench:
        view = bench.loaded("x").indirect(bench.loaded("i"))
        got = bench.new(view.shape, np.float32)
        nisa.tensor_copy(got, view, engine=nisa.engine.vector)
        out = bench.new(view.shape, np.float32, "hbm")
        nisa.dma_copy(out, got)
    where = (np.arange(32) + np.arange(partitions)[:, None] // 16) % 40
    assert np.array_equal(bench.run(out), np.take_along_axis(values, where, 1))


def test_tensor_indirection_rules():
    def tile(*shape: int, kind: Any = F32) -> NkiTensor:
        made = nl.ndarray(shape, kind, nl.sbuf)
        nisa.memset(made, 0)
        return made

    def copy(data: int, index: tuple[int, int], count: int | None) -> None:
        view = tile(data, 9).indirect(tile(*index, kind=nl.int32), count)
        nisa.tensor_copy(tile(*view.shape), view, engine=nisa.engine.vector)

    with refuses("a chip with tensor indirection"):
        copy(16, (16, 1), 4)
    with refuses("a multiple of 16", chip="trn3"):
        copy(8, (8, 1), 4)
    with refuses("pass num_elem", chip="trn3"):
        copy(32, (32, 1), 17)
    with refuses("vector, scalar or tensor", chip="trn3"):
        view = tile(16, 9).indirect(tile(16, 1, kind=nl.int32), 4)
        nisa.tensor_copy(tile(16, 4), view, engine=nisa.engine.gpsimd)
    with refuses("expected one of tensor_copy", chip="trn3"):
        nisa.reciprocal(tile(16, 4), tile(16, 9).indirect(tile(16, 1, kind=nl.int32), 4))
    with refuses("num_elem 17", chip="trn3"):
        tile(16, 9).indirect(tile(16, 1, kind=nl.int32), 17)
