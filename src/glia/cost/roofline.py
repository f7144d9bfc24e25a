"""What a graph takes on a chip known from its data sheet only: a roofline per operation.

Each operation takes the longer of its arithmetic at a share of the peak and its traffic at a share
of the bandwidth, and leaves a gap for every kernel it starts. Low, likely and high run the whole
sum with the best, usual and worst of every band (`assumptions.toml`, the chip's own ranges).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from glia.chips import Chip
from glia.core.errors import UsageError, choose
from glia.core.figures import Estimate, Figure, exact, merge_sources
from glia.cost.assumptions import Bands, assumptions
from glia.cost.power import Load, levels, power_and_energy
from glia.cost.work import OpWork, Triple, measure
from glia.graph.ir import Graph

# For each precision: the formats that can stand in for it, the nearest first, all as wide or wider.
_STAND_INS = {
    "fp8": ("fp8", "bf16", "fp16", "tf32", "fp32"),
    "bf16": ("bf16", "tf32", "fp32"),
    "fp16": ("fp16", "tf32", "fp32"),
    "fp32": ("fp32",),
}
_NAMES = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16", "float8_e4m3": "fp8"}
_FORMAT_BYTES = {"fp8": 1, "bf16": 2, "fp16": 2, "tf32": 4, "fp32": 4}
REASON = (
    "roofline per operation: shares of peak and bandwidth, fusion and kernel gaps are bands,"
    " and their extremes add up; host work and transfers to the chip are left out"
)


@dataclass(frozen=True, slots=True)
class OpRow:
    """One operation: what it does, how long it takes, and what limits it when all goes as usual."""

    name: str
    op: str
    layer: str
    flops: int
    bytes: Estimate
    time: Estimate
    bound: str


@dataclass(frozen=True, slots=True)
class Roofline:
    """The estimate of one graph on one whole chip; None where the chip's record has no basis.

    `rate_format` is the format whose peak was used, empty when none is known. `utilisation` is the
    share of the time in which arithmetic or memory is busy. `latency`, `flops`, `memory_bytes` and
    `energy` are for `num_sequences` on `num_cores` cores (None: the whole chip); `throughput` and
    `power` are for a whole chip whose other cores do the same.
    """

    chip: str
    precision: str
    rate_format: str
    num_sequences: int
    num_cores: int | None
    flops: Estimate
    memory_bytes: Estimate
    latency: Estimate | None
    throughput: Estimate | None
    utilisation: Estimate | None
    mfu: Estimate | None
    power: Estimate | None
    energy: Estimate | None
    ops: tuple[OpRow, ...]
    reason: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Job:
    """The question: which work on which chip; `num_copies` of it fill the chip."""

    chip: Chip
    precision: str
    num_sequences: int
    num_cores: int | None
    num_copies: float
    works: tuple[OpWork, ...]


@dataclass(frozen=True, slots=True)
class _Rates:
    """What the chip does per second, as (best, usual, worst): products, elementwise, bytes, gap."""

    format: str
    matmul: Triple
    vector: Triple | None
    memory: Triple
    launch_s: Triple
    sources: tuple[str, ...]


def estimate(
    graph: Graph,
    chip: Chip,
    precision: str,
    *,
    num_sequences: int | None = None,
    num_cores: int | None = None,
) -> Roofline:
    """Estimate `graph` on `chip` with floats in `precision` (fp32, bf16, fp16, fp8).

    `num_sequences` defaults to the leading dim of the first input that has one. With `num_cores`
    the graph runs on that many cores, with their share of peak and bandwidth, and the other cores
    run copies of it; without, the graph has the whole chip.

    Raises:
        UsageError: for an unknown precision, or more cores than the chip is known to have.
    """
    precision = choose("precision", _NAMES.get(precision, precision), _STAND_INS)
    count = _num_sequences(graph) if num_sequences is None else num_sequences
    rate_format = next((f for f in _STAND_INS[precision] if f in chip.peak), "")
    notes = _format_notes(chip, precision, rate_format)
    works = measure(graph, _FORMAT_BYTES[rate_format or precision])
    notes += _fit_notes(graph, chip, _FORMAT_BYTES[rate_format or precision])
    job = _Job(chip, precision, count, num_cores, _num_copies(chip, num_cores), works)
    if not rate_format or chip.memory.bandwidth is None:
        return _unknown(job, notes)
    rates = _rates(chip, chip.memory.bandwidth, rate_format, 1 / job.num_copies)
    if rates.vector is None:
        notes += ("elementwise arithmetic is not charged: the chip's record has no fp32 peak",)
    return _known(job, rates, notes)


def _known(job: _Job, rates: _Rates, notes: tuple[str, ...]) -> Roofline:
    works, copies = job.works, job.num_copies
    rows = tuple(_row(work, rates) for work in works)
    latency = _sum([row.time for row in rows], _at_least_one_kernel(works, rates), rates.sources)
    time_s = (latency.low, latency.likely, latency.high)
    busy = _shares(_totals([_busy(work, rates) for work in works]), time_s)
    flops, moved = _flops(works), _moved(works)
    peak = job.chip.peak[rates.format]
    moved_by_all = moved.scaled(copies)
    all_bytes = (moved_by_all.low, moved_by_all.likely, moved_by_all.high)
    load = Load(rates.format, flops.likely * copies, all_bytes, time_s, busy)
    power, energy = power_and_energy(job.chip, load)
    return Roofline(
        chip=job.chip.name,
        precision=job.precision,
        rate_format=rates.format,
        num_sequences=job.num_sequences,
        num_cores=job.num_cores,
        flops=flops,
        memory_bytes=moved,
        latency=latency,
        throughput=latency.per(job.num_sequences * copies, "sequences/s"),
        utilisation=_spread(busy, "share of the time outside kernel gaps"),
        mfu=_spread(_mfu(works, peak, copies, time_s), "products over peak times time"),
        power=power,
        energy=None if energy is None else energy.scaled(1 / copies),
        ops=rows,
        reason=REASON,
        notes=notes,
    )


def _unknown(job: _Job, notes: tuple[str, ...]) -> Roofline:
    if job.chip.memory.bandwidth is None:
        notes += (f"time is unknown: no memory bandwidth is known for {job.chip.title}",)
    return Roofline(
        chip=job.chip.name,
        precision=job.precision,
        rate_format="",
        num_sequences=job.num_sequences,
        num_cores=job.num_cores,
        flops=_flops(job.works),
        memory_bytes=_moved(job.works),
        latency=None,
        throughput=None,
        utilisation=None,
        mfu=None,
        power=None,
        energy=None,
        ops=(),
        reason="unknown",
        notes=notes,
    )


def _num_copies(chip: Chip, num_cores: int | None) -> float:
    if num_cores is None:
        return 1.0
    known = 0 if chip.num_cores is None else int(chip.num_cores.value)
    if not 1 <= num_cores <= known:
        raise UsageError(
            f"estimating on {chip.name}: got num_cores={num_cores}, expected 1 to {known}"
            if known
            else f"estimating on {chip.name}: got num_cores={num_cores}, but its number of cores"
            " is not known; leave num_cores out"
        )
    return known / num_cores


def _rates(chip: Chip, bandwidth: Figure, rate_format: str, share: float) -> _Rates:
    bands: Bands = assumptions().kinds[chip.kind]
    peak, vector = chip.peak[rate_format], chip.peak.get("fp32")
    figures = (peak, bandwidth, bands.compute, bands.memory, bands.launch)
    return _Rates(
        rate_format,
        _best_first(peak, bands.compute, share),
        None if vector is None else _best_first(vector, bands.compute, share),
        _best_first(bandwidth, bands.memory, share),
        levels(bands.launch),
        merge_sources(tuple(figure.source for figure in figures)),
    )


def _row(work: OpWork, rates: _Rates) -> OpRow:
    busy = _busy(work, rates)
    times = [b + k * gap for b, k, gap in zip(busy, work.kernels, rates.launch_s, strict=True)]
    return OpRow(
        name=work.node.result.name,
        op=work.node.op,
        layer=work.node.layer,
        flops=work.matmul_flops + work.vector_flops,
        bytes=Estimate(*work.bytes, "B", "all fused, one kernel, or split"),
        time=Estimate(times[0], times[1], times[2], "s", REASON),
        bound=_bound(work, rates),
    )


def _busy(work: OpWork, rates: _Rates) -> Triple:
    """Seconds in which arithmetic or memory is the limit: best, usual, worst."""
    arithmetic = _arithmetic_s(work, rates)
    traffic = [b / rate for b, rate in zip(work.bytes, rates.memory, strict=True)]
    best, usual, worst = map(max, arithmetic, traffic)
    return best, usual, worst


def _arithmetic_s(work: OpWork, rates: _Rates) -> list[float]:
    products = [work.matmul_flops / rate for rate in rates.matmul]
    if rates.vector is None:
        return products
    return [p + work.vector_flops / rate for p, rate in zip(products, rates.vector, strict=True)]


def _bound(work: OpWork, rates: _Rates) -> str:
    parts = {
        "compute": _arithmetic_s(work, rates)[1],
        "memory": work.bytes[1] / rates.memory[1],
        "launch": work.kernels[1] * rates.launch_s[1],
    }
    return max(parts, key=lambda part: parts[part]) if any(parts.values()) else "nothing"


def _at_least_one_kernel(works: tuple[OpWork, ...], rates: _Rates) -> Triple:
    """A graph that fuses to nothing but views and elementwise work is still one kernel."""
    launched = [sum(work.kernels[i] for work in works) for i in range(3)]
    best, usual, worst = (
        0.0 if n else gap for n, gap in zip(launched, rates.launch_s, strict=True)
    )
    return best, usual, worst


def _sum(times: list[Estimate], gap: Triple, sources: tuple[str, ...]) -> Estimate:
    readings = [(time.low, time.likely, time.high) for time in times]
    return Estimate(*_totals([gap, *readings]), "s", REASON, sources)


def _mfu(works: tuple[OpWork, ...], peak: Figure, copies: float, time_s: Triple) -> Triple:
    """Share of the peak that the matrix products reach; the best reading uses the high peak."""
    low, likely, high = levels(peak)
    products = copies * sum(work.matmul_flops for work in works)
    return _shares((products / high, products / likely, products / low), time_s)


def _shares(parts: Triple, totals: Triple) -> Triple:
    best, usual, worst = (part / total for part, total in zip(parts, totals, strict=True))
    return best, usual, worst


def _totals(triples: Iterable[Triple]) -> Triple:
    best, usual, worst = (sum(column) for column in zip((0.0, 0.0, 0.0), *triples, strict=True))
    return best, usual, worst


def _spread(shares: Triple, reason: str) -> Estimate:
    """A share as an estimate: the readings are not ordered, so the extremes are taken."""
    return Estimate(min(shares), shares[1], max(shares), "fraction", reason)


def _flops(works: tuple[OpWork, ...]) -> Estimate:
    total = sum(work.matmul_flops + work.vector_flops for work in works)
    return exact(total, "FLOP", "counted in the graph; one per elementwise result")


def _moved(works: tuple[OpWork, ...]) -> Estimate:
    reason = "all fused, one kernel per operation, or products split from what surrounds them"
    return Estimate(*_totals(work.bytes for work in works), "B", reason)


def _format_notes(chip: Chip, precision: str, rate_format: str) -> tuple[str, ...]:
    if rate_format == precision:
        return ()
    known = f"known peaks: {', '.join(chip.peak) or 'none'}"
    if rate_format:
        return (
            f"{chip.title} has no {precision} peak: computed and stored as {rate_format} ({known})",
        )
    wanted = precision if precision == "fp32" else f"{precision} or a wider format"
    return (f"time is unknown: {chip.title} has no known peak in {wanted} ({known})",)


def _fit_notes(graph: Graph, chip: Chip, float_bytes: int) -> tuple[str, ...]:
    types = [value.type for value in graph.constants]
    sizes = (
        t.num_elements * (float_bytes if t.dtype.is_float else t.dtype.itemsize) for t in types
    )
    weights, capacity = sum(sizes), chip.memory.capacity
    if capacity is None or weights <= capacity.value:
        return ()
    got = exact(weights, "B", "")
    return (f"does not fit: {got} of weights, and {chip.title} has {capacity}",)


def _num_sequences(graph: Graph) -> int:
    return next((v.type.shape[0] for v in graph.inputs if v.type.rank and v.type.shape[0]), 1)


def _best_first(peak: Figure, reached: Figure, share: float) -> Triple:
    """Rates as (best, usual, worst): peak, times the part of it that is reached and is ours."""
    low, likely, high = (p * r * share for p, r in zip(levels(peak), levels(reached), strict=True))
    return high, likely, low
