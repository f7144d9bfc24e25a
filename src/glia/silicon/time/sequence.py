"""Launches one after the other on one core, as a program: queues keep their place.

The next launch's instructions are issued behind this one's, engine by engine; there is no barrier.
What holds an instruction back across launches is data in HBM (by byte range) and memory that an
earlier launch still uses (SBUF and PSUM by address, HBM by buffer).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from glia.isa.engines import engine
from glia.isa.stream import Instruction, Stream
from glia.isa.tensors.addressing import reach
from glia.isa.tensors.tensor import NkiTensor
from glia.silicon.time.timeline import LaunchTimes, Scheduler, least_busy
from glia.silicon.time.timing import Timing

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Placed:
    """A launch: its stream, and for each HBM storage its buffer and first byte there."""

    stream: Stream
    places: Mapping[int, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class SequenceTimeline:
    """A whole program, in seconds from its start; one LaunchTimes per launch."""

    launches: tuple[LaunchTimes, ...]
    makespan_s: float
    dataflow_s: float
    busy_s: Mapping[str, float]


@dataclass(slots=True)
class _Written:
    """Bytes of a buffer that a DMA wrote: when, as written and by dataflow alone."""

    low: int
    high: int
    end_s: float
    path_s: float


def schedule_sequence(
    launches: Sequence[Placed], buffers: Mapping[str, Range], timing: Timing
) -> SequenceTimeline:
    """Time launches in order; `buffers` maps names to byte ranges of HBM, which may be shared."""
    core = Scheduler(timing)
    memory = _Memory(buffers, timing)
    done = []
    for launch in launches:
        times = memory.run(core, launch)
        done.append(times)
    makespan = max((max(t.ends_s, default=0.0) for t in done), default=0.0)
    path = max((max(t.paths_s, default=0.0) for t in done), default=0.0)
    everything = tuple(one for launch in launches for one in launch.stream.instructions)
    bound = max(path, max(least_busy(everything, timing).values(), default=0.0))
    return SequenceTimeline(tuple(done), makespan, min(bound, makespan), dict(core.busy_s))


class _Memory:
    """What earlier launches wrote and still use."""

    def __init__(self, buffers: Mapping[str, Range], timing: Timing) -> None:
        self._buffers = buffers
        self._timing = timing
        self._written: dict[str, list[_Written]] = {}
        self._last_access_s: dict[str, float] = {}
        self._on_chip: dict[str, list[tuple[int, int, float]]] = {"sbuf": [], "psum": []}

    def run(self, core: Scheduler, launch: Placed) -> LaunchTimes:
        """Schedule one launch, and remember what it touched."""
        on_chip = self._on_chip_waits(launch.stream)
        reused = {name: self._reuse_wait(name) for name, _ in launch.places.values()}

        def outside(one: Instruction) -> tuple[float, float]:
            wait = max((on_chip.get(v.storage.index, 0.0) for v in one.writes), default=0.0)
            if one.engine is not engine.dma:
                return wait, 0.0
            path = 0.0
            for view in one.reads:
                end, path_end = self._read_wait(launch, view)
                wait, path = max(wait, end), max(path, path_end)
            for view in one.writes:
                if view.storage.index in launch.places:
                    wait = max(wait, reused[launch.places[view.storage.index][0]])
            return wait, path

        times = core.run(launch.stream, outside)
        self._remember(launch, times)
        return times

    def _on_chip_waits(self, stream: Stream) -> dict[int, float]:
        """Per storage, when the memory under it is free of earlier launches."""
        waits: dict[int, float] = {}
        for storage in stream.storages:
            if storage.on_chip and storage.address >= 0:
                low, high = storage.address, storage.address + storage.partition_bytes
                busy = self._on_chip[storage.memory]
                waits[storage.index] = max(
                    (end for a, b, end in busy if a < high and low < b), default=0.0
                )
        return waits

    def _read_wait(self, launch: Placed, view: NkiTensor) -> tuple[float, float]:
        place = launch.places.get(view.storage.index)
        if place is None:
            return 0.0, 0.0
        low, high = _byte_range(view, place[1])
        found = [w for w in self._written.get(place[0], ()) if w.low < high and low < w.high]
        latency = self._timing.completion_latency_s
        wait = max((w.end_s for w in found), default=-latency) + latency
        return wait, max((w.path_s for w in found), default=-latency) + latency

    def _reuse_wait(self, name: str) -> float:
        """When every other buffer on the same bytes was last touched."""
        low, high = self._buffers[name]
        wait = 0.0
        for other, end in self._last_access_s.items():
            a, b = self._buffers[other]
            if other != name and a < high and low < b:
                wait = max(wait, end)
        return wait

    def _remember(self, launch: Placed, times: LaunchTimes) -> None:
        last_use: dict[int, float] = {}
        for one, end, path in zip(
            launch.stream.instructions, times.ends_s, times.paths_s, strict=True
        ):
            for view in (*one.writes, *one.reads):
                index = view.storage.index
                last_use[index] = max(last_use.get(index, 0.0), end)
            for view in one.writes:
                if view.storage.index in launch.places:
                    name, base = launch.places[view.storage.index]
                    low, high = _byte_range(view, base)
                    self._written.setdefault(name, []).append(_Written(low, high, end, path))
        self._keep_last_uses(launch, last_use)

    def _keep_last_uses(self, launch: Placed, last_use: Mapping[int, float]) -> None:
        fresh: dict[str, list[tuple[int, int, float]]] = {"sbuf": [], "psum": []}
        for storage in launch.stream.storages:
            end = last_use.get(storage.index)
            if end is None:
                continue
            if storage.on_chip:
                top = storage.address + storage.partition_bytes
                fresh[storage.memory].append((storage.address, top, end))
            elif storage.index in launch.places:
                name = launch.places[storage.index][0]
                self._last_access_s[name] = max(self._last_access_s.get(name, 0.0), end)
        for memory, pieces in fresh.items():
            self._on_chip[memory] = _latest(self._on_chip[memory] + pieces)


def _byte_range(view: NkiTensor, base: int) -> Range:
    """First and last byte + 1 of a view in its buffer."""
    view, size = reach(view), view.dtype.itemsize
    spans = [(n - 1) * s for n, s in zip(view.shape, view.steps, strict=True)]
    low = base + (view.start + sum(s for s in spans if s < 0)) * size
    return low, base + (view.start + sum(s for s in spans if s > 0) + 1) * size


def _latest(pieces: list[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
    """Cut overlapping pieces so that each byte keeps only its latest end."""
    edges = sorted({edge for low, high, _ in pieces for edge in (low, high)})
    kept: list[tuple[int, int, float]] = []
    for low, high in pairwise(edges):
        ends = [end for a, b, end in pieces if a < high and low < b]
        if not ends:
            continue
        latest = max(ends)
        if kept and kept[-1][1] == low and kept[-1][2] == latest:
            kept[-1] = (kept[-1][0], high, latest)
        else:
            kept.append((low, high, latest))
    return kept
