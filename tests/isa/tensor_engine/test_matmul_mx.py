"""nc_matmul_mx against the product of the dequantised numbers, and its legality."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.isa.stream import ArrayTile
from isa.vector_engine.harness import psum, refused, run, sbuf, traced

ELEMENTS = {
    "float8_e5m2_x4": ml_dtypes.float8_e5m2,
    "float8_e4m3fn_x4": ml_dtypes.float8_e4m3fn,
    "float4_e2m1fn_x4": ml_dtypes.float4_e2m1fn,
}
KINDS = tuple(ELEMENTS)


def drawn(kind: str, rows: int, columns: int, seed: int) -> tuple[np.ndarray, ...]:
    """(packed bits [rows, columns], scale exponents [rows / 8, columns], numbers [4 rows, columns])

    Bits are packed here by hand: the first of four numbers in the lowest bits.
    """
    rng = np.random.default_rng(seed)
    element = ELEMENTS[kind]
    numbers = rng.standard_normal((rows, columns, 4)).astype(element)
    codes = numbers.view(np.uint8).astype(np.uint32)
    width = 4 if "float4" in kind else 8
    packed = sum(codes[..., i] << (width * i) for i in range(4))
    exponents = rng.integers(120, 132, (rows // 8, columns)).astype(np.uint8)
    exact = numbers.astype(np.float64) * 2.0 ** (
        np.repeat(exponents, 8, axis=0).astype(np.float64)[..., None] - 127
    )
    bits = packed.astype(np.uint16 if width == 4 else np.uint32)
    return bits, exponents, exact.transpose(0, 2, 1).reshape(4 * rows, columns)


def spread(exponents: np.ndarray, rows: int, at: int) -> np.ndarray:
    """Four scales per quadrant of 32 partitions, `at` partitions into it; the rest is 255 (NaN)."""
    out = np.full((rows, exponents.shape[1]), 255, np.uint8)
    for quadrant in range(rows // 32):
        first = 32 * quadrant + at
        out[first : first + 4] = exponents[4 * quadrant : 4 * quadrant + 4]
    return out


def product(
    kinds: tuple[str, str], rows: int, m: int, n: int, out: str = "float32",
    at: tuple[int, int] = (0, 0), scale_kind: str = "uint8", **options: Any,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """(what the chip gives, the float64 product)."""
    left, left_scale, x = drawn(kinds[0], rows, m, 1)
    right, right_scale, y = drawn(kinds[1], rows, n, 2)

    def call(dst: Any, s: Any, v: Any, ss: Any, vs: Any) -> None:
        nisa.nc_matmul_mx(
            dst, s.view(kinds[0]), v.view(kinds[1]), ss.view(scale_kind)[at[0] :],
            vs.view(scale_kind)[at[1] :], **options,
        )  # fmt: skip

    scales = [spread(e, rows, a) for e, a in ((left_scale, at[0]), (right_scale, at[1]))]
    got = run(call, [left, right, *scales], [((m, n), out)], "trn3", psum=True)[0]
    return got.astype(np.float64), x.T @ y


def near(got: np.ndarray, expected: np.ndarray, unit: float) -> None:
    assert np.all(np.abs(got - expected) <= unit * np.abs(expected) + 2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("left", KINDS)
@pytest.mark.parametrize("right", KINDS)
def test_kinds_mix(left: str, right: str):
    near(*product((left, right), 64, 16, 24), unit=0)


@settings(max_examples=15, deadline=None)
@given(
    rows=st.sampled_from([32, 64, 128]),
    m=st.integers(1, 64),
    n=st.integers(1, 300),
    at=st.tuples(st.sampled_from([0, 4, 8, 12]), st.sampled_from([0, 4, 8, 12])),
    scale_kind=st.sampled_from(["uint8", "float8_e8m0fnu"]),
)
def test_every_size_and_place_of_scales(
    rows: int, m: int, n: int, at: tuple[int, int], scale_kind: str
):
    near(*product(KINDS[:2], rows, 2 * m, n, at=at, scale_kind=scale_kind), unit=0)


def test_bfloat16_results_are_rounded_once():
    kinds = ("float8_e4m3fn_x4",) * 2
    wide = product(kinds, 128, 32, 64)[0].astype(np.float32)
    narrow = product(kinds, 128, 32, 64, out="bfloat16")[0]
    assert np.array_equal(narrow, wide.astype(ml_dtypes.bfloat16).astype(np.float64))


def test_products_add_up():
    left, left_scale, x = drawn(KINDS[0], 32, 8, 1)

    def call(dst: Any, s: Any, ss: Any) -> None:
        for _ in range(3):
            nisa.nc_matmul_mx(dst, s.view(KINDS[0]), s.view(KINDS[0]), ss, ss)

    got = run(call, [left, spread(left_scale, 32, 0)], [((8, 8), "float32")], "trn3", psum=True)[0]
    near(got.astype(np.float64), 3 * x.T @ x, unit=0)


def test_small_scale_tiles_of_one_quadrant():
    """With 32 partitions the scales may lie in a tile of four."""
    left, left_scale, x = drawn(KINDS[1], 32, 8, 1)

    def call(dst: Any, s: Any, ss: Any) -> None:
        nisa.nc_matmul_mx(dst, s.view(KINDS[1]), s.view(KINDS[1]), ss, ss)

    got = run(call, [left, left_scale], [((8, 8), "float32")], "trn3", psum=True)[0]
    near(got.astype(np.float64), x.T @ x, unit=0)


# -- legality ----------------------------------------------------------------------------------


def mx(
    rows: int = 64, m: int = 8, n: int = 8, kind: str = "float8_e4m3fn_x4", scale: str = "uint8",
    scale_rows: int = 0, at: int = 0, start: int = 0, d: str = "float32", **options: Any,
) -> Any:  # fmt: skip
    left, right = (nl.ndarray((start + rows, c), kind, nl.sbuf) for c in (m, n))
    scales = [nl.ndarray((scale_rows or start + rows, c), scale, nl.sbuf) for c in (m, n)]
    for tile in (left, right, *scales):
        nisa.memset(tile if tile.dtype != "float8_e8m0fnu" else tile.view("uint8"), 0)
    return nisa.nc_matmul_mx(
        nl.ndarray((m, n), d, nl.psum), left[start:], right[start:],
        scales[0][start + at :], scales[1][start + at :], **options,
    )  # fmt: skip


RULES: list[tuple[str, Callable[[], Any], str]] = [
    ("plain kind", lambda: mx(kind="float8_e4m3fn"), "float8_e5m2_x4"),
    ("33 partitions", lambda: mx(rows=33), "a multiple of 32"),
    ("odd columns", lambda: mx(m=7), "an even number"),
    ("scale kind", lambda: mx(scale="int8"), "float8_e8m0fnu or uint8"),
    ("scale place", lambda: mx(at=2), "0 or 4 or 8 or 12"),
    ("scale rows", lambda: mx(scale_rows=32), "at least 36 partitions"),
    ("scale columns", lambda: nisa.nc_matmul_mx(
        psum(8, 8), *[sbuf(32, 8, kind="float8_e5m2_x4")] * 2, *[sbuf(32, 9, kind="uint8")] * 2),
     "and 8 columns"),
    ("scale quadrant", lambda: nisa.nc_matmul_mx(
        psum(8, 8), *[sbuf(64, 8, kind="float8_e5m2_x4")[32:]] * 2,
        *[sbuf(64, 8, kind="uint8")] * 2), "32 or 36 or 40 or 44"),
    ("scale in psum", lambda: nisa.nc_matmul_mx(
        psum(8, 8), *[sbuf(32, 8, kind="float8_e5m2_x4")] * 2, *[psum(32, 8, kind="uint8")] * 2),
     "expected sbuf"),
    ("no scale", lambda: nisa.nc_matmul_mx(
        psum(8, 8), *[sbuf(32, 8, kind="float8_e5m2_x4")] * 2, 1.0, 1.0), "a tile in SBUF"),
    ("column tile", lambda: mx(tile_position=(0, 0), tile_size=(64, 32)), "row tiles only"),
    ("result kind", lambda: mx(d="float16"), "float32 or bfloat16"),
    ("moving", lambda: nisa.nc_matmul_mx(
        psum(2, 8), sbuf(32, 2, kind="float4_e2m1fn_x4"), sbuf(32, 4097, kind="float4_e2m1fn_x4"),
        sbuf(32, 2, kind="uint8"), sbuf(32, 4097, kind="uint8")), "at most 4096"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), [r[1:] for r in RULES], ids=[r[0] for r in RULES])
def test_refused(body: Callable[[], Any], message: str):
    refused(body, message, "trn3")


@pytest.mark.parametrize("chip", ["trn1", "trn2"])
def test_older_generations_have_no_mx(chip: str):
    refused(lambda: nisa.nc_matmul_mx(*[sbuf(32, 8)] * 5), "a chip with MX products", chip)


def test_only_the_scales_that_count_must_be_written():
    def body() -> None:
        data = sbuf(64, 8, kind="float8_e5m2_x4")
        scale = nl.ndarray((64, 8), "uint8", nl.sbuf)
        for first in (0, 32):
            nisa.memset(scale[first : first + 4], 127)
        nisa.nc_matmul_mx(psum(8, 8), data, data, scale, scale)

    traced(body, "trn3")


def test_cost_is_one_column_per_cycle_whatever_the_depth():
    work = traced(lambda: mx(rows=128, m=16, n=500), "trn3")[-1].work
    assert work.cycles == 500 and work.flops == 2 * 512 * 16 * 500
    tiled = traced(
        lambda: mx(rows=32, start=64, tile_position=(64, 0), tile_size=(32, 128)), "trn3"
    )[-1]
    assert tiled.work.tile == ArrayTile(64, 32, 0, 128)
