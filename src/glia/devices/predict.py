"""What a program takes on its chip: latency interval, throughput, utilisation, energy.

Low: no launch waits for more than its data (dataflow bound), constants at their fast end. Likely:
every launch as written, one after the other. High: the same with constants at their slow end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from glia.chips import Chip, Silicon, load_chip
from glia.compiler.program import Launch, Program
from glia.core.figures import Estimate, Figure, exact
from glia.core.records import LaunchRecord, RunResult, Span
from glia.isa.stream import Stream
from glia.silicon import Timeline, Timing, schedule, stream_energy
from glia.silicon.hazards import track

_REASON = (
    "from the dataflow bound with fast constants to the program as written with slow ones; "
    "launches do not overlap"
)
_CORES = "one core ran; a chip is its cores side by side, each with its own batch"


@dataclass(frozen=True, slots=True)
class _Timed:
    """One stream at the three bounds."""

    fast: Timeline
    likely: Timeline
    slow: Timeline

    @property
    def seconds(self) -> Estimate:
        """One launch."""
        likely = self.likely.makespan_s
        low = min(self.fast.dataflow_s, likely)
        return Estimate(low, likely, max(self.slow.makespan_s, likely), "s", _REASON)


def timing_sources(silicon: Silicon) -> tuple[str, ...]:
    """Where the constants that time follows from were published or measured."""
    sections = (
        silicon.clock, silicon.tensor, silicon.vector, silicon.scalar, silicon.gpsimd,
        silicon.dma, silicon.hbm, silicon.sync,
    )  # fmt: skip
    figures = (figure for section in sections for _, figure in section)
    return tuple(dict.fromkeys(f.source for f in figures if isinstance(f, Figure)))


def predict(program: Program) -> RunResult:
    """Time and energy of a program on one core of its chip; values are not needed."""
    chip = load_chip(program.chip)
    silicon = chip.silicon
    assert silicon is not None, "a program exists only for chips with a virtual model"
    timed = {name: _time(stream, silicon) for name, stream in program.streams.items()}
    latency = _latency(program, timed, silicon)
    num_cores = silicon.num_cores
    spread = _contention(program, silicon, latency)
    throughput = spread.per(program.num_sequences * num_cores, "sequences/s")
    flops, hbm_bytes, dynamic = _totals(program, silicon)
    static = silicon.energy.static_power.estimate().scaled(1 / num_cores)
    energy = dynamic.plus(static.times(latency, "J"))
    power, notes = _chip_power(chip, dynamic, spread, num_cores, silicon)
    return RunResult(
        device=f"virtual:{chip.name}",
        chip=chip.name,
        precision=program.precision,
        basis="virtual",
        num_sequences=program.num_sequences,
        num_cores=1,
        latency=latency,
        throughput=throughput,
        utilisation=_utilisation(program, timed, latency),
        flops=exact(flops, "FLOP", "counted over all matrix instructions, transposes excepted"),
        hbm_bytes=exact(hbm_bytes, "B", "counted over all DMA instructions"),
        mfu=_mfu(flops, silicon, latency),
        energy=energy,
        power=power,
        assumptions=(_CORES, *notes),
        launches=tuple(_record(one, program, timed) for one in program.launches),
        timeline=_spans(program, timed),
        timeline_title=_layer(program)[0],
    )


def _time(stream: Stream, silicon: Silicon) -> _Timed:
    return _Timed(
        schedule(stream, Timing.of(silicon, "optimistic")),
        schedule(stream, Timing.of(silicon, "likely")),
        schedule(stream, Timing.of(silicon, "pessimistic")),
    )


def _latency(program: Program, timed: Mapping[str, _Timed], silicon: Silicon) -> Estimate:
    total = silicon.sync.launch_overhead.estimate("starting the program")
    for launch in program.launches:
        total = total.plus(timed[launch.stream].seconds)
    return replace(total, sources=timing_sources(silicon))


def _totals(program: Program, silicon: Silicon) -> tuple[float, int, Estimate]:
    """FLOPs, HBM bytes, and dynamic energy of all launches."""
    counts = Counter(launch.stream for launch in program.launches)
    energy = Estimate(0, 0, 0, "J", "energy per operation and byte from circuit literature")
    flops, num_bytes = 0.0, 0
    for name, count in counts.items():
        one = stream_energy(program.streams[name], silicon.energy)
        energy = energy.plus(one.total.scaled(count))
        flops += one.flops * count
        num_bytes += (one.hbm_read_bytes + one.hbm_write_bytes) * count
    return flops, num_bytes, energy


def _contention(program: Program, silicon: Silicon, latency: Estimate) -> Estimate:
    """Latency when all cores of a stack run: its bandwidth is shared."""
    _, num_bytes, _ = _totals(program, silicon)
    stack = silicon.hbm.stack_bandwidth.estimate()
    cores = silicon.hbm.cores_per_stack.value
    needed = stack.per(num_bytes * cores, "s")
    return Estimate(
        max(latency.low, needed.low),
        max(latency.likely, needed.likely),
        max(latency.high, needed.high),
        "s",
        latency.reason + "; cores share their HBM stack",
        latency.sources + needed.sources,
    )


def _mfu(flops: float, silicon: Silicon, latency: Estimate) -> Estimate:
    """Share of the array's bf16 peak, by its geometry and clock."""
    tensor = silicon.tensor
    peak = 2 * tensor.rows.value * tensor.columns.value * silicon.clock.tensor.value
    fraction = latency.per(flops / peak, "fraction")
    return Estimate(
        fraction.low,
        fraction.likely,
        min(fraction.high, 1.0),
        "fraction",
        "FLOPs over rows x columns x 2 x clock of one core; " + latency.reason,
        (*latency.sources, silicon.clock.tensor.source),
    )


