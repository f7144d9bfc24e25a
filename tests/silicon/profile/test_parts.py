"""Whose line the time is: of the engine that limits, in kernels where that is known."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.chips import load_chip
from glia.silicon import Timing, schedule
from glia.silicon.hazards import dependences
from glia.silicon.profile import build_profile
from glia.silicon.profile.lines import critical_path
from glia.silicon.profile.parts import parts_s
from silicon.profile.programs import CHIP, trace
from silicon.random_programs import build, steps

NUM = 12


def fed(x, num_vector, num_scalar):
    """Each round a matmul feeds the Vector engine and the Scalar engine by turns."""
    t = nl.load(x)
    w = nl.ndarray((128, 128), dtype=x.dtype, buffer=nl.sbuf)
    nisa.memset(w, 1.0)
    a = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.sbuf)
    b = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.sbuf)
    nisa.memset(a, 0.0)
    nisa.memset(b, 0.0)
    for _ in range(NUM):
        p = nl.ndarray(x.shape, dtype=nl.float32, buffer=nl.psum)
        nisa.nc_matmul(p, w, t)
        for _ in range(num_vector):
            nisa.tensor_tensor(a, a, p, op=nl.add)
        for _ in range(num_scalar):
            nisa.activation(b, nl.exp, p)
    return ()


def moved(x):
    """Rows come in, and little is done to them."""
    for i in range(16):
        t = nl.load(x[i * 128 : (i + 1) * 128])
        nisa.tensor_scalar(t[:, 0:8], t[:, 0:8], nl.add, 1.0)
    return ()


def lines(kernel, *shapes):
    profile, _ = build_profile([trace(kernel, *shapes)], CHIP, "k.py", ())
    whole = profile.as_written.likely
    assert sum(use.critical_s for use in profile.lines) == pytest.approx(whole)
    return profile, {use.code.split("(")[0]: use.critical_s / whole for use in profile.lines}


@pytest.mark.parametrize(
    ("num_vector", "num_scalar", "limit", "line"),
    [(6, 1, "vector", "nisa.tensor_tensor"), (1, 6, "scalar", "nisa.activation")],
)
def test_the_lines_of_the_engine_that_limits_lead(num_vector, num_scalar, limit, line):
    def kernel(x):
        return fed(x, num_vector, num_scalar)

    profile, parts = lines(kernel, ((128, 512), "bfloat16"))
    activity = {use.name: use.activity.likely for use in profile.engines}
    assert max(activity, key=activity.__getitem__) == limit
    assert next(iter(parts)) == line
    # What the engine was active is its lines', no less and (but for the first wait) no more.
    assert parts[line] == pytest.approx(activity[limit], abs=0.1)


def test_where_moving_bytes_limits_the_loads_lead():
    profile, parts = lines(moved, ((2048, 4096), "float32"))
    assert profile.lines[0].busy_s.keys() == {"dma"}
    assert next(iter(parts.values())) > 0.8


@settings(max_examples=40, deadline=None)
@given(steps)
def test_parts_sum_to_the_time_and_an_engine_never_has_more_than_it_worked(program):
    stream = build(program)
    timing = Timing.of(load_chip(CHIP).silicon)
    timeline = schedule(stream, timing)
    chain = list(critical_path(stream, dependences(stream), timeline))
    found = parts_s(stream, chain, timeline, timing)
    assert sum(found) == pytest.approx(timeline.makespan_s)
    assert all(seconds >= 0 for seconds in found)
