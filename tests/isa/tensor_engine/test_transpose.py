"""nc_transpose on both engines: bits, kinds, the engine's choice, fp8 in 16-bit steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.isa.target import target_of
from isa.vector_engine.harness import normal, of, psum, refused, run, sbuf, traced, whole

ENGINE = nisa.engine
KINDS = ("float32", "bfloat16", "float16", "int32", "uint16", "int8")


def turned(x: np.ndarray, chip: str = "trn2", engine: Any = ENGINE.tensor) -> np.ndarray:
    call = lambda d, s: nisa.nc_transpose(d, s, engine=engine)  # noqa: E731
    out = [((x.reshape(len(x), -1).shape[1], len(x)), x.dtype)]
    return run(call, [x], out, chip, psum=engine is ENGINE.tensor)[0]


@settings(max_examples=12, deadline=None)
@given(
    rows=st.integers(1, 128), columns=st.integers(1, 128), kind=st.sampled_from(KINDS),
    chip=st.sampled_from(["trn1", "trn2", "trn3"]),
)  # fmt: skip
def test_tensor_engine_keeps_bits(rows: int, columns: int, kind: str, chip: str):
    x = normal(rows, columns, kind=kind) if "float" in kind else whole(rows, columns, kind=kind)
    assert np.array_equal(turned(x, chip).view(np.uint8), np.ascontiguousarray(x.T).view(np.uint8))


@pytest.mark.parametrize("kind", KINDS)
def test_vector_engine_keeps_bits(kind: str):
    x = normal(32, 20, kind=kind) if "float" in kind else whole(32, 20, kind=kind)
    got = turned(x, engine=ENGINE.vector)
    assert np.array_equal(got.view(np.uint8), np.ascontiguousarray(x.T).view(np.uint8))


def test_free_dims_are_flattened():
    x = normal(16, 3, 5)
    assert np.array_equal(turned(x), x.reshape(16, 15).T)


@pytest.mark.parametrize("chip", ["trn1", "trn2", "trn3"])
def test_nan_spreads_only_without_a_transpose_mode(chip: str):
    x = normal(16, 8)
    x[3, 2], x[5, 6] = np.nan, -np.inf
    got = turned(x, chip)
    if target_of(chip).can.transpose_bit_exact:
        assert np.array_equal(got, x.T, equal_nan=True)
        return
    with np.errstate(invalid="ignore"):
        spread = (x.T[:, :, None] * np.eye(16)[None]).sum(axis=1)
    assert np.array_equal(np.isnan(got), np.isnan(spread))
    assert np.array_equal(got[np.isfinite(spread)], spread[np.isfinite(spread)])


@pytest.mark.parametrize("kind", ["float8_e4m3", "float8_e5m2"])
@pytest.mark.parametrize("api", ["transpose", "matmul"])
def test_fp8_comes_out_as_16_bits_with_zeros_above(kind: str, api: str):
    x = normal(24, 40, kind=kind)

    def kernel(dst: Any, source: Any, identity: Any) -> None:
        out = nl.ndarray((40, 48), kind, nl.psum)
        nisa.memset(out.view("uint8"), 255)
        every_second = out.ap([[48, 40], [2, 24]])
        if api == "transpose":
            nisa.nc_transpose(every_second, source)
        else:
            nisa.nc_matmul(every_second, source, identity, is_transpose=True)
        nisa.tensor_copy(dst, out.view("uint8"))

    inputs = [x, np.eye(24, dtype=np.float32).astype(of(kind))]
    got = run(kernel, inputs, [((40, 48), "uint8")], "trn2")[0]
    assert np.array_equal(got[:, ::2], x.view(np.uint8).T) and not got[:, 1::2].any()


def test_fp8_must_step_over_every_second_element():
    def body() -> None:
        nisa.nc_transpose(psum(8, 8, kind="float8_e4m3"), sbuf(8, 8, kind="float8_e4m3"))

    refused(body, "16 bits per fp8 number")
    traced(body, "trn1")


def engine_of(data: Any, dst: Any, **options: Any) -> Any:
    def body() -> None:
        nisa.nc_transpose(dst(), data(), **options)

    return traced(body)[-1].engine


def test_the_engine_follows_shape_and_memory():
    assert engine_of(lambda: sbuf(64, 64), lambda: psum(64, 64)) is ENGINE.tensor
    assert engine_of(lambda: sbuf(32, 32), lambda: psum(32, 32)) is ENGINE.tensor
    assert engine_of(lambda: sbuf(32, 32), lambda: sbuf(32, 32)) is ENGINE.vector
    assert engine_of(lambda: psum(32, 32), lambda: sbuf(32, 32)) is ENGINE.vector
    chosen = engine_of(lambda: sbuf(32, 32), lambda: psum(32, 32), engine=ENGINE.vector)
    assert chosen is ENGINE.vector


def test_refused():
    refused(lambda: nisa.nc_transpose(psum(8, 8), sbuf(8, 8, kind="bfloat16")), "data's bfloat16")
    refused(lambda: nisa.nc_transpose(psum(8, 9), sbuf(8, 8)), r"\(8, 8\)")
    refused(lambda: nisa.nc_transpose(sbuf(64, 8), sbuf(8, 64)), "expected psum")
    refused(lambda: nisa.nc_transpose(psum(64, 8), psum(8, 64)), "expected sbuf")
    for engine, message in ((ENGINE.vector, "32 x 32"), (ENGINE.scalar, "tensor or vector")):
        refused(lambda e=engine: nisa.nc_transpose(psum(64, 64), sbuf(64, 64), engine=e), message)


def test_cost_by_width_of_the_data():
    target = target_of("trn2")

    def cycles(kind: str, chip: str) -> float:
        body = lambda: nisa.nc_transpose(psum(128, 128, kind=kind), sbuf(128, 128, kind=kind))  # noqa: E731
        return traced(body, chip)[-1].work.cycles

    assert cycles("bfloat16", "trn2") == 128
    assert cycles("float32", "trn2") == 128 * target.fp32_passes / 2
    assert cycles("float32", "trn1") == 128 * target_of("trn1").fp32_passes


@pytest.mark.parametrize("api", ["transpose", "matmul"])
def test_what_was_never_written_moves_along(api: str):
    """Columns never written arrive as partitions never written; only using them is an error."""

    def body(row: int) -> None:
        data, out = (
            nl.ndarray((64, 40), "float32", nl.sbuf),
            nl.ndarray((40, 64), "float32", nl.psum),
        )
        nisa.memset(data[:, :32], 1.0)
        if api == "transpose":
            nisa.nc_transpose(out, data)
        else:
            nisa.nc_matmul(out, data, sbuf(64, 64, fill=1.0), is_transpose=True)
        nisa.activation(sbuf(8, 64), nl.exp, out[row : row + 8])

    traced(lambda: body(0))
    refused(lambda: body(32), "memory never written")
