"""tensor_reduce, tensor_scalar_reduce and exponential against float64, and their legality."""

from __future__ import annotations

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

NUMPY: dict[str, Callable[..., Any]] = {
    "add": np.sum,
    "multiply": np.prod,
    "maximum": np.max,
    "minimum": np.min,
    "subtract": lambda x, axis: 2 * x[:, 0] - x.sum(axis=axis),
    "logical_and": np.all,
    "logical_or": np.any,
    "logical_xor": lambda x, axis: (x != 0).sum(axis=axis) % 2,
}


@pytest.mark.parametrize("op", sorted(NUMPY))
@pytest.mark.parametrize("kind", [*FLOATS, "int32", "uint8", "int16"])
def test_reduce(op: str, kind: str):
    x = whole(96, 7, kind=kind, low=0, high=3, seed=3)
    call = lambda d, t: nisa.tensor_reduce(d, getattr(nl, op), t, axis=1)  # noqa: E731
    (got,) = run(call, [x], [((96, 1), "float32")])
    assert np.array_equal(got[:, 0], NUMPY[op](float64(x), axis=1))


@pytest.mark.parametrize("kind", FLOATS)
def test_sum_is_rounded_once(kind: str):
    x = normal(128, 50, kind=kind)
    call = lambda d, t: nisa.tensor_reduce(d, nl.add, t, axis=1, negate=True)  # noqa: E731
    wide, narrow = (run(call, [x], [((128, 1), k)])[0] for k in ("float32", kind))
    close(wide, -float64(x).sum(1, keepdims=True), slack=100)
    assert np.array_equal(narrow, wide.astype(of(kind)))


@given(
    rows=st.integers(1, 6), columns=st.integers(1, 300), seed=st.integers(0, 10**6),
    kind=st.sampled_from(["float32", "bfloat16"]),
)  # fmt: skip
def test_float32_sum_runs_from_left_to_right(rows: int, columns: int, seed: int, kind: str):
    x = normal(rows, columns, seed=seed, kind=kind, scale=100)
    (got,) = run(lambda d, t: nisa.tensor_reduce(d, nl.add, t, 1), [x], [((rows, 1), "float32")])
    for row, total in zip(x.astype(np.float32), got[:, 0], strict=True):
        state = row[0]
        for value in row[1:]:
            state = np.float32(state + value)
        assert total == state


