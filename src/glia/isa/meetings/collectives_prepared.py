"""Collectives of sizes that are data, split in two: what their metadata says is taken in first.

The prepare reads the metadata only, as it is then; the trigger reads srcs and writes dsts. One that
is prepared is triggered, once, before the next is prepared. That systems with NeuronSwitch links
do not have the split is not checked: virtual ranks have no place in a system.
Source: the public documentation of NKI 0.7 (nki.collectives.all_to_all_v_prepare and relatives).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from glia.core.dtypes import DTYPES
from glia.core.errors import KernelError
from glia.isa.dma_engine.descriptors import PACKET_BYTES
from glia.isa.engines import engine as Engine
from glia.isa.launch.builder import StreamBuilder, collective, current
from glia.isa.meetings.collectives import ReplicaGroup
from glia.isa.meetings.collectives_variable import Operands, gathered, redistributed
from glia.isa.rules import refusal, require, traffic
from glia.isa.stream import DmaWork, Instruction, Work
from glia.isa.tensors.tensor import NkiTensor


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What a prepare has left for its trigger."""

    what: str
    instruction: Instruction
    operands: Operands


_slot: WeakKeyDictionary[StreamBuilder, _Prepared] = WeakKeyDictionary()  # one for all kinds


@collective
def all_to_all_v_prepare(
    srcs: Sequence[NkiTensor],
    dsts: Sequence[NkiTensor],
    replica_group: ReplicaGroup,
    metadata_tensor: NkiTensor,
    recv_counts_known: bool = False,
    has_rdispls: bool = False,
    priority: int | None = None,
    name: str | None = None,
) -> Instruction:
    """Take in the metadata of an all_to_all_v; srcs may still be empty. Its trigger does the rest.

    Raises:
        KernelError: for what all_to_all_v refuses, and while another prepare waits.
    """
    what = "all_to_all_v"
    given = redistributed(
        what, srcs, dsts, replica_group, metadata_tensor, recv_counts_known, has_rdispls, priority
    )
    return _prepare(what, given)


@collective
def all_to_all_v_trigger(prepare_instr: Instruction, name: str | None = None) -> Instruction:
    """Carry out the all_to_all_v that `prepare_instr`, the result of its prepare, stands for.

    Raises:
        KernelError: for any other instruction, and one that was triggered before.
    """
    return _trigger("all_to_all_v", prepare_instr)


@collective
def all_gather_v_prepare(
    srcs: Sequence[NkiTensor],
    dsts: Sequence[NkiTensor],
    replica_group: ReplicaGroup,
    metadata_tensor: NkiTensor,
    recv_counts_known: bool = False,
    has_rdispls: bool = False,
    priority: int | None = None,
    name: str | None = None,
) -> Instruction:
    """As all_to_all_v_prepare, for all_gather_v."""
    what = "all_gather_v"
    given = gathered(
        what, srcs, dsts, replica_group, metadata_tensor, recv_counts_known, has_rdispls, priority
    )
    return _prepare(what, given)


@collective
def all_gather_v_trigger(prepare_instr: Instruction, name: str | None = None) -> Instruction:
    """As all_to_all_v_trigger, for all_gather_v."""
    return _trigger("all_gather_v", prepare_instr)


def check_triggered(builder: StreamBuilder) -> None:
    """Refuse a kernel that ends with a collective prepared and not triggered."""
    left = _slot.get(builder)
    if left is not None:
        raise KernelError(
            f"ending the kernel: got {left.what}_prepare of line {left.instruction.line} without "
            f"its trigger, expected one; call {left.what}_trigger with what the prepare returned"
        )


def _prepare(what: str, given: Operands) -> Instruction:
    builder = current()
    waiting = _slot.get(builder)
    if waiting is not None:
        raise refusal(
            f"{what}_prepare",
            f"another while {waiting.what}_prepare of line {waiting.instruction.line} waits",
            f"its {waiting.what}_trigger before",
            "there is one slot for what is prepared",
        )
    num_rows, size = sum(v.size for v in given.inputs) // len(given.group), len(given.group)
    kept = builder.storage((num_rows, size), DTYPES["uint32"], "hbm", f"{what} metadata")
    num_bytes = kept.size * kept.dtype.itemsize
    dma = DmaWork(
        num_bytes=num_bytes,
        num_elements=max(-(-num_bytes // PACKET_BYTES), 1),
        element_bytes=min(num_bytes, PACKET_BYTES),
        hbm_read_bytes=sum(v.size * 4 for v in given.inputs if not v.on_chip),
        hbm_write_bytes=num_bytes,
        queue="collective",
        static=True,
    )

    def meaning(out: np.ndarray, *rows: np.ndarray) -> None:
        out[...] = np.concatenate([a.reshape(-1, size) for a in rows])

    work = Work(dma=dma, sram=traffic(*given.inputs))
    made = builder.emit(f"{what}_prepare", Engine.dma, (kept,), given.inputs, work, meaning)
    given.inputs = (kept,)
    _slot[builder] = _Prepared(what, made, given)
    return made


def _trigger(what: str, prepared: Instruction) -> Instruction:
    waiting = _slot.get(current())
    fits = waiting is not None and waiting.what == what and waiting.instruction is prepared
    got = "what no prepare returned, or was triggered before" if waiting is None else "another's"
    require(fits, f"{what}_trigger prepare_instr", got, f"the result of the {what}_prepare before")
    assert waiting is not None
    del _slot[current()]
    return waiting.operands.issue()
