"""Reductions across partitions, sequence bounds, nonzero positions and top k, against loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.errors import KernelError
from glia.isa.target import target_of
from isa.vector_engine.harness import (
    close,
    float64,
    normal,
    of,
    psum,
    refused,
    run,
    sbuf,
    traced,
    whole,
)

# -- tensor_partition_reduce -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["add", "average", "maximum"])
@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_reduce_across_partitions(name: str, kind: str):
    x = normal(100, 6, 5, kind=kind)
    op = getattr(nl, name)
    got = run(lambda d, s: nisa.tensor_partition_reduce(d, op, s), [x], [((1, 30), "float32")])[0]
    expected = {"add": np.sum, "average": np.mean, "maximum": np.max}[name](float64(x), axis=0)
    close(got.reshape(6, 5), expected, slack=128)


def test_sums_run_from_the_first_partition_on():
    x = normal(128, 9, scale=1e3)
    call = lambda d, s: nisa.tensor_partition_reduce(d, nl.add, s)  # noqa: E731
    total = np.zeros(9, np.float32)
    for row in x:
        total = total + row
    assert np.array_equal(run(call, [x], [((1, 9), "float32")])[0][0], total)


@pytest.mark.parametrize("name", ["bitwise_and", "bitwise_or", "bitwise_xor"])
def test_bit_operators_across_partitions(name: str):
    x = whole(20, 9, kind="int32", low=0, high=2**31 - 1)
    op = getattr(nl, name)
    got = run(lambda d, s: nisa.tensor_partition_reduce(d, op, s), [x], [((1, 9), "int32")])[0]
    assert np.array_equal(got[0], getattr(np, name).reduce(x, axis=0))


def test_int32_sums_are_exact():
    x = whole(128, 9, kind="int32", low=2**23, high=2**24)
    call = lambda d, s: nisa.tensor_partition_reduce(d, nl.add, s)  # noqa: E731
    assert np.array_equal(run(call, [x], [((1, 9), "int32")])[0][0], x.sum(0))


# -- sequence_bounds ---------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    ids=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    kind=st.sampled_from(["int32", "float32"]),
)
def test_sequence_bounds(ids: list[int], kind: str):
    n = len(ids)
    x = np.array([ids], of(kind))
    got = run(nisa.sequence_bounds, [x], [((1, 2, n), kind)])[0][0]
    for i, value in enumerate(ids):
        first, last = i, i + 1
        while first > 0 and ids[first - 1] == value:
            first -= 1
        while last < n and ids[last] == value:
            last += 1
        assert got[:, i].tolist() == ([first, last] if value else [n, -1])


def test_the_example_of_the_documentation():
    x = np.array([[0, 1, 1, 2, 2, 2, 0, 3, 3]], np.int32)
    got = run(nisa.sequence_bounds, [x], [((1, 2, 9), "int32")])[0][0]
    assert got.tolist() == [[9, 1, 1, 3, 3, 3, 9, 7, 7], [-1, 3, 3, 6, 6, 6, -1, 9, 9]]


@pytest.mark.parametrize("bad", [-1.0, 0.5])
def test_ids_are_whole_and_not_negative(bad: float):
    with pytest.raises(KernelError, match="whole numbers of at least 0"):
        run(nisa.sequence_bounds, [np.array([[1, bad]], np.float32)], [((1, 2, 2), "float32")])


# -- nonzero_with_count ------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(
    cores=st.integers(1, 8), n=st.integers(1, 40), offset=st.integers(-99, 99),
    padding=st.integers(-9, 9), kind=st.sampled_from(["int32", "float32"]),
)  # fmt: skip
def test_nonzero_with_count(cores: int, n: int, offset: int, padding: int, kind: str):
    rows = 16 * cores
    x = whole(rows, n, kind=kind, low=-1, high=2)

    def call(dst: Any, data: Any) -> None:
        nisa.memset(dst, 77)
        nisa.nonzero_with_count(dst, data, offset, padding)

    got = run(call, [x], [((rows, n + 1), "int32")], "trn2")[0]
    for p in range(rows):
        places = [i + offset for i in range(n) if x[p, i] != 0]
        filled = places + [padding] * (n - len(places)) + [len(places)]
        assert got[p].tolist() == (filled if p % 16 == 0 else [77] * (n + 1))


def test_the_example_of_the_stub():
    x = np.zeros((16, 8), np.float32)
    x[0] = [0, 1, 1, 0, 0, 1, 0, 0]

    def call(dst: Any, data: Any) -> None:
        nisa.memset(dst, 0)
        nisa.nonzero_with_count(dst, data, index_offset=16)

    got = run(call, [x], [((16, 9), "int32")], "trn2")[0][0]
    assert got.tolist() == [17, 18, 21, -1, -1, -1, -1, -1, 3]


def test_a_core_whose_partition_was_never_written_gives_nothing():
    def body(row: int) -> None:
        src, dst = nl.ndarray((32, 4), "int32", nl.sbuf), nl.ndarray((32, 5), "int32", nl.sbuf)
        nisa.memset(src[0:16], 1)
        nisa.nonzero_with_count(dst, src)
        nisa.dma_copy(nl.ndarray((1, 5), "int32", nl.hbm), dst[row : row + 1])

    traced(lambda: body(0))
    refused(lambda: body(16), "memory never written")
    refused(lambda: body(1), "memory never written")


# -- topk --------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(cores=st.integers(1, 8), n=st.integers(8, 70), data=st.data(), seed=st.integers(0, 9))
def test_topk(cores: int, n: int, data: st.DataObject, seed: int):
    k, columns = data.draw(st.integers(1, n)), -(-n // 16)
    x = whole(16 * cores, columns, kind="bfloat16", seed=seed)
    call = lambda v, i, s: nisa.topk(v, i, s, n)  # noqa: E731
    outs = [((16 * cores, k), "bfloat16"), ((16 * cores, k), "uint32")]
    values, places = run(call, [x], outs)
    for p in range(16 * cores):
        group = x[p // 16 * 16 :][:16]
        snake = [float(group[i % 16, i // 16]) for i in range(n)]
        first = sorted(range(n), key=lambda i: (-snake[i], i))[:k]
        order = sorted(first, key=lambda i: (snake[i], i))
        assert places[p].tolist() == order
        assert values[p].astype(float).tolist() == [snake[i] for i in order]


# -- legality and cost -------------------------------------------------------------------------


def nonzero(rows: int = 16, n: int = 4, kind: str = "int32", out: Any = None, **more: Any) -> Any:
    dst = sbuf(rows, n + 1, kind="int32") if out is None else out
    return nisa.nonzero_with_count(dst, sbuf(rows, n, kind=kind), **more)


def top(k: int = 4, n: int = 16, rows: int = 16, columns: int = 1, kind: str = "bfloat16",
        index: str = "uint32", out: str = "bfloat16", k2: int = 0) -> Any:  # fmt: skip
    return nisa.topk(
        sbuf(rows, k, kind=out), sbuf(rows, k2 or k, kind=index), sbuf(rows, columns, kind=kind), n
    )


def seq(n: int = 8, kind: str = "int32", out: tuple[int, ...] = (1, 2, 8), rows: int = 1) -> Any:
    return nisa.sequence_bounds(sbuf(*out, kind=kind), sbuf(rows, n, kind=kind))


def across(op: Any = nl.add, out: Any = (1, 4), kind: str = "float32", data: Any = None) -> Any:
    source = sbuf(8, 4, kind=kind) if data is None else data
    return nisa.tensor_partition_reduce(sbuf(*out, kind=kind), op, source)


RULES: list[tuple[str, Callable[[], Any], str, str]] = [
    ("reduce op", lambda: across(nl.multiply), "nl.average", "trn2"),
    ("reduce shape", lambda: across(out=(1, 5)), r"\(1, 4\)", "trn2"),
    ("reduce rows", lambda: across(out=(2, 4)), r"\(1, 4\)", "trn2"),
    ("reduce bits of floats", lambda: across(nl.bitwise_or), "integer types", "trn2"),
    ("reduce in psum", lambda: across(data=psum(8, 4)), "expected sbuf", "trn2"),
    ("bounds kind", lambda: seq(kind="int16"), "float32 or int32", "trn2"),
    ("bounds rows", lambda: seq(rows=2), "got 2 partitions", "trn2"),
    ("bounds shape", lambda: seq(out=(1, 16)), r"\(1, 2, 8\)", "trn2"),
    ("nonzero gen2", lambda: nonzero(), "a chip that has it", "trn1"),
    ("nonzero kind", lambda: nonzero(kind="int16"), "float32 or int32", "trn2"),
    ("nonzero result kind", lambda: nonzero(out=sbuf(16, 5)), "expected int32", "trn2"),
    ("nonzero shape", lambda: nonzero(out=sbuf(16, 4, kind="int32")), r"\(16, 5\)", "trn2"),
    ("nonzero offset", lambda: nonzero(index_offset=2**31), "an int32", "trn2"),
    ("nonzero padding", lambda: nonzero(padding_val=0.5), "an int32", "trn2"),
    ("top kind", lambda: top(kind="float32"), "expected bfloat16", "trn2"),
    ("top values", lambda: top(out="float32"), "expected bfloat16", "trn2"),
    ("top positions", lambda: top(index="int32"), "expected uint32", "trn2"),
    ("top rows", lambda: top(rows=8), "a multiple of 16", "trn2"),
    ("top few", lambda: top(n=7), r"8\.\.65535", "trn2"),
    ("top many", lambda: top(n=65536, columns=4096), r"8\.\.65535", "trn2"),
    ("top k", lambda: top(k=17), "at most 16", "trn2"),
    ("top shapes", lambda: top(k2=5), r"\(16, 4\)", "trn2"),
    ("top columns", lambda: top(n=17), "at least 2", "trn2"),
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=[r[0] for r in RULES])
def test_refused(rule: tuple[str, Callable[[], Any], str, str]):
    _, body, message, chip = rule
    refused(body, message, chip)


def test_costs():
    target = target_of("trn2")
    bodies: list[tuple[Callable[[], Any], float]] = [
        (lambda: top(n=160, columns=10, k=20), 4 * 160 + 20),  # printed: 4 n + K
        (lambda: seq(n=99, out=(1, 2, 99)), 2 * 99 * target.serial_cycles),
        (lambda: nonzero(n=99), 99 * target.serial_cycles),
        (lambda: across(out=(1, 99), data=sbuf(8, 99)), 99 * target.partition_reduce_cycles),
    ]
    for body, expected in bodies:
        assert traced(body)[-1].work.cycles == expected