@pytest.mark.parametrize("axis", [3, -1, (2, 3), [2, 3], (-1, -2), (1, 2, 3), (3, 1, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_axes(axis: Any, keepdims: bool):
    x = whole(32, 3, 4, 5)
    numpy_axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    expected = float64(x).sum(axis=numpy_axes, keepdims=keepdims)
    shape = expected.shape if expected.ndim > 1 else (32, 1)
    call = lambda d, t: nisa.tensor_reduce(d, nl.add, t, axis, keepdims=keepdims)  # noqa: E731
    (got,) = run(call, [x], [(shape, "float32")])
    assert np.array_equal(got, expected.reshape(shape))


@pytest.mark.parametrize("at", [0, 3, 11])
@pytest.mark.parametrize("axis", [1, (1, 2)])
def test_one_result_per_partition_may_go_into_the_data(at: int, axis: Any):
    x = normal(32, 12, seed=at)

    def call(out: Any, tile: Any) -> None:
        data = tile if axis == 1 else tile.reshape((32, 3, 4))
        nisa.tensor_reduce(tile[:, at : at + 1], nl.maximum, data, axis=axis, negate=True)
        nisa.tensor_copy(out, tile)

    (got,) = run(call, [x], [((32, 12), "float32")])
    wanted = x.copy()
    wanted[:, at] = -x.max(axis=1)
    assert np.array_equal(got, wanted)


def test_several_results_do_not_go_into_the_data():
    def body() -> None:
        tile = sbuf(32, 3, 4)
        nisa.tensor_reduce(tile[:, 0, 0:3], nl.add, tile, axis=2)

    refused(body, "overlap without being equal")


@pytest.mark.parametrize("op", ["bitwise_and", "bitwise_or", "bitwise_xor"])
@pytest.mark.parametrize("kind", ["uint8", "int16", "uint32", "int32"])
def test_bit_reductions_see_bits(op: str, kind: str):
    x = whole(64, 9, kind=kind, low=0, high=2**31 if "32" in kind else 100)
    expected = getattr(np, op).reduce(x, axis=1)[:, None]
    call = lambda d, t: nisa.tensor_reduce(d, getattr(nl, op), t, axis=(1,))  # noqa: E731
    (got,) = run(call, [x], [((64, 1), kind)])
    assert np.array_equal(got, expected)


def test_large_integers_lose_bits_in_a_sum():
    x = np.array([[2**24 + 1, 0]], np.int32)
    (got,) = run(lambda d, t: nisa.tensor_reduce(d, nl.add, t, 1), [x], [((1, 1), "int32")])
    assert got[0, 0] == 2**24


def test_nan_goes_through_extremes():
    x = np.array([[1, np.nan, 2], [3, 1, 2]], np.float32)
    (got,) = run(lambda d, t: nisa.tensor_reduce(d, nl.maximum, t, 1), [x], [((2, 1), "float32")])
    assert np.isnan(got[0, 0]) and got[1, 0] == 3


def reduce(**options: Any) -> Any:
    wanted: dict[str, Any] = {"op": nl.add, "axis": 1, **options}
    data = wanted.pop("data", None)
    data = sbuf(8, 4) if data is None else data
    dst = wanted.pop("dst", None)
    return nisa.tensor_reduce(sbuf(8, 1) if dst is None else dst, data=data, **wanted)


RULES: list[tuple[str, Callable[[], Any], str]] = [
    ("middle dim", lambda: reduce(data=sbuf(8, 4, 4), dst=sbuf(8, 4)), "last free dims"),
    ("partition dim", lambda: reduce(axis=0), "last free dims"),
    ("all dims", lambda: reduce(axis=(0, 1)), "last free dims"),
    ("no dim", lambda: reduce(axis=()), "last free dims"),
    ("twice the dim", lambda: reduce(axis=(1, 1)), "last free dims"),
    ("dim of a 2-D tile", lambda: reduce(axis=2), "last free dims"),
    ("axis of floats", lambda: reduce(axis=1.0), "whole number"),
    ("comparison", lambda: reduce(op=nl.equal), "reduction"),
    ("magnitude", lambda: reduce(op=nl.abs_max), "expected"),
    ("dst size", lambda: reduce(dst=sbuf(8, 2)), r"\(8, 1\)"),
    ("dst partitions", lambda: reduce(dst=sbuf(4, 1)), r"\(8, 1\)"),
    ("bits of floats", lambda: reduce(op=nl.bitwise_or), "integer types"),
    ("negated bits", lambda: reduce(
        op=nl.bitwise_or, data=sbuf(8, 4, kind="int32"), dst=sbuf(8, 1, kind="int32"), negate=True
    ), "an arithmetic one"),
    ("packed", lambda: reduce(data=sbuf(8, 4, kind="float8_e4m3fn_x4")),
     "single numbers|NeuronCore-v4"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), [r[1:] for r in RULES], ids=[r[0] for r in RULES])
@pytest.mark.parametrize("chip", ["trn2", "trn3"])
def test_reduce_refuses(body: Callable[[], Any], message: str, chip: str):
    refused(body, message, chip)


# -- tensor_scalar_reduce ----------------------------------------------------------------------


@pytest.mark.parametrize("reduce_op", ["add", "multiply", "maximum", "minimum"])
@pytest.mark.parametrize("kind", FLOATS)
def test_scalar_reduce(reduce_op: str, kind: str):
    x, c = normal(128, 40, kind=kind, scale=0.1), normal(128, 1)
    call = lambda d, r, t, col: nisa.tensor_scalar_reduce(  # noqa: E731
        d, t, nl.add, col, getattr(nl, reduce_op), r, reduce_res_negate=reduce_op == "add"
    )
    got, total = run(call, [x, c], [((128, 40), kind), ((128, 1), "float32")])
    expected = float64(x) + float64(c)
    close(got, expected, kind)
    sign = -1 if reduce_op == "add" else 1
    close(total, sign * NUMPY[reduce_op](expected, axis=1).reshape(-1, 1), slack=100)


def test_scalar_reduce_goes_on_over_tiles_without_reading_out():
    x = whole(64, 3, 10, kind="bfloat16")

    def call(total: Any, t: Any) -> None:
        waste = nl.ndarray((64, 10), nl.float32, nl.sbuf)
        for i, command in enumerate((CMD.reset_reduce, CMD.reduce, CMD.reduce)):
            nisa.tensor_scalar_reduce(
                waste, t[:, i], nl.multiply, 2.0, nl.add, total if i == 2 else None,
                reduce_cmd=command,
            )  # fmt: skip

    (got,) = run(call, [x], [((64, 1), "float32")])
    assert np.array_equal(got[:, 0], 2 * float64(x).sum((1, 2)))


@pytest.mark.parametrize("initial", ["number", "tile"])
def test_scalar_reduce_starts_from_what_is_loaded(initial: str):
    x, start = whole(32, 10, kind="float32"), whole(32, 1, kind="float32", seed=1)

    def call(d: Any, total: Any, t: Any, s: Any) -> None:
        init = s if initial == "tile" else 5.0
        nisa.tensor_scalar_reduce(
            d, t, nl.abs, None, nl.add, total, reduce_cmd=CMD.load_reduce, reduce_init=init
        )

    _, got = run(call, [x, start], [((32, 10), "float32"), ((32, 1), "float32")])
    expected = np.abs(x).sum(1) + (start[:, 0] if initial == "tile" else 5)
    assert np.array_equal(got[:, 0], expected)


def tsr(**options: Any) -> Any:
    wanted: dict[str, Any] = {
        "op0": nl.add, "operand0": 1.0, "reduce_op": nl.add, "reduce_res": sbuf(8, 1), **options
    }  # fmt: skip
    return nisa.tensor_scalar_reduce(sbuf(8, 4), sbuf(8, 4), **wanted)


TSR_RULES: list[tuple[str, Callable[[], Any], str]] = [
    ("bit operator", lambda: tsr(op0=nl.bitwise_and, operand0=1), "binary arithmetic"),
    ("power", lambda: tsr(op0=nl.power), "GpSimd"),
    ("reverse", lambda: tsr(reverse0=True), "reverse0"),
    ("reduction", lambda: tsr(reduce_op=nl.subtract), "one of nl.add"),
    ("idle", lambda: tsr(reduce_cmd=CMD.idle), "one of reset_reduce"),
    ("reset", lambda: tsr(reduce_cmd=CMD.reset), "one of reset_reduce"),
    ("not a command", lambda: tsr(reduce_cmd=3), "one of reset_reduce"),
    ("nothing to load", lambda: tsr(reduce_cmd=CMD.load_reduce), "initial value"),
    ("load without command", lambda: tsr(reduce_init=1.0), "load_reduce to load it"),
    ("initial of bf16", lambda: tsr(
        reduce_cmd=CMD.load_reduce, reduce_init=sbuf(8, 1, kind="bfloat16")), "expected float32"),
    ("nothing before", lambda: tsr(reduce_cmd=CMD.reduce), "never written"),
    ("result size", lambda: tsr(reduce_res=sbuf(8, 2)), r"\(8, 1\)"),
    ("operand of bf16", lambda: tsr(operand0=sbuf(8, 1, kind="bfloat16")), "expected float32"),
    ("operand of a unary", lambda: tsr(op0=nl.abs, operand0=2.0), "None for the unary"),
    ("magnitude before gen4", lambda: tsr(op0=nl.abs_max), "expected an operator that trn2 has"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "message"), [r[1:] for r in TSR_RULES], ids=[r[0] for r in TSR_RULES]
)
def test_scalar_reduce_refuses(body: Callable[[], Any], message: str):
    refused(body, message)


def test_magnitude_as_an_operator_on_gen4():
    x = np.array([[-5, 2, 3, -3]], np.float32)
    call = lambda d, r, t: nisa.tensor_scalar_reduce(d, t, nl.abs_max, 3.0, nl.add, r)  # noqa: E731
    got, total = run(call, [x], [((1, 4), "float32"), ((1, 1), "float32")], chip="gen4")
    assert got.tolist() == [[-5, 3, 3, 3]] and total[0, 0] == 4  # a tie gives the second


# -- exponential -------------------------------------------------------------------------------

INTO = ("float8_e4m3", "float8_e5m2", "float16", "bfloat16", "float32", "int8", "int32", "uint16")


@pytest.mark.parametrize("kind", INTO)
@pytest.mark.parametrize("source", ["float32", "bfloat16", "int16", "uint32"])
def test_exponential(kind: str, source: str):
    x = whole(64, 30, kind=source, low=0, high=3)
    top = whole(64, 1, kind="float32", low=0, high=2)
    call = lambda d, r, t, m: nisa.exponential(d, t, m, r, CMD.reset_reduce)  # noqa: E731
    got, total = run(call, [x, top], [((64, 30), kind), ((64, 1), "float32")], chip="gen4")
    expected = np.exp(float64(x) - top)
    if np.dtype(of(kind)).kind in "iu":
        assert np.array_equal(got, np.rint(expected))
    else:
        close(got, expected, kind)
    close(total, expected.sum(1, keepdims=True), slack=40)


def test_exponential_goes_on():
    x = normal(32, 2, 8)

    def call(d: Any, total: Any, t: Any) -> None:
        nisa.exponential(d[:, 0], t[:, 0], 1.0, reduce_cmd=CMD.load_reduce, reduce_init=3.0)
        nisa.exponential(d[:, 1], t[:, 1], 1.0, total, CMD.reduce)

    _, got = run(call, [x], [((32, 2, 8), "float32"), ((32, 1), "float32")], chip="gen4")
    close(got, 3 + np.exp(float64(x) - 1).sum((1, 2)).reshape(-1, 1), slack=20)


def test_idle_leaves_the_accumulator_undefined():
    def body() -> None:
        nisa.exponential(sbuf(8, 8), sbuf(8, 8), reduce_cmd=CMD.reset_reduce)
        nisa.exponential(sbuf(8, 8), sbuf(8, 8))
        nisa.exponential(sbuf(8, 8), sbuf(8, 8), reduce_cmd=CMD.reduce)

    refused(body, "never written", "trn3")


def test_lanes_are_apart():
    def body() -> None:
        tile = sbuf(128, 8)
        nisa.exponential(tile[0:32], tile[0:32], reduce_cmd=CMD.reset_reduce)
        nisa.exponential(tile[32:64], tile[32:64], reduce_cmd=CMD.reduce)

    refused(body, "never written", "trn3")


def exp(**options: Any) -> Any:
    dst, src = options.pop("dst", None), options.pop("src", None)
    return nisa.exponential(
        sbuf(8, 8) if dst is None else dst, sbuf(8, 8) if src is None else src, **options
    )


EXP_RULES: list[tuple[str, Callable[[], Any], str]] = [
    ("dst", lambda: exp(dst=sbuf(8, 8, kind="uint32")), "exponential dst"),
    ("src", lambda: exp(src=sbuf(8, 8, kind="float8_e4m3fn")), "exponential src"),
    ("dims", lambda: exp(src=sbuf(8, 2, 2, 2, 2), dst=sbuf(8, 16)), "at most 3"),
    ("result kind", lambda: exp(reduce_res=sbuf(8, 1, kind="int32"), reduce_cmd=CMD.reset_reduce),
     "exponential reduce_res"),
    ("result while idle", lambda: exp(reduce_res=sbuf(8, 1)), "reduce_cmd idle"),
    ("reset alone", lambda: exp(reduce_cmd=CMD.reset), "one of idle"),
    ("initial", lambda: exp(reduce_init=1.0, reduce_cmd=CMD.reset_reduce), "load_reduce"),
    ("maximum of bf16", lambda: exp(max_value=sbuf(8, 1, kind="bfloat16")), "expected float32"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "message"), [r[1:] for r in EXP_RULES], ids=[r[0] for r in EXP_RULES]
)
def test_exponential_refuses(body: Callable[[], Any], message: str):
    refused(body, message, "trn3")


@pytest.mark.parametrize("chip", ["trn1", "trn2"])
def test_exponential_needs_its_chip(chip: str):
    refused(exp, "use activation", chip)


# -- cycles ------------------------------------------------------------------------------------


def test_cycles():
    def body() -> None:
        bf16, wide = sbuf(128, 512, kind="bfloat16"), sbuf(128, 512)
        nisa.tensor_reduce(sbuf(128, 1, kind="bfloat16"), nl.add, bf16, 1)
        nisa.tensor_reduce(sbuf(128, 1), nl.add, bf16, 1)
        nisa.tensor_reduce(sbuf(128, 1, kind="bfloat16"), nl.multiply, bf16, 1)
        nisa.tensor_scalar_reduce(wide, wide, nl.add, 1.0, nl.add, sbuf(128, 1))
        nisa.tensor_reduce(sbuf(128, 1), nl.add, sbuf(128, 10), 1)
        nisa.exponential(wide, wide)
        nisa.exponential(wide, wide, 0.0, sbuf(128, 1), CMD.reset_reduce)

    cycles = [i.work.cycles for i in traced(body, "trn3") if i.op != "memset"]
    assert cycles == [256, 512, 512, 512 + 64, 64, 128, 128 + 64]


def test_one_operand_in_psum_is_fine():
    traced(lambda: nisa.tensor_reduce(psum(8, 1), nl.add, psum(8, 4), 1))
