"""Time: what each engine and DMA queue does when.

Engines and queues issue in program order and overlap; an instruction waits for what it depends on.
Two figures bracket what a private scheduler may do: the program as written, and the dataflow bound
(true dependences and busy time only). Cycle-approximate, never cycle-accurate. No values needed.
Constants: `silicon` section of the chip file; rules: aws-neuron-sdk nki/deep-dives/
nki_perf_guide.rst, nki-dma-bandwidth-guide.rst, nki/guides/architecture/*.rst (ports, PSUM).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from glia.isa.engines import engine
from glia.isa.stream import Instruction, Stream
from glia.silicon.hazards import Dependences, dependences
from glia.silicon.meetings import Meeting, Member, member_of, walk
from glia.silicon.time.collectives import collective_s
from glia.silicon.time.cost import DMA, Cost, cost_of, latency
from glia.silicon.time.engine_time import EngineClock
from glia.silicon.time.timing import Timing
from glia.silicon.time.transfers import Transfers

__all__ = ["DMA", "LaunchTimes", "Scheduler", "Timeline", "least_busy", "schedule",
           "schedule_together"]  # fmt: skip


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
        self.engines = EngineClock(timing)
        self.transfers = Transfers(timing, self.engines)

    @property
    def busy_s(self) -> dict[str, float]:
        """Active time so far, by engine name and `dma`."""
        return self.engines.busy_s

    def run(self, stream: Stream, outside: Outside | None = None) -> LaunchTimes:
        """Issue a stream after everything issued before; meetings find no partner to wait for."""
        one_by_one = _Issue(self, stream)
        for one in stream.instructions:
            extra, extra_path = (0.0, 0.0) if outside is None else outside(one)
            one_by_one.step(one, extra, extra_path)
        return one_by_one.times

    def place(self, one: Instruction, cost: Cost, ready: float) -> tuple[float, float]:
        """Start and end of an instruction whose operands are there at `ready`."""
        dma = one.work.dma
        if dma is not None:
            return self.transfers.run(dma, cost, ready)
        return self.engines.run(one, cost, ready)


class _Issue:
    """One stream on its way through a scheduler."""

    def __init__(self, scheduler: Scheduler, stream: Stream) -> None:
        self.scheduler = scheduler
        self.made = stream.instructions
        self.num_cores = stream.place.num_cores
        self.deps: Dependences = dependences(stream)
        self.times = LaunchTimes([], [], [])

    def step(self, one: Instruction, extra: float = 0.0, extra_path: float = 0.0) -> None:
        """Issue the next instruction, which may have to wait for things outside."""
        cost = cost_of(one, self.scheduler.timing)
        ready, path = self.ready(one, cost)
        start, end = self.scheduler.place(one, cost, max(extra, ready))
        self.record(start, end, max(extra_path, path) + cost.alone_s)

    def record(self, start: float, end: float, path: float) -> None:
        """The times of the next instruction."""
        self.times.starts_s.append(start)
        self.times.ends_s.append(end)
        self.times.paths_s.append(path)

    def ready(self, one: Instruction, cost: Cost) -> tuple[float, float]:
        """When the results that the next instruction awaits are visible: as written, dataflow."""
        needs, after = self.deps.needs[one.index], self.deps.after[one.index]
        ends, paths, made = self.times.ends_s, self.times.paths_s, self.made
        timing, ready, path = self.scheduler.timing, 0.0, 0.0
        for index in needs:
            wait = latency(made[index], one, cost, timing)
            ready = max(ready, ends[index] + wait)
            path = max(path, paths[index] + wait)
        for index in after:
            in_order = made[index].engine is one.engine is not engine.dma
            wait = 0.0 if in_order else latency(made[index], one, cost, timing)
            ready = max(ready, ends[index] + wait)
        return ready, path

    def timeline(self, bound: float) -> Timeline:
        """What happened; `bound` is the least that others and busy engines allow."""
        times = self.times
        makespan = max(times.ends_s, default=0.0)
        low = max(bound, max(times.paths_s, default=0.0))
        return Timeline(
            tuple(times.starts_s),
            tuple(times.ends_s),
            makespan,
            min(low, makespan),
            dict(self.scheduler.busy_s),
        )


def schedule(stream: Stream, timing: Timing) -> Timeline:
    """Time a stream alone on one core."""
    issue = _Issue(Scheduler(timing), stream)
    for one in stream.instructions:
        issue.step(one)
    return issue.timeline(max(least_busy(stream.instructions, timing).values(), default=0.0))


def schedule_together(streams: Sequence[Stream], timing: Timing) -> tuple[Timeline, ...]:
    """Time streams that run at once, one per core and rank, from a common start.

    Cores fill one stack of HBM after the other, and share it: each gets its part of the bandwidth.
    The dataflow bound lets one core have all that its DMA engines can move, and all of them no more
    than the stack.

    Raises:
        KernelError: when members wait for each other for ever.
    """
    if len(streams) == 1:
        return (schedule(streams[0], timing),)
    shared = timing.shared_by(min(len(streams), timing.cores_per_stack))
    issues = {member_of(s.place): _Issue(Scheduler(shared), s) for s in streams}
    for item in walk(streams):
        if isinstance(item, Meeting):
            _meet(item, issues, shared)
        else:
            member, one = item
            issues[member].step(one)
    bounds = [max(least_busy(s.instructions, timing).values(), default=0.0) for s in streams]
    ordered = sorted(streams, key=lambda s: (s.place.rank, s.place.core))
    for first in range(0, len(ordered), timing.cores_per_stack):
        bounds.append(_stack_s(ordered[first : first + timing.cores_per_stack], timing))
    return tuple(issue.timeline(max(bounds)) for issue in issues.values())


def _stack_s(streams: Sequence[Stream], timing: Timing) -> float:
    """The least time in which one stack moves what its cores read and write."""
    moved = sum(_hbm_bytes(one) for stream in streams for one in stream.instructions)
    return moved / timing.stack_bandwidth


def _hbm_bytes(one: Instruction) -> int:
    dma = one.work.dma
    return 0 if dma is None else dma.hbm_read_bytes + dma.hbm_write_bytes


def _meet(meeting: Meeting, issues: Mapping[Member, _Issue], timing: Timing) -> None:
    """All come, then all go: a member's engine or queue is held from its coming to the end."""
    come, paths = [], []
    for member, one in zip(meeting.members, meeting.instructions, strict=True):
        ready, path = issues[member].ready(one, cost_of(one, timing))
        come.append(issues[member].scheduler.engines.free_at(one, ready))
        paths.append(path)
    together, path = max(come) + timing.semaphore_s, max(paths)
    for member, one, start in zip(meeting.members, meeting.instructions, come, strict=True):
        issue = issues[member]
        cost = cost_of(one, timing)
        _, end = issue.scheduler.place(one, cost, together)
        alone = cost.alone_s
        if one.work.collective is not None:
            moving = collective_s(one.work.collective, timing, issue.num_cores, _hbm_bytes(one))
            alone = max(alone, cost.first_byte_s + moving)
            end = max(end, together + alone)
            issue.scheduler.engines.hold(one, end)
        issue.record(start, end, path + alone)


def least_busy(made: Sequence[Instruction], timing: Timing) -> dict[str, float]:
    """Unavoidable active time per engine: no throttle, no waiting, one load per table used.

    Who issues DMAs counts, too, each sharing the work evenly.
    """
    busy: dict[str, float] = {}
    for one in made:
        for name, seconds in cost_of(one, timing).least_s:
            busy[name] = busy.get(name, 0.0) + seconds
    tables = {one.work.table for one in made if one.work.table}
    if tables:
        busy[engine.scalar.name] += len(tables) * timing.table_load_s
    return busy
