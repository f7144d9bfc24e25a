"""How an elementwise kernel walks its tensors: outer loops, rows on partitions, columns in tiles.

All operands are seen in the result's shape (stride 0 where they repeat). Neighbouring dims merge
when every operand's strides allow it; of what remains, the last dim gives columns, the longest of
the others rows, and the rest are Python loops.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from glia.compiler.view import View

Strides = list[tuple[int, ...]]

_MIN_COLUMNS = 64  # narrower tiles leave the DMA with descriptors that are too small
_MAX_COLUMNS = 2048


@dataclass(frozen=True, slots=True)
class Walk:
    """The common shape after merging (rank >= 2), and each operand seen in it.

    Dim `rows` goes to partitions; the last dim to columns.
    """

    shape: tuple[int, ...]
    operands: tuple[View, ...]
    rows: int

    @property
    def loops(self) -> tuple[int, ...]:
        """All dims but the columns, outermost first: those that most operands depend on.

        An operand that repeats along the inner ones is then loaded less often.
        """

        def num_repeating(d: int) -> int:
            return sum(view.strides[d] == 0 for view in self.operands)

        dims = range(len(self.shape) - 1)
        return tuple(sorted(dims, key=lambda d: (num_repeating(d), d == self.rows)))


def plan_walk(shape: Sequence[int], operands: Sequence[View]) -> Walk:
    """Merge dims; operands must already have `shape`."""
    sizes, strides = _merged(tuple(shape), [v.strides for v in operands])
    if len(sizes) == 1:
        sizes, strides = _split(sizes[0], strides)
    views = tuple(
        View(v.buffer, v.format, sizes, s, v.offset) for v, s in zip(operands, strides, strict=True)
    )
    outer = range(len(sizes) - 1)
    return Walk(sizes, views, max(outer, key=lambda d: (min(sizes[d], 128), d)))


def _merged(shape: tuple[int, ...], strides: Strides) -> tuple[tuple[int, ...], Strides]:
    """Merge every dim into its right neighbour where all strides are multiples by its size."""
    kept = [d for d in range(len(shape)) if shape[d] != 1]
    groups: list[list[int]] = []
    for d in kept:
        if groups and _mergeable(groups[-1][-1], d, shape[d], strides):
            groups[-1].append(d)
        else:
            groups.append([d])
    if not groups:
        return (1,), [(0,) for _ in strides]
    sizes = tuple(math.prod(shape[d] for d in g) for g in groups)
    return sizes, [tuple(s[g[-1]] for g in groups) for s in strides]


def _mergeable(left: int, right: int, size: int, strides: Strides) -> bool:
    return all(s[left] == s[right] * size for s in strides)


def _split(
    total: int, strides: list[tuple[int, ...]]
) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """One merged dim as rows x columns: the widest columns that still fill the partitions."""
    columns = _columns(total)
    return (total // columns, columns), [(s[0] * columns, s[0]) for s in strides]


def _columns(total: int) -> int:
    divisors = [d for d in range(1, min(total, _MAX_COLUMNS) + 1) if total % d == 0]
    filling = [d for d in divisors if total // d >= 128 and d >= _MIN_COLUMNS]
    if filling:
        return max(filling)
    return min((d for d in divisors if d >= _MIN_COLUMNS), default=total)
