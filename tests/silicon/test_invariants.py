"""What must hold on every chip, and for two cores that share a stack of HBM."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glia.chips import load_chip
from glia.isa.engines import engine
from glia.isa.stream import Stream
from glia.isa.target import target_of
from glia.silicon import Core, Timing, schedule, schedule_together
from glia.silicon.hazards import dependences, track
from glia.silicon.time.timing import BOUNDS
from silicon.random_programs import TARGET, Step, build, pair, places, run, steps
from silicon.test_timeline import serial_s

CHIPS = ("trn1", "trn2", "trn3")
TIMINGS = {(c, b): Timing.of(load_chip(c).silicon, b) for c in CHIPS for b in BOUNDS}
TOLERANCE_S = 1e-15
chips, bounds = st.sampled_from(CHIPS), st.sampled_from(BOUNDS)
few = settings(deadline=None, max_examples=25)


def dma_bytes(*streams: Stream) -> int:
    return sum(i.work.dma.num_bytes for s in streams for i in s.instructions if i.work.dma)


def check_alone(stream: Stream, line, timing: Timing) -> None:
    """One thing at a time, in order, after what it depends on, within its bounds."""
    members: dict[str, list[int]] = {}
    for one in stream.instructions:
        members.setdefault(track(one), []).append(one.index)
    for name, indices in members.items():
        for earlier, later in pairwise(indices):
            if name.startswith("queue"):
                assert line.starts_s[later] > line.starts_s[earlier]
                assert line.ends_s[later] >= line.ends_s[earlier]
            else:
                assert line.starts_s[later] >= line.ends_s[earlier] - TOLERANCE_S
    deps = dependences(stream)
    for i, (needs, after) in enumerate(zip(deps.needs, deps.after, strict=True)):
        for j in (*needs, *after):
            assert line.starts_s[i] >= line.ends_s[j] - TOLERANCE_S
    assert all(busy <= line.makespan_s + TOLERANCE_S for busy in line.busy_s.values())
    assert 0 < line.dataflow_s <= line.makespan_s
    assert line.makespan_s >= dma_bytes(stream) / timing.dma_bandwidth


@few
@given(steps, chips, bounds)
def test_on_every_chip(program: list[Step], chip: str, bound: str):
    stream, timing = build(program, target=target_of(chip)), TIMINGS[chip, bound]
    line = schedule(stream, timing)
    check_alone(stream, line, timing)
    assert line.makespan_s <= serial_s(stream, timing)
    assert schedule(stream, timing) == line


@few
@given(steps, bounds)
def test_two_cores(program: list[Step], bound: str):
    """Each core keeps its order; meetings end at once; the stack moves no more than it can."""
    streams, timing = pair(program), TIMINGS["trn2", bound]
    lines = schedule_together(streams, timing)
    for stream, line in zip(streams, lines, strict=True):
        check_alone(stream, line, timing)
    for index, one in enumerate(streams[0].instructions):
        if one.sync is not None:  # the cores run one program, so that they meet at one index
            starts = [line.starts_s[index] for line in lines]
            assert starts[0] == pytest.approx(starts[1], abs=1e-6)
            if one.sync.kind == "barrier":
                assert lines[0].ends_s[index] == lines[1].ends_s[index]
    whole = max(line.makespan_s for line in lines)
    moved = sum(
        i.work.dma.hbm_read_bytes + i.work.dma.hbm_write_bytes
        for s in streams
        for i in s.instructions
        if i.work.dma
    )
    assert whole >= moved / timing.stack_bandwidth
    assert whole <= sum(serial_s(s, timing.shared_by(2)) for s in streams)
    assert schedule_together(streams, timing) == lines


@few
@given(steps, chips, st.integers(1, 6))
def test_independent_work_never_lowers_the_dataflow_bound(
    program: list[Step], chip: str, more: int
):
    timing = TIMINGS[chip, "likely"]
    alone = schedule(build(program, target=target_of(chip)), timing)
    extra = schedule(build(program, more, target_of(chip)), timing)
    assert extra.dataflow_s >= alone.dataflow_s - TOLERANCE_S


@few
@given(steps, st.permutations(BOUNDS))
def test_values_do_not_depend_on_the_constants_of_time(program: list[Step], order):
    """Executing in the order in which each timeline starts the instructions gives one result."""
    stream = build(program)
    expected = run(stream)
    for bound in order:
        line = schedule(stream, TIMINGS["trn2", bound])
        core = Core(TARGET)
        hbm, result = places(stream)
        for index in np.argsort(line.starts_s, kind="stable"):
            one = stream.instructions[index]
            arrays = []
            for view in (*one.writes, *one.reads):
                place = hbm.get(view.storage.index)
                memory = core.sbuf if view.storage.memory == "sbuf" else core.psum
                arrays.append(view.bind(memory) if place is None else view.bind(place.memory))
            one.meaning(*arrays)
        assert np.array_equal(result, expected)


def test_a_barrier_waits_for_the_later_core():
    quiet, busy = [(9, 0, 0, 0, 0, 1)], [(2, 0, 1, 2, 0, 4)] * 12 + [(9, 0, 0, 0, 0, 1)]
    streams = [pair(quiet)[0], pair(busy)[1]]
    lines = schedule_together(streams, TIMINGS["trn2", "likely"])
    at = [next(i.index for i in s.instructions if i.sync) for s in streams]
    ends = [line.ends_s[i] for line, i in zip(lines, at, strict=True)]
    alone = schedule(streams[0], TIMINGS["trn2", "likely"])
    assert ends[0] == ends[1] > alone.ends_s[at[0]] + 1e-6


def test_two_cores_share_the_stack():
    """Loads of both cores together take as long as the stack needs, not as one core alone."""
    timing = TIMINGS["trn2", "optimistic"]
    assert timing.shared_by(2).dma_bandwidth == timing.stack_bandwidth / 2 < timing.dma_bandwidth
    assert engine.sync in timing.fixed_cycles
