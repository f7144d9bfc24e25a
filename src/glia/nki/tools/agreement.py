"""Whether two kernels gave the same values, and how far apart they may be.

The limit follows from the format: one and a half units in the last place of the coarsest float
format among the arguments and the output (what two orders of rounding may do), at least 1e-4, for
sums in float32 of other orders. Integers and packed formats must be equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest

import ml_dtypes
import numpy as np

from glia.core.kernel_records import Agreement

_ULPS, _LEAST = 1.5, 1e-4
_PEAKS = 16  # the worst element, over the largest of all, may be that many limits off
_INFINITE = float("inf")


def agree(
    first: Mapping[str, np.ndarray],
    second: Mapping[str, np.ndarray],
    formats: Iterable[np.dtype] = (),
    tolerance: float | None = None,
) -> tuple[Agreement, ...]:
    """How well the outputs of both agree, in order. `formats` are those of the arguments.

    `tolerance` stands for the limit that the formats would give.
    """
    return tuple(_pairs(first, second, tuple(formats), tolerance))


def _pairs(
    first: Mapping[str, np.ndarray],
    second: Mapping[str, np.ndarray],
    formats: tuple[np.dtype, ...],
    tolerance: float | None,
) -> Iterator[Agreement]:
    for one, other in zip_longest(first.items(), second.items()):
        if one is None or other is None:
            name = (one or other)[0]
            yield Agreement(
                f"{name} (of one alone)", False, False, _INFINITE, _INFINITE, 0.0, False
            )
            continue
        (name, x), (_, y) = one, other
        limit = limit_of((*formats, x.dtype, y.dtype)) if tolerance is None else tolerance
        yield _agreement(name, x, y, limit if tolerance or _is_float(x.dtype) else 0.0)


def limit_of(formats: Iterable[np.dtype]) -> float:
    """The relative difference that rounding explains."""
    eps = [float(ml_dtypes.finfo(kind).eps) for kind in formats if _is_float(kind)]
    return max(_LEAST, _ULPS * max(eps, default=0.0))


def _is_float(kind: np.dtype) -> bool:
    try:
        ml_dtypes.finfo(kind)
    except ValueError:
        return False
    return True


def _agreement(name: str, x: np.ndarray, y: np.ndarray, limit: float) -> Agreement:
    if x.shape != y.shape:
        return Agreement(name, False, False, _INFINITE, _INFINITE, limit, False)
    if x.dtype == y.dtype and x.tobytes() == y.tobytes():
        return Agreement(name, True, True, 0.0, 0.0, limit)
    a, b = _wide(x), _wide(y)
    both = np.isfinite(a) & np.isfinite(b)
    if not ((np.isnan(a) & np.isnan(b)) | (a == b) | both).all():
        return Agreement(name, True, False, _INFINITE, _INFINITE, limit, False)
    kept, difference = np.where(both, a, 0.0), np.where(both, a - b, 0.0)
    scale = float(np.sqrt(np.mean(kept**2)))
    rms = float(np.sqrt(np.mean(difference**2)))
    relative = rms / scale if scale else (0.0 if rms == 0 else _INFINITE)
    worst = float(np.abs(difference).max(initial=0.0))
    peak = float(np.abs(kept).max(initial=0.0))
    within = relative <= limit and worst <= _PEAKS * limit * peak
    return Agreement(name, True, False, worst, relative, limit, within)


def _wide(array: np.ndarray) -> np.ndarray:
    return array.view(np.uint8).astype(float) if array.dtype.fields else array.astype(float)
