"""Storages at addresses that the kernel chose: what an address may be, and who overwrites whom.

Two tensors may share bytes (aws-neuron-sdk nki/migration/index.rst: buffers that rotate over the
same addresses); what is an error is to read a tensor after the other has written over it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from glia.isa.launch.located import located
from glia.isa.rules import refusal, require
from glia.isa.stream import Instruction
from glia.isa.target import PARTITIONS, Target
from glia.isa.tensors.addressing import reach
from glia.isa.tensors.tensor import NkiTensor, Storage


def check_address(storage: Storage, target: Target) -> None:
    """Refuse an explicit address that no tensor can have; for the moment of its declaration.

    Raises:
        KernelError: outside the memory, inside a PSUM bank, or across elements of its dtype.
    """
    if storage.pinned is None:
        return
    what = f"placing {storage.name} at address {storage.pinned}"
    require(storage.on_chip, what, f"a tensor in {storage.memory}", "SBUF or PSUM")
    partition, byte = storage.pinned
    require(
        partition >= 0 and partition + storage.num_partitions <= PARTITIONS,
        what,
        f"{storage.num_partitions} partitions from partition {partition}",
        f"them inside 0..{PARTITIONS - 1}",
    )
    size = target.sbuf_bytes if storage.memory == "sbuf" else target.psum_bytes
    require(
        byte >= 0 and byte + storage.partition_bytes <= size,
        what,
        f"{storage.partition_bytes} bytes from byte {byte} of a partition",
        f"them inside 0..{size - 1} on {target.chip}",
    )
    # Migration guide, improved allocation API: a PSUM tensor starts at the beginning of a bank.
    unit = target.psum_bank_bytes if storage.memory == "psum" else storage.dtype.itemsize
    require(
        byte % unit == 0,
        what,
        f"byte {byte}",
        f"a multiple of {unit}",
        "start at a bank" if storage.memory == "psum" else "align it to its dtype",
    )


def place_pinned(
    pinned: Sequence[Storage],
    ranges: dict[int, tuple[int, int]],
    instructions: Sequence[Instruction],
) -> None:
    """Give each its address, and refuse reads of what a tensor at the same bytes has overwritten.

    `pinned` holds storages of one memory by first use; `ranges` their first and last instruction.
    """
    for storage in pinned:
        assert storage.pinned is not None
        storage.start_partition, storage.address = storage.pinned
    shared = _sharing(pinned, ranges)
    if shared:
        _check_owners(shared, instructions)


def _sharing(pinned: Sequence[Storage], ranges: dict[int, tuple[int, int]]) -> list[Storage]:
    """Those that share bytes with another while both are in use."""
    found: dict[int, Storage] = {}
    active: list[Storage] = []
    for storage in pinned:
        first = ranges[storage.index][0]
        active = [s for s in active if ranges[s.index][1] >= first]
        for other in active:
            if shares_bytes(storage, other):
                found[storage.index], found[other.index] = storage, other
        active.append(storage)
    return list(found.values())


def shares_bytes(one: Storage, other: Storage) -> bool:
    """True when two storages of one memory, at addresses that are known, have a byte in common."""
    rows = (
        one.start_partition < other.start_partition + other.num_partitions
        and other.start_partition < one.start_partition + one.num_partitions
    )
    columns = (
        one.address < other.address + other.partition_bytes
        and other.address < one.address + one.partition_bytes
    )
    return rows and columns


def _check_owners(shared: Sequence[Storage], instructions: Sequence[Instruction]) -> None:
    """Replay who wrote each byte last; every read must find its own tensor."""
    low = min(s.address for s in shared)
    high = max(s.address + s.partition_bytes for s in shared)
    owners = np.zeros((PARTITIONS, high - low), np.int32)
    number = {s.index: i + 1 for i, s in enumerate(shared)}
    for made in instructions:
        # Which bytes a run-time address reads is not known here.
        plain = [view for view in made.reads if view.indirection is None]
        for view, owned in _owned(plain, owners, number, low):
            wrong = owned[owned != number[view.storage.index]]
            if wrong.size:
                other = shared[int(wrong.flat[0]) - 1]
                raise located(
                    refusal(
                        f"{made.op} reading {view!r}",
                        f"bytes that {other.name}, at the same address, has written since",
                        "what was stored there",
                        "move one of them, or use up the first before writing the second",
                    ),
                    made.file,
                    made.line,
                )
        for view, owned in _owned(made.writes, owners, number, low):
            owned[...] = number[view.storage.index]


def _owned(
    views: Sequence[NkiTensor], owners: np.ndarray, number: dict[int, int], low: int
) -> Iterator[tuple[NkiTensor, np.ndarray]]:
    """Each view of a shared storage with the owners of its bytes."""
    row, item = owners.strides
    for view in views:
        storage = view.storage
        if storage.index not in number:
            continue
        view = reach(view)
        size = view.dtype.itemsize
        start = (storage.start_partition + view.partition) * row
        start += (storage.address - low + view.start * size) * item
        strides = (view.steps[0] * row, *(s * size * item for s in view.steps[1:]), item)
        yield view, np.ndarray((*view.shape, size), owners.dtype, owners, start, strides)
