"""Whether two views of one storage share bytes, exactly, without listing them where possible."""

from __future__ import annotations

import math

import numpy as np

from glia.isa.tensors.view import View

Pattern = tuple[int, tuple[tuple[int, int], ...]]
"""First byte, then (step, count) of each dim in bytes, the bytes of an element included."""


def pattern_of(view: View) -> Pattern:
    """The bytes of a view in its storage, dims of one step or more merged where they continue."""
    size, storage = view.dtype.itemsize, view.storage
    steps = [s * size for s in view.steps]
    start = view.start * size
    if view.on_chip:
        steps[0] = view.steps[0] * storage.partition_bytes
        start += view.partition * storage.partition_bytes
    merged: list[tuple[int, int]] = []
    for step, count in ((1, size), *reversed(list(zip(steps, view.shape, strict=True)))):
        if count == 1:
            continue
        if merged and step == merged[-1][0] * merged[-1][1]:
            merged[-1] = (merged[-1][0], merged[-1][1] * count)
        else:
            merged.append((step, count))
    return start, tuple(reversed(merged))


def overlap(one: View, other: View) -> bool:
    """True when the views, of one storage and with addresses known, have a byte in common."""
    return patterns_overlap(pattern_of(one), pattern_of(other))


def patterns_overlap(one: Pattern, other: Pattern) -> bool:
    """`overlap` of patterns in the same storage."""
    low = max(one[0], other[0])
    high = min(one[0] + _span(one[1]), other[0] + _span(other[1]))
    if low > high:
        return False
    for modulus in {step for step, _ in (*one[1], *other[1]) if step > 1}:
        if _apart(one, other, modulus):
            return False
    return _common(one, other)


def span_of(pattern: Pattern) -> tuple[int, int]:
    """First and last byte."""
    return pattern[0], pattern[0] + _span(pattern[1])


def _span(dims: tuple[tuple[int, int], ...]) -> int:
    return sum(step * (count - 1) for step, count in dims)


def _apart(one: Pattern, other: Pattern, modulus: int) -> bool:
    """True when, modulo `modulus`, the two keep to intervals that do not meet."""
    found = []
    for start, dims in (one, other):
        width = _span(tuple(d for d in dims if d[0] % modulus))
        low = start % modulus
        if low + width >= modulus:
            return False
        found.append((low, low + width))
    return found[0][1] < found[1][0] or found[1][1] < found[0][0]


def _common(one: Pattern, other: Pattern) -> bool:
    first = min(one[0], other[0])
    last = max(p[0] + _span(p[1]) for p in (one, other))
    unit = math.gcd(one[0] - first, other[0] - first, *_units(one), *_units(other))
    marked = np.zeros((last - first) // unit + 1, bool)
    _select(marked, one, first, unit)[...] = True
    return bool(_select(marked, other, first, unit).any())


def _units(pattern: Pattern) -> list[int]:
    """What all bytes are a multiple of, a run of single bytes counting as one piece."""
    return [count if step == 1 else step for step, count in pattern[1]]


def _select(marked: np.ndarray, pattern: Pattern, first: int, unit: int) -> np.ndarray:
    dims = [
        (1, count // unit) if step == 1 else (step // unit, count) for step, count in pattern[1]
    ]
    start = (pattern[0] - first) // unit
    return np.ndarray(tuple(c for _, c in dims), bool, marked, start, tuple(s for s, _ in dims))
