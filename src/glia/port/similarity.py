"""End-to-end agreement of one output: cosine per sequence, and the ranking by similarity.

The ranking asks: for each sequence, are the others in the same order of similarity? Two orders
count as the same when every swapped pair is closer, in the reference, than the error budget can
tell apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glia.core.records import OutputCheck
from glia.port.budgets import LIMIT
from glia.port.noise import MASKED

Array = np.ndarray[Any, Any]

_AMPLIFY = 4  # of the error that rounding alone gives the worst sequence
_EXACT = 1e-12  # what float64 may lose in a cosine of equal vectors
_RANKED = 128  # sequences whose order is compared; pairs grow with the square, rows on top
_TIE = 0.1  # similarities further apart than this are an order in any format


def check_output(
    name: str,
    value: Array,
    reference: Array,
    num_sequences: int,
    budget: float,
    worst_expected: float = 1.0,
) -> OutputCheck:
    """Compare an output [sequences, ...] whose relative error may be `budget`.

    `worst_expected` is the lowest cosine that rounding alone gives a sequence: one sequence may be
    more sensitive than all of them together.
    """
    expected = 1 - _AMPLIFY**2 * (1 - worst_expected)
    allowed = max(min(1 - budget**2, expected), 1 - LIMIT**2) - _EXACT
    ours, theirs = _rows(value, num_sequences), _rows(reference, num_sequences)
    cosines = tuple(_cosine(a, b) for a, b in zip(ours, theirs, strict=True))
    same, note = _ranking(value, ours, theirs, budget)
    return OutputCheck(name, cosines, min(cosines), allowed, same, note)


def worst_cosine(value: Array, reference: Array, num_sequences: int) -> float:
    """The lowest cosine of any sequence."""
    rows = zip(_rows(value, num_sequences), _rows(reference, num_sequences), strict=True)
    return min(_cosine(a, b) for a, b in rows)


def _rows(array: Array, num_sequences: int) -> Array:
    """One vector per sequence; a single one where a sequence has only one number."""
    flat = np.asarray(array).astype(np.float64)
    flat = np.where(np.abs(flat) >= MASKED, 0.0, flat)  # a mask's infinity has no direction
    leads = flat.ndim > 0 and flat.shape[0] == num_sequences and flat.size > num_sequences
    return flat.reshape(num_sequences if leads else 1, -1)


def _cosine(a: Array, b: Array) -> float:
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    if norms == 0 or not np.isfinite(norms):
        return 1.0 if np.array_equal(a, b) else 0.0
    return float(np.clip(a @ b / norms, -1.0, 1.0))


def _ranking(value: Array, ours: Array, theirs: Array, budget: float) -> tuple[bool | None, str]:
    if value.ndim != 2 or len(ours) < 3 or ours.shape[1] < 2:
        return None, "no ranking: not one vector for each of three or more sequences"
    if not np.isfinite(ours).all():
        return False, "the output is not finite"
    swapped, gap = _swaps(_similarities(ours[:_RANKED]), _similarities(theirs[:_RANKED]))
    if not swapped:
        return True, "identical order"
    tellable = min(4 * budget, _TIE)
    what = f"{swapped} pairs swap; the largest gap between them is {gap:.2g} in cosine"
    if gap <= tellable:
        return True, f"{what}, below the {tellable:.2g} that the format can tell apart"
    return False, what


def _swaps(device: Array, oracle: Array) -> tuple[int, float]:
    """Pairs that the two order differently, over all rows, and the widest of them in the oracle."""
    swapped, widest = 0, 0.0
    for row in range(len(oracle)):
        ours, theirs = np.delete(device[row], row), np.delete(oracle[row], row)
        gaps = theirs[:, None] - theirs[None, :]
        wrong = (gaps > 0) & (ours[:, None] < ours[None, :])
        swapped += int(wrong.sum())
        widest = max(widest, float(gaps[wrong].max(initial=0.0)))
    return swapped, widest


def _similarities(rows: Array) -> Array:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(norms == 0, 1, norms)
    return unit @ unit.T
