"""The kernels of the validation page: what they compute, and that their predicted time agrees."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glia.chips import load_chip
from glia.isa.target import target_of
from glia.nki.simulation import execute
from glia.silicon import Core, Timing, schedule

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "validation"))

import mamba_kernels as mamba
import matmul_kernels as matmul
from rows import all_rows, layer, specs
from validate import page, predict

ROWS = {row.name: row for row in all_rows()}
SMALL = [name for name, row in ROWS.items() if row.size <= 7]


def run(kernel, chip, shapes, arrays, **options):
    stream = kernel.trace(*shapes, target=target_of(chip), **options)
    return execute(stream, arrays, Core(target_of(chip)))


@pytest.mark.parametrize(
    ("kernel", "options"),
    [
        (matmul.naive, {}),
        (matmul.naive_reused, {"columns": 2}),
        (matmul.columns_first, {}),
        (matmul.blocked, {}),
        (matmul.blocked_in_k, {"rows": 2, "terms": 2}),
        (matmul.long_rows, {"rows": 1}),
        (matmul.blocked_in_place, {"rows": 1}),
    ],
)
def test_products(kernel, options):
    shapes = specs("fp32", (256, 256), (256, 1024))
    random = np.random.default_rng(1)
    left, right = (random.standard_normal(s.shape).astype(np.float32) for s in shapes)
    found = run(kernel, "trn2", shapes, [left, right], **options)
    exact = left.astype(np.float64).T @ right
    assert np.allclose(found, exact, atol=1e-3)


@pytest.mark.parametrize(
    ("kernel", "options"),
    [
        (mamba.states_outside, {}),
        (mamba.channels_outside, {}),
        (mamba.channels_outside, {"tile": 16}),
    ],
)
def test_mamba(kernel, options):
    shapes = layer(128, 64, states=3)
    random = np.random.default_rng(2)
    arrays = [random.uniform(0.1, 0.9, s.shape).astype(np.float32) for s in shapes]
    delta, u, a, b, c = (x.astype(np.float64) for x in arrays)
    arrays[2] = -arrays[2]
    state, exact = np.zeros((128, 3)), np.zeros((128, 64))
    for t in range(64):
        decay = np.exp(delta[:, t, None] * -a)
        state = decay * state + (delta[:, t] * u[:, t])[:, None] * b[None, :, t]
        exact[:, t] = state @ c[:, t]
    assert np.allclose(run(kernel, "trn1", shapes, arrays, **options), exact, rtol=1e-4)


@pytest.mark.parametrize("name", SMALL)
def test_time_agrees_with_what_was_measured(name):
    agrees(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ROWS if name not in SMALL])
def test_time_of_large_kernels(name):
    agrees(name)


def agrees(name):
    row = ROWS[name]
    found = predict(row)
    if row.band is not None:
        assert abs(found.error) <= row.band, found


def test_the_throttle_shows():
    """Without it the peak kernel gains the lost part of its first 3 us and the blocked one more."""
    silicon = load_chip("trn2").silicon
    throttled = Timing.of(silicon)
    free = replace(throttled, throttle_fraction=1.0)
    peak = ROWS["F"]
    stream = peak.kernel.trace(*peak.shapes, target=target_of("trn2"))
    lost = schedule(stream, throttled).makespan_s - schedule(stream, free).makespan_s
    assert 0.5e-6 < lost < 1.5e-6
    shapes = specs("bf16", (4096, 1024), (4096, 2048))
    stream = matmul.blocked_in_place.trace(*shapes, target=target_of("trn2"))
    lost = (
        schedule(stream, throttled).busy_s["tensor"] / schedule(stream, free).busy_s["tensor"] - 1
    )
    assert lost > 0.05


def test_the_page_names_every_row_and_every_constant():
    text = page([predict(ROWS["F"])])
    assert "| F |" in text and "tensor.throttle_ramp" in text and "dma.issue_hwdge" in text
    recorded = Path(__file__).parents[2] / "docs" / "validation.md"
    assert all(f"| {name} |" in recorded.read_text(encoding="utf-8") for name in ROWS)
