"""Walks every chip file: schema, units, sources; and checks values against the public documents."""

import itertools
import re
import tomllib

import pytest

from glia.chips import PEAK_UNITS, list_chips, load_chip
from glia.chips.loader import DATA
from glia.core.figures import MARKS
from glia.core.units import UNITS

EXPECTED = {"inf2", "trn1", "trn2", "trn3", "t4", "l4", "l40s", "a100", "h100", "h200", "b200"} | {
    *("mi300x", "tpu-v5e", "tpu-v5p", "tpu-v6e", "maia-100", "graviton4", "epyc-genoa")
}
VIRTUAL = ("inf2", "trn1", "trn2", "trn3")
AWS_PLACEHOLDER_USD_H = 700.0


def tree(name):
    return tomllib.loads((DATA / f"{name}.toml").read_text(encoding="utf-8"))


def sources_used(node):
    if isinstance(node, list):
        return {s for item in node for s in sources_used(item)}
    if not isinstance(node, dict):
        return set()
    own = {node["source"]} if "source" in node else set()
    return own | {s for child in node.values() for s in sources_used(child)}


def test_the_agreed_chips_are_there():
    assert set(list_chips()) >= EXPECTED


@pytest.mark.parametrize("name", list_chips())
def test_every_figure_has_unit_mark_and_source(name):
    chip = load_chip(name)
    figures = dict(chip.figures())
    assert figures
    for path, figure in figures.items():
        assert figure.unit in UNITS, path
        assert figure.mark in MARKS, path
        assert len(figure.source) > 10, path
        if figure.mark in ("estimated", "disputed"):
            assert figure.low is not None and figure.high is not None, path


@pytest.mark.parametrize("name", list_chips())
def test_no_source_is_listed_in_vain(name):
    raw = tree(name)
    assert sources_used({k: v for k, v in raw.items() if k != "sources"}) == set(raw["sources"])


@pytest.mark.parametrize("name", list_chips())
def test_files_are_ascii_and_say_who_made_the_chip(name):
    (DATA / f"{name}.toml").read_text(encoding="ascii")
    chip = load_chip(name)
    assert chip.name == name and chip.title and chip.vendor and chip.summary.endswith(".")


@pytest.mark.parametrize("name", list_chips())
def test_rentals_are_dated_prices_per_chip_and_no_placeholders(name):
    for rental in load_chip(name).rentals:
        assert re.search(r"20\d\d", rental.price.date)
        assert 0.01 < rental.price.value < 50 and rental.price.value != AWS_PLACEHOLDER_USD_H
        assert rental.num_chips >= 1


@pytest.mark.parametrize("name", list_chips())
def test_peaks_do_not_shrink_with_the_format(name):
    """A narrower float format is never slower than a wider one."""
    peak = load_chip(name).peak
    order = [f for f in ("fp32", "tf32", "bf16", "fp8", "fp4") if f in peak]
    values = [peak[f].value for f in order]
    assert values == sorted(values)
    assert all(peak[f].unit == PEAK_UNITS[f] for f in peak)


def test_names_and_aliases_are_distinct():
    names = [n for name in list_chips() for n in (name, *load_chip(name).aliases)]
    assert len(names) == len(set(names))
    assert load_chip("Trainium2") == load_chip("trn2")


@pytest.mark.parametrize("name", VIRTUAL)
def test_virtual_chips_have_silicon_and_their_cores_agree(name):
    chip = load_chip(name)
    assert chip.silicon is not None
    assert chip.num_cores.value == chip.silicon.num_cores


def test_inf2_is_made_of_the_silicon_of_trn1():
    assert load_chip("inf2").silicon == load_chip("trn1").silicon