def _utilisation(
    program: Program, timed: Mapping[str, _Timed], latency: Estimate
) -> dict[str, Estimate]:
    counts = Counter(launch.stream for launch in program.launches)
    busy: dict[str, float] = {}
    for name, count in counts.items():
        for engine, seconds in timed[name].likely.busy_s.items():
            busy[engine] = busy.get(engine, 0.0) + seconds * count
    return {engine: _share(seconds, latency) for engine, seconds in sorted(busy.items())}


def _share(seconds: float, latency: Estimate) -> Estimate:
    low, likely = seconds / latency.high, seconds / latency.likely
    high = min(1.0, seconds / latency.low)
    return Estimate(
        min(low, likely), likely, max(high, likely), "fraction",
        "active time as written, over the latency interval", latency.sources,
    )  # fmt: skip


def _chip_power(
    chip: Chip, dynamic: Estimate, spread: Estimate, num_cores: int, silicon: Silicon
) -> tuple[Estimate, tuple[str, ...]]:
    """Average power of a whole chip with all cores busy, and what is odd about it."""
    moving = dynamic.scaled(num_cores)
    static = silicon.energy.static_power.estimate()
    power = Estimate(
        moving.low / spread.high + static.low,
        moving.likely / spread.likely + static.likely,
        moving.high / spread.low + static.high,
        "W",
        "energy over time on all cores, plus static power; no watts are published",
        dynamic.sources + static.sources,
    )
    tdp = chip.power.tdp
    if tdp is not None and power.likely > tdp.value:
        return power, (f"predicted power {power} is above the assumed TDP of {tdp}",)
    return power, ()


def _record(launch: Launch, program: Program, timed: Mapping[str, _Timed]) -> LaunchRecord:
    return LaunchRecord(
        name=launch.value or launch.stream,
        kernel=launch.kernel,
        layer=launch.layer,
        num_instructions=len(program.streams[launch.stream].instructions),
        duration=timed[launch.stream].seconds,
    )


# -- the timeline of one layer -------------------------------------------------------------------


def _layer(program: Program) -> tuple[str, list[Launch]]:
    """The first numbered layer of the model, or the longest launch when nothing is numbered."""
    for launch in program.launches:
        prefix = _numbered_prefix(launch.layer)
        if prefix:
            mine = [one for one in program.launches if _within(one.layer, prefix)]
            return prefix, mine
    longest = max(program.launches, key=lambda one: len(program.streams[one.stream].instructions))
    return longest.layer or longest.kernel, [longest]


def _numbered_prefix(layer: str) -> str:
    parts = layer.split(".")
    numbered = next((i for i, part in enumerate(parts) if part.isdigit()), None)
    return "" if numbered is None else ".".join(parts[: numbered + 1])


def _within(layer: str, prefix: str) -> bool:
    return layer == prefix or layer.startswith(prefix + ".")


def _spans(program: Program, timed: Mapping[str, _Timed]) -> tuple[Span, ...]:
    """Every instruction of the chosen layer, launch after launch."""
    spans: list[Span] = []
    start = 0.0
    for launch in _layer(program)[1]:
        stream, line = program.streams[launch.stream], timed[launch.stream].likely
        for made, begin, end in zip(stream.instructions, line.starts_s, line.ends_s, strict=True):
            spans.append(Span(track(made), made.op, start + begin, start + end, launch.value))
        start += line.makespan_s
    return tuple(spans)
