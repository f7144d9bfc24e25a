"""Collectives split in prepare and trigger (NKI 0.7), against plain arithmetic on the host."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import glia.nki as nki
import glia.nki.collectives as ncc
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.errors import KernelError

# The public pages nki.collectives.all_to_all_v_prepare and the like (2.33).
PREPARE = {
    "srcs": inspect.Parameter.empty, "dsts": inspect.Parameter.empty,
    "replica_group": inspect.Parameter.empty, "metadata_tensor": inspect.Parameter.empty,
    "recv_counts_known": False, "has_rdispls": False, "priority": None, "name": None,
}  # fmt: skip
TRIGGER = {"prepare_instr": inspect.Parameter.empty, "name": None}
GROUP = ncc.ReplicaGroup([[0, 1, 2]])
COUNTS = np.array([[1, 2, 0], [3, 1, 2], [0, 0, 4]])  # from rank i to rank j
DISPLS = np.array([[0, 5, 0], [0, 4, 6], [0, 0, 2]])


@pytest.mark.parametrize("what", ["all_to_all_v", "all_gather_v"])
def test_signatures(what: str):
    for suffix, expected in (("prepare", PREPARE), ("trigger", TRIGGER)):
        found = inspect.signature(getattr(ncc, f"{what}_{suffix}")).parameters
        assert {n: p.default for n, p in found.items()} == expected


def tables() -> list[np.ndarray]:
    return [np.array([COUNTS[r], DISPLS[r], [99] * 3], np.uint32) for r in range(3)]


def on_ranks(kernel: Callable[..., Any]) -> list[Any]:
    rng = np.random.default_rng(7)
    xs = [rng.normal(size=(1, 12)).astype(np.float32) for _ in range(3)]
    found = nki.simulate_ranks(kernel, 3, target="trn2")(list(zip(xs, tables(), strict=True)))
    return list(zip(found, [expected(xs, j) for j in range(3)], strict=True))


def expected(xs: list[np.ndarray], rank: int) -> np.ndarray:
    out = np.zeros((1, 24), np.float32)
    for i, x in enumerate(xs):
        count, start = COUNTS[i, rank], DISPLS[i, rank]
        out[0, 8 * i : 8 * i + count] = x[0, start : start + count]
    return out


def test_the_setup_reads_no_source_and_keeps_the_metadata():
    def kernel(x: Any, table: Any) -> Any:
        out = nl.ndarray((1, 24), x.dtype, nl.shared_hbm)
        nisa.dma_copy(out, nl.zeros((1, 24), x.dtype))
        source = nl.ndarray(x.shape, x.dtype, nl.private_hbm)
        counts = nl.ndarray(table.shape, table.dtype, nl.private_hbm)
        nisa.dma_copy(counts, table)
        prepared = ncc.all_to_all_v_prepare([source], [out], GROUP, counts)
        nisa.dma_copy(source, x)  # filled after the prepare
        nisa.dma_copy(counts[0:2], nl.zeros((2, 3), nl.uint32))  # too late to change anything
        ncc.all_to_all_v_trigger(prepared)
        nisa.dma_copy(table, counts)
        return out, table

    for rank, ((out, table), wanted) in enumerate(on_ranks(kernel)):
        assert np.array_equal(out, wanted)
        assert np.array_equal(table[2], COUNTS[:, rank])  # what was received, in its place


def test_the_trigger_reads_what_must_be_written():
    def kernel(x: Any, table: Any) -> Any:
        out = nl.ndarray((1, 24), x.dtype, nl.shared_hbm)
        nisa.dma_copy(out, nl.zeros((1, 24), x.dtype))
        source = nl.ndarray(x.shape, x.dtype, nl.private_hbm)
        ncc.all_to_all_v_trigger(ncc.all_to_all_v_prepare([source], [out], GROUP, table))
        return out

    with pytest.raises(KernelError, match=r"all_to_all_v reading .* memory never written"):
        on_ranks(kernel)


def wrong(order: str) -> Callable[..., Any]:
    def kernel(x: Any, table: Any) -> Any:
        out = nl.ndarray((1, 24), x.dtype, nl.shared_hbm)
        nisa.dma_copy(out, nl.zeros((1, 24), x.dtype))
        made = []
        for step in order:
            if step == "p":
                made.append(ncc.all_to_all_v_prepare([x], [out], GROUP, table))
            elif step == "t":
                ncc.all_to_all_v_trigger(made[-1])
            elif step == "g":
                ncc.all_gather_v_trigger(made[-1])
            elif step == "c":
                made.append(nisa.dma_copy(out, out))
        return out

    return kernel


@pytest.mark.parametrize(
    ("order", "text"),
    [
        ("pp", r"all_to_all_v_prepare: got another while .* of line \d+ waits"),
        ("ptt", "got what no prepare returned, or was triggered before"),
        ("pg", "all_gather_v_trigger prepare_instr: got another's"),
        ("ct", "got what no prepare returned"),
        ("p", r"ending the kernel: got all_to_all_v_prepare of line \d+ without its trigger"),
    ],
)
def test_the_order_of_the_two(order: str, text: str):
    with pytest.raises(KernelError, match=text):
        on_ranks(wrong(order))


def test_twice_one_after_the_other():
    assert all(np.array_equal(got, wanted) for got, wanted in on_ranks(wrong("ptpt")))


def test_all_gather_v():
    group, sizes = ncc.ReplicaGroup([[0, 1, 2, 3]]), (2, 0, 4, 1)

    def kernel(x: Any, table: Any) -> Any:
        out = nl.ndarray((1, 16), x.dtype, nl.shared_hbm)
        if nl.program_id(0) == 0:
            nisa.dma_copy(out, nl.zeros((1, 16), x.dtype))
        nisa.core_barrier(out, (0, 1))
        made = ncc.all_gather_v_prepare([x], [out], group, table, recv_counts_known=True)
        ncc.all_gather_v_trigger(made)
        return out

    xs = [np.full((1, 6), 1 + i, np.float32) for i in range(4)]
    given = [
        (x, np.array([[n] * 4, [1] * 4, [0] * 4], np.uint32))
        for x, n in zip(xs, sizes, strict=True)
    ]
    wanted = np.zeros((4, 4), np.float32)
    for i, n in enumerate(sizes):
        wanted[i, :n] = 1 + i
    for got in nki.simulate_ranks(kernel, 4, target="trn2")[2](given):
        assert np.array_equal(got.reshape(4, 4), wanted)
