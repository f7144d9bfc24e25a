"""What a program takes on its chip: latency interval, throughput, utilisation, energy.

Low: dataflow bound of the whole program, constants at their fast end. Likely: the program as
written, launch after launch on the same queues. High: the same with constants at their slow end.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from glia.chips import Chip, Silicon, load_chip
from glia.compiler.program import Launch, Program
from glia.core.figures import Estimate, Figure, exact
from glia.core.records import LaunchRecord, RunResult, Span
from glia.silicon import Placed, SequenceTimeline, Timing, schedule_sequence, stream_energy
from glia.silicon.hazards import track
from glia.silicon.profile.counts import count
from glia.silicon.time.timing import BOUNDS

_REASON = "from the dataflow bound with fast constants to the program as written with slow ones"
_CORES = "one core ran; a chip is its cores side by side, each with its own batch"


@dataclass(frozen=True, slots=True)
class _Timed:
    """The program at the three bounds."""

    fast: SequenceTimeline
    likely: SequenceTimeline
    slow: SequenceTimeline
    sources: tuple[str, ...]

    def seconds(self, launch: int | None = None) -> Estimate:
        """The whole program, or from a launch's first start to its last end."""
        if launch is None:
            low, likely, high = self.fast.dataflow_s, self.likely.makespan_s, self.slow.makespan_s
        else:
            low, likely, high = (_extent(t, launch) for t in (self.fast, self.likely, self.slow))
        low, high = min(low, likely), max(high, likely)
        return Estimate(low, likely, high, "s", _REASON, self.sources)


def _extent(timeline: SequenceTimeline, launch: int) -> float:
    times = timeline.launches[launch]
    return max(times.ends_s, default=0.0) - min(times.starts_s, default=0.0)


def timing_sources(silicon: Silicon) -> tuple[str, ...]:
    """Where the constants that time follows from were published or measured."""
    return tuple(dict.fromkeys(figure.source for figure in _timing_figures(silicon)))


def _extrapolated(chip: Chip, silicon: Silicon) -> tuple[str, ...]:
    """Said beside the numbers of a chip whose timing nobody has measured."""
    if any("extrapolated" in figure.note for figure in _timing_figures(silicon)):
        return (f"the timing of {chip.title} is extrapolated: no public measurement exists",)
    return ()


def _timing_figures(silicon: Silicon) -> list[Figure]:
    sections = (
        silicon.clock, silicon.tensor, silicon.vector, silicon.scalar, silicon.gpsimd,
        silicon.dma, silicon.hbm, silicon.sync,
    )  # fmt: skip
    figures = (figure for section in sections for _, figure in section)
    return [figure for figure in figures if isinstance(figure, Figure)]


def predict(program: Program) -> RunResult:
    """Time and energy of a program on one core of its chip; values are not needed."""
    chip = load_chip(program.chip)
    silicon = chip.silicon
    assert silicon is not None, "a program exists only for chips with a virtual model"
    timed = _time(program, silicon)
    latency = _latency(timed, silicon)
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
        utilisation=_utilisation(timed, latency),
        flops=exact(flops, "FLOP", "counted over all matrix instructions, transposes excepted"),
        hbm_bytes=exact(hbm_bytes, "B", "counted over all DMA instructions"),
        mfu=_mfu(program, silicon, latency),
        energy=energy,
        power=power,
        assumptions=(_CORES, *_extrapolated(chip, silicon), *notes),
        launches=tuple(_record(i, program, timed) for i in range(len(program.launches))),
        timeline=_spans(program, timed),
        timeline_title=_layer(program)[0],
    )


def _time(program: Program, silicon: Silicon) -> _Timed:
    launches = [_placed(program, launch) for launch in program.launches]
    buffers = {n: (b.offset, b.offset + b.num_bytes) for n, b in program.buffers.items()}
    fast, likely, slow = (
        schedule_sequence(launches, buffers, Timing.of(silicon, bound)) for bound in BOUNDS
    )
    return _Timed(fast, likely, slow, timing_sources(silicon))


