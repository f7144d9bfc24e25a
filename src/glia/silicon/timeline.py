"""Time: what each engine and DMA queue does when.

Engines and queues issue in program order and overlap; an instruction waits for what it depends on.
Two figures bracket what a private scheduler may do: the program as written, and the dataflow bound
(true dependences and busy time only). Cycle-approximate, never cycle-accurate. No values needed.
Constants: `silicon` section of the chip file; rules: aws-neuron-sdk nki/deep-dives/
nki_perf_guide.rst, nki-dma-bandwidth-guide.rst, tools/neuron-explorer/glossary.rst (throttle).
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from glia.isa.engines import engine
from glia.isa.stream import DmaWork, Instruction, Stream
from glia.silicon.hazards import dependences
from glia.silicon.timing import Timing

DMA = "dma"


@dataclass(frozen=True, slots=True)
class Timeline:
    """When each instruction of one launch ran, in seconds from its start.

    `makespan_s` is the program as written; `dataflow_s` the lower bound. `busy_s` is active time by
    engine name, `dma` included.
    """

    starts_s: tuple[float, ...]
    ends_s: tuple[float, ...]
    makespan_s: float
    dataflow_s: float
    busy_s: Mapping[str, float]


class _Throttle:
    """The Tensor engine's activity throttle: starts slow, speeds up over a window of activity.

    Where the array did less than half of what it can in a window of `ramp` seconds, it starts again
    (neuron-explorer glossary). What counts is the work done, since it limits steps of the current:
    an instruction that runs at half speed is half the activity.
    """

    def __init__(self, fraction: float, ramp_s: float) -> None:
        self._fraction, self._ramp = fraction, ramp_s
        self._since = 0.0
        self._recent: deque[tuple[float, float, float]] = deque()  # start, end, speed

    def speed(self, now: float) -> float:
        """Fraction of the full clock at which an instruction issued now runs."""
        if self._fraction >= 1:
            return 1.0
        first = now - self._ramp
        while self._recent and self._recent[0][1] <= first:
            self._recent.popleft()
        if now - self._since >= self._ramp:
            done = sum((end - max(start, first)) * speed for start, end, speed in self._recent)
            if done < 0.5 * self._ramp:
                self._since = now
        progress = min(1.0, (now - self._since) / self._ramp)
        return self._fraction + (1 - self._fraction) * progress

    def ran(self, start: float, end: float, speed: float) -> None:
        """Record activity; back-to-back instructions of one speed count as one interval."""
        if self._recent and self._recent[-1][1] == start and self._recent[-1][2] == speed:
            start = self._recent.pop()[0]
        self._recent.append((start, end, speed))


@dataclass(frozen=True, slots=True)
class LaunchTimes:
    """Per instruction: start, end, and the earliest end that true dependences alone allow."""

    starts_s: list[float]
    ends_s: list[float]
    paths_s: list[float]


# Extra waits of an instruction that come from outside its stream: (as written, dataflow).
Outside = Callable[[Instruction], tuple[float, float]]


class Scheduler:
    """One core over time: engines and queues keep their place from one stream to the next."""

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self.throttle = _Throttle(timing.throttle_fraction, timing.throttle_ramp_s)
        self.free_s: dict[str, float] = {}
        self.busy_s: dict[str, float] = {}
        self.dma_taken_s: list[tuple[float, float]] = []
        self.table = ""

    def run(self, stream: Stream, outside: Outside | None = None) -> LaunchTimes:
        """Issue a stream after everything issued before."""
        deps = dependences(stream)
        made, timing = stream.instructions, self.timing
        times = LaunchTimes([], [], [])
        for one, needs, after in zip(made, deps.needs, deps.after, strict=True):
            extra, extra_path = (0.0, 0.0) if outside is None else outside(one)
            ready = max(extra, _ready(one, (*needs, *after), times.ends_s, made, timing))
            start, end = _run(one, ready, self)
            path = max(extra_path, _ready(one, needs, times.paths_s, made, timing))
            times.starts_s.append(start)
            times.ends_s.append(end)
            times.paths_s.append(path + _alone_s(one, timing))
        return times


def schedule(stream: Stream, timing: Timing) -> Timeline:
    """Time a stream alone on one core."""
    scheduler = Scheduler(timing)
    times = scheduler.run(stream)
    makespan = max(times.ends_s, default=0.0)
    busy = least_busy(stream.instructions, timing)
    bound = max(max(times.paths_s, default=0.0), max(busy.values(), default=0.0))
    return Timeline(
        tuple(times.starts_s),
        tuple(times.ends_s),
        makespan,
        min(bound, makespan),
        dict(scheduler.busy_s),
    )


def _ready(
    one: Instruction,
    waits: tuple[int, ...],
    ends: list[float],
    made: tuple[Instruction, ...],
    timing: Timing,
) -> float:
    """When the last of the awaited results is visible to this instruction."""
    ready = 0.0
    for index in waits:
        other = made[index]
        ready = max(ready, ends[index] + _latency(other, one, timing))
    return ready


def _latency(producer: Instruction, consumer: Instruction, timing: Timing) -> float:
    """Seconds from the end of one instruction until another may start on its result."""
    if producer.engine is engine.dma:
        return timing.completion_latency_s
    if consumer.engine is engine.dma:
        # The published gap runs to the first byte, which `start_latency` is already part of.
        return max(timing.producer_latency_s - timing.start_latency_s, timing.semaphore_s)
    return 0.0 if producer.engine is consumer.engine else timing.semaphore_s


def _run(one: Instruction, ready: float, state: Scheduler) -> tuple[float, float]:
    dma = one.work.dma
    if dma is not None:
        return _run_dma(dma, ready, state)
    name = one.engine.name
    start = max(state.free_s.get(name, 0.0), ready)
    duration = _engine_s(one, state.timing)
    if one.engine is engine.tensor:
        speed = state.throttle.speed(start)
        duration /= speed
        state.throttle.ran(start, start + duration, speed)
    elif one.work.table and one.work.table != state.table:
        state.table = one.work.table
        duration += state.timing.table_load_s
    state.free_s[name] = start + duration
    state.busy_s[name] = state.busy_s.get(name, 0.0) + duration
    return start, start + duration


def _run_dma(dma: DmaWork, ready: float, state: Scheduler) -> tuple[float, float]:
    """Issue on a queue (and on GpSimd when it builds the descriptors), then share the engines."""
    timing = state.timing
    queue = f"queue {dma.queue}"
    issue = timing.issue_software_s if dma.software else timing.issue_hardware_s
    start = max(state.free_s.get(queue, 0.0), ready)
    if dma.software:
        start = max(start, state.free_s.get("gpsimd", 0.0))
        state.free_s["gpsimd"] = start + issue
        state.busy_s["gpsimd"] = state.busy_s.get("gpsimd", 0.0) + issue
    state.free_s[queue] = start + issue
    transfer = _transfer_s(dma, timing)
    # A queue moves its transfers in order: none overtakes an earlier one of the same queue.
    moved = f"moved {dma.queue}"
    earliest = max(start + timing.start_latency_s, state.free_s.get(moved, 0.0))
    begin = _reserve(state.dma_taken_s, earliest, transfer)
    state.free_s[moved] = begin + transfer
    state.busy_s[DMA] = state.busy_s.get(DMA, 0.0) + transfer
    return start, begin + transfer


def _reserve(taken: list[tuple[float, float]], earliest: float, seconds: float) -> float:
    """Start of the first idle span of the DMA engines that is long enough; marks it as taken.

    A transfer that waits for its data occupies no engine: one of another queue passes it.
    """
    at = bisect.bisect_left(taken, earliest, key=lambda span: span[1])
    begin = earliest
    while at < len(taken) and taken[at][0] < begin + seconds:
        begin = max(begin, taken[at][1])
        at += 1
    taken.insert(at, (begin, begin + seconds))
    return begin


def _transfer_s(dma: DmaWork, timing: Timing) -> float:
    """Contiguous pieces spread over the DMA engines; a small piece costs its descriptor."""
    per_engine = timing.dma_bandwidth / timing.dma_engines
    piece = max(dma.element_bytes / per_engine, timing.descriptor_s)
    rounds = dma.num_elements / min(timing.dma_engines, dma.num_elements)
    return rounds * piece


def _engine_s(one: Instruction, timing: Timing) -> float:
    cycles = one.work.cycles + timing.fixed_cycles[one.engine]
    return cycles / timing.hertz[one.engine]


def _alone_s(one: Instruction, timing: Timing) -> float:
    dma = one.work.dma
    if dma is None:
        return _engine_s(one, timing)
    return timing.start_latency_s + _transfer_s(dma, timing)


def least_busy(made: tuple[Instruction, ...], timing: Timing) -> dict[str, float]:
    """Unavoidable active time per engine: no throttle, no waiting, one load per table used."""
    busy: dict[str, float] = {}
    for one in made:
        dma = one.work.dma
        name = DMA if dma is not None else one.engine.name
        seconds = _transfer_s(dma, timing) if dma is not None else _engine_s(one, timing)
        busy[name] = busy.get(name, 0.0) + seconds
    tables = {one.work.table for one in made if one.work.table}
    if tables:
        busy[engine.scalar.name] += len(tables) * timing.table_load_s
    return busy
