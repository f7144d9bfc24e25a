"""How far two arrays are apart: relative errors, cosine, worst element.

NaN on either side is an infinite error. Entries beyond `MASKED` are a mask's "minus infinity":
they must stand in the same places, and their digits do not count.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from glia.port.noise import MASKED

Array = np.ndarray[Any, Any]


def relative_error(value: Array, reference: Array) -> float:
    """RMS error over RMS of the reference; infinite for NaN or misplaced infinities."""
    pair = _comparable(value, reference)
    if pair is None:
        return math.inf
    error, scale = (_rms(a) for a in pair)
    return error / scale if scale else (0.0 if error == 0 else math.inf)


def row_errors(value: Array, reference: Array) -> tuple[Array, Array]:
    """RMS error and RMS of the reference along the last dim, one of each per row.

    An array that cannot be compared has one row of infinite error.
    """
    pair = _comparable(value, reference)
    if pair is None:
        return np.array([math.inf]), np.array([1.0])
    error, theirs = (_rows(a) for a in pair)
    return error, theirs


def worst_absolute(value: Array, reference: Array) -> float:
    """Largest absolute difference."""
    pair = _comparable(value, reference)
    return math.inf if pair is None else float(np.abs(pair[0]).max(initial=0.0))


def cosine(value: Array, reference: Array) -> float:
    """Cosine of the two values as flat vectors; 1 when both are zero, 0 for NaN."""
    pair = _comparable(value, reference)
    if pair is None:
        return 0.0
    theirs = pair[1].reshape(-1)
    ours = pair[0].reshape(-1) + theirs
    norms = float(np.linalg.norm(ours) * np.linalg.norm(theirs))
    if norms == 0:
        return 1.0 if not ours.any() and not theirs.any() else 0.0
    return float(np.clip(ours @ theirs / norms, -1.0, 1.0))


def _comparable(value: Array, reference: Array) -> tuple[Array, Array] | None:
    """Difference and reference in float64, without masked entries; None for NaN or a mismatch."""
    ours, theirs = (np.atleast_1d(a).astype(np.float64) for a in (value, reference))
    with np.errstate(invalid="ignore"):
        difference = ours - theirs
    if not np.isfinite(difference).all() or _reaches(theirs) or _reaches(ours):
        ours_masked, theirs_masked = (_masked(a) for a in (ours, theirs))
        if np.isnan(ours).any() or np.isnan(theirs).any():
            return None
        if not np.array_equal(ours_masked, theirs_masked):
            return None
        difference[theirs_masked != 0] = 0.0
        theirs[theirs_masked != 0] = 0.0
    return difference, theirs


def _reaches(array: Array) -> bool:
    return bool(array.size) and float(max(array.max(), -array.min())) >= MASKED


def _masked(array: Array) -> Array:
    """1 and -1 where an entry is as good as plus or minus infinity, else 0."""
    return (array >= MASKED).astype(np.int8) - (array <= -MASKED).astype(np.int8)


def _rms(array: Array) -> float:
    flat = array.reshape(-1)
    return math.sqrt(float(flat @ flat) / flat.size) if flat.size else 0.0


def _rows(array: Array) -> Array:
    rows = array.reshape(-1, array.shape[-1]) if array.ndim else array.reshape(1, 1)
    return np.sqrt(np.einsum("rc,rc->r", rows, rows) / max(rows.shape[1], 1))
