"""Storages and the strided views on them that instructions read and write.

A Storage is a piece of HBM, SBUF or PSUM. On chip it is a rectangle: partitions x bytes per
partition, whose address is fixed only after the whole kernel is traced (`allocate.py`). A view
(`NkiTensor`) selects elements: `offset + sum(stride * index)` in elements of its dtype; on chip,
dim 0 is the partition dim and its stride counts partitions.
Source: aws-neuron-sdk nki/get-started/nki-language-guide.rst.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from glia.core.dtypes import DType, dtype
from glia.core.errors import KernelError

ON_CHIP = ("sbuf", "psum", "register")


@dataclass(eq=False, slots=True)
class Storage:
    """Memory behind tensors. `memory` is `hbm`, `sbuf`, `psum` or `register` (engine state).

    `role` is `input`, `output`, `constant` or `scratch`. `partition_bytes` is, on chip, the bytes
    used in each partition, and for HBM the pitch of one row. `address` is the byte offset inside a
    partition (on chip), set by the allocator unless the kernel pinned it.
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
    on_chip: bool = field(init=False)
    num_bytes: int = field(init=False)
    num_partitions: int = field(init=False)
    partition_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        size = self.dtype.itemsize
        self.on_chip = self.memory in ON_CHIP
        self.num_bytes = math.prod(self.shape) * size
        if self.on_chip:
            self.num_partitions = self.shape[0]
            self.partition_bytes = math.prod(self.shape[1:]) * size
        else:
            self.partition_bytes = (self.shape[-1] if self.shape else 1) * size
            self.num_partitions = -(-self.num_bytes // max(self.partition_bytes, 1))

    @property
    def extent_bytes(self) -> int:
        """Bytes from the first to the last element: of one partition on chip, else of all."""
        if self.on_chip:
            return self.partition_bytes
        if self.strides is None:
            return self.num_bytes
        last = sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        return (last + 1) * self.dtype.itemsize

    def view(self) -> NkiTensor:
        """The whole storage as a tensor."""
        strides = self.strides if self.strides is not None else self._dense_strides()
        return NkiTensor(self, self.dtype, self.shape, strides, 0)

    def _dense_strides(self) -> tuple[int, ...]:
        strides = dense_strides(self.shape)
        return (1, *strides[1:]) if self.on_chip else strides


def dense_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Row-major strides in elements."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


@dataclass(frozen=True, slots=True)
class DynamicSlice:
    """`nl.ds(start, size)`."""

    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Indirection:
    """Rows of `dim` picked at run time by `index` (one per partition) instead of by position.

    The rows are those of the tensor that `.ap` was called on: `num_rows`, `row_stride` apart.
    """

    index: NkiTensor
    dim: int
    num_rows: int
    row_stride: int


class NkiTensor:
    """A strided view; immutable. Indexing, `reshape`, `ap` and the like give further views."""

    __slots__ = (
        "dtype",
        "free_size",
        "indirection",
        "offset",
        "on_chip",
        "partition",
        "shape",
        "storage",
        "strides",
    )

    def __init__(
        self,
        storage: Storage,
        dtype: DType,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        offset: int,
        partition: int = 0,
        indirection: Indirection | None = None,
    ) -> None:
        self.storage = storage
        self.dtype = dtype
        self.shape = shape
        self.strides = strides
        self.offset = offset
        self.partition = partition
        self.indirection = indirection
        self.on_chip = storage.on_chip  # True in SBUF and PSUM
        self.free_size = math.prod(shape[1:])  # elements per partition

    # -- facts ---------------------------------------------------------------------------------

    @property
    def ndim(self) -> int:
        """Number of dims."""
        return len(self.shape)

    @property
    def buffer(self) -> str:
        """`hbm`, `sbuf` or `psum`."""
        return self.storage.memory

    @property
    def num_partitions(self) -> int:
        """Size of dim 0."""
        return self.shape[0] if self.shape else 1

    @property
    def start_partition(self) -> int:
        """First partition on the chip (storages start at their own start partition)."""
        return self.storage.start_partition + self.partition

    def __repr__(self) -> str:
        shape = ", ".join(map(str, self.shape))
        return f"{self.storage.name}:{self.dtype}[{shape}]@{self.buffer}"

    def __bool__(self) -> bool:
        raise KernelError(
            f"branching on {self!r}: got a tensor, whose values exist only on the chip; "
            "expected a Python value; use select_reduce or tensor_copy_predicated instead"
        )

    def __len__(self) -> int:
        return self.shape[0]

    # -- views ---------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> NkiTensor:
        keys = key if type(key) is tuple else (key,)
        if len(keys) > self.ndim or Ellipsis in keys:
            keys = self._expand(keys)
        if self.indirection is not None:
            raise self._refused("indexing", "rows picked at run time", "indexing before .ap")
        shape, strides, offset, partition = [], [], self.offset, self.partition
        for dim, item in enumerate(keys):
            stride = self.strides[dim]
            start, size, step, keep = self._resolve(dim, item)
            if dim == 0 and self.on_chip:
                partition += start * stride
                keep = True
            else:
                offset += start * stride
            if keep:
                shape.append(size)
                strides.append(stride * step)
        rest = len(keys)
        return NkiTensor(
            self.storage,
            self.dtype,
            (*shape, *self.shape[rest:]),
            (*strides, *self.strides[rest:]),
            offset,
            partition,
        )

    def _expand(self, keys: tuple[Any, ...]) -> tuple[Any, ...]:
        """`...` stands for as many whole dims as are missing."""
        if Ellipsis in keys:
            at = keys.index(Ellipsis)
            whole = (slice(None),) * (self.ndim - len(keys) + 1)
            keys = (*keys[:at], *whole, *keys[at + 1 :])
        if len(keys) > self.ndim or Ellipsis in keys:
            raise self._refused("indexing", f"{len(keys)} indices", f"at most {self.ndim}")
        return keys

    def _resolve(self, dim: int, item: Any) -> tuple[int, int, int, bool]:
        """Start, size, step, and whether the dim stays."""
        limit = self.shape[dim]
        if type(item) is slice:
            start = 0 if item.start is None else self._static(item.start)
            stop = limit if item.stop is None else self._static(item.stop)
            step = 1 if item.step is None else self._static(item.step)
            start = start + limit if start < 0 else start
            stop = stop + limit if stop < 0 else stop
            if not 0 <= start <= stop <= limit or step < 1:
                raise self._outside(dim, start, stop, step)
            return start, -(-(stop - start) // step), step, True
        if type(item) is DynamicSlice:
            if not 0 <= item.start <= item.start + item.size <= limit:
                raise self._outside(dim, item.start, item.start + item.size)
            return item.start, item.size, 1, True
        index = self._static(item)
        index = index + limit if index < 0 else index
        if not 0 <= index < limit:
            raise self._outside(dim, index, index + 1)
        return index, 1, 1, False

    def _static(self, value: Any) -> int:
        if type(value) is int:
            return value
        try:
            return int(value.__index__())
        except AttributeError:
            raise self._refused("indexing", type(value).__name__, "int, slice or nl.ds") from None

    def _outside(self, dim: int, start: int, stop: int, step: int = 1) -> KernelError:
        if step < 1:
            return self._refused("indexing", f"step {step} in dim {dim}", "a step of at least 1")
        return self._refused(
            "indexing",
            f"[{start}:{stop}] in dim {dim}",
            f"it inside [0:{self.shape[dim]}]",
            "clamp with min() at ragged edges",
        )

    def _refused(self, what: str, got: str, expected: str, do: str = "") -> KernelError:
        """A KernelError in the house form about this view."""
        tail = f"; {do}" if do else ""
        return KernelError(f"{what} {self!r}: got {got}, expected {expected}{tail}")

    def reshape(self, shape: Sequence[int]) -> NkiTensor:
        """The same elements in another shape; only where strides allow it without a copy."""
        target = _fill_minus_one(tuple(shape), math.prod(self.shape))
        keep_partition = self.on_chip and target[:1] != self.shape[:1]
        if keep_partition:
            raise KernelError(
                f"reshaping {self!r}: got {target}, expected the partition dim "
                f"{self.shape[0]} first; move data between partitions with a transpose"
            )
        first = 1 if self.on_chip else 0
        strides = _restride(self.shape[first:], self.strides[first:], target[first:], self)
        return self._replaced(target, self.strides[:first] + strides)

    def flatten_dims(self, start: int, stop: int) -> NkiTensor:
        """Merge dims `start..stop` (inclusive)."""
        merged = math.prod(self.shape[start : stop + 1])
        return self.reshape((*self.shape[:start], merged, *self.shape[stop + 1 :]))

    def reshape_dim(self, dim: int, shape: Sequence[int]) -> NkiTensor:
        """Split one dim."""
        sizes = _fill_minus_one(tuple(shape), self.shape[dim])
        return self.reshape((*self.shape[:dim], *sizes, *self.shape[dim + 1 :]))

    def permute(self, dims: Sequence[int]) -> NkiTensor:
        """Reorder dims; on chip the partition dim stays first."""
        if self.on_chip and dims[0] != 0:
            raise KernelError(f"permuting {self!r}: dim 0 is the partition dim and stays first")
        return self._replaced(
            tuple(self.shape[d] for d in dims), tuple(self.strides[d] for d in dims)
        )

    def slice(self, dim: int, start: int, end: int, step: int = 1) -> NkiTensor:
        """Elements `start:end:step` of one dim."""
        key = [slice(None)] * self.ndim
        key[dim] = slice(start, end, step)
        return self[tuple(key)]

    def select(self, dim: int, index: int) -> NkiTensor:
        """One element of a dim; the dim goes away."""
        key: list[Any] = [slice(None)] * self.ndim
        key[dim] = index
        return self[tuple(key)]

    def expand_dim(self, dim: int) -> NkiTensor:
        """Insert a dim of size 1; on chip never before the partition dim."""
        if dim == 0 and self.on_chip:
            raise self._refused("expanding", "dim 0", "a free dim", "the partition dim stays first")
        return self._replaced(
            (*self.shape[:dim], 1, *self.shape[dim:]), (*self.strides[:dim], 0, *self.strides[dim:])
        )

    def broadcast(self, dim: int, size: int) -> NkiTensor:
        """Repeat a dim of size 1 without copying (stride 0)."""
        if self.shape[dim] != 1 or (dim == 0 and self.on_chip):
            raise KernelError(
                f"broadcasting dim {dim} of {self!r}: got size {self.shape[dim]}, expected 1 in a "
                "free dim; partitions are broadcast by DMA or by a matmul with ones"
            )
        shape, strides = list(self.shape), list(self.strides)
        shape[dim], strides[dim] = size, 0
        return self._replaced(tuple(shape), tuple(strides))

    def view(self, kind: Any) -> NkiTensor:
        """Reinterpret the bits as another dtype; the last dim rescales."""
        target = dtype(kind)
        ratio_up, ratio_down = self.dtype.itemsize, target.itemsize
        if ratio_up == ratio_down:
            return NkiTensor(
                self.storage, target, self.shape, self.strides, self.offset, self.partition
            )
        keep = 1 if self.on_chip else 0
        what = f"reinterpreting as {target}"
        if self.ndim <= keep or self.strides[-1] != 1:
            raise self._refused(what, "a strided last dim", "a contiguous one")
        scale = [s * ratio_up for s in self.strides]
        offset = self.offset * ratio_up
        sizes = (offset, self.shape[-1] * ratio_up, *scale[keep:-1])
        if any(n % ratio_down for n in sizes):
            raise self._refused(what, "strides that are not whole elements", "whole elements")
        strides = [*self.strides[:keep], *(s // ratio_down for s in scale[keep:-1]), 1]
        shape = (*self.shape[:-1], self.shape[-1] * ratio_up // ratio_down)
        return NkiTensor(
            self.storage, target, shape, tuple(strides), offset // ratio_down, self.partition
        )

    def ap(
        self,
        pattern: Iterable[Sequence[int]],
        offset: int | None = None,
        scalar_offset: int | None = None,
        vector_offset: NkiTensor | None = None,
        indirect_dim: int = 0,
        dtype: Any = None,
    ) -> NkiTensor:
        """A raw access pattern `[[step, count], ...]` on the storage, in elements.

        On chip the first pair is the partition pair; its step is the storage's free size.
        `vector_offset` picks rows of dim 0 at run time, one index per partition.
        """
        base = self if dtype is None else self.view(dtype)
        pairs = [(int(step), int(count)) for step, count in pattern]
        start = base.offset if offset is None else int(offset)
        shape, strides = tuple(c for _, c in pairs), [s for s, _ in pairs]
        partition = base.partition
        if base.on_chip:
            free = max(base.storage.partition_bytes // base.dtype.itemsize, 1)
            if strides[0] % free and shape[0] > 1:
                raise base._refused(
                    "access pattern",
                    f"partition step {strides[0]}",
                    f"a multiple of {free}, the storage's elements per partition",
                )
            strides[0] = strides[0] // free
            partition, start = (partition, start) if offset is None else divmod(start, free)
        if scalar_offset is not None:
            start += int(scalar_offset) * math.prod(base.shape[indirect_dim + 1 :])
        indirection = None
        if vector_offset is not None:
            rows = base.shape[indirect_dim], base.strides[indirect_dim]
            indirection = Indirection(vector_offset, indirect_dim, *rows)
        if any(step < 0 for step in strides) or any(count < 1 for count in shape):
            raise base._refused("access pattern", f"{pairs}", "steps of at least 0, counts above 0")
        view = NkiTensor(
            base.storage, base.dtype, shape, tuple(strides), start, partition, indirection
        )
        view.check_bounds()
        return view

    def check_bounds(self) -> None:
        """Refuse a pattern that leaves its storage."""
        first = 1 if self.on_chip else 0
        skip = 0 if self.indirection is None else 1
        spans = [
            (n - 1) * s
            for n, s in zip(self.shape[first + skip :], self.strides[first + skip :], strict=True)
        ]
        low = self.offset + sum(s for s in spans if s < 0)
        high = self.offset + sum(s for s in spans if s > 0)
        limit = self.storage.extent_bytes // self.dtype.itemsize
        top = self.partition + (self.num_partitions - 1) * self.strides[0] if self.on_chip else 0
        fits_rows = not self.on_chip or (self.partition >= 0 and top < self.storage.num_partitions)
        if low < 0 or high >= limit or not fits_rows:
            raise KernelError(
                f"access pattern on {self.storage.view()!r}: got elements {low}..{high}"
                f"{f' of partitions {self.partition}..{top}' if self.on_chip else ''}, expected "
                f"0..{limit - 1}; shorten the pattern"
            )

    def _replaced(self, shape: tuple[int, ...], strides: tuple[int, ...]) -> NkiTensor:
        if self.indirection is not None:
            raise self._refused("reshaping", "rows picked at run time", "reshaping before .ap")
        return NkiTensor(self.storage, self.dtype, shape, strides, self.offset, self.partition)

    # -- binding to memory ---------------------------------------------------------------------

    def bind(self, memory: np.ndarray, base: int = 0) -> np.ndarray:
        """The view as a NumPy array of `memory`.

        `memory` is uint8: on chip [partitions, bytes], where the storage's own address applies;
        for HBM flat, with the storage's first element at byte `base`.
        """
        size = self.dtype.itemsize
        start = base + self.offset * size
        strides = tuple(s * size for s in self.strides)
        if self.on_chip:
            row = memory.strides[0]
            start += self.start_partition * row + self.storage.address
            strides = (self.strides[0] * row, *strides[1:])
        return np.ndarray(self.shape, self.dtype.numpy, memory, start, strides)


def _fill_minus_one(shape: tuple[int, ...], total: int) -> tuple[int, ...]:
    known = math.prod(s for s in shape if s != -1)
    filled = tuple(total // max(known, 1) if s == -1 else int(s) for s in shape)
    if math.prod(filled) != total:
        raise KernelError(f"reshaping: got {shape} for {total} elements; expected equal totals")
    return filled


def _restride(
    shape: Sequence[int], strides: Sequence[int], target: Sequence[int], tensor: NkiTensor
) -> tuple[int, ...]:
    """Strides of `target` over the same elements, or an error when that needs a copy."""
    if tuple(strides) == dense_strides(shape):
        return dense_strides(target)
    proxy = np.lib.stride_tricks.as_strided(np.empty(1, np.int8), tuple(shape), tuple(strides))
    try:
        return np.reshape(proxy, tuple(target), copy=False).strides
    except ValueError:
        raise KernelError(
            f"reshaping {tensor!r}: got {tuple(target)}, which needs a copy; copy the tile first"
        ) from None
