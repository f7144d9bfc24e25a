"""nc_matmul against float64: kinds, shapes, accumulation, tiles of the array, double rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.dtypes import round_tfloat32
from glia.core.errors import KernelError
from glia.isa.stream import ArrayTile
from glia.isa.target import target_of
from isa.vector_engine.harness import float64, normal, of, psum, refused, run, sbuf, traced

DOUBLE = nisa.matmul_perf_mode.double_row
NARROW = ("float8_e4m3", "float8_e5m2", "bfloat16", "float16")


def product(
    left: np.ndarray, right: np.ndarray, chip: str = "trn2", out: str = "float32", **options: Any
) -> np.ndarray:
    """nc_matmul of two tiles: [M, N]."""
    depth = 2 if "perf_mode" in options else 1
    m, n = (a.reshape(len(a), -1).shape[1] // depth for a in (left, right))
    call: Callable[..., Any] = lambda d, s, v: nisa.nc_matmul(d, s, v, **options)  # noqa: E731
    return run(call, [left, right], [((m, n), out)], chip, psum=True)[0]


def near(got: np.ndarray, left: np.ndarray, right: np.ndarray, unit: float = 2.0**-20) -> None:
    """Within `unit` of the float64 product, relative to the sum of magnitudes."""
    x, y = (float64(a).reshape(len(a), -1) for a in (left, right))
    assert np.all(np.abs(float64(got) - x.T @ y) <= unit * (np.abs(x).T @ np.abs(y)) + 1e-30)


@pytest.mark.parametrize("left", NARROW)
@pytest.mark.parametrize("right", NARROW)
def test_narrow_kinds_mix(left: str, right: str):
    x, y = normal(96, 32, kind=left), normal(96, 80, kind=right, seed=8)
    near(product(x, y), x, y)


@settings(max_examples=25, deadline=None)
@given(
    k=st.integers(1, 128), m=st.integers(1, 128), n=st.integers(1, 512), kind=st.sampled_from(
        ["float32", "bfloat16"])
)  # fmt: skip
def test_every_size(k: int, m: int, n: int, kind: str):
    x, y = normal(k, m, kind=kind), normal(k, n, kind=kind, seed=9)
    near(product(x, y), x, y)


def test_tfloat32_operands_are_rounded_to_ten_bits():
    x, y = normal(64, 16), normal(64, 24, seed=8)

    def call(dst: Any, s: Any, v: Any) -> None:
        nisa.nc_matmul(dst, s.view(nl.tfloat32), v)

    got = run(call, [x, y], [((16, 24), "float32")], "trn2", psum=True)[0]
    near(got, round_tfloat32(x), y)
    with pytest.raises(AssertionError):
        near(got, x, y)


def test_bfloat16_results_are_rounded_once_per_product():
    x, y = normal(128, 16, kind="bfloat16"), normal(128, 24, kind="bfloat16", seed=8)

    def twice(dst: Any, s: Any, v: Any) -> None:
        nisa.nc_matmul(dst, s, v, accumulate=False)
        nisa.nc_matmul(dst, s, v, accumulate=True)

    got = run(twice, [x, y], [((16, 24), "bfloat16")], "trn3", psum=True)[0]
    once = product(x, y, "trn3").astype(of("bfloat16"))
    again = once.astype(np.float32) + product(x, y, "trn3")
    assert np.array_equal(got, again.astype(of("bfloat16")))


@pytest.mark.parametrize("accumulate", [None, True])
def test_products_add_up_in_psum(accumulate: bool | None):
    x, y = normal(128, 3, 16), normal(128, 3, 20, seed=8)

    def call(dst: Any, s: Any, v: Any) -> None:
        for i in range(3):
            nisa.nc_matmul(dst, s[:, i], v[:, i], accumulate=accumulate and i > 0)

    got = run(call, [x, y], [((16, 20), "float32")], "trn2", psum=True)[0]
    expected = np.einsum("kim,kin->mn", float64(x), float64(y))
    assert np.allclose(got, expected, rtol=1e-5, atol=1e-4)


def test_accumulate_false_starts_again():
    x, y = normal(128, 16), normal(128, 20, seed=8)

    def call(dst: Any, s: Any, v: Any) -> None:
        nisa.nc_matmul(dst, s, v)
        nisa.nc_matmul(dst, s, v, accumulate=False)

    near(run(call, [x, y], [((16, 20), "float32")], "trn2", psum=True)[0], x, y)


@pytest.mark.parametrize("kinds", [("float8_e4m3", "float8_e5m2"), ("float8_e5m2",) * 2])
@given(k=st.integers(1, 128), m=st.integers(1, 128), n=st.integers(1, 200))
@settings(max_examples=8, deadline=None)
def test_double_row_contracts_both_leading_dims(kinds: tuple[str, str], k: int, m: int, n: int):
    x, y = normal(k, 2, m, kind=kinds[0]), normal(k, 2, n, kind=kinds[1], seed=8)
    got = product(x, y, perf_mode=DOUBLE)
    near(got, x.reshape(2 * k, m), y.reshape(2 * k, n))


def test_ocp_fp8_on_the_generation_that_has_it():
    x, y = normal(64, 16, kind="float8_e4m3fn"), normal(64, 24, kind="float8_e5m2", seed=8)
    near(product(x, y, "trn3"), x, y)
    refused(lambda: mm(s="float8_e4m3fn"), "convert it first", "trn2")
    refused(lambda: mm(s="float8_e4m3fn", v="float8_e4m3"), "two kinds of e4m3", "trn3")


def test_row_tiles_compute_as_the_whole_array():
    x, y = normal(128, 16, kind="bfloat16"), normal(128, 24, kind="bfloat16", seed=8)

    def call(dst: Any, s: Any, v: Any) -> None:
        for row in (0, 32, 64, 96):
            part = slice(row, row + 32)
            nisa.nc_matmul(dst, s[part], v[part], tile_position=(row, 0), tile_size=(32, 128))

    near(run(call, [x, y], [((16, 24), "float32")], "trn2", psum=True)[0], x, y)


# -- hints, transposes -------------------------------------------------------------------------


def test_onezero_hint_must_be_true():
    ones, y = np.tri(64, 16, dtype=np.float32), normal(64, 24)
    near(product(ones, y, is_stationary_onezero=True), ones, y)
    for hint in ("is_stationary_onezero", "is_moving_onezero"):
        with pytest.raises(KernelError, match=f"{hint}: got other values"):
            product(2 * ones, y, **{hint: True})


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "float16"])
def test_transpose_mode_passes_bits(kind: str):
    x = normal(48, 40, kind=kind)
    x[0, :4] = [np.nan, np.inf, -np.inf, -0.0]
    turn = np.eye(48, dtype=np.float32)[np.random.default_rng(0).permutation(48)]
    got = product(x, turn.astype(of(kind)), out=kind, is_transpose=True)
    bits = f"u{x.dtype.itemsize}"
    assert np.array_equal(got.view(bits), x[turn.argmax(0)].T.view(bits))


def test_transpose_mode_takes_a_permutation_only():
    for bad in (np.zeros((8, 8), np.float32), np.ones((8, 8), np.float32)):
        with pytest.raises(KernelError, match="no identity or permutation"):
            product(normal(8, 8), bad, is_transpose=True)


def test_without_a_transpose_mode_nan_spreads():
    x = normal(8, 8)
    x[1, 2] = np.nan
    got = product(x, np.eye(8, dtype=np.float32), "trn1", is_transpose=True)
    assert np.isnan(got[2]).all() and np.isfinite(np.delete(got, 2, 0)).all()


# -- legality ----------------------------------------------------------------------------------


def mm(
    m: int = 64, n: int = 64, k: int = 64, s: str = "bfloat16", v: str = "bfloat16",
    d: str = "float32", rows: int = 0, **options: Any,
) -> Any:  # fmt: skip
    """A product of tiles that hold zeros; operands start at partition `rows`."""
    left, right = (nl.ndarray((rows + k, c), t, nl.sbuf) for c, t in ((m, s), (n, v)))
    for tile in (left, right):
        nisa.memset(tile, 0)
    dst = nl.ndarray((m, n), d, nl.psum)
    return nisa.nc_matmul(dst, left[rows:], right[rows:], **options)


def double(s: str = "float8_e4m3", first: int = 2, **options: Any) -> Any:
    left, right = sbuf(64, first, 32, kind=s), sbuf(64, first, 32, kind="float8_e4m3")
    return nisa.nc_matmul(psum(32, 32), left, right, perf_mode=DOUBLE, **options)


RULES: list[tuple[str, Callable[[], Any], str, str]] = [
    ("stationary in psum", lambda: nisa.nc_matmul(psum(8, 8), psum(8, 8), sbuf(8, 8)),
     "stationary", "trn2"),
    ("result in sbuf", lambda: nisa.nc_matmul(sbuf(8, 8), sbuf(8, 8), sbuf(8, 8)), "psum", "trn2"),
    ("integers", lambda: mm(s="int32"), "convert it first", "trn2"),
    ("fp32 with bf16", lambda: mm(s="float32"), "float32 only with float32", "trn2"),
    ("bf16 result", lambda: mm(d="bfloat16"), "accumulate in float32", "trn2"),
    ("fp16 result", lambda: mm(d="float16"), "float32 or bfloat16", "trn3"),
    ("129 stationary", lambda: nisa.nc_matmul(psum(128, 8), sbuf(8, 129), sbuf(8, 8)),
     "at most 128", "trn2"),
    ("moving 513", lambda: mm(n=513), "gemm_moving_fmax", "trn2"),
    ("moving 4097", lambda: nisa.nc_matmul(psum(1, 8), sbuf(1, 1), sbuf(1, 4097)),
     "at most 4096 into float32", "trn3"),
    ("moving 8193", lambda: nisa.nc_matmul(
        psum(1, 8, kind="bfloat16"), sbuf(1, 1), sbuf(1, 8193)), "at most 8192 into", "trn3"),
    ("other rows", lambda: nisa.nc_matmul(
        psum(8, 8), sbuf(128, 8)[0:32], sbuf(128, 8)[32:64]), "same rows of the array", "trn2"),
    ("other depth", lambda: nisa.nc_matmul(psum(8, 8), sbuf(32, 8), sbuf(16, 8)),
     "the contraction dim", "trn2"),
    ("result shape", lambda: nisa.nc_matmul(psum(8, 9), sbuf(32, 8), sbuf(32, 8)),
     r"\(8, 8\)", "trn2"),
    ("across banks", lambda: nisa.nc_matmul(
        psum(64, 600)[:, 300:600], sbuf(8, 64), sbuf(8, 300)), "one bank of 2048", "trn2"),
    ("onto memset", lambda: nisa.nc_matmul(
        psum(8, 8), sbuf(8, 8), sbuf(8, 8), accumulate=True), "undefined on hardware", "trn2"),
    ("onto nothing", lambda: mm(accumulate=True), "never written", "trn3"),
    ("size alone", lambda: mm(tile_size=(64, 128)), "one without the other", "trn2"),
    ("position alone", lambda: mm(tile_position=(64, 0)), "one without the other", "trn2"),
    ("tile of 48", lambda: mm(tile_position=(0, 0), tile_size=(48, 128)), "48 rows", "trn2"),
    ("tile of 32", lambda: mm(k=32, tile_position=(0, 0), tile_size=(32, 128)),
     "128 or 64 on trn1", "trn1"),
    ("column tile of 16", lambda: mm(tile_position=(0, 0), tile_size=(128, 16)),
     "16 columns", "trn2"),
    ("odd position", lambda: mm(tile_position=(32, 0), tile_size=(64, 128)),
     "a multiple of 64", "trn2"),
    ("far position", lambda: mm(tile_position=(128, 0), tile_size=(64, 128)), "below 128", "trn2"),
    ("three numbers", lambda: mm(tile_position=(0, 0, 0), tile_size=(64, 128)),
     r"a tuple \(row, column\)", "trn2"),
    ("wide for its tile", lambda: mm(tile_position=(0, 0), tile_size=(64, 32)),
     "at most 32", "trn2"),
    ("deep for its tile", lambda: mm(k=64, tile_position=(0, 0), tile_size=(32, 128)),
     "inside the tile's 0..31", "trn2"),
    ("outside its tile", lambda: mm(k=32, rows=32, tile_position=(0, 0), tile_size=(32, 128)),
     "inside the tile's 0..31", "trn2"),
    ("double row of bf16", lambda: double(s="bfloat16"), "an fp8 kind", "trn2"),
    ("double row of one", lambda: double(first=1), r"\[partitions, 2, free\]", "trn2"),
    ("double row on gen2", lambda: double(), "a chip with it", "trn1"),
    ("double row transpose", lambda: double(is_transpose=True), "a product", "trn2"),
    ("double row column tile", lambda: double(tile_position=(0, 0), tile_size=(128, 32)),
     "row tiles only", "trn2"),
    ("mode by another name", lambda: mm(perf_mode="fast"), "none or double_row", "trn2"),
    ("transposed type", lambda: mm(is_transpose=True), "stationary's bfloat16", "trn2"),
    ("transpose adds", lambda: mm(s="float32", v="float32", is_transpose=True, accumulate=True),
     "overwrites", "trn2"),
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=[r[0] for r in RULES])
def test_refused(rule: tuple[str, Callable[[], Any], str, str]):
    _, body, message, chip = rule
    refused(body, message, chip)


def test_started_in_part_needs_a_decision():
    def body() -> None:
        dst, s, v = psum(8, 16), sbuf(8, 8), sbuf(8, 16)
        nisa.nc_matmul(dst[:, :8], s, v[:, :8])
        nisa.nc_matmul(dst, s, v)

    refused(body, "only in part")


def test_older_kernels_name_the_mode_by_a_string():
    traced(lambda: mm(perf_mode="none"))


def test_onto_any_written_psum_where_the_generation_can():
    x, y = normal(64, 16), normal(64, 24, seed=8)

    def call(dst: Any, s: Any, v: Any) -> None:
        nisa.memset(dst, 1.0)
        nisa.nc_matmul(dst, s, v, accumulate=True)

    got = run(call, [x, y], [((16, 24), "float32")], "trn3", psum=True)[0]
    near(got - 1, x, y)


# -- cost --------------------------------------------------------------------------------------


def cycles(chip: str = "trn2", **options: Any) -> float:
    return traced(lambda: mm(**options), chip)[-1].work.cycles


def test_one_moving_column_per_cycle_and_pass():
    target = target_of("trn2")
    assert cycles(n=512) == 512 == cycles(n=512, s="float8_e4m3", v="float8_e5m2")
    assert cycles(n=8) == 8
    assert cycles(n=512, s="float32", v="float32") == 512 * target.fp32_passes
    assert cycles(n=512, s="tfloat32", v="tfloat32") == 512
    hinted = cycles(n=512, s="float32", v="float32", is_moving_onezero=True)
    assert hinted == 512 * target.fp32_passes_onezero
    assert cycles(n=512, is_moving_onezero=True) == 512


def test_double_row_does_twice_the_work_in_the_same_time():
    work = traced(double)[-1].work
    assert work.cycles == 32
    assert work.flops == 2 * 128 * 32 * 32 and work.flop_kind == "float8_e4m3"


def test_fp32_transposes_run_twice_as_fast_where_there_is_a_mode():
    kinds = {"s": "float32", "v": "float32", "n": 512, "m": 8, "is_transpose": True}
    assert cycles("trn1", **kinds) == 2 * cycles("trn2", **kinds)


def test_work_names_its_tile():
    made = traced(lambda: mm(k=32, rows=64, tile_position=(64, 0), tile_size=(32, 64)))[-1]
    assert made.work.tile == ArrayTile(64, 32, 0, 64)
    assert traced(mm)[-1].work.tile is None
