"""range_select and select_reduce against their NumPy meaning, and their legality."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import glia.nki.isa as nisa
import glia.nki.language as nl
from isa.vector_engine.harness import (
    CMD,
    FLOATS,
    normal,
    of,
    psum,
    refused,
    run,
    sbuf,
    traced,
    whole,
)

LEAST = np.finfo(np.float32).min
COMPARE = {
    "equal": operator.eq,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
}


@given(
    names=st.tuples(st.sampled_from(sorted(COMPARE)), st.sampled_from(sorted(COMPARE))),
    start=st.integers(-50, 2**24 - 40), shape=st.sampled_from([(40,), (5, 8), (1,)]),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_range(names: tuple[str, str], start: int, shape: tuple[int, ...], seed: int):
    x = normal(8, *shape, seed=seed)
    size = x[0].size
    low = whole(8, 1, seed=seed, low=start, high=start + size + 1, kind="float32")
    high = whole(8, 1, seed=seed + 1, low=start, high=start + size + 1, kind="float32")

    def call(d: Any, top: Any, t: Any, a: Any, b: Any) -> None:
        first, second = (getattr(nl, name) for name in names)
        nisa.range_select(d, t, first, second, a, b, range_start=start, reduce_res=top)

    got, top = run(call, [x, low, high], [(x.shape, "float32"), ((8, 1), "float32")], chip="gen3")
    for p in range(8):
        for i, value in enumerate(x[p].reshape(-1)):
            keep = COMPARE[names[0]](i + start, low[p, 0]) and COMPARE[names[1]](
                i + start, high[p, 0]
            )
            assert got[p].reshape(-1)[i] == (value if keep else LEAST)
        assert top[p, 0] == got[p].max()


@pytest.mark.parametrize("kind", FLOATS)
def test_range_fill_in_narrow_types_is_minus_inf(kind: str):
    x, low = normal(16, 8, kind=kind), np.full((16, 1), 4, np.float32)
    call = lambda d, r, t, a: nisa.range_select(  # noqa: E731
        dst=d,
        on_true_tile=t,
        comp_op0=nl.less,
        comp_op1=nl.less,
        bound0=a,
        bound1=a,
        reduce_res=r,
        on_false_value=-3.4028235e38,
    )
    got, top = run(call, [x, low], [((16, 8), kind), ((16, 1), "float32")], chip="gen3")
    assert np.array_equal(got[:, :4], x[:, :4])
    assert np.all(got[:, 4:] == (LEAST if kind == "float32" else -np.inf))
    assert np.array_equal(top[:, 0], x[:, :4].astype(np.float32).max(1))


def test_range_chain_of_the_documentation():
    """Reduce over three tiles; only the last reads the accumulator out."""
    x = normal(64, 3, 20)

    def call(top: Any, t: Any) -> None:
        low, high, waste = sbuf(64, 1, fill=0), sbuf(64, 1, fill=45), sbuf(64, 20)
        for i, command in enumerate((CMD.reset_reduce, CMD.reduce, CMD.reduce)):
            nisa.range_select(
                waste, t[:, i], nl.greater_equal, nl.less, low, high, command,
                top if i == 2 else None, range_start=20 * i,
            )  # fmt: skip

    (got,) = run(call, [x], [((64, 1), "float32")], chip="gen3")
    assert np.array_equal(got[:, 0], x.reshape(64, 60)[:, :45].max(1))


def test_reset_alone_leaves_the_identity():
    x = normal(8, 8)

    def call(top: Any, t: Any) -> None:
        low, waste = sbuf(8, 1), sbuf(8, 8)
        nisa.range_select(waste, t, nl.greater, nl.greater, low, low, CMD.reset)
        nisa.range_select(waste, t, nl.greater, nl.greater, low, low, CMD.reduce, top)

    (got,) = run(call, [x], [((8, 1), "float32")], chip="gen3")
    assert np.array_equal(got[:, 0], x[:, 1:].max(1))


def rs(**options: Any) -> Any:
    wanted: dict[str, Any] = {
        "dst": sbuf(8, 8), "on_true_tile": sbuf(8, 8), "comp_op0": nl.less, "comp_op1": nl.less,
        "bound0": sbuf(8, 1), "bound1": sbuf(8, 1), **options,
    }  # fmt: skip
    return nisa.range_select(**wanted)


RANGE_RULES: list[tuple[str, Callable[[], Any], str]] = [
    ("fill", lambda: rs(on_false_value=0.0), "the least float32"),
    ("comparison", lambda: rs(comp_op0=nl.not_equal), "comp_op0"),
    ("second comparison", lambda: rs(comp_op1=nl.add), "comp_op1"),
    ("integers", lambda: rs(on_true_tile=sbuf(8, 8, kind="int32")), "floating-point"),
    ("bound of bf16", lambda: rs(bound0=sbuf(8, 1, kind="bfloat16")), "bound0"),
    ("bound size", lambda: rs(bound1=sbuf(8, 2)), r"\(8, 1\)"),
    ("beyond 2^24", lambda: rs(range_start=2**24), "at most 16777216"),
    ("start of floats", lambda: rs(range_start=0.5), "whole number"),
    ("reduction", lambda: rs(reduce_op=nl.add), "nl.maximum"),
    ("load", lambda: rs(reduce_cmd=CMD.load_reduce), "one of idle"),
    ("shape", lambda: rs(on_true_tile=sbuf(8, 9)), "dst's shape"),
    ("nothing before", lambda: rs(reduce_cmd=CMD.reduce), "never written"),
    ("after idle", lambda: (rs(), rs(reduce_cmd=CMD.idle), rs(reduce_cmd=CMD.reduce)),
     "never written"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "message"), [r[1:] for r in RANGE_RULES], ids=[r[0] for r in RANGE_RULES]
)
def test_range_refuses(body: Callable[[], Any], message: str):
    refused(body, message)


def test_range_needs_its_chip():
    refused(rs, "use affine_select", "trn1")


# -- select_reduce -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*FLOATS, "int16", "uint8"])
@pytest.mark.parametrize("predicate", ["int8", "uint8", "int16", "uint16", "bool"])
@pytest.mark.parametrize("reverse", [False, True])
def test_select(kind: str, predicate: str, reverse: bool):
    x, pred = whole(32, 12, kind=kind, low=0), whole(32, 12, kind=predicate, low=0, high=3)
    other = whole(32, 1, kind="float32", seed=4)

    def call(d: Any, top: Any, p: Any, t: Any, f: Any) -> None:
        nisa.select_reduce(d, p, t, f, top, CMD.reset_reduce, nl.maximum, reverse_pred=reverse)

    outs = [((32, 12), "float32"), ((32, 1), "bfloat16")]
    got, top = run(call, [pred, x, other], outs)
    expected = np.where((pred != 0) != reverse, x.astype(np.float32), other)
    assert np.array_equal(got, expected)
    assert np.array_equal(top[:, 0].astype(np.float32), expected.max(1))


def test_select_of_the_documentation():
    """Ones where the predicate holds, the least float32 elsewhere; idle keeps no maximum."""
    pred = np.repeat(np.array([1, 0], np.uint8), 32)[:, None] * np.ones((1, 8), np.uint8)
    call = lambda d, p, t: nisa.select_reduce(dst=d, predicate=p, on_true=t, on_false=LEAST)  # noqa: E731
    (got,) = run(call, [pred, np.ones((64, 8), np.float32)], [((64, 8), "float32")])
    assert np.all(got[:32] == 1) and np.all(got[32:] == LEAST)


def test_select_goes_on_in_other_instructions():
    """The register is one for all instructions: a maximum started here ends there."""
    x, y = normal(16, 6), normal(16, 6, seed=1)

    def call(top: Any, t: Any, u: Any) -> None:
        waste, yes = sbuf(16, 6), sbuf(16, 6, kind="uint8", fill=1)
        nisa.select_reduce(waste, yes, t, 0.0, reduce_cmd=CMD.reset_reduce)
        nisa.tensor_scalar_reduce(waste, u, nl.add, 1.0, nl.maximum, top, reduce_cmd=CMD.reduce)

    (got,) = run(call, [x, y], [((16, 1), "float32")])
    assert np.array_equal(got[:, 0], np.maximum(x.max(1), (y + np.float32(1)).max(1)))


def sr(**options: Any) -> Any:
    wanted: dict[str, Any] = {
        "dst": sbuf(8, 8), "predicate": sbuf(8, 8, kind="uint8"), "on_true": sbuf(8, 8),
        "on_false": 0.0, **options,
    }  # fmt: skip
    return nisa.select_reduce(**wanted)


SELECT_RULES: list[tuple[str, Callable[[], Any], str]] = [
    ("both in psum", lambda: sr(predicate=psum(8, 8, kind="uint8"), on_true=psum(8, 8)),
     "both inputs in PSUM"),
    ("predicate kind", lambda: sr(predicate=sbuf(8, 8, kind="int32")), "select_reduce predicate"),
    ("32-bit integers", lambda: sr(on_true=sbuf(8, 8, kind="int32")), "no tfloat32"),
    ("tfloat32", lambda: sr(on_true=sbuf(8, 8, kind="tfloat32")), "no tfloat32"),
    ("on_false size", lambda: sr(on_false=sbuf(8, 8)), r"\(8, 1\)"),
    ("on_false text", lambda: sr(on_false="0"), "on_false"),
    ("reduction", lambda: sr(reduce_op=nl.minimum), "nl.maximum"),
    ("command", lambda: sr(reduce_cmd=CMD.load_reduce), "one of idle"),
    ("result of ints", lambda: sr(reduce_cmd=CMD.reset_reduce, reduce_res=sbuf(8, 1, kind="int32")),
     "floating-point"),
    ("result while idle", lambda: sr(reduce_res=sbuf(8, 1)), "reduce_cmd idle"),
    ("result size", lambda: sr(reduce_cmd=CMD.reset_reduce, reduce_res=sbuf(8, 8)), r"\(8, 1\)"),
    ("shape", lambda: sr(predicate=sbuf(8, 9, kind="uint8")), "dst's shape"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "message"), [r[1:] for r in SELECT_RULES], ids=[r[0] for r in SELECT_RULES]
)
def test_select_refuses(body: Callable[[], Any], message: str):
    refused(body, message)


def test_cycles():
    def body() -> None:
        tile, pred = sbuf(128, 500), sbuf(128, 500, kind="uint8")
        nisa.select_reduce(tile, pred, tile, 0.0)
        nisa.select_reduce(tile, pred, psum(128, 500), 0.0)
        nisa.range_select(tile, tile, nl.less, nl.less, sbuf(128, 1), sbuf(128, 1))

    assert [i.work.cycles for i in traced(body) if i.op != "memset"] == [1000, 500, 500]


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_dtype_of_the_result(kind: str):
    x = normal(8, 8)
    call = lambda d, p, t: nisa.select_reduce(d, p, t, 1.0)  # noqa: E731
    (got,) = run(call, [np.ones((8, 8), np.uint8), x], [((8, 8), kind)])
    assert np.array_equal(got, x.astype(of(kind)))
