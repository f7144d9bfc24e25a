"""Arithmetic of layouts: index keys, reshapes, rearrangements, raw access patterns.

Everything here works on shapes, steps and starts; nothing touches data.
Sources: aws-neuron-sdk nki/get-started/nki-language-guide.rst (tensor indexing),
nki/deep-dives/nki-aps.rst, nki/api/nki/language/__init__.py (NkiTensor).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from glia.core.dtypes import DType
from glia.core.errors import KernelError
from glia.isa.tensors.addressing import DynamicSlice, check_scalar, known_integer, reach
from glia.isa.tensors.storage import dense_strides

if TYPE_CHECKING:
    from glia.isa.tensors.tensor import NkiTensor
    from glia.isa.tensors.view import View

V = TypeVar("V", bound="View")
_WHOLE = slice(None)


class Cut(NamedTuple):
    """What one index key takes from a dim. `dynamic` is a tile that moves the start at run time."""

    start: int
    size: int
    step: int = 1
    keep: bool = True
    dynamic: NkiTensor | None = None


def expand_key(view: View, key: Any) -> tuple[Any, ...]:
    """One key per dim, from the left; `...` stands for as many whole dims as are missing."""
    keys = key if type(key) is tuple else (key,)
    dots = [i for i, k in enumerate(keys) if k is Ellipsis]
    if len(dots) == 1:
        at = dots[0]
        whole = (_WHOLE,) * (view.ndim - len(keys) + 1)
        keys = (*keys[:at], *whole, *keys[at + 1 :])
    if len(keys) > view.ndim or len(dots) > 1:
        raise view.refused(
            "indexing", f"{len(keys)} indices, {len(dots)} ellipses", f"at most {view.ndim} and one"
        )
    return keys


def cut(view: View, dim: int, item: Any) -> Cut:
    """What `item` takes from `dim` of the view.

    Raises:
        KernelError: outside the dim, or for a key of another kind. An empty slice is legal until an
            instruction uses it, as in NumPy: a core without work forms slices that it leaves alone.
    """
    limit = view.shape[dim]
    if type(item) is slice:
        return _slice(view, dim, item, limit)
    if type(item) is DynamicSlice:
        size = _integer(view, item.size)
        known = known_integer(item.start)
        if known is None:
            if not 1 <= size <= limit:
                raise _outside(view, dim, 0, size)
            return Cut(0, size, dynamic=_scalar(view, item.start))
        if not 0 <= known <= known + size <= limit:
            raise _outside(view, dim, known, known + size)
        return Cut(known, size)
    index = item if type(item) is int else _integer(view, item)
    index = index + limit if index < 0 else index
    if not 0 <= index < limit:
        raise _outside(view, dim, index, index + 1)
    return Cut(index, 1, keep=False)


def _slice(view: View, dim: int, item: slice, limit: int) -> Cut:
    start, stop, step = item.start, item.stop, item.step
    start = 0 if start is None else start if type(start) is int else _integer(view, start)
    stop = limit if stop is None else stop if type(stop) is int else _integer(view, stop)
    step = 1 if step is None else step if type(step) is int else _integer(view, step)
    start = start + limit if start < 0 else start
    stop = stop + limit if stop < 0 else stop
    if step < 1:
        raise view.refused("indexing", f"step {step} in dim {dim}", "a step of at least 1")
    if 0 <= stop <= start <= limit:
        return Cut(start, 0, step)
    if not 0 <= start < stop <= limit:
        raise _outside(view, dim, start, stop)
    return Cut(start, int(-(-(stop - start) // step)), step)


def _integer(view: View, value: Any) -> int:
    known = known_integer(value)
    if known is None:
        raise view.refused(
            "indexing",
            type(value).__name__,
            "an int, a register, a slice or nl.ds",
            "select(dim, tile) takes an index that is computed on the chip",
        )
    return known


def _scalar(view: View, start: Any) -> NkiTensor:
    check_scalar(f"nl.ds start on {view!r}", start)
    found: NkiTensor = start
    return found


def _outside(view: View, dim: int, start: int, stop: int) -> KernelError:
    got, limit = f"[{start}:{stop}] in dim {dim}", view.shape[dim]
    return view.refused(
        "indexing", got, f"it inside [0:{limit}]", "clamp with min() at ragged edges"
    )


# -- reshapes ----------------------------------------------------------------------------------


def fill_minus_one(what: str, shape: Sequence[int], total: int) -> tuple[int, ...]:
    """The shape with its one -1 inferred from `total` elements."""
    sizes = tuple(shape)
    known = math.prod(s for s in sizes if s != -1)
    filled = tuple(total // max(known, 1) if s == -1 else int(s) for s in sizes)
    least = min(total, 1)  # an empty view has a size of 0
    if math.prod(filled) != total or sizes.count(-1) > 1 or any(s < least for s in filled):
        raise KernelError(
            f"{what}: got shape {sizes} for {total} elements, expected sizes above 0 with an equal "
            "total and at most one -1"
        )
    return filled


def restride(
    shape: Sequence[int], steps: Sequence[int], target: Sequence[int]
) -> tuple[int, ...] | None:
    """Steps of `target` over the same elements; None when that needs a copy."""
    if tuple(steps) == dense_strides(shape):
        return dense_strides(target)
    proxy = np.lib.stride_tricks.as_strided(np.empty(1, np.int8), tuple(shape), tuple(steps))
    try:
        return np.reshape(proxy, tuple(target), copy=False).strides
    except ValueError:
        return None


def is_dense(shape: Sequence[int], steps: Sequence[int]) -> bool:
    """True when the elements lie one after another in row-major order; dims of size 1 are free."""
    expected = 1
    for size, step in zip(reversed(shape), reversed(steps), strict=True):
        if size != 1 and step != expected:
            return False
        expected *= size
    return True


Names = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Rearrangement:
    """An einops-like pattern as three steps: split to `split`, permute, merge to `merged`."""

    split: tuple[int, ...]
    order: tuple[int, ...]
    merged: tuple[int, ...]


def rearrangement(
    what: str, shape: Sequence[int], source: Names, target: Names, sizes: Mapping[str, int]
) -> Rearrangement:
    """Resolve `(('b', ('h', 'w')), ('b', 'w', 'h'), {'h': 4})` for a shape."""
    left, right = _groups(source), _groups(target)
    names = [n for group in left for n in group]
    wanted = [n for group in right for n in group]
    if len(left) != len(shape):
        raise KernelError(f"{what}: got {len(left)} source dims, expected {len(shape)}")
    if len(set(names)) != len(names) or sorted(names) != sorted(wanted):
        raise KernelError(
            f"{what}: got names {names} and {wanted}, expected the same names once on each side"
        )
    if not set(sizes) <= set(names):
        raise KernelError(f"{what}: got sizes of {sorted(sizes)}, expected names of {names}")
    found: dict[str, int] = {}
    for group, total in zip(left, shape, strict=True):
        given = [sizes.get(n, -1) for n in group]
        found.update(zip(group, fill_minus_one(what, given, total), strict=True))
    return Rearrangement(
        tuple(found[n] for n in names),
        tuple(names.index(n) for n in wanted),
        tuple(math.prod(found[n] for n in group) for group in right),
    )


def _groups(pattern: Names) -> list[tuple[str, ...]]:
    return [(item,) if isinstance(item, str) else tuple(item) for item in pattern]


# -- raw access patterns -----------------------------------------------------------------------


def inside(view: View) -> bool:
    """True when no element of the view lies outside its storage."""
    try:
        check_bounds(view)
    except KernelError:
        return False
    return True


def check_bounds(view: View) -> None:
    """Refuse a view that leaves its storage; one with a run-time address by all it may touch.

    An empty view, which no instruction can use, is refused as well.
    """
    whole = reach(view)
    if 0 in view.shape or 0 in whole.shape:
        raise view.refused(
            "using",
            "an empty slice",
            "at least one element",
            "leave out an instruction without work",
        )
    first = 1 if whole.on_chip else 0
    spans = [
        (n - 1) * s for n, s in zip(whole.shape[first:], whole.steps[first:], strict=True) if n > 1
    ]
    low = whole.start + sum(s for s in spans if s < 0)
    high = whole.start + sum(s for s in spans if s > 0)
    limit = whole.storage.extent_bytes // whole.dtype.itemsize
    top = whole.partition + (whole.shape[0] - 1) * whole.steps[0] if whole.on_chip else 0
    fits_rows = not whole.on_chip or (whole.partition >= 0 and top < whole.storage.num_partitions)
    if low < 0 or high >= limit or not fits_rows:
        rows = f" of partitions {whole.partition}..{top}" if whole.on_chip else ""
        bound = f" of {whole.storage.num_partitions} partitions" if whole.on_chip else ""
        raise KernelError(
            f"access pattern on {view!r}: got elements {low}..{high}{rows}, expected "
            f"0..{limit - 1}{bound}; shorten the pattern"
        )


def room(view: View, step: int, by_partition: bool = False) -> int:
    """How many values a run-time offset of `step` may take before the view leaves its storage."""
    if by_partition:
        top = view.partition + (view.shape[0] - 1) * view.steps[0]
        return (view.storage.num_partitions - 1 - top) // step + 1
    first = 1 if view.on_chip else 0
    pairs = zip(view.shape[first:], view.steps[first:], strict=True)
    high = view.start + sum((n - 1) * s for n, s in pairs)
    limit = view.storage.extent_bytes // view.dtype.itemsize
    return (limit - 1 - high) // max(step, 1) + 1


def checked_pairs(view: View, pattern: Any) -> list[tuple[int, int]]:
    """The pairs of an access pattern as ints."""
    try:
        pairs = [(known_integer(s), known_integer(n)) for s, n in pattern]
    except (TypeError, ValueError):
        pairs = [(None, None)]
    found = [(int(s), int(n)) for s, n in pairs if s is not None and n is not None]
    if len(found) < len(pairs):
        raise view.refused("access pattern", f"{pattern!r}", "pairs [step, count] of integers")
    return found


def checked_offset(view: View, offset: Any) -> int:
    """The offset of an access pattern: an int, a register, or None for 0."""
    known = 0 if offset is None else known_integer(offset)
    if known is None:
        raise view.refused(
            "access pattern", f"offset {offset!r}", "an integer", "use scalar_offset for a tile"
        )
    return known


def raw(view: V, pairs: Sequence[tuple[int, int]], offset: int, kind: DType) -> V:
    """The pattern `[(step, count), ...]` in elements of `kind`, `offset` from where `view` starts.

    Bounds are left to the caller. On chip the first pair is the partitions.
    """
    if not pairs or any(step < 0 or count < 1 for step, count in pairs):
        raise view.refused(
            "access pattern", f"{list(pairs)}", "pairs with steps of at least 0, counts above 0"
        )
    begin = view.start * view.dtype.itemsize
    if begin % kind.itemsize:
        raise view.refused(
            f"access pattern as {kind}", f"a start at byte {begin}", f"multiples of {kind.itemsize}"
        )
    start = begin // kind.itemsize + offset
    partition = view.partition
    steps = [step for step, _ in pairs]
    shape = tuple(count for _, count in pairs)
    if view.on_chip:
        free = max(view.storage.partition_bytes // kind.itemsize, 1)
        if shape[0] > 1 and steps[0] != free:
            raise view.refused(
                "access pattern",
                f"partition step {steps[0]}",
                f"{free}, the storage's elements per partition",
                "an access pattern takes consecutive partitions",
            )
        steps[0] = 1
        partition, start = divmod(partition * free + start, free)
        if len(shape) == 1:
            steps, shape = [*steps, 1], (*shape, 1)
    return view.of(view.storage, kind, shape, tuple(steps), start, partition)
