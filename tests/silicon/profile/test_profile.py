"""The profile of kernels whose counts follow by hand; times by first principles."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.chips import load_chip
from glia.core.errors import UnsupportedError
from glia.core.kernel_records import KernelProfile
from glia.core.units import format_quantity
from glia.silicon import Timing, schedule
from glia.silicon.hazards import dependences
from glia.silicon.profile import build_profile, predicted
from glia.silicon.profile.lines import critical_path
from silicon.profile.programs import CHIP, product, scaled, shared, trace
from silicon.random_programs import build, steps

PEAK = 2 * 128 * 128 * 2.4e9  # hardware.md 6: rows x columns x 2 x clock
FLOPS = 2 * 128 * 128 * 512


def profiled(kind: str = "bfloat16"):
    stream = trace(product, ((128, 128), kind), ((128, 512), kind))
    return build_profile([stream], CHIP, "product.py", ("a", "b"))


def test_bytes_and_flops_are_those_counted_by_hand():
    profile, _ = profiled()
    assert profile.flops == FLOPS
    assert profile.dma.hbm_read_bytes == 128 * 128 * 2 + 128 * 512 * 2
    assert profile.dma.hbm_write_bytes == 128 * 512 * 4
    assert profile.dma.num_transfers == 3
    # Rows of 256, 1024 and 2048 bytes, 128 of each.
    assert profile.dma.num_pieces == 3 * 128
    assert profile.dma.small_bytes == 128 * 256
    assert profile.memory.sbuf_peak_bytes <= 128 * 2 + 512 * 2 + 512 * 4
    assert profile.memory.psum_peak_banks == 1


def test_mfu_hfu_and_mbu_by_their_definitions():
    profile, _ = profiled()
    seconds = profile.time.likely
    assert profile.mfu.likely == pytest.approx(FLOPS / (PEAK * seconds))
    assert profile.hfu.likely == pytest.approx(profile.mfu.likely)
    stack = load_chip(CHIP).silicon.hbm.stack_bandwidth.value
    moved = 32768 + 131072 + 262144
    assert profile.mbu.likely == pytest.approx(moved / seconds / stack)
    assert profile.bounds_s["dma"] == pytest.approx(moved / (16 * 27.2e9))


def test_fp32_counts_over_the_bf16_peak_and_adjusted_by_its_four_passes():
    profile, _ = profiled("float32")
    assert profile.flops == FLOPS
    assert profile.mfu.likely == pytest.approx(FLOPS / (PEAK * profile.time.likely))
    assert profile.adjusted_mfu.likely == pytest.approx(4 * profile.mfu.likely)
    assert profile.hfu.likely == pytest.approx(profile.mfu.likely)


def test_the_interval_runs_from_dataflow_to_as_written():
    profile, _ = profiled()
    assert profile.time.low == profile.dataflow.low <= profile.dataflow.likely
    assert profile.dataflow.likely <= profile.as_written.likely == profile.time.likely
    assert profile.time.high == profile.as_written.high


def test_average_power_times_time_is_the_energy():
    profile, _ = profiled()
    assert profile.power.likely * profile.time.likely == pytest.approx(profile.energy.likely)
    parts = sum(e.likely for e in profile.energy_by_cause.values())
    assert parts == pytest.approx(profile.energy.likely)
    static = load_chip(CHIP).silicon.energy.static_power.value / 8
    assert profile.energy_by_cause["static"].likely == pytest.approx(static * profile.time.likely)


def test_lines_split_the_time_as_written_and_show_their_source():
    profile, _ = profiled()
    whole = sum(use.critical_s for use in profile.lines)
    assert whole == pytest.approx(profile.as_written.likely)
    assert sum(use.num_instructions for use in profile.lines) == profile.num_instructions
    codes = [use.code for use in profile.lines]
    assert any(code.startswith("nisa.nc_matmul(") for code in codes)
    assert sum(use.flops for use in profile.lines) == FLOPS


def test_lines_add_up_to_what_their_engines_were_active():
    """Transfers overlap in flight; their active times add up all the same."""
    stream = trace(lambda x: scaled(x, again=True), ((512, 512), "float32"))
    profile, _ = build_profile([stream], CHIP, "scaled.py", ())
    engines = {use.name: use.busy_s for use in profile.engines}
    for name in ("dma", "vector"):
        lines = sum(use.busy_s.get(name, 0.0) for use in profile.lines)
        assert lines == pytest.approx(engines[name], rel=1e-9)


def test_every_instruction_is_one_span_with_its_place():
    profile, spans = profiled()
    assert len(spans) == profile.num_instructions
    assert {s.name for s in spans} == {"dma_copy", "nc_matmul", "tensor_copy"}
    assert all("programs.py:" in s.detail and s.end_s > s.start_s for s in spans)
    assert max(s.end_s for s in spans) == pytest.approx(profile.as_written.likely)


def test_activity_is_busy_time_over_time():
    profile, _ = profiled()
    by_name = {use.name: use for use in profile.engines}
    vector = by_name["vector"]
    assert vector.num_instructions == 1
    assert vector.activity.likely == pytest.approx(vector.busy_s / profile.time.likely)
    assert all(0 <= use.activity.low <= use.activity.high <= 1 for use in profile.engines)


@settings(max_examples=40, deadline=None)
@given(steps)
def test_the_critical_chain_sums_to_the_time_as_written(program):
    stream = build(program)
    timeline = schedule(stream, Timing.of(load_chip(CHIP).silicon))
    parts = list(critical_path(stream, dependences(stream), timeline))
    assert sum(seconds for _, seconds in parts) == pytest.approx(timeline.makespan_s)
    assert all(seconds >= 0 for _, seconds in parts)
    indices = [index for index, _ in parts]
    assert indices == sorted(indices, reverse=True) or len(set(indices)) == len(indices)


def test_a_chip_known_from_its_data_sheet_is_refused():
    with pytest.raises(UnsupportedError, match="h100"):
        predicted([trace(product, ((128, 128), "bfloat16"), ((128, 512), "bfloat16"))], "h100")


def test_reloads_are_part_of_the_profile():
    stream = trace(lambda x: scaled(x, again=True), ((512, 512), "float32"))
    profile, _ = build_profile([stream], CHIP, "scaled.py", ())
    whole = 512 * 512 * 4
    assert [r.again_bytes for r in profile.reloads] == [whole]
    saved = profile.bounds_s["dma"] - profile.bounds_s["dma without reloads"]
    assert saved == pytest.approx(whole / (16 * 27.2e9))


def many_products(a, b):
    """64 products one after the other on tiles that are loaded once: the warm-up clock shows."""
    left = nl.ndarray((128, 128), dtype=a.dtype, buffer=nl.sbuf)
    right = nl.ndarray((128, 512), dtype=b.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=left, src=a)
    nisa.dma_copy(dst=right, src=b)
    sums = nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.psum)
    for _ in range(64):
        nisa.nc_matmul(dst=sums, stationary=left, moving=right)
    result = nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_copy(dst=result, src=sums)
    out = shared(128, 512)
    nisa.dma_copy(dst=out, src=result)
    return out


def many() -> KernelProfile:
    stream = trace(many_products, ((128, 128), "bfloat16"), ((128, 512), "bfloat16"))
    return build_profile([stream], CHIP, "products.py", ())[0]


def test_no_limit_is_above_the_low_end_of_the_time():
    profile = many()
    busy = {use.name: use.busy_s for use in profile.engines}
    assert busy["tensor"] > max(profile.bounds_s.values())  # the throttled clock is no limit
    for found in (profile, profiled()[0], profiled("float32")[0]):
        assert max(found.bounds_s.values()) <= found.time.low * (1 + 1e-9)


def test_what_the_warm_up_clock_costs_is_said():
    profile = many()
    (note,) = (n for n in profile.notes if "full clock" in n)
    # 64 products of 512 columns at 2.4 GHz, each with the fixed cycles of the chip file.
    fixed = load_chip(CHIP).silicon.tensor.issue_overhead_cycles.value
    assert format_quantity(64 * (512 + fixed) / 2.4e9, "s") in note
    assert not any("full clock" in n for n in profiled_copy().notes)


def profiled_copy() -> KernelProfile:
    stream = trace(lambda x: scaled(x, again=False), ((512, 512), "float32"))
    return build_profile([stream], CHIP, "scaled.py", ())[0]


def test_shares_of_a_peak_show_the_peak():
    profile = many()
    assert "78.6 TFLOP/s" in profile.mfu.reason and "78.6 TFLOP/s" in profile.hfu.reason
    stack = load_chip(CHIP).silicon.hbm.stack_bandwidth.value
    assert format_quantity(stack, "B/s") in profile.mbu.reason


def test_power_is_that_of_the_program_as_written():
    profile = many()
    moving = sum(e.high for name, e in profile.energy_by_cause.items() if name != "static")
    static = load_chip(CHIP).silicon.energy.static_power.estimate().high / 8
    assert profile.power.high == pytest.approx(moving / profile.as_written.low + static)


def test_a_kernel_below_the_chips_power_gets_no_warning_of_it():
    profile = many()
    share = load_chip(CHIP).power.tdp.value / 8
    assert profile.power.likely < share
    assert not any("power" in note for note in profile.notes)
