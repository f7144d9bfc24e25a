"""What an instruction costs by itself, known once per kind and not once per use.

Kernels issue the same few instructions 10^5 times; all that the timeline asks about one is worked
out when the first of its kind comes, and kept with the Timing.
Sources: aws-neuron-sdk nki/deep-dives/nki-dma-bandwidth-guide.rst and
nki/get-started/about/nki-dma-overview.rst (a transfer is spread over the engines by its contiguous
pieces and the partitions of the tile).
"""

from __future__ import annotations

from dataclasses import dataclass

from glia.isa.engines import engine
from glia.isa.stream import DmaWork, Instruction
from glia.silicon.time.timing import Timing

DMA = "dma"
GENERATORS, TRIGGERS = "descriptor generators", "DMA triggers"


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one kind of instruction.

    `seconds` is how long its engine executes it at full clock, or how long a transfer moves;
    `alone_s` all of it where nothing waits. `share` is the part of the array or of the DMA engines
    that it takes. `wait_s` is from the end of an instruction on another engine until this one may
    start on its result, `dependent_s` from one on the same. `least_s` is what no schedule avoids,
    by who must do it. The rest is about DMAs: until a queue is free again, until the first byte,
    and how many DMA engines move it.
    """

    seconds: float
    alone_s: float
    share: float
    wait_s: float
    least_s: tuple[tuple[str, float], ...]
    issue_s: float = 0.0
    first_byte_s: float = 0.0
    lanes: int = 0
    dependent_s: float = 0.0


def cost_of(one: Instruction, timing: Timing) -> Cost:
    """The cost of an instruction on this chip."""
    work, dma = one.work, one.work.dma
    key: tuple[object, ...]
    if dma is None:
        key = (one.engine, work.cycles, work.tile, work.flop_kind, work.cell_rate)
    else:
        pieces, hbm = (
            (dma.num_elements, dma.element_bytes, dma.num_partitions),
            (dma.hbm_read_bytes, dma.hbm_write_bytes),
        )
        key = (pieces, hbm, dma.transpose, dma.software, dma.static)
    known = timing.costs.get(key)
    if known is None:
        known = _engine_cost(one, timing) if dma is None else dma_cost(dma, timing)
        timing.costs[key] = known
    return known  # type: ignore[return-value]


def _engine_cost(one: Instruction, timing: Timing) -> Cost:
    seconds, share = timing.engine_s(one), timing.share_of_array(one)
    least = ((one.engine.name, seconds * share),)
    dependent = timing.dependent_s if one.engine is engine.scalar else 0.0
    wait = _wait_s(one.engine, 0.0, timing)
    return Cost(seconds, seconds, share, wait, least, dependent_s=dependent)


def dma_cost(dma: DmaWork, timing: Timing) -> Cost:
    """The cost of a transfer."""
    seconds, lanes, share = transfer_s(dma, timing), timing.lanes_of(dma), _share(dma, timing)
    issue, start = timing.issue_s(dma), timing.first_byte_s(dma)
    wait = _wait_s(engine.dma, start, timing)
    least = ((DMA, seconds * share), _issuer(dma, issue, timing))
    return Cost(seconds, start + seconds, share, wait, least, issue, start, lanes)


def _wait_s(on: engine, first_byte_s: float, timing: Timing) -> float:
    """From the end of an instruction on another engine until one on this may start."""
    if on is not engine.dma:
        return timing.semaphore_s
    # The published gap runs to the first byte, of which the start is counted with the transfer.
    return max(timing.producer_latency_s - first_byte_s, timing.semaphore_s)


def transfer_s(dma: DmaWork, timing: Timing) -> float:
    """Contiguous pieces spread over the DMA engines; a small piece costs its descriptor.

    From HBM to HBM the stack is read and written.
    """
    per_engine = timing.dma_bandwidth / timing.dma_engines
    piece = max(dma.element_bytes / per_engine, timing.descriptor_s)
    lanes = timing.lanes_of(dma)
    seconds = dma.num_elements / lanes * piece
    if dma.transpose:
        from_hbm = dma.hbm_read_bytes > 0
        seconds /= timing.transpose_from_hbm if from_hbm else timing.transpose_on_chip
    of_stack = timing.stack_share * lanes / timing.dma_engines
    return max(seconds, (dma.hbm_read_bytes + dma.hbm_write_bytes) / of_stack)


def _share(dma: DmaWork, timing: Timing) -> float:
    """Fraction of the DMA engines that a transfer uses."""
    return timing.lanes_of(dma) / timing.dma_engines


def _issuer(dma: DmaWork, issue_s: float, timing: Timing) -> tuple[str, float]:
    """Who issues a transfer, and for how long when all share the work evenly."""
    if dma.software:
        return engine.gpsimd.name, issue_s
    if dma.static:
        return TRIGGERS, issue_s / timing.triggers
    return GENERATORS, issue_s / timing.generators


def latency(producer: Instruction, consumer: Instruction, cost: Cost, timing: Timing) -> float:
    """Seconds from the end of one instruction until another, of this cost, may use its result."""
    if producer.engine is engine.dma:
        return timing.completion_latency_s
    return cost.dependent_s if producer.engine is consumer.engine else cost.wait_s
