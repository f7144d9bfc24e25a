"""Dependences against an oracle that looks at every byte."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from glia.isa.stream import Instruction, Stream
from glia.isa.tensors.tensor import NkiTensor
from glia.silicon import Core
from glia.silicon.hazards import dependences, track
from silicon.random_programs import TARGET, Step, build, places, run, steps

few = settings(deadline=None, max_examples=15)


def order_edges(stream: Stream) -> list[set[int]]:
    """What must come before each instruction: dependences, and its own engine or queue."""
    deps = dependences(stream)
    edges = [{*n, *a} for n, a in zip(deps.needs, deps.after, strict=True)]
    last: dict[str, int] = {}
    for one in stream.instructions:
        where = track(one)
        if where in last:
            edges[one.index].add(last[where])
        last[where] = one.index
    return edges


def touched(view: NkiTensor) -> set[tuple[str, int]]:
    """Every byte that a view covers, by memory and address."""
    if view.on_chip:
        memory, name = np.zeros((128, 1 << 14), np.uint8), view.storage.memory
    else:
        memory, name = np.zeros(view.storage.num_bytes, np.uint8), view.storage.name
    view.bind(memory).view(np.uint32)[...] = 0xFFFFFFFF
    return {(name, int(at)) for at in np.flatnonzero(memory[..., ::4])}


def conflicts(earlier: tuple[set, set], later: tuple[set, set]) -> bool:
    (written, read), (writes, reads) = earlier, later
    return bool(written & reads or written & writes or read & writes)


@few
@given(steps)
def test_every_conflict_is_ordered(program: list[Step]):
    stream = build(program[:14])
    edges = order_edges(stream)
    before: list[set[int]] = []
    areas: list[tuple[set, set]] = []
    for one in stream.instructions:
        before.append(set().union(*({e} | before[e] for e in edges[one.index]), set()))
        areas.append(areas_of(one))
        for j in range(one.index):
            if conflicts(areas[j], areas[-1]):
                assert j in before[-1], (stream.instructions[j], one)


def areas_of(one: Instruction) -> tuple[set, set]:
    written = set().union(*(touched(v) for v in one.writes))
    return written, set().union(set(), *(touched(v) for v in one.reads))


@few
@given(steps, st.integers(0, 2**32))
def test_any_order_that_respects_them_gives_the_same_values(program: list[Step], seed: int):
    stream = build(program)
    core = Core(TARGET)
    hbm, result = places(stream)
    for index in random_order(order_edges(stream), random.Random(seed)):
        one = stream.instructions[index]
        arrays = []
        for view in (*one.writes, *one.reads):
            place = hbm.get(view.storage.index)
            memory = core.sbuf if view.storage.memory == "sbuf" else core.psum
            arrays.append(view.bind(memory) if place is None else view.bind(place.memory))
        one.meaning(*arrays)
    assert np.array_equal(result, run(stream))


def random_order(edges: list[set[int]], chance: random.Random) -> list[int]:
    left, done = set(range(len(edges))), []
    while left:
        ready = sorted(i for i in left if not edges[i] & left)
        done.append(chance.choice(ready))
        left.remove(done[-1])
    return done


@few
@given(steps)
def test_true_dependences_are_writes_that_are_read(program: list[Step]):
    """`needs` never names an instruction whose memory the reader does not look at (by box)."""
    stream = build(program)
    for one, needs in zip(stream.instructions, dependences(stream).needs, strict=True):
        read = {view.storage.index for view in one.reads}
        for j in needs:
            assert read & {view.storage.index for view in stream.instructions[j].writes}
