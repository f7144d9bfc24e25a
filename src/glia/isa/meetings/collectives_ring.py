"""Collectives around a ring: each rank of a group sends to the next one of its list.

The ring of every channel follows the order of the group; a real system may choose another ring for
each channel, which is why a kernel asks for the rank whose data it holds.
Source: aws-neuron-sdk nki/api/nki/collectives/__init__.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glia.isa.launch.builder import collective, current
from glia.isa.meetings.collectives import (
    Arrays,
    ReplicaGroup,
    check_places,
    check_priority,
    combined,
    issue,
    mine,
    reduction,
    tensors,
)
from glia.isa.rules import refusal, require, store
from glia.isa.sequencers.registers import VirtualRegister
from glia.isa.stream import Instruction
from glia.isa.tensors.tensor import NkiTensor

Channels = Sequence[Sequence[NkiTensor]]
_MAX_CHANNELS = 4
_ONE_CHANNEL = [0]


@collective
def collective_permute_implicit(
    srcs_by_channel: Channels,
    dsts_by_channel: Channels,
    replica_group: ReplicaGroup,
    channel_ids: Sequence[int] = _ONE_CHANNEL,
    priority: int | None = None,
    name: str | None = None,
) -> Instruction:
    """Each channel's dst = that src of the rank before this one in the ring."""
    what = "collective_permute_implicit"
    group = mine(what, replica_group)
    check_priority(what, priority)
    sources = _channels(what, "srcs_by_channel", srcs_by_channel, channel_ids)
    targets = _channels(what, "dsts_by_channel", dsts_by_channel, channel_ids)
    _check(what, targets, sources)

    def exchange(operands: Arrays) -> None:
        count = len(targets)
        sent = [[a.copy() for a in arrays[count:]] for arrays in operands]
        for i, arrays in enumerate(operands):
            for dst, src in zip(arrays[:count], sent[i - 1], strict=True):
                dst[...] = src

    return issue(what, group, targets, sources, _bytes(sources), exchange)


@collective
def collective_permute_implicit_reduce(
    srcs0_by_channel: Channels,
    srcs1_by_channel: Channels,
    dsts_by_channel: Channels,
    replica_group: ReplicaGroup,
    op: Any,
    channel_ids: Sequence[int] = _ONE_CHANNEL,
    priority: int | None = None,
    name: str | None = None,
) -> Instruction:
    """Each channel's dst = `src0 op src1` of the rank before this one in the ring."""
    what = "collective_permute_implicit_reduce"
    group, function = mine(what, replica_group), reduction(what, op)
    check_priority(what, priority)
    first = _channels(what, "srcs0_by_channel", srcs0_by_channel, channel_ids)
    second = _channels(what, "srcs1_by_channel", srcs1_by_channel, channel_ids)
    targets = _channels(what, "dsts_by_channel", dsts_by_channel, channel_ids)
    _check(what, targets, first)
    _check(what, targets, second)

    def exchange(operands: Arrays) -> None:
        count = len(targets)
        sent = [
            [
                np.array(combined(function, pair))
                for pair in zip(arrays[count : 2 * count], arrays[2 * count :], strict=True)
            ]
            for arrays in operands
        ]
        for i, arrays in enumerate(operands):
            for dst, value in zip(arrays[:count], sent[i - 1], strict=True):
                store(dst, value)

    name_of_op = str(function.__name__)
    return issue(what, group, targets, (*first, *second), _bytes(first), exchange, name_of_op)


def collective_permute_implicit_current_processing_rank_id(
    iteration_id: int,
    replica_group: ReplicaGroup,
    channel_id: int = 0,
    name: str | None = None,
) -> VirtualRegister:
    """The rank whose data this one holds after `iteration_id` steps of the ring; at 0 its own."""
    what = "collective_permute_implicit_current_processing_rank_id"
    group = mine(what, replica_group)
    for role, value in (("iteration_id", iteration_id), ("channel_id", channel_id)):
        require(_number(value) >= 0, f"{what} {role}", f"{value!r}", "a number from 0")
    at = group.index(current(what).place.rank)
    return VirtualRegister(group[(at - _number(iteration_id)) % len(group)])


def rank_id(name: str | None = None) -> VirtualRegister:
    """This rank's number, as a register."""
    return VirtualRegister(current("rank_id").place.rank)


def _number(value: Any) -> int:
    held = isinstance(value, (int, np.integer, VirtualRegister)) and not isinstance(value, bool)
    return int(value) if held else -1


def _channels(what: str, role: str, given: Any, ids: Any) -> tuple[NkiTensor, ...]:
    """The one tensor of each channel."""
    numbers = [_number(i) for i in ids]
    if numbers != list(range(len(numbers))) or not 1 <= len(numbers) <= _MAX_CHANNELS:
        raise refusal(
            f"{what} channel_ids", f"{list(ids)}", f"0, 1, ... of at most {_MAX_CHANNELS} channels"
        )
    if not isinstance(given, (list, tuple)) or len(given) != len(numbers):
        raise refusal(f"{what} {role}", f"{given!r}", f"{len(numbers)} lists, one per channel")
    return tuple(tensors(what, role, one, 1)[0] for one in given)


def _check(what: str, targets: Sequence[NkiTensor], sources: Sequence[NkiTensor]) -> None:
    for dst, src in zip(targets, sources, strict=True):
        check_places(what, (dst, src), 1)
        require(dst.shape == src.shape, f"{what} dst", f"shape {dst.shape}", f"{src.shape}")


def _bytes(views: Sequence[NkiTensor]) -> int:
    return sum(view.size * view.dtype.itemsize for view in views)
