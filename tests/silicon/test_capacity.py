"""Shared places over time, against a count at every instant."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from glia.silicon.time.capacity import Capacity

requests = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 9), st.integers(1, 4)), max_size=20
)


@given(requests)
def test_never_more_than_there_is_and_as_early_as_possible(wanted):
    capacity, in_use = Capacity(4), [0] * 400
    for earliest, length, places in wanted:
        begin = int(capacity.reserve(float(earliest), float(length), places))
        fits = [
            all(in_use[t] + places <= 4 for t in range(at, at + length)) for at in range(begin + 1)
        ]
        assert begin == next(at for at in range(earliest, begin + 1) if fits[at])
        for t in range(begin, begin + length):
            in_use[t] += places


def test_what_takes_all_in_turn_is_one_step():
    capacity = Capacity(2)
    for _ in range(100):
        capacity.reserve(0.0, 1.0, 2)
    assert len(capacity._times) <= 3
    assert capacity.reserve(0.0, 1.0, 1) == 100.0
