"""Launches in sequence: what overlaps, what waits, and what bounds the whole."""

import itertools

import pytest

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.chips import load_chip
from glia.core.dtypes import dtype
from glia.isa.target import target_of
from glia.nki.kernel import TensorSpec
from glia.silicon import Placed, Timing, schedule, schedule_sequence
from glia.silicon.time.timing import BOUNDS

SHAPE = (256, 512)
SIZE = 256 * 512 * 4


@nki.jit
def double(x):
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    for row in range(0, x.shape[0], 128):
        tile = nl.ndarray((128, x.shape[1]), dtype=x.dtype, buffer=nl.sbuf)
        nisa.dma_copy(tile, x[row : row + 128])
        nisa.tensor_scalar(tile, tile, nl.multiply, 2.0)
        nisa.dma_copy(out[row : row + 128], tile)
    return out


STREAM = double.trace(TensorSpec(SHAPE, dtype("fp32")), target=target_of("trn2"))
TIMING = Timing.of(load_chip("trn2").silicon)


def launch(source, target):
    (given,), (made,) = STREAM.inputs, STREAM.outputs
    return Placed(STREAM, {given.index: (source, 0), made.index: (target, 0)})


def ranges(*names):
    return {name: (i * SIZE, (i + 1) * SIZE) for i, name in enumerate(names)}


def start(times):
    return min(times.starts_s)


def end(times):
    return max(times.ends_s)


def test_one_launch_is_the_stream_alone():
    alone = schedule(STREAM, TIMING)
    whole = schedule_sequence([launch("a", "b")], ranges("a", "b"), TIMING)
    assert whole.makespan_s == alone.makespan_s
    assert whole.dataflow_s == alone.dataflow_s
    assert whole.busy_s == alone.busy_s


def test_a_reader_waits_for_the_rows_it_reads():
    whole = schedule_sequence([launch("a", "b"), launch("b", "c")], ranges("a", "b", "c"), TIMING)
    first, second = whole.launches
    loads = [m.index for m in STREAM.instructions if m.writes[0].on_chip and m.work.dma]
    stores = [m.index for m in STREAM.instructions if not m.writes[0].on_chip]
    for load, store in zip(loads, stores, strict=True):
        assert second.starts_s[load] >= first.ends_s[store]
    alone = schedule(STREAM, TIMING)
    assert alone.makespan_s < whole.makespan_s <= 2 * alone.makespan_s
    assert whole.dataflow_s >= alone.dataflow_s


def test_independent_launches_overlap():
    names = ranges("a", "b", "c", "d")
    apart = schedule_sequence([launch("a", "b"), launch("c", "d")], names, TIMING)
    chained = schedule_sequence([launch("a", "b"), launch("b", "d")], names, TIMING)
    assert apart.makespan_s < chained.makespan_s
    assert start(apart.launches[1]) < end(apart.launches[0])


def test_memory_that_is_reused_is_waited_for():
    """d lies where a lies: the second launch may not write it before a was read."""
    shared = {**ranges("a", "b", "c"), "d": (0, SIZE)}
    whole = schedule_sequence([launch("a", "b"), launch("c", "d")], shared, TIMING)
    first, second = whole.launches
    reads = [m.index for m in STREAM.instructions if m.reads and not m.reads[0].on_chip]
    writes = [m.index for m in STREAM.instructions if not m.writes[0].on_chip]
    last_read = max(first.ends_s[i] for i in reads)
    assert all(second.starts_s[i] >= last_read for i in writes)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_bounds(count):
    names = [f"b{i}" for i in range(count + 1)]
    launches = [launch(a, b) for a, b in itertools.pairwise(names)]
    slower = 0.0
    for bound in BOUNDS:
        whole = schedule_sequence(
            launches, ranges(*names), Timing.of(load_chip("trn2").silicon, bound)
        )
        assert whole.dataflow_s <= whole.makespan_s
        assert all(busy <= whole.makespan_s * (1 + 1e-12) for busy in whole.busy_s.values())
        assert whole.makespan_s >= slower
        slower = whole.makespan_s
    again = schedule_sequence(launches, ranges(*names), Timing.of(load_chip("trn2").silicon))
    assert again.makespan_s == schedule_sequence(launches, ranges(*names), TIMING).makespan_s
