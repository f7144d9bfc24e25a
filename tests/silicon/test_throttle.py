"""The Tensor engine's throttle: what it costs and when it starts again, against the formula."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glia.silicon.time.throttle import Throttle

HALF, RAMP_S = 0.5, 3e-6
LOST_S = RAMP_S * HALF / 2  # on average a quarter of the clock over the ramp


def lost(throttle: Throttle, start: float, pieces: list[float], share: float = 1.0) -> float:
    """Seconds more than at full clock, of instructions one after the other."""
    end = start
    for seconds in pieces:
        end = throttle.run(end, seconds, share)
    return end - start - sum(pieces)


@given(st.lists(st.floats(1e-8, 2e-6), min_size=1, max_size=200))
def test_a_cold_start_costs_a_quarter_of_the_ramp_however_it_is_cut(pieces):
    found = lost(Throttle(HALF, RAMP_S), 1e-5, [*pieces, RAMP_S])
    assert found == pytest.approx(LOST_S, rel=1e-6)


@pytest.mark.parametrize(
    ("pause_s", "again"), [(0.0, False), (1.4e-6, False), (1.6e-6, True), (1e-4, True)]
)
def test_it_starts_again_after_a_window_that_was_less_than_half_used(pause_s, again):
    throttle = Throttle(HALF, RAMP_S)
    warm = [1e-7] * 100
    lost(throttle, 0.0, warm)
    end = sum(warm) + LOST_S
    assert lost(throttle, end + pause_s, warm) == pytest.approx(LOST_S if again else 0, abs=1e-12)


def test_waiting_brings_it_no_nearer_to_full():
    """Work of a fifth of the time never runs at more than a third above the slow clock."""
    throttle, end = Throttle(HALF, RAMP_S), 0.0
    for start in range(100):
        end = throttle.run(start * 1e-6, 2e-7, 1.0)
        taken = end - start * 1e-6
        assert taken > 2e-7 / 0.7


def test_half_of_the_array_is_half_the_work():
    throttle = Throttle(HALF, RAMP_S)
    lost(throttle, 0.0, [1e-7] * 100, share=0.4)
    assert lost(throttle, 1.0, [1e-7] * 100, share=0.4) > LOST_S * 1.5


def test_a_chip_without_a_limiter_loses_nothing():
    assert lost(Throttle(1.0, 0.0), 5e-6, [1e-6, 2e-6]) == pytest.approx(0, abs=1e-18)
