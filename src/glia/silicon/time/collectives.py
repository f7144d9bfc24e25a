"""Time of a collective: steps of an algorithm, and bytes over the links.

Which algorithm runs depends on the size of the message: a mesh in a fixed number of steps, then
recursive doubling and halving, then a ring of chips; cost is steps x latency + bytes / bandwidth.
Sources: aws-neuron-sdk neuron-runtime/explore/intranode-collective-comm.rst.
"""

from __future__ import annotations

import math

from glia.isa.meetings.algorithms import WHOLE, algorithm, sent_bytes
from glia.isa.stream import CollectiveWork
from glia.silicon.time.timing import Timing

_REDUCES_AND_GATHERS = ("all_reduce",)


def num_steps(work: CollectiveWork, timing: Timing) -> int:
    """Steps that follow each other; a reduction to all is a scatter and a gather."""
    if work.group_size <= 1:
        return 0
    if work.kind.startswith(WHOLE):
        return 1
    limits = timing.mesh_limit_bytes, timing.rdh_limit_bytes
    found = algorithm(work.num_bytes, work.group_size, *limits)
    if found == "mesh":
        one_way = 1
    elif found == "rdh":
        one_way = math.ceil(math.log2(work.group_size))
    else:  # both directions of the ring at once
        one_way = math.ceil(work.group_size / 2)
    return 2 * one_way if work.kind in _REDUCES_AND_GATHERS else one_way


def leaves_chip(work: CollectiveWork, chip_cores: int, cores_per_rank: int) -> bool:
    """True when the ranks do not all fit one chip."""
    return work.group_size > _ranks_per_chip(chip_cores, cores_per_rank)


def _ranks_per_chip(chip_cores: int, cores_per_rank: int) -> int:
    return max(1, chip_cores // cores_per_rank)


def collective_s(
    work: CollectiveWork, timing: Timing, cores_per_rank: int = 1, hbm_bytes: int = 0
) -> float:
    """Seconds from the moment when all ranks have come.

    Ranks fill one chip after the other. Inside a chip they exchange through HBM at the rate of
    their DMA engines; beyond it they share the chip's links, each direction half of the figure.
    All ranks of a stack of HBM read and write their `hbm_bytes` at once.
    """
    bandwidth = timing.dma_bandwidth * cores_per_rank
    if leaves_chip(work, timing.chip_cores, cores_per_rank) and timing.link_bandwidth:
        sharing = _ranks_per_chip(timing.chip_cores, cores_per_rank)
        bandwidth = min(bandwidth, timing.link_bandwidth / 2 / sharing)
    sent = sent_bytes(work.kind, work.group_size, work.num_bytes)
    cores = min(timing.cores_per_stack, work.group_size * cores_per_rank)
    stack_s = hbm_bytes * cores / cores_per_rank / timing.stack_bandwidth
    return num_steps(work, timing) * timing.hop_latency_s + max(sent / bandwidth, stack_s)
