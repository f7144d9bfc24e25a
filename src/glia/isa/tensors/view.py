"""What a strided view is: its parts, the facts that follow from them, binding to memory.

A view selects elements of a Storage: `start + sum(step * index)` in elements of its dtype; on chip,
dim 0 is the partition dim and its step counts partitions. The public `strides` and `offset` say the
same in the documentation's way: there a partition is as many elements as the storage has in one.
Source: aws-neuron-sdk nki/get-started/nki-language-guide.rst.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Self

import numpy as np

from glia.core.dtypes import DType
from glia.core.errors import KernelError
from glia.isa.tensors import patterns
from glia.isa.tensors.addressing import Columns, Indirection, Rows
from glia.isa.tensors.storage import MemoryRegion, Storage


class View:
    """The parts of a view; immutable."""

    __slots__ = (
        "dtype",
        "free_size",
        "indirection",
        "on_chip",
        "outside",
        "partition",
        "shape",
        "start",
        "steps",
        "storage",
    )

    dtype: DType
    free_size: int
    indirection: Indirection | None
    on_chip: bool
    outside: bool  # leaves its storage, or is empty: legal until an instruction uses it
    partition: int
    shape: tuple[int, ...]
    start: int
    steps: tuple[int, ...]
    storage: Storage

    @classmethod
    def of(
        cls,
        storage: Storage,
        dtype: DType,
        shape: tuple[int, ...],
        steps: tuple[int, ...],
        start: int,
        partition: int = 0,
        indirection: Indirection | None = None,
        outside: bool = False,
    ) -> Self:
        """A view by its parts; steps and start in elements, on chip dim 0 in partitions."""
        view = cls.__new__(cls)
        view.storage = storage
        view.dtype = dtype
        view.shape = shape
        view.steps = steps
        view.start = start
        view.partition = partition
        view.indirection = indirection
        view.outside = outside
        view.on_chip = storage.on_chip
        view.free_size = math.prod(shape[1:])
        return view

    @classmethod
    def whole(cls, storage: Storage) -> Self:
        """All of a storage."""
        return cls.of(storage, storage.dtype, storage.shape, storage.steps, 0)

    # -- facts ---------------------------------------------------------------------------------

    @property
    def ndim(self) -> int:
        """Number of dims."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def name(self) -> str:
        """The storage's name."""
        return self.storage.name

    @property
    def buffer(self) -> MemoryRegion | str:
        """The memory region it lives in."""
        return self.storage.region

    @property
    def _pitch(self) -> int:
        """Elements of one partition of the storage: the documented stride of dim 0 on chip."""
        return max(self.storage.partition_bytes // self.dtype.itemsize, 1)

    @property
    def strides(self) -> tuple[int, ...]:
        """Elements of the storage from one index to the next, per dim."""
        if not self.on_chip:
            return self.steps
        return (self.steps[0] * self._pitch, *self.steps[1:])

    @property
    def offset(self) -> int:
        """Elements of the storage before the first one of the view."""
        return self.start + (self.partition * self._pitch if self.on_chip else 0)

    @property
    def num_partitions(self) -> int:
        """Size of dim 0."""
        return self.shape[0] if self.shape else 1

    @property
    def start_partition(self) -> int:
        """First partition on the chip (storages start at their own start partition)."""
        return self.storage.start_partition + self.partition

    def is_contiguous(self) -> bool:
        """True when the elements are dense in row-major order; on chip within each partition."""
        first = 1 if self.on_chip else 0
        return patterns.is_dense(self.shape[first:], self.steps[first:])

    def is_indirect(self) -> bool:
        """True when an address is known only at run time."""
        return self.indirection is not None

    def get_pattern(self) -> list[list[int]]:
        """`[[stride, count], ...]` as `ap` takes it."""
        return [[s, n] for s, n in zip(self.strides, self.shape, strict=True)]

    def __repr__(self) -> str:
        shape = ", ".join(map(str, self.shape))
        return f"{self.storage.label}:{self.dtype}[{shape}]@{self.storage.memory}"

    def __len__(self) -> int:
        return self.shape[0]

    def refused(self, what: str, got: str, expected: str, do: str = "") -> KernelError:
        """A KernelError in the house form about this view."""
        tail = f"; {do}" if do else ""
        return KernelError(f"{what} {self!r}: got {got}, expected {expected}{tail}")

    # -- further views ---------------------------------------------------------------------------

    def check_bounds(self) -> None:
        """Refuse a pattern that leaves its storage."""
        patterns.check_bounds(self)

    def replaced(
        self,
        shape: tuple[int, ...],
        steps: tuple[int, ...],
        start: int | None = None,
        partition: int | None = None,
    ) -> Self:
        """A view of the same storage and dtype without run-time address."""
        return self.of(
            self.storage,
            self.dtype,
            shape,
            steps,
            self.start if start is None else start,
            self.partition if partition is None else partition,
            outside=self.outside,
        )

    def _as(self, kind: DType, shape: tuple[int, ...], steps: tuple[int, ...], start: int) -> Self:
        return self.of(
            self.storage, kind, shape, steps, start, self.partition, outside=self.outside
        )

    def with_address(self, by: Indirection) -> Self:
        """This view with a run-time address."""
        view = self.replaced(self.shape, self.steps)
        view.indirection = by
        return view

    def _derived(self, shape: tuple[int, ...], steps: tuple[int, ...], dim: int) -> Self:
        """Another layout of the same elements; `dim` is where the indirect dim went (-1: gone)."""
        view = self.replaced(shape, steps)
        if isinstance(self.indirection, Columns):
            raise self._already("another layout")
        if self.indirection is not None:
            view.indirection = replace(self.indirection, dim=dim)
        return view

    def _already(self, got: str) -> KernelError:
        return self.refused(
            "indexing", f"{got} on an indirect view", "one run-time index per view",
            "cut first, then index at run time; is_indirect() tells",
        )  # fmt: skip

    def _after(self, at: int, change: int) -> int:
        """Where the indirect dim goes when `change` dims come or go at `at`."""
        dim = -1 if self.indirection is None else self.indirection.dim
        if change < 0 and dim == at:
            return -1
        return dim + change if dim >= at else dim

    def _keep_first(self, what: str, got: str) -> None:
        if self.on_chip or isinstance(self.indirection, Rows):
            raise self.refused(what, got, "a free dim", "the partition dim stays first")

    def _dim(self, what: str, dim: int, count: int | None = None) -> int:
        limit = self.ndim if count is None else count
        if not -limit <= dim < limit:
            raise self.refused(what, f"dim {dim}", f"one of 0..{limit - 1}")
        return dim % limit

    # -- binding to memory ---------------------------------------------------------------------

    def bind(self, memory: np.ndarray, base: int = 0) -> np.ndarray:
        """The view as a NumPy array of `memory`; its run-time address, if any, left out.

        `memory` is uint8: on chip [partitions, bytes], where the storage's own address applies;
        for HBM flat, with the storage's first element at byte `base`.
        """
        size = self.dtype.itemsize
        start = base + self.start * size
        steps = tuple(s * size for s in self.steps)
        if self.on_chip:
            row = memory.strides[0]
            start += self.start_partition * row + self.storage.address
            steps = (self.steps[0] * row, *steps[1:])
        return np.ndarray(self.shape, self.dtype.numpy, memory, start, steps)
