"""Collectives over virtual ranks against NumPy, and one refusal per rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glia.nki as nki
import glia.nki.collectives as ncc
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.errors import KernelError

KINDS = [np.float32, np.int32, ml_dtypes.bfloat16]
REDUCE = {"add": np.add, "maximum": np.maximum, "minimum": np.minimum}


def inputs(num_ranks: int, shape: tuple[int, ...], kind: Any = np.float32) -> list[np.ndarray]:
    rng = np.random.default_rng(num_ranks)
    return [rng.integers(-9, 9, shape).astype(kind) for _ in range(num_ranks)]


def on_ranks(kernel: Any, xs: list[np.ndarray], cores: int = 1, target: str = "trn2") -> list[Any]:
    simulation = nki.simulate_ranks(kernel, len(xs), target=target)[cores]
    return simulation([(x,) for x in xs])


def call(
    collective: Callable[..., Any], shape: tuple[int, ...], sbuf: bool, **options: Any
) -> Callable[[Any], Any]:
    """A kernel that hands its argument to a collective and returns a result of this shape."""

    def kernel(x: Any) -> Any:
        out = nl.ndarray(shape, x.dtype, nl.shared_hbm)
        if sbuf:
            got = nl.ndarray(shape, x.dtype)
            collective([nl.load(x)], [got], **options)
            nisa.dma_copy(out, got)
        else:
            collective([x], [out], **options)
        return out

    return kernel


GROUPS = [[[0, 1, 2, 3]], [[0, 2], [1, 3]], [[3, 1, 0, 2]]]


def members(groups: list[list[int]], rank: int) -> list[int]:
    return next(group for group in groups if rank in group)


@pytest.mark.parametrize("groups", GROUPS, ids=str)
@pytest.mark.parametrize("op", REDUCE)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sbuf", [False, True])
def test_all_reduce(groups: Any, op: str, kind: Any, sbuf: bool):
    xs = inputs(4, (8, 6), kind)
    group = ncc.ReplicaGroup(groups)
    kernel = call(ncc.all_reduce, (8, 6), sbuf, replica_group=group, op=getattr(nl, op))
    for rank, got in enumerate(on_ranks(kernel, xs)):
        wide = [xs[r].astype(np.float64) for r in members(groups, rank)]
        assert np.array_equal(got.astype(np.float64), REDUCE[op].reduce(wide))


def test_reductions_of_integers_saturate_as_a_dma_does():
    """By hand: 3 * 200 is more than a byte, and 3 * -100 less than a signed one."""
    group = ncc.ReplicaGroup([[0, 1, 2]])
    for kind, value, expected in ((np.uint8, 200, 255), (np.int8, -100, -128)):
        xs = [np.full((3, 4), value, kind)] * 3
        reduce = call(ncc.all_reduce, (3, 4), False, replica_group=group, op=nl.add)
        scatter = call(
            ncc.reduce_scatter, (1, 4), False, replica_group=group, collective_dim=0, op=nl.add
        )
        for kernel in (reduce, scatter):
            assert all(np.all(got == expected) for got in on_ranks(kernel, xs))


@pytest.mark.parametrize("groups", GROUPS, ids=str)
@pytest.mark.parametrize(("sbuf", "dim"), [(False, 0), (True, 0), (True, 1)])
def test_all_gather(groups: Any, sbuf: bool, dim: int):
    xs, size = inputs(4, (8, 6)), len(groups[0])
    shape = (8 * size, 6) if dim == 0 else (8, 6 * size)
    group = ncc.ReplicaGroup(groups)
    kernel = call(ncc.all_gather, shape, sbuf, replica_group=group, collective_dim=dim)
    for rank, got in enumerate(on_ranks(kernel, xs)):
        expected = np.concatenate([xs[r] for r in members(groups, rank)], axis=dim)
        assert np.array_equal(got, expected)


@pytest.mark.parametrize("groups", GROUPS, ids=str)
def test_reduce_scatter_and_all_to_all(groups: Any):
    xs, size = inputs(4, (8, 6)), len(groups[0])
    group = ncc.ReplicaGroup(groups)
    scatter = call(
        ncc.reduce_scatter, (8 // size, 6), False, replica_group=group, collective_dim=0, op=nl.add
    )
    turn = call(ncc.all_to_all, (8, 6), False, replica_group=group, collective_dim=0)
    scattered, turned = on_ranks(scatter, xs), on_ranks(turn, xs)
    for rank in range(4):
        own = members(groups, rank)
        at = own.index(rank)
        total = sum(xs[r] for r in own)
        assert np.array_equal(scattered[rank], np.split(total, size)[at])
        expected = np.concatenate([np.split(xs[r], size)[at] for r in own])
        assert np.array_equal(turned[rank], expected)


def test_all_gather_of_parts_that_were_reduced_is_all_reduce():
    """reduce_scatter then all_gather against all_reduce, with several tensors in one call."""
    xs = inputs(4, (8, 6))
    group = ncc.ReplicaGroup([[0, 1, 2, 3]])

    def kernel(x: Any) -> Any:
        part = [nl.ndarray((2, 6), x.dtype, nl.shared_hbm) for _ in range(2)]
        whole = [nl.ndarray((8, 6), x.dtype, nl.shared_hbm) for _ in range(2)]
        ncc.reduce_scatter([x, x], part, group, 0, nl.add)
        ncc.all_gather(part, whole, group, 0)
        return whole

    for first, second in on_ranks(kernel, xs):
        assert np.array_equal(first, sum(xs))
        assert np.array_equal(second, sum(xs))


def test_collective_permute():
    xs = inputs(4, (8, 6))

    def kernel(x: Any) -> Any:
        out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        nisa.dma_copy(out, x)
        ncc.collective_permute([x], [out], [(0, 2), (2, 0), (1, 3)])
        return out

    got = on_ranks(kernel, xs)
    for rank, source in enumerate((2, 1, 0, 1)):
        assert np.array_equal(got[rank], xs[source])


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(4)), st.integers(1, 5), st.integers(1, 2))
def test_a_ring_says_whose_data_it_holds(order: Any, steps: int, channels: int):
    xs = inputs(4, (2, 4))
    group = ncc.ReplicaGroup([order])

    def kernel(x: Any) -> Any:
        out = nl.ndarray((channels, *x.shape), x.dtype, nl.shared_hbm)
        held = nl.ndarray((1, 1), nl.int32)
        ids = nl.ndarray((1, 1), nl.int32, nl.shared_hbm)
        bufs = [[nl.load(x) for _ in range(channels)]]
        for _ in range(steps):
            bufs.append([nl.ndarray(x.shape, x.dtype) for _ in range(channels)])
            ncc.collective_permute_implicit(
                [[b] for b in bufs[-2]], [[b] for b in bufs[-1]], group, list(range(channels))
            )
        for channel in range(channels):
            nisa.dma_copy(out[channel], bufs[-1][channel])
        rank = ncc.collective_permute_implicit_current_processing_rank_id(steps, group)
        nisa.register_store(held, rank)
        nisa.dma_copy(ids, held)
        return out, ids

    for rank, (got, held) in enumerate(on_ranks(kernel, xs)):
        expected = order[(order.index(rank) - steps) % 4]
        assert held.item() == expected
        assert all(np.array_equal(one, xs[expected]) for one in got)


def test_a_ring_that_reduces_as_it_goes():
    xs = inputs(3, (4, 4))
    group = ncc.ReplicaGroup([[0, 1, 2]])

    def kernel(x: Any) -> Any:
        total = x
        for _ in range(2):
            into = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
            ncc.collective_permute_implicit_reduce([[total]], [[x]], [[into]], group, nl.maximum)
            total = into
        return total

    for rank, got in enumerate(on_ranks(kernel, xs)):
        before = [xs[(rank - i) % 3] for i in (1, 2)]
        assert np.array_equal(got, np.maximum(*before))


def test_rank_id():
    def kernel(x: Any) -> Any:
        out = nl.ndarray((1, 1), nl.int32, nl.shared_hbm)
        nisa.register_store(out, ncc.rank_id())
        return out

    assert [g.item() for g in on_ranks(kernel, inputs(3, (1, 1)))] == [0, 1, 2]


@pytest.mark.parametrize("displaced", [False, True])
def test_all_to_all_v(displaced: bool):
    counts = np.array([[1, 2, 0], [3, 1, 2], [0, 0, 4]])  # from rank i to rank j
    displs = np.array([[0, 5, 0], [0, 4, 6], [0, 0, 2]])
    places = np.array([[0, 8, 4], [1, 4, 2], [0, 0, 10]])  # of rank j: where i's part goes
    xs = inputs(3, (1, 12))
    group = ncc.ReplicaGroup([[0, 1, 2]])

    def kernel(x: Any, table: Any) -> Any:
        out = nl.ndarray((1, 24), x.dtype, nl.shared_hbm)
        nisa.dma_copy(out, nl.zeros((1, 24), x.dtype))
        ncc.all_to_all_v([x], [out], group, table, has_rdispls=displaced)
        return out, table

    tables = []
    for rank in range(3):
        rows = [counts[rank], displs[rank], [99] * 3]
        rows += [places[rank]] if displaced else []
        tables.append(np.array(rows, np.uint32))
    got = nki.simulate_ranks(kernel, 3, target="trn3")(list(zip(xs, tables, strict=True)))
    for j, (out, table) in enumerate(got):
        expected = np.zeros((1, 24), np.float32)
        for i in range(3):
            at = places[j, i] if displaced else 8 * i
            part = xs[i][0, displs[i, j] : displs[i, j] + counts[i, j]]
            expected[0, at : at + counts[i, j]] = part
        assert np.array_equal(out, expected)
        assert np.array_equal(table[2], counts[:, j])


def gathered_v(counts: Any, cores: int = 2, **options: Any) -> list[Any]:
    group = ncc.ReplicaGroup([[0, 1, 2, 3]])

    def kernel(x: Any, table: Any) -> Any:
        out = nl.ndarray((1, 16), x.dtype, nl.shared_hbm)
        if nl.program_id(0) == 0:
            nisa.dma_copy(out, nl.zeros((1, 16), x.dtype))
        if nl.num_programs(0) == 2:
            nisa.core_barrier(out, (0, 1))
        ncc.all_gather_v([x], [out], group, table, recv_counts_known=True, **options)
        return out

    tables = [np.array([[n] * 4, [1] * 4, [0] * 4], np.uint32) for n in counts]
    args = list(zip(inputs(4, (1, 6)), tables, strict=True))
    return nki.simulate_ranks(kernel, 4, target="trn2")[cores](args)


def test_all_gather_v():
    counts, xs = (2, 0, 4, 1), inputs(4, (1, 6))
    expected = np.zeros((1, 16), np.float32)
    for i, count in enumerate(counts):
        expected[0, 4 * i : 4 * i + count] = xs[i][0, 1 : 1 + count]
    assert all(np.array_equal(got, expected) for got in gathered_v(counts))


def test_sizes_in_data_that_do_not_fit():
    with pytest.raises(KernelError, match="check the metadata"):
        gathered_v((6, 0, 0, 0))
    with pytest.raises(KernelError, match="slot of 4"):
        gathered_v((5, 0, 0, 0))
    with pytest.raises(KernelError, match="kernel\\[2\\]"):
        gathered_v((1, 1, 1, 1), cores=1)
    with pytest.raises(KernelError, match="has_rdispls"):
        gathered_v((1, 1, 1, 1), has_rdispls=True)


ALL = ncc.ReplicaGroup([[0, 1]])


def reduce_with(**changed: Any) -> Callable[[Any], Any]:
    def kernel(x: Any) -> Any:
        out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        given = {"srcs": [x], "dsts": [out], "replica_group": ALL, "op": nl.add}
        given |= {k: v(x, out) if callable(v) else v for k, v in changed.items()}
        ncc.all_reduce(**given)
        return out

    return kernel


def other(shape: Any, kind: Any = nl.float32, buffer: Any = nl.shared_hbm) -> Any:
    return lambda x, out: [nl.ndarray(shape, kind, buffer)]


REFUSED = [
    ("op", reduce_with(op=lambda x, out: nl.multiply), "nl.add, nl.minimum or nl.maximum"),
    ("no group", reduce_with(replica_group=[[0, 1]]), "a ReplicaGroup"),
    ("unknown rank", reduce_with(replica_group=ncc.ReplicaGroup([[0, 1, 2]])), "simulate_ranks"),
    ("left out", reduce_with(replica_group=ncc.ReplicaGroup([[0]])), "a list with rank 1"),
    ("counts", reduce_with(srcs=lambda x, out: [x, x]), "as many of each"),
    ("no list", reduce_with(srcs=lambda x, out: x), "a list of tensors"),
    ("shapes", reduce_with(dsts=other((4, 4))), "expected (8, 6)"),
    ("dtypes", reduce_with(dsts=other((8, 6), nl.bfloat16)), "one dtype"),
    ("mixed memory", reduce_with(dsts=other((8, 6), buffer=nl.sbuf)), "all in HBM or all in SBUF"),
    ("psum", reduce_with(srcs=other((8, 6), buffer=nl.psum), dsts=other((8, 6), buffer=nl.psum)),
     "all in HBM or all in SBUF"),
    ("several in sbuf", reduce_with(srcs=lambda x, out: [nl.load(x), nl.load(x)],
     dsts=lambda x, out: [nl.load(x), nl.load(x)]), "several only in HBM"),
    ("priority", reduce_with(priority=0), "DMA priorities"),
    ("gather dim", call(ncc.all_gather, (16, 6), False, replica_group=ALL, collective_dim=1),
     "collective_dim"),
    ("permute twice", call(ncc.collective_permute, (8, 6), False,
     source_target_pairs=[(0, 1), (1, 1)]), "a target twice"),
    ("permute outside", call(ncc.collective_permute, (8, 6), False,
     source_target_pairs=[(0, 2)]), "ranks 0..1"),
    ("permute sbuf", call(ncc.collective_permute, (8, 6), True, source_target_pairs=[(0, 1)]),
     "all in HBM"),
    ("all_to_all sbuf", call(ncc.all_to_all, (8, 6), True, replica_group=ALL, collective_dim=0),
     "all in HBM"),
]  # fmt: skip


@pytest.mark.parametrize(("kernel", "text"), [r[1:] for r in REFUSED],
                         ids=[r[0] for r in REFUSED])  # fmt: skip
def test_refused(kernel: Any, text: str):
    with pytest.raises(KernelError) as caught:
        on_ranks(kernel, inputs(2, (8, 6)))
    assert text in str(caught.value)


def test_sizes_that_the_group_does_not_divide():
    xs = inputs(3, (8, 6))
    group = ncc.ReplicaGroup([[0, 1, 2]])
    kernel = call(ncc.all_to_all, (8, 6), False, replica_group=group, collective_dim=0)
    with pytest.raises(KernelError, match="divides"):
        on_ranks(kernel, xs)


@pytest.mark.parametrize("groups", [[], [[]], [[0, 1], [1]], [[-1]]])
def test_groups_that_cannot_be(groups: Any):
    with pytest.raises(KernelError, match="ReplicaGroup"):
        ncc.ReplicaGroup(groups)


@pytest.mark.parametrize("ids", [[1], [0, 2], [], [0, 1, 2, 3, 4]])
def test_channels_that_cannot_be(ids: Any):
    def kernel(x: Any) -> Any:
        dsts = [[nl.ndarray(x.shape, x.dtype, nl.shared_hbm)] for _ in ids]
        ncc.collective_permute_implicit([[x] for _ in ids], dsts, ALL, ids)

    with pytest.raises(KernelError, match="channel_ids"):
        on_ranks(kernel, inputs(2, (8, 6)))


def test_a_collective_that_one_rank_does_not_reach():
    def kernel(x: Any) -> Any:
        out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        nisa.dma_copy(out, x)
        if ncc.rank_id().value == 0:
            ncc.all_reduce([x], [out], ALL, nl.add)
        return out

    with pytest.raises(KernelError, match="rank 1 core 0 at its end"):
        on_ranks(kernel, inputs(2, (8, 6)))


def test_one_rank_alone_names_the_way_out():
    with pytest.raises(KernelError, match="simulate_ranks"):
        nki.simulate(reduce_with(), target="trn2")(np.zeros((8, 6), np.float32))


def test_each_rank_has_its_own_arguments():
    with pytest.raises(KernelError, match="arguments for 1 ranks, expected 2"):
        nki.simulate_ranks(reduce_with(), 2)([(np.zeros((8, 6), np.float32),)])
    with pytest.raises(KernelError, match="at least 1"):
        nki.simulate_ranks(reduce_with(), 0)


def test_more_bytes_than_the_machine_has_free_are_refused_before_they_are_taken(monkeypatch):
    group = ncc.ReplicaGroup([[0, 1]])
    kernel = call(ncc.all_reduce, (8, 6), False, replica_group=group, op=nl.add)
    needed_bytes = 2 * 2 * 8 * 6 * 4  # ranks, source and destination
    place = "glia.isa.meetings.collectives.available_bytes"
    monkeypatch.setattr(place, lambda: needed_bytes - 1)
    with pytest.raises(KernelError, match=r"2 ranks that exchange .* this machine has free"):
        on_ranks(kernel, inputs(2, (8, 6)))
    monkeypatch.setattr(place, lambda: needed_bytes)
    assert len(on_ranks(kernel, inputs(2, (8, 6)))) == 2