def _placed(program: Program, launch: Launch) -> Placed:
    stream = program.streams[launch.stream]
    storages = (*stream.inputs, *stream.outputs)
    places = {s.index: place for s, place in zip(storages, launch.places, strict=True)}
    return Placed(stream, places)


def _latency(timed: _Timed, silicon: Silicon) -> Estimate:
    start = silicon.sync.launch_overhead.estimate("starting the program")
    return start.plus(timed.seconds())


def _totals(program: Program, silicon: Silicon) -> tuple[float, int, Estimate]:
    """FLOPs, HBM bytes, and dynamic energy of all launches."""
    counts = Counter(launch.stream for launch in program.launches)
    energy = Estimate(0, 0, 0, "J", "energy per operation and byte from circuit literature")
    flops, num_bytes = 0.0, 0
    for name, times in counts.items():
        one = stream_energy(program.streams[name], silicon.energy)
        energy = energy.plus(one.total.scaled(times))
        flops += one.flops * times
        num_bytes += (one.hbm_read_bytes + one.hbm_write_bytes) * times
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


def _mfu(program: Program, silicon: Silicon, latency: Estimate) -> Estimate:
    """Ideal Tensor-engine time of the useful products over the latency."""
    streams = [program.streams[launch.stream] for launch in program.launches]
    ideal_s = count(streams, silicon).useful_tensor_s
    fraction = latency.per(ideal_s, "fraction")
    return Estimate(
        fraction.low,
        fraction.likely,
        min(fraction.high, 1.0),
        "fraction",
        "FLOPs over the peak of the mode each runs in, of one core; " + latency.reason,
        (*latency.sources, silicon.clock.tensor.source),
    )


def _utilisation(timed: _Timed, latency: Estimate) -> dict[str, Estimate]:
    busy = sorted(timed.likely.busy_s.items())
    return {engine: _share(seconds, latency) for engine, seconds in busy}


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
    if tdp is not None and power.high > tdp.value:
        part = "" if power.likely > tdp.value else "the upper end of "
        return power, (f"{part}the predicted power {power} is above the assumed TDP of {tdp}",)
    return power, ()


def _record(index: int, program: Program, timed: _Timed) -> LaunchRecord:
    launch = program.launches[index]
    return LaunchRecord(
        name=launch.value or launch.stream,
        kernel=launch.kernel,
        layer=launch.layer,
        num_instructions=len(program.streams[launch.stream].instructions),
        duration=timed.seconds(index),
    )


# -- the timeline of one layer -------------------------------------------------------------------


def _layer(program: Program) -> tuple[str, list[int]]:
    """The first numbered layer of the model, or the longest launch when nothing is numbered."""
    launches = program.launches
    prefix = next((p for p in (_numbered_prefix(one.layer) for one in launches) if p), "")
    if prefix:
        return prefix, [i for i, one in enumerate(launches) if _within(one.layer, prefix)]
    sizes = [len(program.streams[one.stream].instructions) for one in launches]
    longest = sizes.index(max(sizes))
    return launches[longest].layer or launches[longest].kernel, [longest]


def _numbered_prefix(layer: str) -> str:
    parts = layer.split(".")
    numbered = next((i for i, part in enumerate(parts) if part.isdigit()), None)
    return "" if numbered is None else ".".join(parts[: numbered + 1])


def _within(layer: str, prefix: str) -> bool:
    return layer == prefix or layer.startswith(prefix + ".")


def _spans(program: Program, timed: _Timed) -> tuple[Span, ...]:
    """Every instruction of the chosen layer, from the layer's first start."""
    indices = _layer(program)[1]
    spans: list[Span] = []
    for index in indices:
        launch, times = program.launches[index], timed.likely.launches[index]
        stream = program.streams[launch.stream]
        for made, begin, end in zip(stream.instructions, times.starts_s, times.ends_s, strict=True):
            spans.append(Span(track(made), made.op, begin, end, launch.value))
    zero = min((span.start_s for span in spans), default=0.0)
    return tuple(
        replace(span, start_s=span.start_s - zero, end_s=span.end_s - zero) for span in spans
    )
