"""The roofline against hand calculation, and what must hold whatever the numbers are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cost.graphs import encoder_layer, matmul, tensor
from glia.chips import list_chips, load_chip
from glia.core.errors import UsageError
from glia.core.figures import Figure
from glia.cost import assumptions, estimate
from glia.graph.builder import GraphBuilder

LAYER = encoder_layer(batch=4, rows=32, width=128)
BIG = matmul(4096, 4096, 4096)


def scaled(figure, factor):
    low, high = (None if end is None else end * factor for end in (figure.low, figure.high))
    return Figure(figure.value * factor, figure.unit, figure.mark, figure.source, low, high)


def faster(chip, memory=1.0, compute=1.0):
    bandwidth = scaled(chip.memory.bandwidth, memory)
    peak = {f: scaled(figure, compute) for f, figure in chip.peak.items()}
    memory_section = chip.memory.model_copy(update={"bandwidth": bandwidth})
    return chip.model_copy(update={"memory": memory_section, "peak": peak})


def levels(estimate):
    return estimate.low, estimate.likely, estimate.high


def test_a_big_product_by_hand():
    """4096^3 in bf16 on H100: compute bound, 0.55 of 989 TFLOP/s, and one kernel gap of 3 us."""
    result = estimate(BIG, load_chip("h100"), "bf16")
    flops = 2 * 4096**3
    assert result.latency.likely == pytest.approx(flops / (0.55 * 989e12) + 3e-6, rel=1e-12)
    assert result.latency.low == pytest.approx(flops / (0.9 * 989e12) + 1e-6, rel=1e-12)
    assert result.latency.high == pytest.approx(flops / (0.2 * 989e12) + 3 * 10e-6, rel=1e-12)
    assert result.ops[0].bound == "compute"
    assert result.mfu.likely == pytest.approx(flops / 989e12 / result.latency.likely, rel=1e-12)


def test_an_elementwise_op_by_hand():
    """16 Mi additions in fp32 on L4: three tensors over 0.75 of 300 GB/s, and one kernel gap."""
    builder = GraphBuilder("add")
    x, y = (builder.input(name, tensor(4096, 4096)) for name in "xy")
    result = estimate(builder.finish([builder.emit("add", x, y)]), load_chip("l4"), "fp32")
    moved = 3 * 4 * 4096**2
    assert result.latency.likely == pytest.approx(moved / (0.75 * 300e9) + 3e-6, rel=1e-12)
    assert result.latency.low == pytest.approx(moved / (0.92 * 300e9) + 1e-6, rel=1e-12)
    assert result.ops[0].bound == "memory"
    assert result.num_sequences == 4096


def test_a_small_product_is_bound_by_its_launch():
    result = estimate(matmul(8, 8, 8), load_chip("h100"), "bf16")
    assert result.ops[0].bound == "launch"
    assert result.latency.low >= 1e-6


def test_a_graph_of_views_still_costs_one_kernel():
    builder = GraphBuilder("view")
    view = builder.emit("reshape", builder.input("x", tensor(2, 4)), shape=(4, 2))
    result = estimate(builder.finish([view]), load_chip("h100"), "bf16")
    assert levels(result.latency) == (1e-6, 3e-6, 10e-6)
    assert result.mfu.high == 0


@pytest.mark.parametrize("name", list_chips())
@pytest.mark.parametrize("precision", ["bf16", "fp32", "fp16", "fp8"])
def test_every_chip_gives_ordered_finite_numbers_or_says_unknown(name, precision):
    result = estimate(LAYER, load_chip(name), precision)
    if result.latency is None:
        assert result.throughput is None and result.power is None
        assert any("unknown" in note for note in result.notes)
        return
    assert 0 < result.latency.low <= result.latency.likely <= result.latency.high < 1
    assert result.mfu.low >= 0 and result.mfu.high <= 1
    assert result.utilisation.low > 0 and result.utilisation.high <= 1
    total = sum(row.time.likely for row in result.ops)
    assert total == pytest.approx(result.latency.likely)
    assert result.throughput.likely == pytest.approx(4 / result.latency.likely)
    assert result.latency.sources and result.reason


def test_power_stays_between_idle_and_the_highest_tdp():
    for name in list_chips():
        chip = load_chip(name)
        result = estimate(LAYER, chip, "bf16")
        if chip.power.tdp is None:
            continue
        top = chip.power.tdp.high or chip.power.tdp.value
        assert result.power.low > 0 and result.power.high <= top
        assert result.energy.likely == pytest.approx(result.power.likely * result.latency.likely)


def test_without_a_tdp_power_comes_from_the_energies():
    """inf2 by hand: static power, and joules per operation and byte over the time."""
    chip = load_chip("inf2")
    result, energy = estimate(BIG, chip, "bf16"), chip.silicon.energy
    joules = 2 * 4096**3 * energy.tensor_flop_bf16.value + 6 * 4096**2 * energy.hbm_byte.value
    expected = energy.static_power.value + joules / result.latency.likely
    assert result.power.likely == pytest.approx(expected, rel=1e-9)
    assert "no TDP is known" in result.power.reason


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(list_chips()), st.floats(1, 16), st.floats(1, 16))
def test_a_better_chip_is_never_slower(name, memory, compute):
    chip = load_chip(name)
    plain = estimate(LAYER, chip, "bf16").latency
    better = estimate(LAYER, faster(chip, memory, compute), "bf16").latency
    pairs = zip(levels(better), levels(plain), strict=True)
    assert all(new <= old * (1 + 1e-12) for new, old in pairs)


@settings(deadline=None, max_examples=15)
@given(st.sampled_from(["h100", "trn2", "epyc-genoa"]), st.integers(1, 8), st.integers(1, 48))
def test_more_work_is_never_faster(name, batch, rows):
    chip = load_chip(name)
    small = estimate(encoder_layer(batch, rows), chip, "bf16").latency
    large = estimate(encoder_layer(batch + 1, rows + 1), chip, "bf16").latency
    assert levels(small) <= levels(large)


def test_a_missing_format_falls_back_to_a_wider_one_and_says_so():
    result = estimate(LAYER, load_chip("t4"), "bf16")
    assert result.rate_format == "fp32"
    assert result.notes[0].startswith("NVIDIA T4 has no bf16 peak: computed and stored as fp32")
    assert levels(result.latency) == levels(estimate(LAYER, load_chip("t4"), "fp32").latency)


def test_no_wider_format_is_unknown_and_never_guessed():
    result = estimate(LAYER, load_chip("tpu-v5e"), "fp32")
    assert result.latency is None and result.ops == ()
    assert "time is unknown: Google TPU v5e has no known peak in fp32" in result.notes[0]


def test_weights_that_do_not_fit_are_noted():
    graph = matmul(1, 200_000, 100_000)
    (note,) = estimate(graph, load_chip("l4"), "bf16").notes
    assert note == "does not fit: 40 GB of weights, and NVIDIA L4 has 24 GB"
    assert estimate(graph, load_chip("h100"), "bf16").notes == ()


def test_an_unknown_precision_is_refused():
    with pytest.raises(UsageError, match="precision: got 'bf61'; did you mean 'bf16'"):
        estimate(LAYER, load_chip("h100"), "bf61")
    assert estimate(LAYER, load_chip("h100"), "bfloat16").precision == "bf16"


def test_virtual_chips_have_a_roofline_too():
    assert estimate(LAYER, load_chip("trn2"), "bf16").latency is not None


def test_every_band_is_wide_and_sourced():
    for kind, bands in assumptions().kinds.items():
        for name in ("compute", "memory", "launch", "idle", "load"):
            figure = getattr(bands, name)
            assert figure.mark == "estimated" and figure.high >= 1.4 * figure.low, (kind, name)
            assert len(figure.source) > 20


def test_cores_share_the_chip():
    """One core of eight has an eighth of the rates; eight copies fill the chip."""
    chip = load_chip("trn2")
    whole, one = (estimate(BIG, chip, "bf16", num_cores=n) for n in (8, 1))
    assert levels(whole.latency) == levels(estimate(BIG, chip, "bf16").latency)
    gap = 2e-6
    assert one.latency.likely - gap == pytest.approx(8 * (whole.latency.likely - gap), rel=1e-9)
    assert one.throughput.likely == pytest.approx(8 * 4096 / one.latency.likely)
    assert one.mfu.likely == pytest.approx(whole.mfu.likely, rel=0.05)
    assert one.energy.likely == pytest.approx(whole.energy.likely, rel=0.05)


@pytest.mark.parametrize(
    ("name", "num_cores", "message"),
    [
        ("trn2", 9, "estimating on trn2: got num_cores=9, expected 1 to 8"),
        ("trn2", 0, "got num_cores=0, expected 1 to 8"),
        ("h100", 1, "its number of cores is not known; leave num_cores out"),
    ],
)
def test_impossible_core_counts_are_refused(name, num_cores, message):
    with pytest.raises(UsageError, match=message):
        estimate(LAYER, load_chip(name), "bf16", num_cores=num_cores)
