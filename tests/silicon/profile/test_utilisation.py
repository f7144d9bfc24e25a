"""MFU and HFU over the bf16 peak, adjusted MFU a share of the time; every chip, every mode."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.chips import load_chip
from glia.core.kernel_records import KernelProfile
from glia.isa.target import target_of
from glia.silicon.profile import build_profile
from silicon.profile.programs import shared, trace

# Products per cell and cycle, hand-copied from the public tables (hardware: fp32 four passes, fp8
# double rows 2, MX 4) and independent of the chip files.
RATES = {
    "bfloat16": 1, "float16": 1, "tfloat32": 1, "float32": 0.25, "float8_e4m3": 1,
    "float8_e4m3 double_row": 2, "mx": 4, "float32 ones": 0.5,
}  # fmt: skip
ON_CHIP = {
    "trn1": ("bfloat16", "float16", "tfloat32", "float32", "float8_e4m3"),
    "trn2": tuple(mode for mode in RATES if mode != "mx"),
    "trn3": tuple(RATES),
}


def products(mode: str, repeats: int, columns: int = 512, transposes: int = 0) -> Any:
    """A kernel of `repeats` products [128, 128] x [128, columns], operands made on chip."""
    kind, _, option = mode.partition(" ")
    if kind == "mx":
        kind = "float8_e4m3fn_x4"
    pair = (2,) if option == "double_row" else ()

    def body() -> Any:
        left = nl.ndarray((128, *pair, 128), dtype=kind, buffer=nl.sbuf)
        right = nl.ndarray((128, *pair, columns), dtype=kind, buffer=nl.sbuf)
        scale = nl.ndarray((128, 512), dtype=nl.uint8, buffer=nl.sbuf)
        sums = nl.ndarray((128, columns), dtype=nl.float32, buffer=nl.psum)
        for tile in (left, right, scale):
            nisa.memset(tile, 0)
        for _ in range(repeats):
            if mode == "mx":
                scales = scale[:, 0:128], scale[:, 0:columns]
                nisa.nc_matmul_mx(sums, left, right, *scales, accumulate=False)
            elif pair:
                nisa.nc_matmul(sums, left, right, accumulate=False, perf_mode=option)
            else:
                nisa.nc_matmul(
                    sums, left, right, accumulate=False, is_stationary_onezero=option == "ones"
                )
        for _ in range(transposes):
            square = nl.ndarray((128, 128), dtype=kind, buffer=nl.psum)
            nisa.nc_transpose(square, left)
        result = nl.ndarray((128, columns), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_copy(result, sums)
        out = shared(128, columns)
        nisa.dma_copy(out, result)
        return out

    return body


def profiled(chip: str, *what: Any) -> KernelProfile:
    stream = trace(products(*what), target=target_of(chip))
    return build_profile([stream], chip, "products.py", ())[0]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_shares_of_the_time_lie_between_0_and_1(data: st.DataObject):
    chip = data.draw(st.sampled_from(sorted(ON_CHIP)))
    mode = data.draw(st.sampled_from(ON_CHIP[chip]))
    square = mode in ("bfloat16", "float16", "float32")
    found = profiled(
        chip, mode, data.draw(st.integers(1, 300)), data.draw(st.sampled_from((64, 128, 512))),
        data.draw(st.integers(0, 200)) if square else 0,
    )  # fmt: skip
    adjusted = found.adjusted_mfu
    assert 0 < adjusted.low <= adjusted.likely <= adjusted.high <= 1
    for end in ("low", "likely", "high"):
        assert getattr(found.mfu, end) <= getattr(found.hfu, end)
        assert getattr(found.mfu, end) <= RATES[mode] * 1.000001
    assert found.bounds_s["tensor"] <= found.time.low * (1 + 1e-9)


@pytest.mark.parametrize(
    ("chip", "mode"), [(chip, mode) for chip, modes in ON_CHIP.items() for mode in modes]
)
def test_each_mode_counts_over_the_bf16_peak_and_adjusted_over_its_own(chip: str, mode: str):
    found = profiled(chip, mode, 4)
    clock = load_chip(chip).silicon.clock.tensor.value
    peak = 2 * 128 * 128 * clock
    depth = {"mx": 4, "float8_e4m3 double_row": 2}.get(mode, 1)
    assert found.flops == 4 * 2 * 128 * 128 * 512 * depth
    assert found.mfu.likely == pytest.approx(found.flops / peak / found.time.likely)
    assert found.hfu.likely == pytest.approx(found.mfu.likely)
    assert found.adjusted_mfu.likely == pytest.approx(found.mfu.likely / RATES[mode])
