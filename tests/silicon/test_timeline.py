"""What must hold of every timeline, whatever the program."""

from __future__ import annotations

import gc
import sys
from itertools import pairwise

import numpy as np
from hypothesis import given, settings

from glia.chips import load_chip
from glia.isa.engines import engine
from glia.isa.stream import Stream
from glia.silicon import Core, Timing, schedule, stream_energy
from glia.silicon.hazards import dependences, track
from silicon.random_programs import TARGET, Step, build, run, steps

SILICON = load_chip("trn2").silicon
BOUNDS = ("optimistic", "likely", "pessimistic")
TIMINGS = {bound: Timing.of(SILICON, bound) for bound in BOUNDS}
TOLERANCE_S = 1e-15
few = settings(deadline=None, max_examples=30)


def tracks(stream: Stream) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for one in stream.instructions:
        found.setdefault(track(one), []).append(one.index)
    return found


@few
@given(steps)
def test_in_order_and_one_at_a_time(program: list[Step]):
    stream = build(program)
    line = schedule(stream, TIMINGS["likely"])
    for name, members in tracks(stream).items():
        for earlier, later in pairwise(members):
            if name.startswith("queue"):  # issue in order, complete in order
                assert line.starts_s[later] > line.starts_s[earlier]
                assert line.ends_s[later] >= line.ends_s[earlier]
            else:
                assert line.starts_s[later] >= line.ends_s[earlier] - TOLERANCE_S


@few
@given(steps)
def test_nothing_starts_before_what_it_depends_on(program: list[Step]):
    stream = build(program)
    deps = dependences(stream)
    for timing in TIMINGS.values():
        line = schedule(stream, timing)
        for i, (needs, after) in enumerate(zip(deps.needs, deps.after, strict=True)):
            for j in (*needs, *after):
                assert j < i and line.starts_s[i] >= line.ends_s[j] - TOLERANCE_S


@few
@given(steps)
def test_makespan_lies_between_its_bounds(program: list[Step]):
    stream = build(program)
    for timing in TIMINGS.values():
        line = schedule(stream, timing)
        assert all(busy <= line.makespan_s + TOLERANCE_S for busy in line.busy_s.values())
        dma_bytes = sum(i.work.dma.num_bytes for i in stream.instructions if i.work.dma)
        assert line.makespan_s >= dma_bytes / timing.dma_bandwidth
        assert 0 < line.dataflow_s <= line.makespan_s <= serial_s(stream, timing)


def serial_s(stream: Stream, timing: Timing) -> float:
    """One instruction at a time, each paying every latency and the slowest clock."""
    wait = timing.completion_latency_s + timing.producer_latency_s + timing.semaphore_s
    total = 0.0
    for one in stream.instructions:
        total += wait
        dma = one.work.dma
        if dma is not None:
            per_engine = timing.dma_bandwidth / timing.dma_engines
            piece = max(dma.element_bytes / per_engine, timing.descriptor_s)
            total += max(timing.start_latency_s, timing.start_ready_s) + piece * dma.num_elements
            total += max(timing.issue_hardware_s, timing.issue_software_s)
        else:
            cycles = one.work.cycles + timing.fixed_cycles[one.engine]
            slow = timing.throttle_fraction if one.engine is engine.tensor else 1.0
            total += cycles / timing.hertz[one.engine] / slow
            total += timing.table_load_s if one.work.table else 0.0
    return total


@few
@given(steps)
def test_more_work_never_shortens_the_dataflow(program: list[Step]):
    timing = TIMINGS["likely"]
    alone, more = (schedule(build(program, n), timing) for n in (0, 5))
    assert more.dataflow_s >= alone.dataflow_s - TOLERANCE_S


@few
@given(steps)
def test_slower_constants_never_shorten_the_dataflow(program: list[Step]):
    stream = build(program)
    fast, likely, slow = (schedule(stream, TIMINGS[b]).dataflow_s for b in BOUNDS)
    assert fast <= likely <= slow


@few
@given(steps)
def test_two_runs_are_identical(program: list[Step]):
    one, other = build(program), build(program)
    assert schedule(one, TIMINGS["likely"]) == schedule(other, TIMINGS["likely"])
    core = Core(TARGET)
    first = run(one, core)
    assert np.array_equal(first, run(one, core)) and np.array_equal(first, run(other))
    assert stream_energy(one, SILICON.energy) == stream_energy(other, SILICON.energy)


def test_memory_does_not_grow_with_replays():
    stream = build([(op, 0, 1, 2, 0, 2) for op in range(8)])
    core = Core(TARGET)
    run(stream, core)
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(200):
        run(stream, core)
    gc.collect()
    assert sys.getallocatedblocks() - before < 200


def test_energy_counts_bytes_and_operations():
    stream = build([(5, 0, 1, 0, 0, 4), (1, 0, 0, 1, 0, 2)])
    found = stream_energy(stream, SILICON.energy)
    whole = 64 * 96 * 4
    assert found.hbm_read_bytes == 4 * whole
    assert found.hbm_write_bytes == 4 * whole + 64 * 24 * 4
    assert found.flops == 2 * 64 * 64 * 48
    total = found.total
    assert 0 < total.low < total.likely < total.high
    assert np.isclose(total.likely, sum(part.likely for part in found.by_cause.values()))
