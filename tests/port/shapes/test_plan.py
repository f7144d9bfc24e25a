"""Bucket plans against trying every choice of buckets."""

from itertools import combinations, pairwise
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glia.port.shapes.plan import MAX_GRAPHS, bucket_plans, holds

LINES = st.dictionaries(st.tuples(st.integers(1, 60)), st.integers(1, 9), min_size=1, max_size=9)
AREAS = st.dictionaries(
    st.tuples(st.integers(1, 9), st.integers(1, 40)), st.integers(1, 9), min_size=1, max_size=6
)


def least_waste(counts, num_graphs):
    """Try every set of buckets whose sides are sides of the shapes."""
    sides = [sorted({s[d] for s in counts}) for d in range(len(next(iter(counts))))]
    corners = [()]
    for side in sides:
        corners = [(*c, n) for c in corners for n in side]
    real = sum(prod(s) * n for s, n in counts.items())
    best = 1.0
    for buckets in combinations(corners, min(num_graphs, len(corners))):
        fits = [[prod(b) for b in buckets if holds(b, s)] for s in counts]
        if all(fits):
            computed = sum(n * min(f) for f, n in zip(fits, counts.values(), strict=True))
            best = min(best, 1 - real / computed)
    return best


@given(LINES)
@settings(max_examples=60, deadline=None)
def test_one_dim_is_as_good_as_trying_all(counts):
    plans = bucket_plans(counts)
    assert [p.num_graphs for p in plans] == list(range(1, len(counts) + 1))
    for plan in plans[:4]:
        assert plan.is_exact
        assert plan.waste == pytest.approx(least_waste(counts, plan.num_graphs), abs=1e-12)


@given(AREAS)
@settings(max_examples=30, deadline=None)
def test_two_dims_are_as_good_as_trying_all(counts):
    for plan in bucket_plans(counts)[:3]:
        assert plan.is_exact
        assert plan.waste == pytest.approx(least_waste(counts, plan.num_graphs), abs=1e-12)


@given(
    st.dictionaries(
        st.tuples(st.integers(1, 30), st.integers(1, 99)),
        st.integers(1, 5),
        min_size=11,
        max_size=40,
    )
)
@settings(max_examples=30, deadline=None)
def test_many_shapes_are_all_held_and_more_buckets_waste_less(counts):
    plans = bucket_plans(counts)
    assert [p.is_exact for p in plans] == [True, *[False] * (len(plans) - 2), True]
    for plan in plans:
        assert all(any(holds(b, s) for b in plan.buckets) for s in counts)
        assert len(plan.buckets) == plan.num_graphs
    assert plans[-1].waste == pytest.approx(0)
    assert plans[0].waste >= plans[-2].waste >= plans[-1].waste


def test_the_search_is_near_the_best_where_both_can_be_had(monkeypatch):
    counts = {(b, s): 1 + (b * s) % 3 for b in (8, 16, 31) for s in (17, 64, 120)}
    exact = bucket_plans(counts)
    monkeypatch.setattr("glia.port.shapes.plan._FEW", 0)
    searched = bucket_plans(counts)
    for best, found in zip(exact, searched, strict=True):
        assert best.waste - 1e-12 <= found.waste <= best.waste + 0.05


def test_long_lists_of_sizes_end_with_the_plan_that_pads_nothing():
    plans = bucket_plans({(n,): 1 for n in range(1, 200)})
    assert [p.num_graphs for p in plans] == [*range(1, MAX_GRAPHS + 1), 199]
    assert plans[-1].waste == pytest.approx(0)
    assert all(a.waste > b.waste for a, b in pairwise(plans))


def test_sizes_are_rounded_where_they_grow():
    (plan, *_) = bucket_plans({(4, 100): 1}, multiple=64, grows=(False, True))
    assert plan.buckets == ((4, 128),)
    assert plan.waste == pytest.approx(1 - 100 / 128)


def test_no_counts_have_no_plans():
    assert bucket_plans({}) == ()
