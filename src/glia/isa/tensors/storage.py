"""Storages: pieces of HBM, SBUF or PSUM that tensors are views of.

On chip a storage is a rectangle, partitions x bytes per partition, whose address is fixed only
after the whole kernel is traced (`launch/allocate.py`).
Source: aws-neuron-sdk nki/get-started/nki-language-guide.rst; names of the memory regions from
nki/api/nki/language/__init__.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from glia.core.dtypes import DType
from glia.isa.tensors.naming import assigned_name

ON_CHIP = ("sbuf", "psum", "register")


class MemoryRegion(StrEnum):
    """Where a tensor lives, by the public names."""

    sbuf = "sbuf"
    psum = "psum"
    private_hbm = "private_hbm"
    shared_hbm = "shared_hbm"

    @property
    def memory(self) -> str:
        """`hbm`, `sbuf` or `psum`: the kind of memory, whoever sees it."""
        return "hbm" if self in (MemoryRegion.private_hbm, MemoryRegion.shared_hbm) else self.value


@dataclass(eq=False, slots=True)
class Storage:
    """Memory behind tensors. `memory` is `hbm`, `sbuf`, `psum` or `register` (engine state).

    `role` is `input`, `output`, `constant` or `scratch`. `partition_bytes` is, on chip, the bytes
    used in each partition, and for HBM the pitch of one row. `address` is the byte offset inside a
    partition (on chip), set by the allocator unless the kernel pinned it. `shared` says that all
    cores of a logical core see it (HBM); constants always are. `at` is the kernel's file and line
    that allocated it without a name. `scattered` says that a DMA wrote to a place in it that is
    known only at run time, so that nobody knows in advance what is left out.
    """

    index: int
    name: str
    memory: str
    shape: tuple[int, ...]
    dtype: DType
    role: str = "scratch"
    pinned: tuple[int, int] | None = None
    strides: tuple[int, ...] | None = None
    data: np.ndarray | None = None
    start_partition: int = 0
    address: int = -1
    shared: bool = False
    at: tuple[str, int] = ("", 0)
    scattered: bool = False
    on_chip: bool = field(init=False)
    num_bytes: int = field(init=False)
    num_partitions: int = field(init=False)
    partition_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        size = self.dtype.itemsize
        self.on_chip = self.memory in ON_CHIP
        if self.pinned is not None:
            self.start_partition, self.address = self.pinned
        self.num_bytes = math.prod(self.shape) * size
        if self.on_chip:
            self.num_partitions = self.shape[0]
            self.partition_bytes = math.prod(self.shape[1:]) * size
        else:
            self.partition_bytes = (self.shape[-1] if self.shape else 1) * size
            self.num_partitions = -(-self.num_bytes // max(self.partition_bytes, 1))

    @property
    def label(self) -> str:
        """What to call it in a text: the kernel's variable where its source shows one."""
        return assigned_name(*self.at) or self.name

    @property
    def region(self) -> MemoryRegion | str:
        """The public name of where it lives; engine state has none and says `register`."""
        if self.memory == "hbm":
            shared = self.shared or self.role == "constant"
            return MemoryRegion.shared_hbm if shared else MemoryRegion.private_hbm
        return "register" if self.memory == "register" else MemoryRegion(self.memory)

    @property
    def extent_bytes(self) -> int:
        """Bytes from the first to the last element: of one partition on chip, else of all."""
        if self.on_chip:
            return self.partition_bytes
        if self.strides is None:
            return self.num_bytes
        last = sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        return (last + 1) * self.dtype.itemsize

    @property
    def steps(self) -> tuple[int, ...]:
        """Elements from one index to the next in each dim; on chip partitions in dim 0."""
        if self.strides is not None:
            return self.strides
        strides = dense_strides(self.shape)
        return (1, *strides[1:]) if self.on_chip else strides


def dense_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Row-major strides in elements."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))
