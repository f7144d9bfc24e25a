"""A `KernelProfile` from the streams of a launch: times, shares, counts, lines, advice.

Time: low is the dataflow bound with fast constants, likely the program as its compiler leaves it
(see invariants), high the program as written with slow constants. All that is likely (lines,
engines, energy, what advice is compared with) is of the program as compiled. MFU, HFU and MBU are
those of the public profiler (see counts).
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from glia.chips import Chip, Silicon, load_chip
from glia.core.figures import Estimate, Figure, exact
from glia.core.kernel_records import (
    Advice,
    DmaUse,
    EngineUse,
    KernelProfile,
    LineUse,
    MemoryUse,
    Reload,
    Spill,
)
from glia.core.records import Span
from glia.core.units import format_quantity
from glia.isa.engines import engine
from glia.isa.stream import Stream
from glia.isa.target import Target, target_of
from glia.silicon.energy import stream_energy
from glia.silicon.hazards import dependences, track
from glia.silicon.profile.advice import Situation, advise
from glia.silicon.profile.counts import (
    Counts,
    count,
    dma_bandwidth,
    peak_flops,
    stack_bandwidth,
)
from glia.silicon.profile.lines import line_uses
from glia.silicon.profile.movement import place, reloads, spills
from glia.silicon.profile.timed import WORTH_A_NOTE, Timed, timed_launch, untried
from glia.silicon.profile.unread import unread
from glia.silicon.profile.whatif import Variant
from glia.silicon.time.timeline import DMA, Timeline, least_busy, schedule
from glia.silicon.time.timing import Timing


@dataclass(frozen=True, slots=True)
class Predicted:
    """Time and energy of a launch, before anything is explained."""

    timed: Timed
    counts: Counts
    time: Estimate
    energy: Estimate
    energy_by_cause: Mapping[str, Estimate]
    power: Estimate
    notes: tuple[str, ...]


def predicted(streams: Sequence[Stream], chip_name: str) -> Predicted:
    """Time, energy and average power of one launch on one chip.

    Raises:
        UnsupportedError: for a chip that glia cannot execute.
    """
    chip = load_chip(target_of(chip_name).chip)
    silicon = chip.silicon
    assert silicon is not None
    timed = timed_launch(tuple(streams), chip)
    time = timed.time()
    causes, energy = _energy(timed, chip, time)
    power = _power(causes, silicon, timed, len(streams))
    return Predicted(
        timed,
        count(timed.compiled.streams, silicon),
        time,
        energy,
        causes,
        power,
        (
            *_notes(chip, silicon, power, len(streams)),
            *(found.note for found in unread(streams)),
            *timed.notes(),
        ),
    )


def _energy(timed: Timed, chip: Chip, time: Estimate) -> tuple[dict[str, Estimate], Estimate]:
    """By cause: low without what is computed again, likely as compiled, high as written."""
    silicon = chip.silicon
    assert silicon is not None
    lean, likely, written = (
        _moving(streams, chip)
        for streams in (timed.lean, timed.compiled.streams, timed.written.streams)
    )
    causes = dict[str, Estimate]()
    for name, most in written.items():
        least, middle = lean.get(name), likely.get(name)
        causes[name] = dataclasses.replace(
            most, low=least.low if least else 0.0, likely=middle.likely if middle else 0.0
        )
    share = len(timed.written.streams) / silicon.num_cores
    causes["static"] = silicon.energy.static_power.estimate().scaled(share).times(time, "J")
    total = Estimate(0, 0, 0, "J", "energy per operation and byte from circuit literature")
    for part in causes.values():
        total = total.plus(part)
    return causes, total


def _moving(streams: Sequence[Stream], chip: Chip) -> dict[str, Estimate]:
    """Energy of the instructions of all cores, by cause."""
    silicon, causes = chip.silicon, dict[str, Estimate]()
    assert silicon is not None
    for stream in streams:
        for name, part in stream_energy(stream, silicon.energy, chip).by_cause.items():
            causes[name] = part if name not in causes else causes[name].plus(part)
    return causes


def _power(
    causes: Mapping[str, Estimate], silicon: Silicon, timed: Timed, num_cores: int
) -> Estimate:
    """Average power of the cores that ran: the work's energy over the time of a program that runs
    it in order, and static.

    No hypothetical schedule is in it: the most energy in the least time would be nobody's power.
    """
    static = silicon.energy.static_power.estimate().scaled(num_cores / silicon.num_cores)
    moving = [part for name, part in causes.items() if name != "static"]
    written, likely_s = timed.as_written(), timed.time().likely
    low, likely, high = (
        sum(getattr(part, end) for part in moving) / seconds if seconds else 0.0
        for end, seconds in (("low", written.high), ("likely", likely_s), ("high", written.low))
    )
    return Estimate(
        min(low, likely) + static.low, likely + static.likely, max(likely, high) + static.high, "W",
        "energy over the time in program order, of the cores that ran; no watts are published",
        static.sources,
    )  # fmt: skip


def _notes(chip: Chip, silicon: Silicon, power: Estimate, num_cores: int) -> tuple[str, ...]:
    notes = []
    if "extrapolated" in silicon.clock.tensor.note or any(
        "extrapolated" in f.note for _, f in silicon.dma if isinstance(f, Figure)
    ):
        notes.append(f"the timing of {chip.title} is extrapolated: no public measurement exists")
    tdp = chip.power.tdp
    if tdp is not None:
        share = tdp.value * num_cores / silicon.num_cores
        if power.likely > share:
            notes.append(
                f"the average power {power} is above {share:.3g} W, these cores' share of "
                f"the {tdp} assumed for the chip: a real one would slow down"
            )
    return tuple(notes)


def build_profile(
    streams: Sequence[Stream], chip_name: str, file: str, arguments: tuple[str, ...]
) -> tuple[KernelProfile, tuple[Span, ...]]:
    """Profile one launch: the record, and what every engine and queue did when.

    `streams` are one per core. Lines and advice are those of the core that takes longest.
    """
    target = target_of(chip_name)
    chip = load_chip(target.chip)
    silicon = chip.silicon
    assert silicon is not None
    found = predicted(streams, chip_name)
    cores = len(streams)
    compiled = found.timed.compiled
    slowest = max(range(cores), key=lambda i: compiled.likely[i].makespan_s)
    stream, timeline = compiled.streams[slowest], compiled.likely[slowest]
    peak, whole = peak_flops(silicon, cores), found.timed.all_work()
    over = f"{format_quantity(peak, 'FLOP/s')}, the bf16 peak: rows x columns x 2 x clock"
    profile = KernelProfile(
        kernel=stream.name,
        file=file,
        chip=target.chip,
        generation=target.generation,
        num_cores=cores,
        arguments=arguments,
        num_instructions=sum(len(s.instructions) for s in streams),
        time=found.time,
        as_written=found.timed.as_written(),
        dataflow=found.timed.dataflow(),
        bounds_s=_bounds(found, silicon),
        flops=found.counts.flops,
        mfu=_fraction(found.counts.flops, peak, whole, _MFU + over, most=math.inf),
        hfu=_fraction(found.counts.all_flops, peak, whole, _HFU + over, most=math.inf),
        adjusted_mfu=_fraction(found.counts.useful_tensor_s, cores, whole, _ADJUSTED + over),
        mbu=_mbu(found, silicon, cores),
        engines=_engines(found.timed, whole),
        dma=_dma(found, silicon, cores),
        reloads=_all_reloads(streams),
        spills=_all_spills(streams),
        memory=_memory(streams, target),
        energy=found.energy,
        energy_by_cause=found.energy_by_cause,
        power=found.power,
        lines=_lines(stream, timeline, Timing.of(silicon).shared_by(stream.place.num_cores)),
        advice=_advice(compiled.streams, stream, target, silicon),
        notes=(
            *found.notes,
            *_data_notes(streams),
            *_clock_notes(stream, timeline, Timing.of(silicon)),
            *_core_notes(streams, slowest),
        ),
        untried=untried(streams, stream),
    )
    return profile, spans(found.timed)


_MFU = "useful FLOPs of any format over "
_HFU = "all Tensor-engine FLOPs, transposes too, over "
_ADJUSTED = "useful FLOPs, each weighed by the passes that its format takes, over "
_MBU = "HBM bytes read and written over {}, the bandwidth of the stacks used"


def _fraction(
    amount: float, peak: float, time: Estimate, reason: str, most: float = 1.0
) -> Estimate:
    if not amount or time.low <= 0:
        return exact(0.0, "fraction", reason)
    found = time.per(amount / peak, "fraction")
    high = max(found.likely, min(most, found.high))
    return Estimate(found.low, found.likely, high, "fraction", reason, time.sources)


def _mbu(found: Predicted, silicon: Silicon, cores: int) -> Estimate:
    """Each end of the time with the bandwidth that it was found with."""
    bandwidth = stack_bandwidth(silicon, cores)
    reason = _MBU.format(format_quantity(bandwidth, "B/s"))
    share = _fraction(
        found.counts.hbm_bytes, bandwidth, found.timed.all_work(), reason, most=math.inf
    )
    figure = silicon.hbm.stack_bandwidth
    fast = share.high * figure.value / (figure.high or figure.value)
    return dataclasses.replace(share, high=max(share.likely, fast))


def _bounds(found: Predicted, silicon: Silicon) -> dict[str, float]:
    counts, streams = found.counts, found.timed.compiled.streams
    cores = len(streams)
    again = sum(r.again_bytes for r in _all_reloads(streams))
    bandwidth = dma_bandwidth(silicon, cores)
    # A limit must hold for the low end of the time, too: without what is computed again, and at
    # fast constants and a full clock.
    least = counts if found.timed.lean is streams else count(found.timed.lean, silicon)
    fast = Timing.of(silicon, "optimistic")
    busiest = max(
        (t for s in found.timed.lean for t in least_busy(s.instructions, fast).values()),
        default=0.0,
    )
    return {
        "dma": counts.dma_bytes / bandwidth,
        "dma without reloads": (counts.dma_bytes - again) / bandwidth,
        "tensor": least.tensor_s / cores,
        "tensor without transposes": least.useful_tensor_s / cores,
        "busiest engine": busiest,
    }


def _engines(timed: Timed, time: Estimate) -> tuple[EngineUse, ...]:
    compiled = timed.compiled
    cores = len(compiled.streams)
    busy: dict[str, float] = {}
    counts: dict[str, int] = {}
    for stream, timeline in zip(compiled.streams, compiled.likely, strict=True):
        for name, seconds in timeline.busy_s.items():
            busy[name] = busy.get(name, 0.0) + seconds / cores
        for one in stream.instructions:
            name = DMA if one.work.dma is not None else one.engine.name
            counts[name] = counts.get(name, 0) + 1
    return tuple(
        EngineUse(name, counts.get(name, 0), seconds, _activity(seconds, time))
        for name, seconds in sorted(busy.items(), key=lambda item: -item[1])
    )


def _activity(seconds: float, time: Estimate) -> Estimate:
    reason = "active time in program order, over the time interval"
    if time.likely <= 0 or time.low <= 0:
        return exact(0.0, "fraction", reason)
    likely = min(1.0, seconds / time.likely)
    return Estimate(
        min(likely, seconds / time.high), likely, max(likely, min(1.0, seconds / time.low)),
        "fraction", reason, time.sources,
    )  # fmt: skip


def _dma(found: Predicted, silicon: Silicon, cores: int) -> DmaUse:
    counts = found.counts
    peak = dma_bandwidth(silicon, cores)
    rates = []
    ends = found.timed.compiled
    for timelines in (ends.slow, ends.likely, ends.fast):
        busy = sum(t.busy_s.get(DMA, 0.0) for t in timelines) / cores
        rates.append(min(1.0, counts.dma_bytes / busy / peak) if busy else 0.0)
    low, likely, high = sorted(rates)
    return DmaUse(
        num_transfers=counts.num_transfers,
        num_bytes=counts.dma_bytes,
        num_pieces=counts.num_pieces,
        mean_piece_bytes=counts.dma_bytes / counts.num_pieces if counts.num_pieces else 0.0,
        small_bytes=counts.small_bytes,
        efficiency=Estimate(
            low, likely, high, "fraction",
            "bytes over active time and theoretical bandwidth", found.timed.sources,
        ),
        hbm_read_bytes=counts.hbm_read_bytes,
        hbm_write_bytes=counts.hbm_write_bytes,
    )  # fmt: skip


def _all_reloads(streams: Sequence[Stream]) -> tuple[Reload, ...]:
    return tuple(r for stream in streams for r in reloads(stream))


def _all_spills(streams: Sequence[Stream]) -> tuple[Spill, ...]:
    return tuple(s for stream in streams for s in spills(stream))


def _memory(streams: Sequence[Stream], target: Target) -> MemoryUse:
    return MemoryUse(
        sbuf_peak_bytes=max(s.sbuf_peak_bytes for s in streams),
        sbuf_bytes=target.sbuf_bytes,
        psum_peak_banks=max(s.psum_peak_banks for s in streams),
        psum_banks=target.psum_banks,
    )


def _data_notes(streams: Sequence[Stream]) -> tuple[str, ...]:
    asked = next((s.data_dependent for s in streams if s.data_dependent), "")
    if not asked:
        return ()
    where = "/".join(asked.split("/")[-1:])
    lines = Counter(place(one) for s in streams[:1] for one in s.instructions)
    line, times = max(lines.items(), key=lambda item: item[1], default=("", 0))
    trips = f", with which {line} ran {times:,} times" if times > 1 else ""
    return (f"the kernel's control flow asks for data at {where}: this is for these values{trips}",)


def _clock_notes(stream: Stream, timeline: Timeline, timing: Timing) -> tuple[str, ...]:
    """How much longer the Tensor engine's instructions took than at full clock."""
    made = [one for one in stream.instructions if one.engine is engine.tensor and not one.work.dma]
    full = sum(timing.engine_s(one) for one in made)
    taken = sum(timeline.ends_s[one.index] - timeline.starts_s[one.index] for one in made)
    if taken - full < WORTH_A_NOTE * timeline.makespan_s:
        return ()
    return (
        f"the Tensor engine's instructions took {format_quantity(taken - full, 's')} more than the "
        f"{format_quantity(full, 's')} of its full clock: it starts slow, and speeds up over "
        f"{format_quantity(timing.throttle_ramp_s, 's')} of activity",
    )


