"""When DMAs run: issued on queues, moved by engines that all queues share.

Sources: aws-neuron-sdk nki/deep-dives/nki-dma-bandwidth-guide.rst and
nki/get-started/about/nki-dma-overview.rst (a transfer is spread over the engines by its contiguous
pieces; queues are in order; engines take turns between queues).
"""

from __future__ import annotations

from glia.isa.engines import engine
from glia.isa.stream import DmaWork, Instruction
from glia.silicon.time.capacity import Capacity
from glia.silicon.time.engine_time import EngineClock
from glia.silicon.time.timing import Timing

DMA = "dma"
GENERATORS, TRIGGERS = "descriptor generators", "DMA triggers"


class Transfers:
    """The DMA queues and engines of one core."""

    def __init__(self, timing: Timing, engines: EngineClock) -> None:
        self._timing = timing
        self._clock = engines
        self._lanes = Capacity(timing.dma_engines)
        self._generators = Capacity(timing.generators)
        self._moved: dict[str, float] = {}

    def run(self, dma: DmaWork, ready: float) -> tuple[float, float]:
        """Issue on a queue, and on GpSimd or a generator for its descriptors; then move."""
        timing, clock = self._timing, self._clock
        queue = f"queue {dma.queue}"
        issue = timing.issue_s(dma)
        start = max(clock.free_s.get(queue, 0.0), ready)
        if dma.software:
            start = max(start, clock.free_s.get("gpsimd", 0.0))
            clock.take("gpsimd", start, issue)
        elif not dma.static:
            start = self._generators.reserve(start, issue, 1)
        clock.free_s[queue] = start + issue
        seconds, lanes = transfer_s(dma, timing), timing.lanes_of(dma)
        # A queue moves its transfers in order: none overtakes an earlier one of the same queue.
        earliest = max(start + timing.first_byte_s(dma), self._moved.get(queue, 0.0))
        begin = self._lanes.reserve(earliest, seconds, lanes)
        self._moved[queue] = begin + seconds
        share = timing.share_of_engines(dma)
        clock.busy_s[DMA] = clock.busy_s.get(DMA, 0.0) + seconds * share
        return start, begin + seconds


def transfer_s(dma: DmaWork, timing: Timing) -> float:
    """Contiguous pieces spread over the DMA engines; a small piece costs its descriptor."""
    per_engine = timing.dma_bandwidth / timing.dma_engines
    piece = max(dma.element_bytes / per_engine, timing.descriptor_s)
    seconds = dma.num_elements / timing.lanes_of(dma) * piece
    if dma.transpose:
        from_hbm = dma.hbm_read_bytes > 0
        seconds /= timing.transpose_from_hbm if from_hbm else timing.transpose_on_chip
    return seconds


def alone_s(one: Instruction, timing: Timing) -> float:
    """Seconds of an instruction that waits for nothing."""
    dma = one.work.dma
    if dma is None:
        return timing.engine_s(one)
    return timing.first_byte_s(dma) + transfer_s(dma, timing)


def issuers(dma: DmaWork, timing: Timing) -> dict[str, float]:
    """What no schedule avoids to issue a transfer: busy seconds of who shares the work evenly."""
    issue = timing.issue_s(dma)
    if dma.software:
        return {engine.gpsimd.name: issue}
    if dma.static:
        return {TRIGGERS: issue / timing.triggers}
    return {GENERATORS: issue / timing.generators}
