"""quantize_mx against the scale rule written out, its layout, and its legality."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.errors import UsageError
from isa.vector_engine.harness import of, psum, refused, run, sbuf, traced

EMAX = {"float8_e4m3fn": 8, "float8_e5m2": 15}
LIMIT = {"float8_e4m3fn": 448.0, "float8_e5m2": 57344.0}


def quantised(x: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Codes of the elements uint8 [P, F] and of the scales uint8 [P / 8, F / 4], group by group."""
    element = np.dtype(getattr(ml_dtypes, kind))
    codes = np.zeros(x.shape, np.uint8)
    scales = np.zeros((x.shape[0] // 8, x.shape[1] // 4), np.uint8)
    for g, m in np.ndindex(*scales.shape):
        part = np.s_[8 * g : 8 * g + 8, 4 * m : 4 * m + 4]
        values = x[part].astype(np.float64)
        largest = np.abs(values).max()
        power = math.floor(math.log2(largest)) - (EMAX[kind] - 1) if largest else -127
        power = max(-127, min(127, power))
        scales[g, m] = power + 127
        scaled = np.clip(values / 2.0**power, -LIMIT[kind], LIMIT[kind])
        codes[part] = scaled.astype(np.float32).astype(element).view(np.uint8)
    return codes, scales


def quantise(
    x: np.ndarray, kind: str, scale_kind: str = "float8_e8m0fnu", offset: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """What the instruction makes of [P, F]: codes [P, F], and the whole tile of scales as bits."""
    rows, size = x.shape[0], x[0].size // 4

    def call(d: Any, scale: Any, t: Any) -> None:
        nisa.memset(scale, 0)
        nisa.quantize_mx(dst=d, src=t, dst_scale=scale[offset:])

    outs = [((rows, size), f"{kind}_x4"), ((rows, size), scale_kind)]
    packed, scales = run(call, [x], outs, chip="gen4")
    return packed.view(np.uint8).reshape(rows, -1), scales.view(np.uint8)


@given(
    kind=st.sampled_from(sorted(EMAX)), source=st.sampled_from(["bfloat16", "float16"]),
    rows=st.sampled_from([32, 64, 128]), groups=st.integers(1, 5), seed=st.integers(0, 99),
    scale=st.sampled_from([1e-6, 1.0, 1e4]), offset=st.sampled_from([0, 4, 8, 12]),
)  # fmt: skip
def test_values(
    kind: str, source: str, rows: int, groups: int, seed: int, scale: float, offset: int
):
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((rows, 4 * groups)) * scale * 2.0 ** rng.integers(-9, 3)
    x = np.clip(drawn, -6e4, 6e4).astype(np.float32).astype(of(source))
    codes, scales = quantised(x, kind)
    got, tile = quantise(x, kind, "uint8", offset)
    assert np.array_equal(got, codes)
    expected = np.zeros(tile.shape, np.uint8)
    for g, row in enumerate(scales):
        expected[g // 4 * 32 + g % 4 + offset] = row
    assert np.array_equal(tile, expected)


@pytest.mark.parametrize("kind", sorted(EMAX))
def test_by_hand(kind: str):
    """Group 0 is zero, group 1 has 1.0 as its largest, group 2 the number 1.9921875 (bf16)."""
    x = np.zeros((32, 4), np.float32)
    x[8:16], x[8, 1] = 0.25, -1.0
    x[16:24] = 1.9921875
    got, tile = quantise(x.astype(of("bfloat16")), kind)
    half = EMAX[kind] - 1
    assert tile[:4, 0].tolist() == [0, 127 - half, 127 - half, 0]
    values = got.view(getattr(ml_dtypes, kind)).astype(np.float64)
    assert not values[:8].any()
    assert values[8].tolist() == [2.0 ** (half - 2), -(2.0**half), *[2.0 ** (half - 2)] * 2]
    assert np.all(values[16:24] == 2.0 ** (half + 1))  # rounds up without saturation


@pytest.mark.parametrize("kind", sorted(EMAX))
def test_scales_before_nki_05_are_those_of_the_ocp_text(kind: str, monkeypatch):
    """Oracle: the OCP text, 2^(floor(log2 amax) - Emax); what rounds beyond saturates."""

    @nki.jit
    def quantised_by_kernel(x):
        tile = nl.load(x)
        codes = nl.ndarray((32, 4), dtype=f"{kind}_x4", buffer=nl.sbuf)
        scales = nl.zeros((32, 4), dtype=nl.uint8, buffer=nl.sbuf)
        nisa.quantize_mx(dst=codes, src=tile, dst_scale=scales)
        out = nl.ndarray((32, 16), dtype=nl.uint8, buffer=nl.shared_hbm)
        kept = nl.ndarray((32, 4), dtype=nl.uint8, buffer=nl.shared_hbm)
        nisa.dma_copy(dst=out, src=codes.view(nl.uint8))
        nisa.dma_copy(dst=kept, src=scales)
        return out, kept

    rng = np.random.default_rng(5)
    x = (rng.standard_normal((32, 16)) * 3).astype(of("bfloat16"))
    monkeypatch.setenv("GLIA_NKI_API", "0.4")
    codes, scales = nki.simulate(quantised_by_kernel, target="trn3")(x)
    blocks = np.abs(x.astype(np.float64)).reshape(4, 8, 4, 4).max(axis=(1, 3))
    power = np.floor(np.log2(blocks)) - EMAX[kind]
    assert np.array_equal(scales[:4], power + 127)
    element = np.dtype(getattr(ml_dtypes, kind))
    spread = np.repeat(np.repeat(power, 8, axis=0), 4, axis=1)
    scaled = np.clip(x.astype(np.float64) / 2.0**spread, -LIMIT[kind], LIMIT[kind])
    assert np.array_equal(codes, scaled.astype(np.float32).astype(element).view(np.uint8))
    monkeypatch.setenv("GLIA_NKI_API", "newest")
    with pytest.raises(UsageError, match="expected a version of NKI"):
        nki.simulate(quantised_by_kernel, target="trn3")(x)


def test_no_number_has_no_scale():
    x = np.ones((32, 8), np.float32)
    x[3, 2], x[9, 0] = np.inf, np.nan
    got, tile = quantise(x.astype(of("bfloat16")), "float8_e5m2")
    assert tile[:4].tolist() == [[255, 113], [255, 113], [113, 113], [113, 113]]
    values = got.view(ml_dtypes.float8_e5m2).astype(np.float64)
    assert np.isnan(values[:16, :4]).all() and not np.isnan(values[:, 4:]).any()


def test_dims_are_flattened():
    x = np.random.default_rng(1).standard_normal((32, 2, 3, 4)).astype(of("bfloat16"))
    expected, scales = quantised(x.reshape(32, 24), "float8_e4m3fn")

    def call(d: Any, scale: Any, t: Any) -> None:
        nisa.quantize_mx(d, t, scale)

    outs = [((32, 2, 3), "float8_e4m3fn_x4"), ((4, 6), "uint8")]
    packed, tile = run(call, [x], outs, chip="gen4")
    assert np.array_equal(packed.view(np.uint8).reshape(32, 24), expected)
    assert np.array_equal(tile, scales)


X4, BF16 = {"kind": "float8_e4m3fn_x4"}, {"kind": "bfloat16"}


def mx(dst: Any = None, src: Any = None, scale: Any = None) -> Any:
    dst = sbuf(64, 8, **X4) if dst is None else dst
    src = sbuf(64, 32, **BF16) if src is None else src
    scale = sbuf(64, 8, kind="uint8") if scale is None else scale
    return nisa.quantize_mx(dst, src, scale)


RULES: list[tuple[str, Callable[[], Any], str]] = [
    ("src kind", lambda: mx(src=sbuf(64, 32)), "quantize_mx src"),
    ("dst kind", lambda: mx(dst=sbuf(64, 8, kind="float4_e2m1fn_x4")), "quantize_mx dst"),
    ("scale kind", lambda: mx(scale=sbuf(64, 8, kind="int8")), "quantize_mx dst_scale"),
    ("src in psum", lambda: mx(src=psum(64, 32, **BF16)), "sbuf"),
    ("scale in psum", lambda: mx(scale=psum(64, 8, kind="uint8")), "sbuf"),
    ("partitions", lambda: mx(src=sbuf(48, 32, **BF16), dst=sbuf(48, 8, **X4)), "multiple of 32"),
    ("elements", lambda: mx(src=sbuf(64, 30, **BF16)), "of 4 elements"),
    ("dst size", lambda: mx(dst=sbuf(64, 32, **X4)), r"\(64, 8\)"),
    ("scale size", lambda: mx(scale=sbuf(64, 9, kind="uint8")), r"\(64, 8\)"),
    ("scale rows", lambda: mx(scale=sbuf(32, 8, kind="uint8")), "36 partitions at least"),
    ("scale offset", lambda: mx(scale=sbuf(128, 8, kind="uint8")[16:]), "partitions into"),
    ("scale quadrant", lambda: mx(scale=sbuf(128, 8, kind="uint8")[32:]), "where src starts"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), [r[1:] for r in RULES], ids=[r[0] for r in RULES])
def test_refused(body: Callable[[], Any], message: str):
    refused(body, message, "trn3")


@pytest.mark.parametrize("chip", ["trn1", "trn2"])
def test_needs_its_chip(chip: str):
    refused(mx, "quantises to MX formats|matrices of shared scales", chip)


def test_the_rest_of_the_scales_is_not_written():
    def body() -> None:
        scale = nl.ndarray((64, 8), nl.uint8, nl.sbuf)
        mx(scale=scale)
        nisa.tensor_scalar(sbuf(32, 8), scale[0:32], nl.add, 1.0)

    refused(body, "never written", "trn3")


def test_cycles():
    made = traced(lambda: mx(sbuf(128, 512, **X4), sbuf(128, 2048, **BF16),
                             sbuf(128, 512, kind="uint8")), "trn3")  # fmt: skip
    assert made[-1].work.cycles == 512
