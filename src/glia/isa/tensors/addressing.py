"""Addresses known only at run time: what a view carries until the machine binds it.

A `Shift` moves a whole pattern by one number, `Rows` picks rows of HBM by one number per row (DMA
gather and scatter), `Columns` picks elements of a partition by offsets (tensor indirection).
While a kernel is traced only the range that such a view may touch is known (`reach`).
Sources: aws-neuron-sdk nki/deep-dives/nki-aps.rst, nki/api/nki/language/__init__.py (NkiTensor).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from glia.core.errors import KernelError
from glia.isa.engines import engine

if TYPE_CHECKING:
    from glia.isa.tensors.tensor import NkiTensor
    from glia.isa.tensors.view import View


@dataclass(frozen=True, slots=True)
class DynamicSlice:
    """`nl.ds(start, size)`: `start` is a number, a register, or a (1, 1) tile of integers."""

    start: Any
    size: int


@dataclass(frozen=True, slots=True)
class Shift:
    """The pattern starts `step * value` further on, `value` being what `index` (1, 1) holds.

    `value` must be in 0..limit-1. The step is in elements, or in partitions where `by_partition`.
    `dim` is the dim of the view that must not be cut again (-1: none). `skip` leaves out the whole
    instruction when the value is out of bounds; else that is an error.
    """

    index: NkiTensor
    step: int
    limit: int
    dim: int = -1
    by_partition: bool = False
    skip: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """Row i of dim 0 is row `index[i]` of a table of `num_rows` rows, `row_stride` elements apart.

    `index` is read column by column (its transpose, flattened).
    """

    index: NkiTensor
    num_rows: int
    row_stride: int
    dim: int = 0


@dataclass(frozen=True, slots=True)
class Columns:
    """Element i of a partition is element `offset(i)` of the partition's row of the base.

    The offsets of a group of partitions lie in the group's rows of `index`, down the partitions
    first; `group_size` gives the group.
    """

    index: NkiTensor
    base_shape: tuple[int, ...]
    base_steps: tuple[int, ...]
    dim: int = 1

    @property
    def num_columns(self) -> int:
        """Elements per partition of the base."""
        return math.prod(self.base_shape[1:])


class RegisterInt(int):
    """The number of a register; what is computed from it still says that a register decides it."""

    __slots__ = ()
    of_register = True

    def __divmod__(self, other: int) -> tuple[int, int]:
        return self // other, self % other


def _carrying(name: str) -> Callable[[RegisterInt, Any], Any]:
    plain = getattr(int, name)

    def compute(self: RegisterInt, other: Any) -> Any:
        found = plain(self, other)
        return RegisterInt(found) if type(found) is int else found

    return compute


for _name in ("add", "sub", "mul", "floordiv", "mod"):
    setattr(RegisterInt, f"__{_name}__", _carrying(f"__{_name}__"))
    setattr(RegisterInt, f"__r{_name}__", _carrying(f"__r{_name}__"))


V = TypeVar("V", bound="View")
Indirection = Shift | Rows | Columns


def known_integer(value: Any) -> int | None:
    """The value of an int or of a register, which is known while tracing; None for anything else.

    A register is anything with an integer `value`.
    """
    if type(value) is int or type(value) is RegisterInt:
        return value
    held = getattr(value, "value", None)
    if type(held) is int or type(held) is RegisterInt:
        return held
    try:
        return int(value.__index__())
    except AttributeError:
        return None


def check_scalar(what: str, index: Any) -> None:
    """A run-time offset is one integer in SBUF."""
    storage = getattr(index, "storage", None)
    in_sbuf = storage is not None and storage.memory == "sbuf"
    if not in_sbuf or index.size != 1 or not index.dtype.is_integer or index.is_indirect():
        raise KernelError(
            f"{what}: got {index!r}, expected one integer in SBUF, shape (1, 1); "
            "load it with dma_copy first"
        )


def reach(view: V) -> V:
    """A view of everything that `view` may touch, without run-time addresses."""
    moved = view.indirection
    if moved is None:
        return view
    if isinstance(moved, Columns):
        return view.replaced(moved.base_shape, moved.base_steps)
    if isinstance(moved, Rows):
        shape = (moved.num_rows, *view.shape[1:])
        return view.replaced(shape, (moved.row_stride, *view.steps[1:]))
    if moved.by_partition:
        rows = (view.shape[0] - 1) * view.steps[0] + (moved.limit - 1) * moved.step + 1
        return view.replaced((rows, *view.shape[1:]), (1, *view.steps[1:]))
    first = 1 if view.on_chip else 0
    shape, steps = view.shape[first:], view.steps[first:]
    span = sum((n - 1) * s for n, s in zip(shape, steps, strict=True))
    total = (moved.limit - 1) * moved.step + span + 1
    if moved.limit * view.size <= total * (view.shape[0] if view.on_chip else 1):
        inner, inner_steps = (moved.limit, *shape), (moved.step, *steps)
    else:  # the patterns of neighbouring values overlap: the whole range is shorter to say
        inner, inner_steps = (total,), (1,)
    return view.replaced((*view.shape[:first], *inner), (*view.steps[:first], *inner_steps))


def shifted(view: V, value: int) -> V | None:
    """The view where its run-time offset is `value`; None when it is skipped.

    Raises:
        KernelError: for a value out of bounds.
    """
    moved = view.indirection
    assert isinstance(moved, Shift)
    if not 0 <= value < moved.limit:
        if moved.skip:
            return None
        raise KernelError(
            f"run-time offset of {view!r}: got {value}, expected 0..{moved.limit - 1}; "
            "check the index, or let the DMA skip it (oob_mode.skip)"
        )
    by = value * moved.step
    if moved.by_partition:
        return view.replaced(view.shape, view.steps, view.start, view.partition + by)
    return view.replaced(view.shape, view.steps, view.start + by, view.partition)


def column_numbers(view: View, offsets: np.ndarray, group: int) -> np.ndarray:
    """Which element of its partition each element of a `Columns` view is: int [P, num_elem].

    `offsets` is the bound index [P, K]; `group` the partitions that share offsets.

    Raises:
        KernelError: for an offset outside the base.
    """
    moved = view.indirection
    assert isinstance(moved, Columns)
    partitions, count = view.shape
    blocks = offsets.reshape(partitions // group, group, -1).astype(np.int64)
    snake = blocks.transpose(0, 2, 1).reshape(partitions // group, -1)[:, :count]
    if snake.size and not 0 <= snake.min() <= snake.max() < moved.num_columns:
        bad = snake[(snake < 0) | (snake >= moved.num_columns)][0]
        raise KernelError(
            f"tensor indirection on {reach(view)!r}: got offset {bad}, expected "
            f"0..{moved.num_columns - 1}; check the index tile"
        )
    return np.repeat(snake, group, axis=0)


def row_numbers(view: View, index: np.ndarray) -> np.ndarray:
    """Which row of the table each row of a `Rows` view is, in bounds or not; `index` is bound."""
    down = index.reshape(index.shape[0], -1).T.reshape(-1)
    return down[: view.shape[0]].astype(np.int64)


def address_tiles(views: Iterable[NkiTensor]) -> tuple[NkiTensor, ...]:
    """The index tiles that the views' run-time addresses are read from."""
    return tuple(v.indirection.index for v in views if v.indirection is not None)


def own_reads(writes: Sequence[NkiTensor], reads: Sequence[NkiTensor]) -> Sequence[NkiTensor]:
    """What an instruction reads as operands: without the index tiles, which come last."""
    count = sum(v.indirection is not None for v in (*writes, *reads))
    return reads[: len(reads) - count] if count else reads


def group_size(on: engine) -> int:
    """Partitions that share the offsets of a tensor indirection on this engine."""
    return 32 if on is engine.tensor else 16
