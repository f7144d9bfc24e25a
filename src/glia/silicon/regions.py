"""The memory that a view touches, as a region that can be compared quickly.

A region is a box (rows by bytes inside a row) and, where the view leaves regular gaps inside a row,
the period of the gaps: interleaved views of one tensor do not touch. On chip rows are partitions
and bytes count from the start of a partition, so that tensors at one address are comparable; in HBM
both count inside the storage.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from glia.isa.tensors.addressing import reach
from glia.isa.tensors.tensor import NkiTensor

Box = tuple[int, int, int, int]  # first row, end row, first byte, end byte


class Region(NamedTuple):
    """Rows `first`..`last`, bytes `low`..`high` of each (ends exclusive).

    With a `period`, only the first `length` bytes of each period from `low` on are touched.
    """

    first: int
    last: int
    low: int
    high: int
    period: int = 0
    length: int = 0


def region(view: NkiTensor) -> Region:
    """The region of all that a view may touch; as small as a box with one period can be."""
    if view.indirection is not None:
        view = reach(view)
    size = view.dtype.itemsize
    if not view.on_chip:
        return _hbm_region(view, size)
    storage = view.storage
    shape, steps = view.shape, view.steps
    first = storage.start_partition + view.partition
    last = first + (shape[0] - 1) * steps[0] + 1
    base = storage.address if storage.address > 0 else 0
    low = base + view.start * size
    if len(shape) == 2:  # by far the most
        step = steps[1]
        if step == 1:
            return Region(first, last, low, low + shape[1] * size)
    return _inside_row(first, last, low, shape[1:], steps[1:], size)


def _inside_row(
    first: int, last: int, start: int, shape: tuple[int, ...], steps: tuple[int, ...], size: int
) -> Region:
    """Bytes of a row from its dims: their span, and the period of what they leave out."""
    dims = [(abs(s) * size, n) for n, s in zip(shape, steps, strict=True) if n > 1 and s]
    below = sum((n - 1) * s * size for n, s in zip(shape, steps, strict=True) if s < 0)
    low = start + below
    high = low + size + sum(step * (n - 1) for step, n in dims)
    dims.sort()
    length, gaps = size, 0
    for step, count in dims:
        if gaps or step > length:
            gaps = math.gcd(gaps, step)
        else:
            length += step * (count - 1)
    if gaps <= length:
        return Region(first, last, low, high)
    return Region(first, last, low, high, gaps, length)


def _hbm_region(view: NkiTensor, size: int) -> Region:
    """Rows and columns, when the view's steps respect the row pitch; else whole rows."""
    storage = view.storage
    pitch = max(storage.partition_bytes // size, 1)
    if storage.strides is not None:
        return Region(0, storage.num_partitions, 0, pitch * size)
    row, column = divmod(view.start, pitch)
    last_row, width = row, 0
    inner: list[tuple[int, int]] = []
    for count, step in zip(view.shape, view.steps, strict=True):
        if step % pitch == 0:
            last_row += (count - 1) * step // pitch
        else:
            width += (count - 1) * step
            inner.append((count, step))
    if column + width >= pitch or any(step < 0 for step in view.steps):
        low, high = _span(view.shape, view.steps, view.start)
        return Region(low // pitch, high // pitch + 1, 0, pitch * size)
    if len(inner) <= 1 and (not inner or inner[0][1] == 1):
        return Region(row, last_row + 1, column * size, (column + width + 1) * size)
    shape, steps = tuple(n for n, _ in inner), tuple(s for _, s in inner)
    return _inside_row(row, last_row + 1, column * size, shape, steps, size)


def _span(shape: tuple[int, ...], steps: tuple[int, ...], start: int) -> tuple[int, int]:
    reach = [(n - 1) * s for n, s in zip(shape, steps, strict=True)]
    return start + sum(r for r in reach if r < 0), start + sum(r for r in reach if r > 0)


def overlap(a: Region, b: Region) -> bool:
    """False only when the two touch no byte in common."""
    if a[0] >= b[1] or b[0] >= a[1] or a[2] >= b[3] or b[2] >= a[3]:
        return False
    if not (a[4] or b[4]):
        return True
    return not _apart(a, b)


def _apart(a: Region, b: Region) -> bool:
    """True when the gaps of one hold all of the other.

    What lies in bytes x of one period lies in x mod g for every g that divides it.
    """
    if a.period and b.period:
        g = math.gcd(a.period, b.period)
        ours, theirs = (a.low, a.length), (b.low, b.length)
    elif a.period:
        g, ours, theirs = a.period, (a.low, a.length), (b.low, b.high - b.low)
    else:
        g, ours, theirs = b.period, (a.low, a.high - a.low), (b.low, b.length)
    return (theirs[0] - ours[0]) % g >= ours[1] and (ours[0] - theirs[0]) % g >= theirs[1]


def covers(a: Region, b: Region) -> bool:
    """True when `a` as a region includes `b`: who waits for `a` need not wait for `b` as well."""
    if a[4]:
        return a == b
    return a[0] <= b[0] and a[1] >= b[1] and a[2] <= b[2] and a[3] >= b[3]


def box(view: NkiTensor) -> Box:
    """The region of a view without its gaps."""
    return region(view)[:4]