# Typed by hand from the architecture pages, independently of the files.
HARDWARE = [
    ("trn1", "silicon.clock.tensor", 2.8e9),
    ("trn1", "silicon.clock.vector", 1.12e9),
    ("trn2", "silicon.clock.tensor", 2.4e9),
    ("trn2", "silicon.clock.vector", 0.96e9),
    ("trn3", "silicon.clock.vector", 1.2e9),
    ("trn1", "silicon.sbuf.partition_bytes", 192 * 1024),
    ("trn2", "silicon.sbuf.partition_bytes", 224 * 1024),
    ("trn3", "silicon.sbuf.partition_bytes", 256 * 1024),
    ("trn2", "silicon.sbuf.usable_partition_bytes", 208 * 1024 - 8),
    ("trn3", "silicon.sbuf.usable_partition_bytes", 240 * 1024 - 8),
    ("trn2", "memory.capacity", 96 * 2**30),
    ("trn3", "memory.capacity", 144 * 2**30),
    ("inf2", "memory.capacity", 32 * 2**30),
    ("trn2", "memory.bandwidth", 2.9e12),
    ("trn2", "peak.bf16", 667e12),
    ("trn1", "peak.bf16", 190e12),
    ("trn3", "peak.fp8", 2517e12),
    ("trn1", "silicon.dma.engine_bandwidth", 17e9),
    ("trn2", "silicon.dma.engine_bandwidth", 23e9),
    ("trn3", "silicon.dma.engine_bandwidth", 33e9),
    ("trn2", "silicon.dma.num_engines", 16),
    ("trn2", "silicon.tensor.throttle_ramp", 3e-6),
    ("trn2", "silicon.scalar.table_load", 1.285e-6),
    ("trn3", "silicon.scalar.rate_2byte", 2),
    ("h100", "memory.bandwidth", 3.35e12),
    ("h100", "peak.bf16", 989e12),
    ("a100", "peak.bf16", 312e12),
    ("l4", "power.tdp", 72),
]


@pytest.mark.parametrize(("name", "path", "value"), HARDWARE)
def test_values_against_the_public_record(name, path, value):
    assert dict(load_chip(name).figures())[path].value == pytest.approx(value, rel=1e-9)


# TFLOP/s of one core as the core pages print them.
CORE_BF16 = {"trn1": 92e12, "inf2": 92e12, "trn2": 79e12, "trn3": 79e12}


@pytest.mark.parametrize("name", VIRTUAL)
def test_the_array_gives_the_published_peak_of_a_core(name):
    silicon = load_chip(name).silicon
    array = silicon.tensor.rows.value * silicon.tensor.columns.value
    peak = 2 * array * silicon.clock.tensor.value
    assert peak == pytest.approx(CORE_BF16[name], rel=0.01)
    assert load_chip(name).peak["bf16"].low == pytest.approx(peak * silicon.num_cores, rel=0.01)


@pytest.mark.parametrize("name", VIRTUAL)
def test_psum_and_stacks_add_up(name):
    silicon, memory = load_chip(name).silicon, load_chip(name).memory
    assert silicon.psum.num_banks.value * silicon.psum.bank_bytes.value == 16 * 1024
    stacks = silicon.num_cores / silicon.hbm.cores_per_stack.value
    assert stacks * silicon.hbm.stack_bandwidth.value == pytest.approx(
        memory.bandwidth.value, rel=0.01
    )


@pytest.mark.parametrize("name", ["trn1", "trn2", "trn3"])
def test_energy_at_full_load_meets_the_third_party_power_estimate(name):
    """Peak bf16 compute, full HBM traffic and static power bracket the estimated TDP."""
    chip = load_chip(name)
    energy = chip.silicon.energy
    parts = [
        energy.tensor_flop_bf16.estimate().scaled(chip.peak["bf16"].value, "W"),
        energy.hbm_byte.estimate().scaled(chip.memory.bandwidth.value, "W"),
        energy.static_power.estimate(),
    ]
    load = parts[0].plus(parts[1]).plus(parts[2])
    tdp = chip.power.tdp
    assert load.low <= tdp.value <= load.high
    assert load.likely == pytest.approx(tdp.value, rel=0.2)


def test_capabilities_grow_with_the_generation():
    flags = [load_chip(n).silicon.capabilities.model_dump() for n in ("trn1", "trn2", "trn3")]
    shared_port = [f.pop("vector_gpsimd_shared_port") for f in flags]
    assert shared_port == [True, False, False]
    for older, newer in itertools.pairwise(flags):
        assert all(newer[key] >= older[key] for key in older)


def test_trn3_timing_is_marked_extrapolated():
    silicon = load_chip("trn3").silicon
    for figure in (
        silicon.tensor.issue_overhead_cycles,
        silicon.vector.fixed_cycles,
        silicon.scalar.fixed_cycles,
    ):
        assert figure.mark == "estimated" and "extrapolated" in figure.note + figure.source
