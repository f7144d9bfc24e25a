"""tensor_tensor, tensor_scalar, scalar_tensor_tensor, reciprocal: every operator and dtype."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.chips import load_chip
from glia.silicon import Timing
from isa.vector_engine.harness import (
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

Function = Callable[..., Any]
BINARY: dict[str, Function] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}
UNARY: dict[str, Function] = {
    "abs": np.abs,
    "square": np.square,
    "relu": lambda x: np.maximum(x, 0),
    "reciprocal": lambda x: 1 / x,
    "rsqrt": lambda x: x**-0.5,
}
BITS: dict[str, Function] = {
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
    "left_shift": np.left_shift,
    "right_shift": np.right_shift,
}
BINARY_TOKENS = {name: getattr(nl, name) for name in BINARY}
ENGINE = nisa.engine
rows = st.sampled_from([1, 7, 32, 33, 128])


@pytest.mark.parametrize("op", sorted(BINARY))
@pytest.mark.parametrize("kind", [*FLOATS, "int8", "int16", "uint8", "uint16"])
def test_tensor_tensor(op: str, kind: str):
    x, y = (whole(64, 33, kind=kind, low=0, high=4, seed=s) for s in (1, 2))
    call = lambda d, a, b: nisa.tensor_tensor(d, a, b, getattr(nl, op))  # noqa: E731
    (got,) = run(call, [x, y], [((64, 33), "float32")])
    assert np.array_equal(got, BINARY[op](float64(x), float64(y)))


@pytest.mark.parametrize("op", ["add", "subtract", "multiply"])
@pytest.mark.parametrize("kind", FLOATS)
def test_tensor_tensor_rounds_once(op: str, kind: str):
    x, y = normal(128, 50, kind=kind), normal(128, 50, kind=kind, seed=1)
    call = lambda d, a, b: nisa.tensor_tensor(d, a, b, op=getattr(nl, op))  # noqa: E731
    (got,) = run(call, [x, y], [((128, 50), kind)])
    exact = BINARY[op](x.astype(np.float32), y.astype(np.float32))
    assert np.array_equal(got, exact.astype(of(kind)))


@pytest.mark.parametrize("op", ["add", "subtract", "multiply", "maximum", "less"])
@pytest.mark.parametrize("kind", ["int32", "uint32"])
def test_32_bit_integers_are_exact_and_wrap_on_gpsimd(op: str, kind: str):
    limits = np.iinfo(kind)
    x, y = (whole(64, 9, kind=kind, low=limits.min, high=limits.max, seed=s) for s in (1, 2))
    call = lambda d, a, b: nisa.tensor_tensor(d, a, b, op=getattr(nl, op))  # noqa: E731
    (got,) = run(call, [x, y], [((64, 9), kind)])
    wide = BINARY[op](x.astype(object), y.astype(object))
    span = 2**32
    expected = np.vectorize(lambda v: (int(v) - limits.min) % span + limits.min)(wide)
    assert np.array_equal(got.astype(object), expected)


def test_32_bit_integers_on_vector_pass_through_float32():
    x, y = np.array([[2**24, 2**31 - 1]], np.int32), np.array([[1, 1]], np.int32)
    call = lambda d, a, b: nisa.tensor_tensor(d, a, b, nl.add, ENGINE.vector)  # noqa: E731
    (got,) = run(call, [x, y], [((1, 2), "int32")])
    assert got.tolist() == [[2**24, 2**31 - 1]]


def engine_of(body: Callable[[], Any], chip: str = "trn2") -> str:
    return traced(body, chip)[-1].engine.name


def test_who_runs_tensor_tensor():
    ints = lambda memory: nisa.tensor_tensor(  # noqa: E731
        memory(8, 8, kind="int32"), sbuf(8, 8, kind="int32"), sbuf(8, 8, kind="int32"), nl.add
    )
    assert engine_of(lambda: ints(sbuf)) == "gpsimd" and engine_of(lambda: ints(psum)) == "vector"
    floats = lambda op, *on: nisa.tensor_tensor(sbuf(8, 8), sbuf(8, 8), sbuf(8, 8), op, *on)  # noqa: E731
    assert engine_of(lambda: floats(nl.add)) == "vector"
    assert engine_of(lambda: floats(nl.add, ENGINE.gpsimd)) == "gpsimd"
    assert engine_of(lambda: floats(nl.power)) == "gpsimd"


def test_power():
    x, y = np.abs(normal(64, 20)) + np.float32(0.1), normal(64, 20, seed=1)
    call = lambda d, a, b: nisa.tensor_tensor(d, a, b, nl.power)  # noqa: E731
    (got,) = run(call, [x, y], [((64, 20), "float32")])
    close(got, float64(x) ** float64(y))


@pytest.mark.parametrize("op", sorted(BITS))
@pytest.mark.parametrize("kind", ["uint8", "uint16", "uint32", "int32", "int8"])
def test_bit_operations(op: str, kind: str):
    limits = np.iinfo(kind)
    x = whole(64, 9, kind=kind, low=0, high=limits.max)
    y = whole(64, 9, kind=kind, low=0, high=8)
    token = getattr(nl, op)
    calls: list[tuple[Function, Any]] = [
        (lambda d, a, b: nisa.tensor_tensor(d, a, b, token), y),
        (lambda d, a, b: nisa.tensor_scalar(d, a, token, 5), np.array(5, of(kind))),
        (lambda d, a, b: nisa.tensor_scalar(d, a, token, b[:, 0:1]), y[:, 0:1]),
    ]
    for call, other in calls:
        (got,) = run(call, [x, y], [((64, 9), kind)])
        assert np.array_equal(got, BITS[op](x, other))


def test_shift_right_brings_zeros_and_invert_flips():
    x = np.array([[-1, -(2**31), 7]], np.int32)
    call = lambda d, a: nisa.tensor_scalar(d, a, nl.right_shift, 28)  # noqa: E731
    (got,) = run(call, [x], [((1, 3), "int32")])
    assert got.tolist() == [[15, 8, 0]]
    call = lambda d, a: nisa.tensor_scalar(d, a, nl.invert, None, op1=nl.bitwise_and, operand1=-8)  # noqa: E731
    (got,) = run(call, [x], [((1, 3), "int32")])
    assert got.tolist() == [[0, 2**31 - 1 & -8, -8]]


# -- tensor_scalar -----------------------------------------------------------------------------


@given(
    op0=st.sampled_from(sorted(BINARY)), op1=st.sampled_from(["", *sorted(BINARY)]),
    reverse0=st.booleans(), reverse1=st.booleans(), columns=st.tuples(st.booleans(), st.booleans()),
    p=rows, shape=st.sampled_from([(5,), (2, 3), (2, 2, 3)]), seed=st.integers(0, 99),
)  # fmt: skip
def test_tensor_scalar(
    op0: str, op1: str, reverse0: bool, reverse1: bool, columns: tuple[bool, bool], p: int,
    shape: tuple[int, ...], seed: int,
):  # fmt: skip
    x = whole(p, *shape, kind="bfloat16", low=-3, high=4, seed=seed)
    c = [whole(p, 1, kind="float32", low=-3, high=4, seed=seed + i) for i in (1, 2)]

    def call(d: Any, t: Any, a: Any, b: Any) -> None:
        operands = [tile if column else 2.0 for tile, column in zip((a, b), columns, strict=True)]
        second = {"op1": BINARY_TOKENS.get(op1), "operand1": operands[1], "reverse1": reverse1}
        nisa.tensor_scalar(d, t, getattr(nl, op0), operands[0], reverse0, **(second if op1 else {}))

    (got,) = run(call, [x, *c], [(x.shape, "float32")])
    value = float64(x).reshape(p, -1)
    steps = [(op0, reverse0), (op1, reverse1)][: 2 if op1 else 1]
    for (op, reverse), tile, column in zip(steps, c, columns, strict=False):
        other = float64(tile) if column else 2.0
        value = BINARY[op](other, value) if reverse else BINARY[op](value, other)
        value = np.asarray(value, np.float64)
    assert np.array_equal(got.reshape(p, -1), value)


@pytest.mark.parametrize("op", sorted(UNARY))
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("kind", FLOATS)
def test_unary_operators_in_either_slot(op: str, first: bool, kind: str):
    x = (np.abs(normal(64, 20)) + 0.25).astype(of(kind))
    token = getattr(nl, op)
    options = (
        {"op0": token, "operand0": None, "op1": nl.add, "operand1": 0.5}
        if first
        else {"op0": nl.add, "operand0": 0.5, "op1": token}
    )
    (got,) = run(lambda d, t: nisa.tensor_scalar(d, t, **options), [x], [((64, 20), "float32")])
    value = float64(x)
    close(got, UNARY[op](value) + 0.5 if first else UNARY[op](value + 0.5))


def test_magnitudes_on_gen4():
    x = np.array([[-5, 2, 3, -3]], np.float32)
    for op, expected in (("abs_max", [-5, 3, 3, 3]), ("abs_min", [3, 2, 3, 3])):
        call = lambda d, t, op=op: nisa.tensor_scalar(d, t, getattr(nl, op), 3.0)  # noqa: E731
        (got,) = run(call, [x], [((1, 4), "float32")], chip="gen4")
        assert got.tolist() == [expected]


def ts(op0: Any = nl.add, operand0: Any = 1.0, on: Any = ENGINE.unknown, **more: Any) -> Any:
    tile = sbuf(128, 8, kind=more.pop("kind", "float32"))
    return nisa.tensor_scalar(tile, tile, op0, operand0, engine=on, **more)


@pytest.mark.parametrize("chip", ["trn2", "trn3"])
def test_scalar_engine_multiplies_and_adds(chip: str):
    pair = {"op0": nl.multiply, "op1": nl.add, "operand1": 1.0}
    for options in (pair, {"op0": nl.multiply}, {"op0": nl.add}):
        assert engine_of(lambda o=options: ts(on=ENGINE.scalar, **o), chip) == "scalar"


def test_scalar_engine_of_gen4_does_the_rest():
    assert engine_of(lambda: ts(nl.maximum, on=ENGINE.scalar), "trn3") == "scalar"
    for chip in ("trn1", "trn2"):
        refused(lambda: ts(nl.maximum, on=ENGINE.scalar), "one of vector", chip)
    refused(lambda: ts(nl.add, on=ENGINE.scalar), "one of vector", "trn1")


def test_bits_of_a_column_of_another_sign():
    x = whole(8, 4, kind="uint32", low=0, high=2**32)
    c = np.full((8, 1), -256, np.int32)
    call = lambda d, t, m: nisa.tensor_scalar(d, t, nl.bitwise_and, m)  # noqa: E731
    (got,) = run(call, [x, c], [((8, 4), "uint32")])
    assert np.array_equal(got, x & np.uint32(0xFFFFFF00))


# -- scalar_tensor_tensor ----------------------------------------------------------------------


@given(
    ops=st.tuples(st.sampled_from(sorted(BINARY)), st.sampled_from(sorted(BINARY))),
    reverse=st.tuples(st.booleans(), st.booleans()), column=st.booleans(), p=rows,
    seed=st.integers(0, 99), kind=st.sampled_from(["float32", "bfloat16", "int8"]),
    own=st.sampled_from(["float32", "bfloat16", "float16", "int8"]),
)  # fmt: skip
def test_scalar_tensor_tensor(
    ops: tuple[str, str],
    reverse: tuple[bool, bool],
    column: bool,
    p: int,
    seed: int,
    kind: str,
    own: str,
):
    """The column may be of any dtype here: "All input tiles can be any supported dtype"."""
    x, y = (whole(p, 2, 3, kind=kind, low=-3, high=4, seed=seed + i) for i in (0, 1))
    c = whole(p, 1, kind=own, low=-3, high=4, seed=seed + 2)

    def call(d: Any, a: Any, s: Any, b: Any) -> None:
        first, second = (getattr(nl, op) for op in ops)
        operand = s if column else 2.0
        nisa.scalar_tensor_tensor(d, a, first, operand, second, b, reverse[0], reverse[1])

    (got,) = run(call, [x, c, y], [(x.shape, "float32")])
    other: Any = float64(c).reshape(p, 1, 1) if column else 2.0
    value = BINARY[ops[0]](*((other, float64(x)) if reverse[0] else (float64(x), other)))
    value = np.asarray(value, np.float64)
    value = BINARY[ops[1]](*((float64(y), value) if reverse[1] else (value, float64(y))))
    assert np.array_equal(got, value)


@pytest.mark.parametrize("op", ["add", "multiply", "maximum", "minimum"])
def test_scalar_tensor_tensor_reduces_beside_its_result(op: str):
    """As NKI 0.7 has it: two tiles into one accumulator, read out by the second."""
    x, y = (whole(16, 2, 5, kind="float32", low=1, high=4, seed=s) for s in (1, 2))

    def call(d: Any, total: Any, a: Any, b: Any) -> None:
        for i, command in enumerate((nisa.reduce_cmd.reset_reduce, nisa.reduce_cmd.reduce)):
            nisa.scalar_tensor_tensor(
                d[:, i], a[:, i], nl.add, 1.0, nl.subtract, b[:, i], reduce_cmd=command,
                reduce_op=BINARY_TOKENS[op], reduce_res=total if i else None,
            )  # fmt: skip

    got, total = run(call, [x, y], [(x.shape, "float32"), ((16, 1), "float32")])
    expected = float64(x) + 1 - float64(y)
    assert np.array_equal(got, expected)
    assert np.array_equal(total[:, 0], BINARY[op].reduce(expected, axis=(1, 2)))


@pytest.mark.parametrize("kind", FLOATS)
def test_reciprocal(kind: str):
    x = (np.abs(normal(128, 30)) + 0.1).astype(of(kind))
    (got,) = run(nisa.reciprocal, [x], [((128, 30), "float32")])
    close(got, 1 / float64(x), slack=1)


def tt(a: Any = None, b: Any = None, op: Any = nl.add, dst: Any = None, **more: Any) -> Any:
    a, b, dst = (sbuf(8, 8) if t is None else t for t in (a, b, dst))
    return nisa.tensor_tensor(dst, a, b, op, **more)


def stt(a: Any = None, b: Any = None, dst: Any = None, **more: Any) -> Any:
    a, b, dst = (sbuf(8, 8) if t is None else t for t in (a, b, dst))
    wanted = {"op0": nl.add, "operand0": 1.0, "op1": nl.add, **more}
    return nisa.scalar_tensor_tensor(dst, data=a, operand1=b, **wanted)


I32 = {"kind": "int32"}
RULES: list[tuple[str, Callable[[], Any], str]] = [
    ("both in psum", lambda: tt(psum(8, 8), psum(8, 8)), "both inputs in PSUM"),
    ("shape", lambda: tt(sbuf(8, 9)), "dst's shape"),
    ("partitions", lambda: tt(sbuf(4, 8)), "dst's shape"),
    ("unary", lambda: tt(op=nl.abs), "a binary operator"),
    ("power on vector", lambda: tt(op=nl.power, engine=ENGINE.vector), "one of gpsimd"),
    ("power in psum", lambda: tt(psum(8, 8), op=nl.power), "GpSimd cannot access PSUM"),
    ("bits on gpsimd", lambda: tt(
        sbuf(8, 8, **I32), sbuf(8, 8, **I32), nl.bitwise_and, sbuf(8, 8, **I32),
        engine=ENGINE.gpsimd), "one of vector"),
    ("bits of floats", lambda: tt(op=nl.bitwise_and), "integer types"),
    ("on scalar", lambda: tt(engine=ENGINE.scalar), "engine scalar"),
    ("packed", lambda: tt(sbuf(8, 8, kind="float8_e5m2_x4")), "single numbers"),
    ("operand without operator", lambda: ts(operand1=1.0), "without op1"),
    ("mixed kinds", lambda: ts(nl.bitwise_and, 1, op1=nl.add, operand1=1, **I32), "one kind"),
    ("bits on scalar", lambda: ts(nl.bitwise_and, 1, ENGINE.scalar, **I32), "one of vector"),
    ("bit mask of floats", lambda: ts(nl.bitwise_and, 0.5, **I32), "whole number of 32 bits"),
    ("bit mask too large", lambda: ts(nl.bitwise_and, 2**32, **I32), "whole number of 32 bits"),
    ("bit column of floats", lambda: ts(nl.bitwise_and, sbuf(128, 1), **I32), "integer type"),
    ("bit column of 16", lambda: ts(nl.bitwise_and, sbuf(128, 1, kind="int16"), **I32),
     "integer type"),
    ("column of ints", lambda: ts(nl.add, sbuf(128, 1, **I32)), "expected float32"),
    ("column size", lambda: ts(nl.add, sbuf(128, 8)), r"\(128, 1\)"),
    ("operand text", lambda: ts(nl.add, "1"), "a number or a"),
    ("unary operand", lambda: ts(nl.square, 2.0), "None for the unary"),
    ("rsqrt on vector", lambda: ts(nl.rsqrt, None, ENGINE.vector), "one of gpsimd"),
    ("rsqrt of a column in psum", lambda: ts(nl.add, psum(128, 1), op1=nl.rsqrt),
     "GpSimd cannot access PSUM"),
    ("add on gpsimd", lambda: ts(nl.add, on=ENGINE.gpsimd), "engine gpsimd"),
    ("stt in psum", lambda: stt(psum(8, 8), psum(8, 8)), "both inputs in PSUM"),
    ("stt shape", lambda: stt(sbuf(8, 9)), "dst's shape"),
    ("stt bits", lambda: stt(op1=nl.bitwise_or), "binary arithmetic"),
    ("stt power", lambda: stt(op0=nl.power), "GpSimd"),
    ("stt unary", lambda: stt(op0=nl.abs), "binary arithmetic"),
    ("stt result without operator", lambda: stt(reduce_res=sbuf(8, 1)), "reduce_op"),
    ("stt going on without operator", lambda: stt(reduce_cmd=nisa.reduce_cmd.reduce), "reduce_op"),
    ("stt reduction", lambda: stt(reduce_op=nl.subtract), "one of nl.add"),
    ("stt nothing before", lambda: stt(reduce_op=nl.add, reduce_cmd=nisa.reduce_cmd.reduce),
     "never written"),
    ("reciprocal shape", lambda: nisa.reciprocal(sbuf(8, 8), sbuf(8, 9)), "dst's shape"),
    ("magnitude", lambda: tt(op=nl.abs_max), "expected an operator that trn2 has"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "message"), RULES, ids=[r[0] for r in RULES])
def test_refused(name: str, body: Callable[[], Any], message: str):
    refused(body, message, "trn3" if "packed" in name else "trn2")


# -- cycles ------------------------------------------------------------------------------------


def pair(kind: str, op: Any, first: Any = sbuf, call: Any = nisa.tensor_tensor) -> None:
    tiles = [memory(128, 512, kind=kind) for memory in (sbuf, first, sbuf)]
    if call is nisa.tensor_tensor:
        call(*tiles, op)
    else:
        call(tiles[0], tiles[1], nl.add, 1.0, op, tiles[2])


@pytest.mark.parametrize(
    ("chip", "kind", "op", "memory", "expected"),
    [
        ("trn1", "float32", "add", sbuf, 1024), ("trn1", "float32", "add", psum, 512),
        ("trn1", "bfloat16", "add", sbuf, 512), ("trn1", "bfloat16", "maximum", sbuf, 1024),
        ("trn2", "float32", "add", sbuf, 1024), ("trn2", "bfloat16", "multiply", sbuf, 256),
        ("trn2", "bfloat16", "maximum", sbuf, 512), ("trn2", "bfloat16", "add", psum, 512),
        ("trn2", "float8_e4m3", "add", sbuf, 1024),
    ],
)  # fmt: skip
def test_pair_cycles(chip: str, kind: str, op: str, memory: Any, expected: float):
    made = traced(lambda: pair(kind, getattr(nl, op), memory), chip)[-1]
    assert made.work.cycles == expected


def last_cycles(body: Callable[[], Any], chip: str = "trn2") -> float:
    return traced(body, chip)[-1].work.cycles


def test_more_cycles():
    big = sbuf
    one = lambda *a, **k: nisa.tensor_scalar(big(128, 512), big(128, 512), *a, **k)  # noqa: E731
    assert last_cycles(lambda: one(nl.add, 1.0, op1=nl.multiply, operand1=2.0)) == 256
    assert last_cycles(lambda: one(nl.add, 1.0), "trn1") == 512
    assert last_cycles(lambda: one(nl.rsqrt, None)) == 2048
    assert last_cycles(lambda: one(nl.reciprocal, None)) == 4096
    assert last_cycles(lambda: one(nl.add, 1.0, engine=ENGINE.scalar)) == 512
    assert last_cycles(lambda: nisa.reciprocal(big(128, 512), big(128, 512))) == 4096
    summed = lambda: stt(sbuf(8, 512), sbuf(8, 512), sbuf(8, 512), reduce_op=nl.add)  # noqa: E731
    assert last_cycles(summed) == 1024 + 64
    two_tiles = lambda kind: pair(kind, nl.multiply, call=nisa.scalar_tensor_tensor)  # noqa: E731
    assert [last_cycles(lambda k=k: two_tiles(k), "trn1") for k in ("float32", "bfloat16")] == [
        1024,
        512,
    ]


# -- GpSimd as the slower helper ----------------------------------------------------------------


def three_tiles(call: Function, chip: str = "trn2", size: int = 512, kind: str = "float32") -> Any:
    """The instruction that `call(tile, tile, tile)` issues."""
    return traced(lambda: call(*(sbuf(128, size, kind=kind) for _ in range(3))), chip)[-1]


GPSIMD_CYCLES: dict[str, tuple[Function, int]] = {
    "one tile, printed for iota": (lambda d, a, b: nisa.tensor_copy(d, a, ENGINE.gpsimd), 512),
    "no tile": (lambda d, a, b: nisa.memset(d, 1.0, ENGINE.gpsimd), 512),
    "two tiles": (lambda d, a, b: nisa.tensor_tensor(d, a, b, nl.add, ENGINE.gpsimd), 3 * 512),
    "power of two": (lambda d, a, b: nisa.tensor_tensor(d, a, b, nl.power), 4 * 512),
    "function": (lambda d, a, b: nisa.tensor_scalar(d, a, nl.rsqrt, None), 4 * 512),
}


@pytest.mark.parametrize("case", GPSIMD_CYCLES)
def test_gpsimd_pays_for_tiles_and_functions(case: str):
    call, cycles = GPSIMD_CYCLES[case]
    assert three_tiles(call).work.cycles == cycles


def two_tiles(dst: Any, data1: Any, data2: Any, engine: Any) -> Any:
    return nisa.tensor_tensor(dst, data1, data2, nl.add, engine)


@pytest.mark.parametrize("chip", ["trn1", "trn2", "trn3"])
@pytest.mark.parametrize("size", [1, 64, 512, 8192])
def test_gpsimd_is_no_faster_than_vector_on_two_fp32_tiles(chip: str, size: int):
    """In seconds, for no source prints a time of GpSimd that would be shorter."""
    timing = Timing.of(load_chip(chip).silicon)
    found = [
        timing.engine_s(three_tiles(partial(two_tiles, engine=on), chip, size))
        for on in (ENGINE.gpsimd, ENGINE.vector)
    ]
    assert found[0] > found[1]