def _lines(stream: Stream, timeline: Timeline, timing: Timing) -> tuple[LineUse, ...]:
    return line_uses(stream, dependences(stream), timeline, timing)


def _core_notes(streams: Sequence[Stream], slowest: int) -> tuple[str, ...]:
    if len(streams) == 1:
        return ()
    place = streams[slowest].place
    rank = f" of rank {place.rank}" if place.num_ranks > 1 else ""
    advice = "" if untried(streams, streams[slowest]) else ", advice is for that core timed alone"
    return (f"lines are those of core {place.core}{rank}, the slowest{advice}",)


def _advice(
    streams: Sequence[Stream], stream: Stream, target: Target, silicon: Silicon
) -> tuple[Advice, ...]:
    if untried(streams, stream):
        return ()
    timing = Timing.of(silicon)
    alone = schedule(stream, timing)
    return advise(Situation(Variant.of(stream), alone, timing, target, silicon))


def spans(timed: Timed) -> tuple[Span, ...]:
    """Every instruction of every core as a span, engines before queues."""
    found = []
    streams, timelines = timed.compiled.streams, timed.compiled.likely
    several = len(streams) > 1
    for core, (stream, timeline) in enumerate(zip(streams, timelines, strict=True)):
        prefix = f"core {core} " if several else ""
        for one, start, end in zip(
            stream.instructions, timeline.starts_s, timeline.ends_s, strict=True
        ):
            detail = f"{one.file}:{one.line}"
            found.append(Span(prefix + track(one), one.op, start, end, detail))
    return tuple(found)
