"""Which instruction each moment of the time of a program belongs to.

While the engine that works most works, the time is that of its instructions: nothing else would end
sooner for being faster. While it waits, the time is that of what the chain of instructions that
makes the kernel so long was doing. The parts sum to the whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from glia.isa.stream import Stream
from glia.silicon.time.cost import DMA, dma_cost
from glia.silicon.time.timeline import Timeline
from glia.silicon.time.timing import Timing


class _Load:
    """How busy one engine is over time, from (instruction, start, end, share of the engine)."""

    def __init__(self, rows: list[tuple[int, float, float, float]]) -> None:
        indices, starts, ends, shares = zip(*rows, strict=True)
        self.indices = indices
        self._starts, self._ends, self._shares = map(np.asarray, (starts, ends, shares))
        self._times, where = np.unique(np.concatenate((starts, ends)), return_inverse=True)
        steps = np.zeros(len(self._times))
        np.add.at(steps, where, np.concatenate((shares, np.negative(shares))))
        total = np.cumsum(steps)[:-1]
        used = np.clip(total, 0.0, 1.0)
        lengths = np.diff(self._times)
        # What is asked of the engine beyond its whole is split among those who ask.
        each = np.divide(used, total, out=np.zeros_like(total), where=total > 1e-9)
        self._busy = np.concatenate(([0.0], np.cumsum(used * lengths)))
        self._each = np.concatenate(([0.0], np.cumsum(each * lengths)))

    @property
    def busy_s(self) -> float:
        """Time in which it works, in all."""
        return float(self._busy[-1])

    def parts_s(self) -> np.ndarray:
        """The time of each instruction; they sum to `busy_s`."""
        first, last = (np.interp(t, self._times, self._each) for t in (self._starts, self._ends))
        return np.asarray((last - first) * self._shares)

    def idle_s(self, start_s: float, end_s: float) -> float:
        """Time between two moments in which it does not work."""
        first, last = np.interp((start_s, end_s), self._times, self._busy)
        return max(0.0, end_s - start_s - float(last - first))


def parts_s(
    stream: Stream, chain: Iterable[tuple[int, float]], timeline: Timeline, timing: Timing
) -> list[float]:
    """Seconds of the program's time that belong to each instruction, by its index.

    `chain` is (instruction, seconds), last first, as `critical_path` gives it.
    """
    found = [0.0] * len(stream.instructions)
    limiting = max(_loads(stream, timeline, timing), key=lambda load: load.busy_s, default=None)
    if limiting is None:
        return found
    for index, seconds in zip(limiting.indices, limiting.parts_s(), strict=True):
        found[index] += float(seconds)
    until = timeline.makespan_s
    for index, seconds in chain:
        found[index] += limiting.idle_s(until - seconds, until)
        until -= seconds
    return found


def _loads(stream: Stream, timeline: Timeline, timing: Timing) -> list[_Load]:
    rows: dict[str, list[tuple[int, float, float, float]]] = defaultdict(list)
    for one in stream.instructions:
        start, end = timeline.starts_s[one.index], timeline.ends_s[one.index]
        if end <= start:
            continue
        dma = one.work.dma
        if dma is None:
            rows[one.engine.name].append((one.index, start, end, 1.0))
        else:
            cost = dma_cost(dma, timing)
            share = min(1.0, cost.seconds * cost.share / (end - start))
            rows[DMA].append((one.index, start, end, share))
    return [_Load(group) for group in rows.values()]
