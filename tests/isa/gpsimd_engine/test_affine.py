"""iota and affine_select against loops over the documented pseudo code's terms."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glia.nki.isa as nisa
import glia.nki.language as nl
from isa.vector_engine.harness import normal, of, psum, refused, run, sbuf, traced

PATTERNS = st.lists(st.tuples(st.integers(-70, 70), st.integers(1, 5)), min_size=1, max_size=4)


def by_hand(pattern: list[tuple[int, int]], rows: int, offset: int, multiplier: int) -> np.ndarray:
    """The affine value of every element, one after another."""
    places = list(itertools.product(*(range(n) for _, n in pattern)))
    return np.array(
        [
            [
                offset + p * multiplier + sum(i * s for i, (s, _) in zip(at, pattern, strict=True))
                for at in places
            ]
            for p in range(rows)
        ]
    )


@settings(max_examples=25, deadline=None)
@given(
    pattern=PATTERNS, rows=st.integers(1, 64), offset=st.integers(-900, 900),
    multiplier=st.integers(-30, 30), kind=st.sampled_from(["int32", "float32", "bfloat16", "int8"]),
)  # fmt: skip
def test_iota(pattern: Any, rows: int, offset: int, multiplier: int, kind: str):
    size = int(np.prod([n for _, n in pattern]))
    call = lambda d: nisa.iota(d, [list(p) for p in pattern], offset, multiplier)  # noqa: E731
    got = run(call, [], [((rows, size), kind)])[0]
    expected = by_hand(pattern, rows, offset, multiplier)
    if kind == "int8":
        expected = expected.clip(-128, 127)
    assert np.array_equal(got, expected.astype(of(kind)))


def test_iota_wraps_in_32_bits_and_fills_any_shape():
    def call(dst: Any) -> None:
        nisa.iota(dst, [[2**30, 6]], offset=2**31 - 1)

    got = run(call, [], [((2, 3, 2), "int32")])[0]
    expected = (2**31 - 1 + 2**30 * np.arange(6)).astype(np.int32)
    assert np.array_equal(got.reshape(2, 6), [expected, expected])


COMPARISONS: dict[str, Callable[..., Any]] = {
    "equal": np.equal, "not_equal": np.not_equal, "greater": np.greater,
    "greater_equal": np.greater_equal, "less": np.less, "less_equal": np.less_equal,
}  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(
    pattern=PATTERNS, rows=st.integers(1, 64), offset=st.integers(-50, 50),
    multiplier=st.integers(-9, 9), name=st.sampled_from(sorted(COMPARISONS)),
    kinds=st.sampled_from(
        [("float32", "float32"), ("float32", "bfloat16"), ("int32", "float32"), ("int32", "int32")]
    ),
)  # fmt: skip
def test_affine_select(
    pattern: Any, rows: int, offset: int, multiplier: int, name: str, kinds: tuple[str, str]
):
    size = int(np.prod([n for _, n in pattern]))
    x = normal(rows, size, scale=99).astype(of(kinds[0]))

    def call(dst: Any, data: Any) -> None:
        nisa.affine_select(dst, pattern, multiplier, data, -7.0, getattr(nl, name), offset)

    got = run(call, [x], [((rows, size), kinds[1])])[0]
    keep = COMPARISONS[name](by_hand(pattern, rows, offset, multiplier), 0)
    assert np.array_equal(got, np.where(keep, x.astype(np.float32), -7).astype(of(kinds[1])))


def test_kept_elements_keep_their_bits_and_equal_is_the_default():
    x = np.full((4, 4), 2**24 + 1, np.int32)
    got = run(lambda d, s: nisa.affine_select(d, [[-1, 4]], 1, s, 0.0), [x], [((4, 4), "int32")])[0]
    assert np.array_equal(got, np.diag(np.diag(x)))


def test_the_most_negative_float_becomes_minus_infinity_in_bfloat16():
    x = normal(4, 4, kind="bfloat16")
    low = float(np.finfo(np.float32).min)
    call = lambda d, s: nisa.affine_select(d, [[1, 4]], 0, s, low, nl.less)  # noqa: E731
    got = run(call, [x], [((4, 4), "bfloat16")])[0]
    assert np.all(got == ml_dtypes.bfloat16(-np.inf))


def select(**options: Any) -> Any:
    settled = {
        "pattern": [[1, 8]], "channel_multiplier": 0, "on_true_tile": sbuf(8, 8),
        "on_false_value": 0.0, **options,
    }  # fmt: skip
    return nisa.affine_select(sbuf(8, 8), **settled)


RULES: list[tuple[str, Callable[[], Any], str]] = [
    ("psum", lambda: nisa.iota(psum(8, 8), [[1, 8]]), "expected sbuf"),
    ("elements", lambda: nisa.iota(sbuf(8, 8), [[1, 7]]), "with 8 elements"),
    ("five pairs", lambda: nisa.iota(sbuf(8, 8), [[1, 1]] * 4 + [[1, 8]]), "up to 4"),
    ("no pairs", lambda: nisa.iota(sbuf(8, 1), []), "up to 4"),
    ("two negative numbers", lambda: nisa.iota(sbuf(8, 8), [[1, -2], [1, -4]]), "up to 4"),
    ("not pairs", lambda: nisa.iota(sbuf(8, 8), [1, 8]), "a list of"),
    ("fraction", lambda: nisa.iota(sbuf(8, 8), [[1, 8]], offset=0.5), "an int32"),
    ("large offset", lambda: nisa.iota(sbuf(8, 8), [[1, 8]], offset=2**31), "an int32"),
    ("packed", lambda: nisa.iota(sbuf(8, 8, kind="float8_e5m2_x4"), [[1, 8]]), "numbers"),
    ("no comparison", lambda: select(cmp_op=nl.add), "a comparison"),
    ("false tile", lambda: select(on_false_value=sbuf(8, 8)), "a number"),
    ("true shape", lambda: select(on_true_tile=sbuf(8, 9)), "dst's shape"),
    ("true in psum", lambda: select(on_true_tile=psum(8, 8)), "expected sbuf"),
    ("select elements", lambda: select(pattern=[[1, 9]]), "with 8 elements"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), [r[1:] for r in RULES], ids=[r[0] for r in RULES])
def test_refused(body: Callable[[], Any], message: str):
    refused(body, message)


def test_cost_is_one_element_per_cycle():
    made = traced(lambda: (nisa.iota(sbuf(8, 300), [[1, 300]]), select()))
    work = [i.work.cycles for i in made if i.op in ("iota", "affine_select")]
    assert work == [300, 64]
