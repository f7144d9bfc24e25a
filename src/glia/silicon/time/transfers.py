"""When DMAs run: issued on queues, moved by engines that all queues share.

Sources: aws-neuron-sdk nki/deep-dives/nki-dma-bandwidth-guide.rst and
nki/get-started/about/nki-dma-overview.rst (queues are in order; engines take turns between queues).
"""

from __future__ import annotations

from glia.isa.stream import DmaWork
from glia.silicon.time.capacity import Capacity
from glia.silicon.time.cost import DMA, Cost
from glia.silicon.time.engine_time import EngineClock
from glia.silicon.time.timing import Timing


class Transfers:
    """The DMA queues and engines of one core."""

    def __init__(self, timing: Timing, engines: EngineClock) -> None:
        self._clock = engines
        self._lanes = Capacity(timing.dma_engines)
        self._generators = Capacity(timing.generators)
        self._moved: dict[str, float] = {}

    def run(self, dma: DmaWork, cost: Cost, ready: float) -> tuple[float, float]:
        """Issue on a queue, and on GpSimd or a generator for its descriptors; then move."""
        clock, queue, issue = self._clock, f"queue {dma.queue}", cost.issue_s
        start = max(clock.free_s.get(queue, 0.0), ready)
        if dma.software:
            start = max(start, clock.free_s.get("gpsimd", 0.0))
            clock.take("gpsimd", start, issue)
        elif not dma.static:
            start = self._generators.reserve(start, issue, 1)
        clock.free_s[queue] = start + issue
        # A queue moves its transfers in order: none overtakes an earlier one of the same queue.
        earliest = max(start + cost.first_byte_s, self._moved.get(queue, 0.0))
        begin = self._lanes.reserve(earliest, cost.seconds, cost.lanes)
        end = self._moved[queue] = begin + cost.seconds
        clock.busy_s[DMA] = clock.busy_s.get(DMA, 0.0) + cost.seconds * cost.share
        return start, end
