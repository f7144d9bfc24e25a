"""Run-time addresses on the machine: their order, their hazards, their form in a file."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.isa.kernels import Bench

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.isa.serial import load_stream, save_stream
from glia.isa.stream import Stream
from glia.isa.tensors.addressing import own_reads
from glia.isa.tensors.tensor import NkiTensor
from glia.silicon.execution.core import Core, Hbm
from glia.silicon.hazards import dependences, track

PARTS, SLOTS, WIDTH = 4, 6, 3


def program(moves: list[tuple[str, int, int]], values: np.ndarray, numbers: np.ndarray) -> Bench:
    """Copies between slots of one tile, by static and by run-time numbers, then the tile stored."""
    bench = Bench(x=values, i=numbers)
    with bench:
        tile, index = bench.loaded("x"), bench.loaded("i")

        def slot(which: int, dynamic: bool) -> NkiTensor:
            at = index[0:1, which % numbers.shape[1]]
            return tile.select(1, at) if dynamic else tile[:, which % SLOTS]

        for kind, to, source in moves:
            dst, src = slot(to, kind in ("dd", "ds")), slot(source, kind in ("dd", "sd"))
            nisa.tensor_scalar(dst, src, nl.add, 1.0, op1=nl.multiply, operand1=0.5)
        out = bench.new((PARTS, SLOTS, WIDTH), np.float32, "hbm")
        nisa.dma_copy(out, tile)
    bench.builder.mark_output(out)
    return bench


def executed(bench: Bench, stream: Stream, order: list[int]) -> np.ndarray:
    core, result = Core(bench.target), np.zeros((PARTS, SLOTS, WIDTH), np.float32)
    places = {s.index: Hbm.of(bench.inputs[s.name].copy()) for s in stream.inputs}
    places[stream.outputs[0].index] = Hbm.of(result)
    for index in order:
        core.bind(stream.instructions[index]).run(places)
    return result


MOVES = st.lists(
    st.tuples(st.sampled_from(["ss", "sd", "ds", "dd"]), st.integers(0, 9), st.integers(0, 9)),
    min_size=1,
    max_size=9,
)


@settings(max_examples=40, deadline=None)
@given(MOVES, st.lists(st.integers(0, SLOTS - 1), min_size=4, max_size=4), st.integers(0, 999))
def test_every_legal_order_gives_the_values_of_numpy(
    moves: list[tuple[str, int, int]], numbers: list[int], seed: int
):
    values = np.arange(PARTS * SLOTS * WIDTH, dtype=np.float32).reshape(PARTS, SLOTS, WIDTH)
    bench = program(moves, values, np.array([numbers], np.int32))
    stream = bench.builder.finish(list(bench.tensors.values()))
    expected = values.copy()
    for kind, to, source in moves:
        at = numbers[to % 4] if kind[0] == "d" else to % SLOTS
        by = numbers[source % 4] if kind[1] == "d" else source % SLOTS
        expected[:, at] = (expected[:, by] + np.float32(1)) * np.float32(0.5)
    assert np.array_equal(executed(bench, stream, legal_order(stream, seed)), expected)


def legal_order(stream: Stream, seed: int) -> list[int]:
    """Any order that keeps the dependences and each engine's own order."""
    deps, chance = dependences(stream), random.Random(seed)
    edges = [{*n, *a} for n, a in zip(deps.needs, deps.after, strict=True)]
    last: dict[str, int] = {}
    for one in stream.instructions:
        edges[one.index] |= {last[track(one)]} if track(one) in last else set()
        last[track(one)] = one.index
    left, done = set(range(len(edges))), []
    while left:
        done.append(chance.choice(sorted(i for i in left if not edges[i] & left)))
        left.remove(done[-1])
    return done


def test_a_dynamic_write_waits_and_is_waited_for_as_a_whole():
    values = np.zeros((PARTS, SLOTS, WIDTH), np.float32)
    bench = program([("ds", 0, 1), ("ss", 5, 4)], values, np.zeros((1, 4), np.int32))
    stream = bench.builder.finish(list(bench.tensors.values()))
    load, tile, first, second, store = stream.instructions
    deps = dependences(stream)
    assert {load.index, tile.index} <= set(deps.needs[first.index])  # the data and the number
    assert first.index in deps.needs[second.index]  # it may have written what is read
    assert first.index in deps.needs[store.index]
    assert [v.shape for v in own_reads(first.writes, first.reads)] == [(PARTS, WIDTH)]


@pytest.mark.parametrize("kind", ["shift", "rows", "columns"])
def test_run_time_addresses_in_a_file(kind: str):
    values = np.arange(16 * 8, dtype=np.float32).reshape(16, 8)
    bench = Bench("trn3", x=values, i=np.arange(16, dtype=np.int32).reshape(16, 1) % 8)
    with bench:
        index = bench.loaded("i")
        out = bench.new((16, 8), np.float32, "hbm")
        tile = bench.new((16, 8), np.float32)
        nisa.memset(tile, 2.0)
        if kind == "shift":
            nisa.dma_copy(tile[0:1], bench["x"].select(0, index[3:4]))
        elif kind == "rows":
            nisa.dma_copy(tile, bench["x"].vector_select(0, index))
        else:
            nisa.tensor_copy(tile.indirect(index, 8), bench.loaded("x"), engine=nisa.engine.vector)
        nisa.dma_copy(out, tile)
    bench.builder.mark_output(out)
    stream = bench.builder.finish(list(bench.tensors.values()))
    record = json.loads(json.dumps(save_stream(stream)))
    again = load_stream(record, bench.target)
    assert save_stream(again) == record
    results = []
    for one in (stream, again):
        results.append(np.zeros((16, 8), np.float32))
        places = {s.index: Hbm.of(bench.inputs[s.name]) for s in one.inputs}
        Core(bench.target).run(one, {**places, one.outputs[0].index: Hbm.of(results[-1])})
    assert np.array_equal(*results)
    assert not np.array_equal(results[0], np.full((16, 8), 2.0))
