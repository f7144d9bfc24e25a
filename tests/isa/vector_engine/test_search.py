"""max8, nc_find_index8 and nc_match_replace8: order of equal values, sentinels, legality."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import glia.nki.isa as nisa
from isa.vector_engine.harness import FLOATS, normal, refused, run, sbuf, traced, whole

KINDS = (*FLOATS, "int32", "uint8")
shapes = st.sampled_from([(8,), (9,), (64,), (3, 5), (4, 2)])


@pytest.mark.parametrize("kind", KINDS)
def test_max8(kind: str):
    x = whole(64, 100, kind=kind, low=0, high=90)
    (got,) = run(nisa.max8, [x], [((64, 8), kind)])
    assert got.tolist() == np.sort(x, axis=1)[:, :-9:-1].tolist()


def test_max8_converts():
    (got,) = run(nisa.max8, [normal(32, 4, 6)], [((32, 8), "bfloat16")])
    expected = np.sort(normal(32, 4, 6).reshape(32, 24), axis=1)[:, :-9:-1]
    assert np.array_equal(got, expected.astype(got.dtype))


def places(row: np.ndarray, vals: np.ndarray, order: list[int]) -> list[int]:
    """Each value takes the first match that no value before it took; -1 without one."""
    taken: set[tuple[float, int]] = set()
    found = [-1] * 8
    for slot in order:
        for at, element in enumerate(row):
            if element == vals[slot] and (element, at) not in taken:
                taken.add((element, at))
                found[slot] = at
                break
    return found


@given(shape=shapes, seed=st.integers(0, 10**6), high=st.integers(2, 12))
@pytest.mark.parametrize("kind", ["uint16", "uint32"])
def test_find_index8(kind: str, shape: tuple[int, ...], seed: int, high: int):
    x, vals = (
        whole(4, *dims, low=0, high=high, seed=s, kind="float32")
        for dims, s in ((shape, seed), ((8,), seed + 1))
    )
    (got,) = run(nisa.nc_find_index8, [x, vals], [((4, 8), kind)])
    missing = np.iinfo(kind).max
    for row, wanted, found in zip(x.reshape(4, -1), vals, got, strict=True):
        expected = places(row, wanted, list(range(8)))
        assert found.tolist() == [missing if at < 0 else at for at in expected]


@given(shape=shapes, seed=st.integers(0, 10**6), high=st.integers(2, 12), in_place=st.booleans())
def test_match_replace8(shape: tuple[int, ...], seed: int, high: int, in_place: bool):
    x, vals = (
        whole(4, *dims, low=0, high=high, seed=s, kind="float32")
        for dims, s in ((shape, seed), ((8,), seed + 1))
    )

    def call(d: Any, idx: Any, t: Any, v: Any) -> None:
        nisa.nc_match_replace8(t if in_place else d, t, v, float("-inf"), idx)
        if in_place:
            nisa.tensor_copy(d, t)

    got, index = run(call, [x, vals], [(x.shape, "float32"), ((4, 8), "uint32")])
    for row, wanted, result, at in zip(
        x.reshape(4, -1), vals, got.reshape(4, -1), index, strict=True
    ):
        expected = places(row, wanted, list(range(7, -1, -1)))
        changed = row.copy()
        changed[[p for p in expected if p >= 0]] = -np.inf
        assert np.array_equal(result, changed)
        assert at.tolist() == [2**32 - 1 if p < 0 else p for p in expected]


def test_example_of_the_documentation():
    data = np.array([[1, 2, 3, 4, 8, 8, 8, 8, 8, 8, 8]], np.float32)
    vals = np.array([[3, 8, 8, 8, 8, 8, 8, 8]], np.float32)
    outs = [((1, 11), "float32"), ((1, 8), "uint32")]
    call = lambda d, i, t, v: nisa.nc_match_replace8(d, t, v, imm=0.0, dst_idx=i)  # noqa: E731
    got, index = run(call, [data, vals], outs)
    assert index.tolist() == [[2, 10, 9, 8, 7, 6, 5, 4]]
    assert got.tolist() == [[1, 2, 0, 4] + [0] * 7]
    (found,) = run(nisa.nc_find_index8, [data, vals], [((1, 8), "uint32")])
    assert found.tolist() == [[2, 4, 5, 6, 7, 8, 9, 10]]


def test_a_replacement_is_not_matched_again():
    """imm may equal a value that is looked for: each element of the stream is seen once."""
    data = np.array([[5, 1, 2, 3, 4, 6, 7, 9]], np.float32)
    vals = np.array([[0, 0, 0, 0, 0, 0, 0, 5]], np.float32)
    outs = [((1, 8), "float32"), ((1, 8), "uint32")]
    call = lambda d, i, t, v: nisa.nc_match_replace8(d, t, v, 0.0, i)  # noqa: E731
    got, index = run(call, [data, vals], outs)
    assert got.tolist() == [[0, 1, 2, 3, 4, 6, 7, 9]]
    assert index.tolist() == [[2**32 - 1] * 7 + [0]]


def test_other_dtypes_are_converted_and_equal_ones_kept():
    x = np.arange(16, dtype=np.int32).reshape(1, 16) + 2**24
    vals = np.arange(8, dtype=np.float32).reshape(1, 8)
    call = lambda d, t, v: nisa.nc_match_replace8(d, t, v, 7)  # noqa: E731
    (same,) = run(call, [x, vals], [((1, 16), "int32")])
    (wide,) = run(call, [x, vals], [((1, 16), "float32")])
    assert np.array_equal(same, x) and np.array_equal(wide, x.astype(np.float32))


def search(name: str, **options: Any) -> Any:
    wanted: dict[str, Any] = {"dst": sbuf(4, 8, kind="uint32"), "data": sbuf(4, 64)}
    if name == "nc_match_replace8":
        wanted |= {"dst": sbuf(4, 64), "imm": 0.0}
    wanted |= {"vals": sbuf(4, 8), **options}
    return getattr(nisa, name)(**wanted)


FIND, REPLACE = "nc_find_index8", "nc_match_replace8"
RULES: list[tuple[str, Callable[[], Any], str]] = [
    ("max8 of 7", lambda: nisa.max8(sbuf(4, 8), sbuf(4, 7)), r"8\.\.16384"),
    ("max8 of 16385", lambda: nisa.max8(sbuf(4, 8), sbuf(4, 16385)), r"8\.\.16384"),
    ("max8 dst", lambda: nisa.max8(sbuf(4, 9), sbuf(4, 64)), r"\(4, 8\)"),
    ("max8 dst dims", lambda: nisa.max8(sbuf(4, 2, 4), sbuf(4, 64)), "expected 2"),
    ("max8 partitions", lambda: nisa.max8(sbuf(8, 8), sbuf(4, 64)), r"\(4, 8\)"),
    ("max8 dims", lambda: nisa.max8(sbuf(4, 8), sbuf(4, 2, 4, 4)), "at most 2"),
    ("find data", lambda: search(FIND, data=sbuf(4, 7)), r"8\.\.16384"),
    ("find vals", lambda: search(FIND, vals=sbuf(4, 7)), r"\(4, 8\)"),
    ("find dst size", lambda: search(FIND, dst=sbuf(4, 7, kind="uint32")), r"\(4, 8\)"),
    ("find dst kind", lambda: search(FIND, dst=sbuf(4, 8, kind="int32")), "uint16, uint32"),
    ("replace data", lambda: search(REPLACE, data=sbuf(4, 7), dst=sbuf(4, 7)), r"8\.\.16384"),
    ("replace vals", lambda: search(REPLACE, vals=sbuf(4, 9)), r"\(4, 8\)"),
    ("replace shape", lambda: search(REPLACE, dst=sbuf(4, 63)), "dst's shape"),
    ("replace index", lambda: search(REPLACE, dst_idx=sbuf(4, 8, kind="int16")), "uint16, uint32"),
    ("replace imm", lambda: search(REPLACE, imm=sbuf(4, 1)), "a number"),
    ("replace imm of ints", lambda: search(REPLACE, dst=sbuf(4, 64, kind="uint8"), imm=0.5),
     "whole number"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), [r[1:] for r in RULES], ids=[r[0] for r in RULES])
def test_refused(body: Callable[[], Any], message: str):
    refused(body, message)


def test_cycles():
    def body() -> None:
        search(FIND)
        search(REPLACE, data=sbuf(4, 300), dst=sbuf(4, 300))
        nisa.max8(sbuf(4, 8), sbuf(4, 700))

    assert [i.work.cycles for i in traced(body) if i.op != "memset"] == [64, 300, 700]
