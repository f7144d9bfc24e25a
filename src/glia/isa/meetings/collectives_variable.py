"""Collectives whose sizes are data: counts and displacements come from a uint32 tensor.

Tensors are flat buffers of elements. Elements of dst that no rank sends to keep what they held.
Which groups of ranks a system's links allow is not checked: virtual ranks have no place in it.
Source: aws-neuron-sdk nki/api/nki/collectives/__init__.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glia.core.errors import KernelError
from glia.isa.launch.builder import collective, current
from glia.isa.meetings.collectives import (
    Arrays,
    ReplicaGroup,
    check_places,
    check_priority,
    issue,
    mine,
    tensors,
)
from glia.isa.rules import require
from glia.isa.stream import Instruction
from glia.isa.tensors.tensor import NkiTensor

_GATHER_RANKS = 4  # all_gather_v, current limitations: each rank-list has exactly 4 ranks


@collective
def all_gather_v(
    srcs: Sequence[NkiTensor],
    dsts: Sequence[NkiTensor],
    replica_group: ReplicaGroup,
    metadata_tensor: NkiTensor,
    recv_counts_known: bool = False,
    has_rdispls: bool = False,
    priority: int | None = None,
    name: str | None = None,
) -> Instruction:
    """`src[displ : displ + count]` of rank i lands in the i-th equal slot of every rank's dst.

    Rows of the metadata: send count, send displacement (their first columns), received counts.
    """
    what = "all_gather_v"
    given = gathered(
        what, srcs, dsts, replica_group, metadata_tensor, recv_counts_known, has_rdispls, priority
    )
    return given.issue()


def gathered(
    what: str,
    srcs: Any,
    dsts: Any,
    replica_group: ReplicaGroup,
    metadata_tensor: Any,
    known: bool,
    has_rdispls: bool,
    priority: Any,
) -> Operands:
    """The operands of an all_gather_v, checked, and what is to be done with them."""
    group = mine(what, replica_group)
    require(not has_rdispls, what, "has_rdispls=True", "False, as the documentation limits it")
    require(
        current(what).place.num_cores == 2,
        what,
        "a launch on one core",
        "LNC=2",
        "launch it as kernel[2](...)",
    )
    require(len(group) == _GATHER_RANKS, what, f"{len(group)} ranks", f"exactly {_GATHER_RANKS}")
    given = Operands(what, srcs, dsts, group, metadata_tensor, known, False, priority)

    def exchange(operands: Arrays) -> None:
        for i, (_, _, src, table) in enumerate(given.opened(operands)):
            count, start = int(table[0, 0]), int(table[1, 0])
            part = _cut(what, "src", src, start, count).copy()
            for dst, counts, _, _ in given.opened(operands):
                slot = dst.size // len(group)
                _fits(what, count, slot)
                dst[i * slot : i * slot + count] = part
                if counts is not None:
                    counts[i] = count

    given.exchange = exchange
    return given


@collective
def all_to_all_v(
    srcs: Sequence[NkiTensor],
    dsts: Sequence[NkiTensor],
    replica_group: ReplicaGroup,
    metadata_tensor: NkiTensor,
    recv_counts_known: bool = False,
    has_rdispls: bool = False,
    priority: int | None = None,
    name: str | None = None,
) -> Instruction:
    """Rank i sends `src[displs[j] : displs[j] + counts[j]]` to rank j.

    It lands at `recv_displs[i]` of j's dst, or in its i-th equal slot. Rows of the metadata: send
    counts, send displacements, received counts, and with `has_rdispls` receive displacements.
    """
    what = "all_to_all_v"
    given = redistributed(
        what, srcs, dsts, replica_group, metadata_tensor, recv_counts_known, has_rdispls, priority
    )
    return given.issue()


def redistributed(
    what: str,
    srcs: Any,
    dsts: Any,
    replica_group: ReplicaGroup,
    metadata_tensor: Any,
    known: bool,
    has_rdispls: bool,
    priority: Any,
) -> Operands:
    """The operands of an all_to_all_v, checked, and what is to be done with them."""
    group = mine(what, replica_group)
    given = Operands(what, srcs, dsts, group, metadata_tensor, known, has_rdispls, priority)

    def exchange(operands: Arrays) -> None:
        ranks = given.opened(operands)
        sent = [src.copy() for _, _, src, _ in ranks]
        for i, (_, _, _, table) in enumerate(ranks):
            for j, (dst, counts, _, theirs) in enumerate(ranks):
                count, start = int(table[0, j]), int(table[1, j])
                slot = dst.size // len(group)
                if not has_rdispls:
                    _fits(what, count, slot)
                at = int(theirs[2, i]) if has_rdispls else i * slot
                _cut(what, "dst", dst, at, count)[...] = _cut(what, "src", sent[i], start, count)
                if counts is not None:
                    counts[i] = count

    given.exchange = exchange
    return given


class Operands:
    """The operands of both: checked, as views of what is read and what is written.

    `inputs` are the rows of the metadata that are read; `exchange` moves the data of all ranks.
    """

    inputs: tuple[NkiTensor, ...]
    exchange: Callable[[Arrays], None]

    def __init__(
        self,
        what: str,
        srcs: Any,
        dsts: Any,
        group: tuple[int, ...],
        table: Any,
        known: bool,
        displaced: bool,
        priority: Any,
    ) -> None:
        self.what, self.group = what, group
        (self.src,) = tensors(what, "srcs", srcs, 1)
        (self.dst,) = tensors(what, "dsts", dsts, 1)
        check_priority(what, priority)
        check_places(what, (self.src, self.dst), 1, sbuf=False)
        for role, view in (("src", self.src), ("dst", self.dst)):
            require(view.is_contiguous(), f"{what} {role}", "a strided view", "a flat buffer")
        rows = 4 if displaced else 3
        self._check_table(table, rows)
        self.inputs = (_rows(table, 0, 2), *((_rows(table, 3, 4),) if displaced else ()))
        self.counts = () if known else (_rows(table, 2, 3),)

    def _check_table(self, table: Any, rows: int) -> None:
        what, size = f"{self.what} metadata_tensor", len(self.group)
        fits = isinstance(table, NkiTensor) and table.dtype.name == "uint32"
        shape: tuple[int, ...] = (rows, size)
        if fits and table.storage.memory == "sbuf":
            shape = (1, rows, size)
        require(
            fits and table.shape == shape and table.is_contiguous(),
            what,
            f"{table!r}",
            f"uint32 of shape {(rows, size)} in HBM or {(1, rows, size)} in SBUF",
        )

    def issue(self) -> Instruction:
        """Emit it; the payload counts as the whole src, its size being data."""
        size = self.src.size * self.src.dtype.itemsize
        return issue(
            self.what,
            self.group,
            (self.dst, *self.counts),
            (self.src, *self.inputs),
            size,
            self.exchange,
        )

    def opened(
        self, operands: Arrays
    ) -> list[tuple[np.ndarray, np.ndarray | None, np.ndarray, np.ndarray]]:
        """Per rank: dst, received counts (None when known), src, and the input rows, all flat."""
        found = []
        size = len(self.group)
        for arrays in operands:
            dst, src = arrays[0], arrays[1 + len(self.counts)]
            counts = arrays[1].reshape(-1) if self.counts else None
            table = np.concatenate(
                [a.reshape(-1, size) for a in arrays[2 + len(self.counts) :]]
            ).astype(np.int64)
            found.append((dst.reshape(-1), counts, src.reshape(-1), table))
        return found


def _rows(table: NkiTensor, start: int, stop: int) -> NkiTensor:
    return table[0:1, start:stop] if table.on_chip else table[start:stop]


def _cut(what: str, role: str, flat: np.ndarray, start: int, count: int) -> np.ndarray:
    if not 0 <= start <= start + count <= flat.size:
        raise KernelError(
            f"{what}: got elements {start}..{start + count - 1} of {role}, expected them inside "
            f"0..{flat.size - 1}; check the metadata"
        )
    return flat[start : start + count]


def _fits(what: str, count: int, slot: int) -> None:
    if count > slot:
        raise KernelError(
            f"{what}: got {count} elements for a slot of {slot} in dst, expected at most its size; "
            "use a larger dst"
        )
