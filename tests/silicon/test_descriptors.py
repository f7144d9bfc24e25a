"""What issuing DMAs costs, by who makes their descriptors: on the path and in the lower bound."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.chips import load_chip
from glia.isa.stream import Stream
from glia.isa.target import target_of
from glia.silicon import Timing, schedule
from glia.silicon.time.timeline import least_busy
from glia.silicon.time.timing import BOUNDS
from silicon.profile.programs import shared, trace

MODES = nisa.dge_mode
TIMINGS = {(c, b): Timing.of(load_chip(c).silicon, b) for c in ("trn2", "trn3") for b in BOUNDS}
cases = pytest.mark.parametrize(("chip", "bound"), list(TIMINGS))


def chain(mode: Any, length: int = 10) -> Any:
    """Copies between two tiles, each waiting for the one before."""

    def body() -> Any:
        tiles = [nl.ndarray((16, 16), dtype=nl.float32, buffer=nl.sbuf) for _ in range(2)]
        nisa.memset(tiles[0], 0.0)
        for i in range(length):
            nisa.dma_copy(tiles[1 - i % 2], tiles[i % 2], dge_mode=mode)
        out = shared(16, 16)
        nisa.dma_copy(out, tiles[length % 2], dge_mode=mode)
        return out

    return body


def many(num: int, mode: Any = MODES.unknown) -> Any:
    """`num` independent loads of 16 x 16 fp32."""

    def body(x: Any) -> Any:
        out = shared(16, 16)
        tile = nl.ndarray((16, 16 * num), dtype=nl.float32, buffer=nl.sbuf)
        for i in range(num):
            nisa.dma_copy(tile[:, i * 16 : (i + 1) * 16], x, dge_mode=mode)
        nisa.dma_copy(out, tile[:, 0:16], dge_mode=mode)
        return out

    return body


@cases
def test_made_before_is_never_slower_than_hardware_and_that_never_than_software(chip, bound):
    for program in (chain, lambda mode: many(40, mode)):
        inputs = [] if program is chain else [((16, 16), "float32")]
        none, hardware, software = (
            schedule(trace(program(mode), *inputs, target=target_of(chip)), TIMINGS[chip, bound])
            for mode in (MODES.none, MODES.hwdge, MODES.swdge)
        )
        assert none.makespan_s <= hardware.makespan_s <= software.makespan_s
        assert none.dataflow_s <= hardware.dataflow_s <= software.dataflow_s


def test_a_dependent_chain_pays_for_its_descriptors():
    """Per copy: software 0.61 us before its 0.74 us from the trigger, hardware 0.88 in all."""
    took = {}
    for mode in (MODES.none, MODES.hwdge, MODES.swdge):
        first, second = (
            schedule(trace(chain(mode, n)), TIMINGS["trn2", "likely"]).makespan_s for n in (10, 30)
        )
        took[mode] = (second - first) / 20
    assert took[MODES.swdge] - took[MODES.hwdge] == pytest.approx(0.61e-6 + 0.74e-6 - 0.88e-6)
    assert took[MODES.hwdge] - took[MODES.none] == pytest.approx(0.88e-6 - 0.74e-6)


@pytest.mark.parametrize(
    ("mode", "least_us"),
    # Two generators at 0.55 us at least; GpSimd alone at 0.575; five sequencers at 0.08.
    [("unknown", 0.55 / 2), ("hwdge", 0.55 / 2), ("swdge", 0.575), ("none", 0.08 / 5)],
)
def test_the_lower_bound_of_200_small_copies_holds_what_issues_them(mode, least_us):
    stream = trace(many(200, MODES[mode]), ((16, 16), "float32"))
    low = schedule(stream, TIMINGS["trn2", "optimistic"]).dataflow_s
    assert low >= 200 * least_us * 1e-6
    likely = schedule(stream, TIMINGS["trn2", "likely"])
    assert low <= likely.dataflow_s <= likely.makespan_s


def test_three_queues_share_two_generators():
    """Loads, stores and copies that Scalar starts: no more than two are issued at once."""

    def body(x: Any) -> Any:
        out = shared(60 * 16, 16)
        tile = nl.ndarray((16, 16 * 120), dtype=nl.float32, buffer=nl.sbuf)
        nisa.memset(tile, 0.0)
        for i in range(60):
            piece = tile[:, i * 16 : (i + 1) * 16]
            nisa.dma_copy(tile[:, (60 + i) * 16 : (61 + i) * 16], x)
            nisa.dma_copy(out[i * 16 : (i + 1) * 16], piece)
            nisa.dma_copy(piece, piece, dge_mode=MODES.hwdge, engine=nisa.engine.scalar)
        return out

    stream = trace(body, ((16, 16), "float32"))
    assert schedule(stream, TIMINGS["trn2", "likely"]).makespan_s >= 180 * 0.6e-6 / 2


drawn = st.lists(
    st.tuples(st.sampled_from(("unknown", "none", "swdge", "sync", "scalar")), st.booleans()),
    min_size=1,
    max_size=40,
)


@settings(max_examples=40, deadline=None)
@given(drawn, st.sampled_from(sorted(TIMINGS)))
def test_no_program_is_faster_than_what_issues_its_dmas(copies, case):
    """The bound itself, before it is compared with the time as written."""
    stream = trace(lambda x: mixed(x, copies), ((16, 16), "float32"), target=target_of(case[0]))
    check(stream, TIMINGS[case])


def mixed(x: Any, copies: list[tuple[str, bool]]) -> Any:
    out = shared(16, 16)
    tile = nl.ndarray((16, 16), dtype=nl.float32, buffer=nl.sbuf)
    nisa.memset(tile, 0.0)
    for way, loads in copies:
        dst, src = (tile, x) if loads else (out, tile)
        if way in ("sync", "scalar"):
            nisa.dma_copy(dst, src, dge_mode=MODES.hwdge, engine=nisa.engine[way])
        else:
            nisa.dma_copy(dst, src, dge_mode=MODES[way])
    nisa.dma_copy(out, tile)
    return out


def check(stream: Stream, timing: Timing) -> None:
    line = schedule(stream, timing)
    assert max(least_busy(stream.instructions, timing).values()) <= line.makespan_s + 1e-15
