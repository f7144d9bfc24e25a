"""activation, activation_reduce and activate2: operands, accumulator, legality, cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.isa.engines import engine
from glia.isa.target import target_of
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

F32 = "float32"


def sums(x: np.ndarray, start: Any = 0.0) -> np.ndarray:
    """Float32 sums of rows from left to right."""
    total = np.full(len(x), start, np.float32)
    for column in x.reshape(len(x), -1).T:
        total = (total + column).astype(np.float32)
    return total[:, None]


@pytest.mark.parametrize("kind", [*FLOATS, "int8", "int32"])
@pytest.mark.parametrize("out", ["float32", "bfloat16", "int16"])
def test_any_kind_in_and_out(kind: str, out: str):
    x = normal(64, 40, kind=kind) if "float" in kind else whole(64, 40, kind=kind)
    got = run(lambda d, s: nisa.activation(d, nl.square, s, scale=1.5), [x], [((64, 40), out)])[0]
    expected = np.square(x.astype(np.float32) * np.float32(1.5))
    if out == "int16":
        assert np.array_equal(got, np.rint(expected).clip(-(2**15), 2**15 - 1))
    else:
        assert np.array_equal(got, expected.astype(of(out)))


@settings(max_examples=20, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 128), st.integers(1, 60)),
    scale=st.sampled_from(["number", "column"]),
    bias=st.sampled_from(["none", "number", "column", "bfloat16"]),
)
def test_scale_and_bias_are_numbers_or_columns(shape: tuple[int, int], scale: str, bias: str):
    x, c = normal(*shape), normal(shape[0], 1, seed=2)
    narrow = normal(shape[0], 1, kind="bfloat16", seed=3)

    def call(dst: Any, data: Any, column: Any, half: Any) -> None:
        biases = {"none": None, "number": -0.75, "column": column, "bfloat16": half}
        scaled = 0.5 if scale == "number" else column
        nisa.activation(dst, nl.tanh, data, bias=biases[bias], scale=scaled)

    got = run(call, [x, c, narrow], [(shape, F32)])[0]
    shift = {"none": 0, "number": -0.75, "column": float64(c), "bfloat16": float64(narrow)}[bias]
    close(got, np.tanh(float64(x) * (0.5 if scale == "number" else float64(c)) + shift))


def test_psum_on_both_sides_and_dims_arranged_differently():
    x = normal(32, 4, 6)

    def call(dst: Any, data: Any) -> None:
        middle = nl.ndarray((32, 24), F32, nl.psum)
        nisa.activation(middle, nl.copy, data)
        nisa.activation(dst, nl.relu, middle)

    assert np.array_equal(run(call, [x], [((32, 6, 4), F32)])[0].reshape(x.shape), np.maximum(x, 0))


def test_prelu_without_a_slope_is_relu():
    x = normal(32, 24)
    got = run(lambda d, s: nisa.activation(d, nl.prelu, s), [x], [((32, 24), F32)])[0]
    assert np.array_equal(got, np.maximum(x, 0))


# -- accumulator -------------------------------------------------------------------------------


@pytest.mark.parametrize("api", ["activation", "activation_reduce"])
def test_the_sum_runs_left_to_right_before_rounding(api: str):
    x = normal(100, 333, kind="bfloat16")

    def call(dst: Any, total: Any, data: Any) -> None:
        if api == "activation_reduce":
            nisa.activation_reduce(dst, nl.square, data, nl.add, total)
        else:
            nisa.activation(
                dst, nl.square, data, reduce_op=nl.add, reduce_res=total,
                reduce_cmd=CMD.reset_reduce,
            )  # fmt: skip

    got, total = run(call, [x], [((100, 333), "bfloat16"), ((100, 1), F32)])
    square = np.square(x.astype(np.float32))
    assert np.array_equal(total, sums(square))
    assert np.array_equal(got, square.astype(of("bfloat16")))


def test_the_accumulator_is_carried_between_instructions():
    x, y = normal(48, 20), normal(48, 30, seed=8)

    def call(total: Any, one: Any, two: Any) -> None:
        scratch = nl.ndarray((48, 30), F32, nl.sbuf)
        nisa.activation(scratch[:, :20], nl.copy, one, reduce_cmd=CMD.reset)
        nisa.activation(scratch[:, :20], nl.exp, one, reduce_op=nl.add, reduce_cmd=CMD.reduce)
        nisa.activation(scratch, nl.sigmoid, two)  # idle keeps it
        nisa.activation(scratch, nl.square, two, reduce_op=nl.add, reduce_cmd=CMD.reduce)
        nisa.activation(scratch, nl.copy, two, reduce_res=total)  # reads it out

    got = run(call, [x, y], [((48, 1), F32)])[0]
    first = np.exp(float64(x)).astype(np.float32)
    assert np.array_equal(got, sums(np.square(y), sums(first)[:, 0]))


def test_reset_without_a_reduction_leaves_zero():
    def call(total: Any, data: Any) -> None:
        out = nl.ndarray((16, 8), F32, nl.sbuf)
        nisa.activation(out, nl.exp, data, reduce_cmd=CMD.reset, reduce_res=total)

    assert not run(call, [normal(16, 8)], [((16, 1), F32)])[0].any()


def test_lanes_are_the_partitions_of_the_data():
    """Two halves of the partitions accumulate apart from each other."""
    x = normal(64, 20)

    def call(total: Any, data: Any) -> None:
        out = nl.ndarray((64, 20), F32, nl.sbuf)
        for half in (slice(0, 32), slice(32, 64)):
            nisa.activation(
                out[half], nl.copy, data[half], reduce_op=nl.add, reduce_cmd=CMD.reset_reduce
            )
        nisa.activation(out, nl.copy, data, reduce_res=total)

    assert np.array_equal(run(call, [x], [((64, 1), F32)])[0], sums(x))


def test_results_may_be_discarded_for_their_sum():
    """A step of 0 writes all elements to one place, which then holds nothing defined."""
    x = normal(16, 20)

    def call(total: Any, data: Any) -> None:
        scratch = nl.ndarray((16, 1), F32, nl.sbuf)
        nowhere = scratch.ap([[1, 16], [0, 20]])
        nisa.activation_reduce(nowhere, nl.square, data, nl.add, total)

    assert np.array_equal(run(call, [x], [((16, 1), F32)])[0], sums(np.square(x)))

    def reads_it() -> None:
        scratch = sbuf(16, 1)
        nisa.activation_reduce(
            scratch.ap([[1, 16], [0, 20]]), nl.square, sbuf(16, 20), nl.add, sbuf(16, 1)
        )
        nisa.tensor_copy(sbuf(16, 1), scratch)

    refused(reads_it, "memory never written")
    refused(
        lambda: nisa.activation(sbuf(16, 1).ap([[1, 16], [0, 20]]), nl.exp, sbuf(16, 20)),
        "a broadcast view",
    )


# -- activate2 ---------------------------------------------------------------------------------

NUMPY: dict[str, Callable[[Any, Any], Any]] = {
    "multiply": np.multiply, "add": np.add, "subtract": np.subtract, "bypass": lambda x, _: x,
}  # fmt: skip
PAIRS = [
    ("multiply", "add"), ("multiply", "subtract"), ("multiply", "bypass"), ("add", "bypass"),
    ("subtract", "bypass"), ("bypass", "bypass"),
]  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("reverse", [(False, False), (True, False), (False, True), (True, True)])
def test_operator_pairs(pair: tuple[str, str], reverse: tuple[bool, bool]):
    x, c = normal(32, 24), normal(32, 1, seed=3)
    reverse = (reverse[0] and pair[0] != "bypass", reverse[1] and pair[1] != "bypass")

    def call(dst: Any, data: Any, column: Any) -> None:
        nisa.activate2(
            dst, nl.sigmoid, data, column, 0.25, getattr(nl, pair[0]), getattr(nl, pair[1]),
            reverse0=reverse[0], reverse1=reverse[1],
        )  # fmt: skip

    got = run(call, [x, c], [((32, 24), F32)], "trn3")[0]
    value = float64(x)
    for name, other, swapped in zip(pair, (float64(c), 0.25), reverse, strict=True):
        value = NUMPY[name](other, value) if swapped else NUMPY[name](value, other)
    close(got, 1 / (1 + np.exp(-value)))


@pytest.mark.parametrize("name", ["add", "maximum", "minimum", "abs_max", "abs_min"])
def test_activate2_reduces_by_its_operator(name: str):
    x = whole(32, 24, kind=F32)

    def call(total: Any, data: Any) -> None:
        out = nl.ndarray((32, 24), F32, nl.sbuf)
        options = {"op0": nl.bypass, "op1": nl.bypass, "reduce_op": getattr(nl, name)}
        nisa.activate2(
            out[:, :9], nl.copy, data[:, :9], None, None, reduce_cmd=CMD.reset_reduce, **options
        )
        nisa.activate2(
            out[:, :15], nl.copy, data[:, 9:], None, None, reduce_cmd=CMD.reduce,
            reduce_res=total, **options,
        )  # fmt: skip

    got = run(call, [x], [((32, 1), F32)], "trn3")[0][:, 0]
    size = np.abs(x)
    expected = {
        "add": x.sum(1), "maximum": x.max(1), "minimum": x.min(1),
        "abs_max": size.max(1), "abs_min": size.min(1),
    }[name]  # fmt: skip
    assert np.array_equal(np.abs(got) if "abs" in name else got, expected)


def test_prelu_by_number_or_column():
    x, c = normal(32, 24), normal(32, 1, seed=3)
    for slope in (0.25, "column"):

        def call(dst: Any, data: Any, column: Any, slope: Any = slope) -> None:
            chosen = column if slope == "column" else slope
            nisa.activate2(
                dst, nl.prelu, data, 0, 0, nl.bypass, nl.bypass, relu_param=chosen
            )  # fmt: skip

        got = run(call, [x, c], [((32, 24), F32)], "trn3")[0]
        factor = c if slope == "column" else np.float32(slope)
        assert np.array_equal(got, np.where(x > 0, x, x * factor))


# -- legality ----------------------------------------------------------------------------------


def act(op: Any = nl.exp, **options: Any) -> Any:
    return nisa.activation(sbuf(8, 8), op, sbuf(8, 8), **options)


def act2(op0: Any = nl.multiply, op1: Any = nl.add, **options: Any) -> Any:
    imm = options.pop("imm0", 1.0), options.pop("imm1", 1.0)
    return nisa.activate2(sbuf(8, 8), nl.exp, sbuf(8, 8), *imm, op0, op1, **options)


RULES: list[tuple[str, Callable[[], Any], str, str]] = [
    ("not a function", lambda: act(nl.add), "an activation function", "trn2"),
    ("shape", lambda: nisa.activation(sbuf(8, 8), nl.exp, sbuf(8, 9)), "dst's shape", "trn2"),
    ("scale kind", lambda: act(scale=sbuf(8, 1, kind="bfloat16")), "expected float32", "trn2"),
    ("scale shape", lambda: act(scale=sbuf(8, 2)), r"\(8, 1\)", "trn2"),
    ("scale text", lambda: act(scale="2"), r"a number or a \(P, 1\) tile", "trn2"),
    ("bias shape", lambda: act(bias=sbuf(4, 1)), r"\(8, 1\)", "trn2"),
    ("bias tfloat32", lambda: act(bias=sbuf(8, 1, kind="tfloat32")), "any other kind", "trn2"),
    ("constant bias", lambda: act(bias=1.0), "memset a tile", "trn1"),
    ("reciprocal bias", lambda: act(nl.reciprocal, bias=sbuf(8, 1)), "add it before", "trn1"),
    ("reduction", lambda: act(reduce_op=nl.maximum, reduce_cmd=CMD.reset_reduce),
     "expected nl.add", "trn2"),
    ("no operator", lambda: act(reduce_cmd=CMD.reset_reduce), "without reduce_op", "trn2"),
    ("command", lambda: act(reduce_op=nl.add, reduce_cmd=CMD.load_reduce),
     "got load_reduce", "trn2"),
    ("command by number", lambda: act(reduce_op=nl.add, reduce_cmd=2), "got 2", "trn2"),
    ("result shape", lambda: act(
        reduce_op=nl.add, reduce_cmd=CMD.reset_reduce, reduce_res=sbuf(8, 2)), r"\(8, 1\)", "trn2"),
    ("nothing reset", lambda: act(reduce_op=nl.add, reduce_cmd=CMD.reduce),
     "scalar accumulator.*memory never written", "trn2"),
    ("nothing to read out", lambda: act(reduce_res=sbuf(8, 1)),
     "scalar accumulator.*memory never written", "trn2"),
    ("gpsimd before gen4", lambda: act(engine=engine.gpsimd), "gpsimd on trn2", "trn2"),
    ("another engine", lambda: act(engine=engine.vector), "scalar or gpsimd", "trn3"),
    ("gpsimd sums", lambda: act(
        reduce_op=nl.add, reduce_cmd=CMD.reset_reduce, engine=engine.gpsimd),
     "only Scalar has an accumulator", "trn3"),
    ("gpsimd psum", lambda: nisa.activation(psum(8, 8), nl.exp, sbuf(8, 8), engine=engine.gpsimd),
     "a PSUM operand on gpsimd", "trn3"),
    ("activate2 before gen4", lambda: act2(), "a chip that has it", "trn2"),
    ("pair", lambda: act2(nl.add, nl.multiply), r"got \(add, multiply\)", "trn3"),
    ("bypass first", lambda: act2(nl.bypass, nl.add), r"got \(bypass, add\)", "trn3"),
    ("reversed bypass", lambda: act2(op1=nl.bypass, reverse1=True), "an operator op1", "trn3"),
    ("two kinds", lambda: act2(imm0=sbuf(8, 1), imm1=sbuf(8, 1, kind="bfloat16")),
     "one dtype", "trn3"),
    ("activate2 reduction", lambda: act2(reduce_op=nl.multiply, reduce_cmd=CMD.reset_reduce),
     "nl.abs_min", "trn3"),
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=[r[0] for r in RULES])
def test_refused(rule: tuple[str, Callable[[], Any], str, str]):
    _, body, message, chip = rule
    refused(body, message, chip)


@pytest.mark.parametrize("chip", ["trn2", "trn3"])
def test_later_generations_take_constants(chip: str):
    traced(lambda: (act(bias=1.0), act(nl.reciprocal, bias=1.0)), chip)


def test_gpsimd_computes_the_same():
    x = normal(32, 200)
    for on in (engine.scalar, engine.gpsimd):

        def call(dst: Any, again: Any, data: Any, on: Any = on) -> None:
            nisa.activation(dst, nl.tanh, data, scale=0.5, engine=on)
            nisa.activate2(again, nl.tanh, data, 0.5, 0, nl.multiply, nl.bypass, engine=on)

        got = run(call, [x], [((32, 200), F32)] * 2, "trn3")
        expected = np.tanh(float64(x) * 0.5)
        close(got[0], expected)
        close(got[1], expected)
    made = traced(lambda: act(engine=engine.gpsimd), "trn3")[-1]
    assert made.engine is engine.gpsimd and made.work.table == ""


# -- cost --------------------------------------------------------------------------------------


def test_one_element_per_cycle_and_a_short_read_out():
    def body() -> None:
        x, narrow = sbuf(8, 500), sbuf(8, 500, kind="bfloat16")
        nisa.activation(x, nl.exp, x)
        nisa.activation(narrow, nl.exp, narrow)
        nisa.activation(x[:, :3], nl.copy, x[:, :3])
        nisa.activation_reduce(x, nl.exp, x, nl.add, sbuf(8, 1))

    for chip, rate in (("trn2", 1), ("trn3", 2)):
        made = [i for i in traced(body, chip) if i.engine is engine.scalar]
        least = target_of(chip).scalar_min
        assert [i.work.cycles for i in made] == [500, 500 / rate, least, 500 + least]
        assert [i.work.table for i in made] == ["exp", "exp", "", "exp"]


def test_psum_operands_are_charged_as_psum():
    made = traced(lambda: nisa.activation(psum(8, 16), nl.copy, sbuf(8, 16)))[-1]
    assert (made.work.sram.sbuf_bytes, made.work.sram.psum_bytes) == (512, 512)
