"""Predicted time of the kernels: the published rate of the Tensor engine, and overlap."""

from __future__ import annotations

from typing import Any

import pytest

from glia.chips import load_chip
from glia.core.dtypes import dtype as find
from glia.isa.target import target_of
from glia.kernels import layer_norm as norms
from glia.kernels.attention import attention
from glia.kernels.matmul import linear
from glia.kernels.softmax import accepts as softmax_accepts
from glia.kernels.softmax import softmax
from glia.nki.kernel import TensorSpec
from glia.silicon.time.timeline import Timeline, schedule
from glia.silicon.time.timing import Timing

BF16 = find("bfloat16")
PEAK_FLOPS = 2 * 128 * 128 * 2.4e9  # one NeuronCore-v3, bf16
# aws-neuron-sdk, neuron-agentic-development te_inefficiency.md: one 128 x 128 x 512 step.
PUBLISHED_STEP_CYCLES = 521.5


def spec(*shape: int, dtype: Any = BF16, strides: tuple[int, ...] | None = None) -> TensorSpec:
    return TensorSpec(shape, dtype, strides)


def timeline(kernel: Any, *specs: Any, chip: str = "trn2", **static: Any) -> Timeline:
    silicon = load_chip(chip).silicon
    assert silicon is not None
    return schedule(kernel.trace(*specs, target=target_of(chip), **static), Timing.of(silicon))


@pytest.mark.parametrize("lhs_transposed,least", [(True, 0.88), (False, 0.85)])
def test_large_product_keeps_the_tensor_engine_busy(lhs_transposed: bool, least: float) -> None:
    got = timeline(linear, spec(2048, 2048), spec(2048, 2048), lhs_transposed=lhs_transposed)
    assert 2 * 2048**3 / (got.makespan_s * PEAK_FLOPS) >= least
    if lhs_transposed:
        cycles = got.busy_s["tensor"] * 2.4e9 / (16 * 16 * 4)
        assert cycles == pytest.approx(PUBLISHED_STEP_CYCLES, rel=0.03)


def test_whole_product_with_small_operands_overlaps() -> None:
    got = timeline(linear, spec(1024, 384), spec(384, 1536), spec(1536), "gelu")
    assert got.makespan_s < 2.2 * max(got.busy_s.values())


def test_attention_overlaps_its_engines() -> None:
    heads = spec(8, 12, 128, 32, strides=(128 * 1152, 32, 1152, 1))
    mask = spec(8, 1, 1, 128, dtype=find("uint8"))
    got = timeline(attention, heads, heads, heads, mask, scale=0.17)
    total = sum(got.busy_s.values())
    assert got.makespan_s < 0.6 * total
    # What GpSimd subtracts lies between the scores and their exponentials, and takes the port that
    # Vector's fast modes use.
    assert got.makespan_s < 1.8 * got.busy_s["vector"]


@pytest.mark.parametrize("chip", ["trn2", "inf2"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_widest_rows_fit_with_many_tiles_in_flight(chip: str, dtype: str) -> None:
    """Tracing allocates: it raises when something does not fit."""
    kind, target = find(dtype), target_of(chip)
    size = kind.itemsize
    norm = max(n for n in range(1, 60_000, 64) if norms.accepts(n, size, target.sbuf_bytes))
    rows, row = spec(400, norm, dtype=kind), spec(norm, dtype=kind)
    norms.add_layer_norm.trace(rows, rows, row, row, target=target, epsilon=1e-5)
    for columns in (1024, 8192):
        rows, row = spec(400, columns, dtype=kind), spec(columns, dtype=kind)
        norms.add_layer_norm.trace(rows, rows, row, row, target=target, epsilon=1e-5)
    wide = max(n for n in range(1, 60_000, 64) if softmax_accepts(n, size, target.sbuf_bytes))
    softmax.trace(spec(400, wide, dtype=kind), target=target)


@pytest.mark.parametrize("chip", ["trn2", "inf2"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("k", [1500, 1800, 3500, 3700, 16_384, 40_000])
@pytest.mark.parametrize("lhs_transposed", [False, True])
def test_any_depth_of_product_fits(k: int, dtype: str, chip: str, lhs_transposed: bool) -> None:
    kind = find(dtype)
    x = spec(k, 1100, dtype=kind) if lhs_transposed else spec(1100, k, dtype=kind)
    w, bias = spec(k, 1100, dtype=kind), spec(1100, dtype=kind)
    linear.trace(x, w, bias, "gelu", lhs_transposed, target=target_of(chip))
