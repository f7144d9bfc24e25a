"""Scans, running sums and batch statistics against loops and PyTorch, and their legality."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
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

OPS: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
}
names = st.sampled_from(sorted(OPS))
IDENTITY = {"add": 0, "subtract": 0, "multiply": 1, "maximum": -np.inf, "minimum": np.inf}
SMALL = ("uint8", "uint16", "int8", "int16")


@given(
    ops=st.tuples(names, names), reverse=st.tuples(st.booleans(), st.booleans()),
    column=st.booleans(), rows=st.integers(1, 9), columns=st.integers(1, 20),
    seed=st.integers(0, 10**6),
)  # fmt: skip
def test_scan(
    ops: tuple[str, str], reverse: tuple[bool, bool], column: bool, rows: int, columns: int,
    seed: int,
):  # fmt: skip
    x, y, c = (normal(rows, n, seed=seed + i) for i, n in enumerate((columns, columns, 1)))

    def call(d: Any, a: Any, b: Any, s: Any) -> None:
        first, second = (getattr(nl, op) for op in ops)
        nisa.tensor_tensor_scan(
            d, a, b, s if column else 0.5, first, second, reverse[0], reverse[1]
        )

    (got,) = run(call, [x, y, c], [((rows, columns), "float32")])
    state = c[:, 0] if column else np.full(rows, 0.5, np.float32)
    for i in range(columns):
        inner = OPS[ops[0]](*((state, x[:, i]) if reverse[0] else (x[:, i], state)))
        state = OPS[ops[1]](*((y[:, i], inner) if reverse[1] else (inner, y[:, i])))
        assert np.array_equal(got[:, i], state)


@pytest.mark.parametrize("kind", [*FLOATS, "int8", "int32"])
def test_scan_of_dtypes(kind: str):
    x, y = (whole(64, 2, 8, kind=kind, low=0, high=2, seed=s) for s in (1, 2))
    call = lambda d, a, b: nisa.tensor_tensor_scan(  # noqa: E731
        dst=d, data0=a, data1=b, initial=1.0, op0=nl.multiply, op1=nl.add
    )
    (got,) = run(call, [x, y], [(x.shape, kind)])
    state, result = np.ones(64), np.empty((64, 16))
    for i in range(16):
        state = float64(x).reshape(64, 16)[:, i] * state + float64(y).reshape(64, 16)[:, i]
        result[:, i] = state
    assert np.array_equal(float64(got).reshape(64, 16), float64(result.astype(of(kind))))


# -- cumulative --------------------------------------------------------------------------------


@given(
    op0=names, op1=names, command=st.sampled_from(["reset_reduce", "load_reduce", "reduce"]),
    columns=st.tuples(st.booleans(), st.booleans()), shape=st.sampled_from([(1,), (9,), (2, 5)]),
    seed=st.integers(0, 10**6), rows=st.integers(1, 5),
)  # fmt: skip
def test_cumulative(
    op0: str, op1: str, command: str, columns: tuple[bool, bool], shape: tuple[int, ...],
    seed: int, rows: int,
):  # fmt: skip
    x, a, b = (normal(rows, *dims, seed=seed + i) for i, dims in enumerate((shape, (1,), (1,))))
    loads = command == "load_reduce"

    def call(d: Any, t: Any, ta: Any, tb: Any) -> None:
        imm0, imm1 = ta if columns[0] else 0.25, tb if columns[1] else 2.0
        first, second = getattr(nl, op0), getattr(nl, op1)
        if command == "reduce":
            waste = nl.ndarray((rows, 1), nl.float32, nl.sbuf)
            nisa.tensor_scalar_cumulative(
                waste, tb, nl.add, nl.add, 0.0, 3.0, reduce_cmd=CMD.load_reduce
            )
        nisa.tensor_scalar_cumulative(
            d, t, first, second, imm0, imm1 if loads else None, reduce_cmd=CMD[command]
        )

    (got,) = run(call, [x, a, b], [(x.shape, "float32")])
    state = np.full(rows, IDENTITY[op1], np.float32)
    if loads:
        state = b[:, 0] if columns[1] else np.full(rows, 2, np.float32)
    if command == "reduce":
        state = b[:, 0] + np.float32(3)
    for i, found in enumerate(got.reshape(rows, -1).T):
        value = OPS[op0](x.reshape(rows, -1)[:, i], a[:, 0] if columns[0] else np.float32(0.25))
        state = OPS[op1](value, state)
        assert np.array_equal(found, state)


@pytest.mark.parametrize("kind", [*FLOATS, *SMALL, "float8_e4m3fn"])
def test_running_sum_of_dtypes(kind: str):
    x = whole(64, 12, kind=kind, low=0, high=2)
    call = lambda d, t: nisa.tensor_scalar_cumulative(d, t, nl.multiply, nl.add, 1.0)  # noqa: E731
    (got,) = run(call, [x], [(x.shape, kind)])
    assert np.array_equal(got, np.cumsum(x.astype(np.float32), axis=1).astype(of(kind)))


def test_sum_of_other_instructions_goes_on_as_a_cumulative_one():
    x = whole(32, 6, kind="float32")

    def call(d: Any, t: Any) -> None:
        waste = nl.ndarray((32, 6), nl.float32, nl.sbuf)
        nisa.tensor_scalar_reduce(waste, t, nl.add, 0.0, nl.add)
        nisa.tensor_scalar_cumulative(d, t, nl.add, nl.add, 0.0, reduce_cmd=CMD.reduce)

    (got,) = run(call, [x], [(x.shape, "float32")])
    assert np.array_equal(got, x.sum(1, keepdims=True) + np.cumsum(x, axis=1))


# -- statistics --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*FLOATS, "int16"])
@pytest.mark.parametrize("size", [1, 2, 7, 512])
def test_bn_stats(kind: str, size: int):
    x = whole(128, size, kind=kind)
    (got,) = run(nisa.bn_stats, [x], [((128, 6), "float32")])
    for at in (0, 1):
        part = torch.from_numpy(float64(x[:, at::2]))
        count, mean, spread = got[:, 3 * at : 3 * at + 3].T
        assert np.all(count == part.shape[1])
        if part.shape[1]:
            close(mean, part.mean(1).numpy(), slack=10)
            expected = part.var(1, correction=0).numpy() * part.shape[1]
            assert np.allclose(spread, expected, rtol=1e-5, atol=1e-4)
        else:
            assert not mean.any() and not spread.any()


@given(sizes=st.lists(st.integers(1, 200), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_bn_aggr_of_several_tiles(sizes: list[int], seed: int):
    x = normal(16, sum(sizes), seed=seed) + 3

    def call(d: Any, t: Any) -> None:
        stats = nl.ndarray((16, len(sizes), 6), nl.float32, nl.sbuf)
        at = 0
        for i, size in enumerate(sizes):
            nisa.bn_stats(stats[:, i], t[:, at : at + size])
            at += size
        nisa.bn_aggr(d, stats)

    (got,) = run(call, [x], [((16, 2), "float32")])
    assert np.allclose(got[:, 0], float64(x).mean(1), rtol=1e-5)
    assert np.allclose(got[:, 1], float64(x).var(1), rtol=1e-4, atol=1e-6)


def scan(a: Any = None, b: Any = None, **more: Any) -> Any:
    a, b = (sbuf(8, 8) if t is None else t for t in (a, b))
    wanted = {"initial": 0.0, "op0": nl.add, "op1": nl.add, **more}
    return nisa.tensor_tensor_scan(sbuf(8, 8), a, b, **wanted)


def cumulative(src: Any = None, dst: Any = None, **more: Any) -> Any:
    src, dst = (sbuf(8, 8) if t is None else t for t in (src, dst))
    wanted = {"op0": nl.add, "op1": nl.add, "imm0": 0.0, **more}
    return nisa.tensor_scalar_cumulative(dst, src, **wanted)


RULES: list[tuple[str, Callable[[], Any], str]] = [
    ("both in psum", lambda: scan(psum(8, 8), psum(8, 8)), "both inputs in PSUM"),
    ("shape", lambda: scan(sbuf(8, 9)), "dst's shape"),
    ("bits", lambda: scan(op0=nl.bitwise_and), "binary arithmetic"),
    ("power", lambda: scan(op1=nl.power), "GpSimd"),
    ("initial size", lambda: scan(initial=sbuf(8, 8)), r"\(8, 1\)"),
    ("initial of bf16", lambda: scan(initial=sbuf(8, 1, kind="bfloat16")), "expected float32"),
    ("initial text", lambda: scan(initial="0"), "initial"),
    ("32-bit source", lambda: cumulative(sbuf(8, 8, kind="int32")), "cumulative src"),
    ("32-bit result", lambda: cumulative(dst=sbuf(8, 8, kind="uint32")), "cumulative dst"),
    ("tfloat32", lambda: cumulative(sbuf(8, 8, kind="tfloat32")), "cumulative src"),
    ("bit operator", lambda: cumulative(op0=nl.bitwise_and), "binary arithmetic"),
    ("reduction", lambda: cumulative(op1=nl.logical_or), "one of nl.add"),
    ("idle", lambda: cumulative(reduce_cmd=CMD.idle), "one of reset_reduce"),
    ("nothing before", lambda: cumulative(reduce_cmd=CMD.reduce), "never written"),
    ("nothing to load", lambda: cumulative(reduce_cmd=CMD.load_reduce), "initial value"),
    ("load without command", lambda: cumulative(imm1=1.0), "load_reduce to load it"),
    ("imm0 of bf16", lambda: cumulative(imm0=sbuf(8, 1, kind="bfloat16")), "expected float32"),
    ("bn_stats of 513", lambda: nisa.bn_stats(sbuf(8, 6), sbuf(8, 513)), "at most 512"),
    ("bn_stats dst", lambda: nisa.bn_stats(sbuf(8, 5), sbuf(8, 8)), r"\(8, 6\)"),
    ("bn_stats partitions", lambda: nisa.bn_stats(sbuf(4, 6), sbuf(8, 8)), r"\(8, 6\)"),
    ("bn_aggr of 4", lambda: nisa.bn_aggr(sbuf(8, 2), sbuf(8, 4)), "multiple of 3"),
    ("bn_aggr dst", lambda: nisa.bn_aggr(sbuf(8, 3), sbuf(8, 6)), r"\(8, 2\)"),
    ("bn_aggr partitions", lambda: nisa.bn_aggr(sbuf(4, 2), sbuf(8, 6)), r"\(8, 2\)"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), [r[1:] for r in RULES], ids=[r[0] for r in RULES])
def test_refused(body: Callable[[], Any], message: str):
    refused(body, message)


def test_cycles():
    def body() -> None:
        tile = sbuf(128, 500)
        nisa.tensor_tensor_scan(tile, tile, tile, 0.0, nl.add, nl.add)
        cumulative(tile, tile)
        nisa.bn_stats(sbuf(128, 6), tile)
        nisa.bn_aggr(sbuf(128, 2), sbuf(128, 60))
        nisa.bn_aggr(sbuf(128, 2), sbuf(128, 6))

    found = [i.work.cycles for i in traced(body) if i.op != "memset"]
    assert found == [1000, 1000, 500, 260, 64]
