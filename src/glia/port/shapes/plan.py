"""Buckets: a few sizes into which every batch is padded, with the least padding for their number.

A bucket holds a batch when it is at least as large in every dim. The cost of a plan is what is
computed: over all batches, the product of the sizes of the bucket that it falls into. One dim is
solved exactly by dynamic programming over the sorted sizes; several dims exactly over all ways to
share out the shapes while there are few, else by joining buckets and moving shapes between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from glia.core.shape_records import BucketPlan, Sizes

MAX_GRAPHS = 12  # plans of more buckets than this are not made, but for that which pads nothing
_FEW = 10  # distinct shapes of several dims that all ways of sharing are tried for


def bucket_plans(
    counts: Mapping[Sizes, int], multiple: int = 1, grows: Sequence[bool] = ()
) -> tuple[BucketPlan, ...]:
    """The best plan for each number of buckets, from one on; see `BucketPlan`.

    `counts` says how many batches have which sizes. Buckets are rounded up to a `multiple` in the
    dims where `grows` is true (all of them when it is not given).
    """
    if not counts:
        return ()
    num_dims = len(next(iter(counts)))
    grows = grows or [True] * num_dims
    used: dict[Sizes, int] = {}
    for sizes, count in counts.items():
        rounded = tuple(_up(n, multiple) if g else n for n, g in zip(sizes, grows, strict=True))
        used[rounded] = used.get(rounded, 0) + count
    real = sum(prod(sizes) * count for sizes, count in counts.items())
    shared, is_exact = _shared(used)
    return tuple(_plan(buckets, used, real, is_exact) for buckets in shared)


def _up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


def _shared(used: Mapping[Sizes, int]) -> tuple[list[list[Sizes]], bool]:
    """For each number of buckets, the buckets; and whether they are the best there are."""
    points = sorted(used)
    num_dims = len(points[0])
    if num_dims == 1:
        return [[(n,) for n in ends] for ends in _best_ends(used)], True
    if len(points) <= _FEW:
        return _best_groups(used), True
    return _searched(used), False


def _plan(
    buckets: Sequence[Sizes], used: Mapping[Sizes, int], real: int, is_exact: bool
) -> BucketPlan:
    computed = sum(
        count * min(prod(b) for b in buckets if holds(b, s)) for s, count in used.items()
    )
    waste = 1 - real / computed if computed else 0.0
    is_only_way = len(buckets) in (1, len(used))
    return BucketPlan(len(buckets), tuple(sorted(buckets)), waste, is_exact or is_only_way)


def holds(bucket: Sizes, sizes: Sizes) -> bool:
    """True when a batch of these sizes can be padded into the bucket."""
    return all(b >= s for b, s in zip(bucket, sizes, strict=True))


# -- one dim ---------------------------------------------------------------------------------------


def _best_ends(used: Mapping[Sizes, int]) -> list[list[int]]:
    """The largest sizes of 1, 2, ... buckets: cost[k][j] covers the j smallest sizes with k."""
    sizes = np.array(sorted(n for (n,) in used), dtype=np.float64)
    counts = np.array([used[int(n),] for n in sizes], dtype=np.float64)
    before = np.concatenate(([0.0], np.cumsum(counts)))
    num = len(sizes)
    limit = min(num, MAX_GRAPHS)
    cost = np.full((limit + 1, num + 1), np.inf)
    cost[0, 0] = 0.0
    start = np.zeros((limit + 1, num + 1), dtype=np.int64)
    for k in range(1, limit + 1):
        for j in range(k, num + 1):
            ways = cost[k - 1, :j] + sizes[j - 1] * (before[j] - before[:j])
            start[k, j] = int(np.argmin(ways))
            cost[k, j] = ways[start[k, j]]
    found = [_ends(sizes, start, k) for k in range(1, limit + 1)]
    return found if limit == num else [*found, [int(n) for n in sizes]]


def _ends(sizes: np.ndarray, start: np.ndarray, k: int) -> list[int]:
    ends, j = [], len(sizes)
    while k:
        ends.append(int(sizes[j - 1]))
        j, k = int(start[k, j]), k - 1
    return ends[::-1]


# -- several dims, few shapes ----------------------------------------------------------------------


def _best_groups(used: Mapping[Sizes, int]) -> list[list[Sizes]]:
    """All ways to share the shapes out, a set of them as the bits of a number.

    best[k][s] is the least cost of the shapes in s with k buckets; the bucket that holds the
    lowest of them is tried with every set of the others.
    """
    points = sorted(used)
    every = (1 << len(points)) - 1
    cost = [_cost_of(s, points, used) for s in range(every + 1)]
    best = [{0: (0, 0)}, {s: (cost[s], s) for s in range(1, every + 1)}]
    while len(best) <= len(points):
        best.append(_with_one_more(best[-1], cost, every))
    return [_groups(best, k, every, points) for k in range(1, len(points) + 1)]


def _cost_of(members: int, points: Sequence[Sizes], used: Mapping[Sizes, int]) -> int:
    inside = [p for i, p in enumerate(points) if members >> i & 1]
    return prod(_hull(inside)) * sum(used[p] for p in inside) if inside else 0


def _hull(points: Sequence[Sizes]) -> Sizes:
    return tuple(map(max, zip(*points, strict=True)))


def _with_one_more(
    fewer: Mapping[int, tuple[int, int]], cost: Sequence[int], every: int
) -> dict[int, tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {}
    for members in range(1, every + 1):
        lowest = members & -members
        rest = part = members ^ lowest
        while part:
            part = (part - 1) & rest  # the bucket of the lowest, beside which something is left
            left = rest ^ part
            if left in fewer:
                total = cost[part | lowest] + fewer[left][0]
                if members not in found or total < found[members][0]:
                    found[members] = (total, part | lowest)
    return found


def _groups(
    best: Sequence[Mapping[int, tuple[int, int]]], k: int, members: int, points: Sequence[Sizes]
) -> list[Sizes]:
    buckets = []
    while members:
        group = best[k][members][1]
        buckets.append(_hull([p for i, p in enumerate(points) if group >> i & 1]))
        members, k = members ^ group, k - 1
    return buckets


# -- several dims, many shapes ---------------------------------------------------------------------


def _searched(used: Mapping[Sizes, int]) -> list[list[Sizes]]:
    """Join the two buckets that cost least to join, again and again; then move shapes."""
    groups = [[p] for p in sorted(used)]
    found = [[_hull(g) for g in groups]]
    while len(groups) > 1:
        i, j = _cheapest_pair(groups, used)
        groups[i] = groups[i] + groups.pop(j)
        if len(groups) <= MAX_GRAPHS:
            groups = _moved(groups, used)
            found.append([_hull(g) for g in groups])
    return found[::-1]


def _cheapest_pair(groups: list[list[Sizes]], used: Mapping[Sizes, int]) -> tuple[int, int]:
    hulls = np.array([_hull(g) for g in groups], dtype=np.float64)
    weights = np.array([sum(used[p] for p in g) for g in groups], dtype=np.float64)
    alone = hulls.prod(axis=1) * weights
    both = np.maximum(hulls[:, None], hulls[None]).prod(axis=2) * (weights[:, None] + weights)
    extra = both - alone[:, None] - alone
    extra[np.tril_indices(len(groups))] = np.inf
    i, j = np.unravel_index(int(np.argmin(extra)), extra.shape)
    return int(i), int(j)


def _moved(groups: list[list[Sizes]], used: Mapping[Sizes, int]) -> list[list[Sizes]]:
    """Move one shape at a time to the bucket where the whole costs least, until nothing helps."""
    groups = [list(g) for g in groups]
    improved = True
    while improved:
        improved = False
        for point in sorted(used):
            home = next(g for g in groups if point in g)
            if len(home) == 1:
                continue
            costs = [_change(point, home, g, used) for g in groups]
            target = groups[int(np.argmin(costs))]
            if min(costs) < 0:
                home.remove(point)
                target.append(point)
                improved = True
    return groups


def _change(point: Sizes, home: list[Sizes], target: list[Sizes], used: Mapping[Sizes, int]) -> int:
    if target is home:
        return 0
    rest = [p for p in home if p != point]
    before = _group_cost(home, used) + _group_cost(target, used)
    return _group_cost(rest, used) + _group_cost([*target, point], used) - before


def _group_cost(group: Sequence[Sizes], used: Mapping[Sizes, int]) -> int:
    return prod(_hull(group)) * sum(used[p] for p in group)
