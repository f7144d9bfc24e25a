"""erf and GELU on float32 arrays, several times faster than SciPy's erf and better rounded.

erf(x) = x * P(x*x) / Q(x*x), evaluated in float64 on blocks that stay in cache and rounded once, so
that the error is that of the approximation (1.9e-9 relative) plus half a unit in the last place:
below 0.55 ulp of float32 everywhere. The coefficients are a least-squares fit, weighted towards
its worst points, of erf(x)/x over |x| <= 3.92, beyond which erf rounds to 1; the bound is tested
against SciPy's float64 erf in tests/isa/test_erf.py.
"""

from __future__ import annotations

import numpy as np

_END = 3.92
_P = (
    1.1283791691467244, 0.18513530842183232, 0.05424406548137492, 0.0038386336024828025,
    0.00037676241938776057, 4.609325866212666e-06, -1.2800275540576776e-08,
)  # fmt: skip
_Q = (
    1.0, 0.4974053014664889, 0.11387383864258732, 0.015430082060691443, 0.0013015317764245567,
    6.240004713829193e-05,
)  # fmt: skip
_BLOCK = 16384  # elements: four float64 work arrays of this size fit in a core's second cache
_SQRT_HALF = 0.7071067811865476
_TAIL = -2.0  # below it 1 + erf cancels: a few elements of a usual tile
_NOTHING = -40.0  # the tail is zero in float32 long before


def erf(x: np.ndarray) -> np.ndarray:
    """erf of a float32 array, as float32; at most 0.55 ulp from the true value."""
    flat, out = x.reshape(-1), np.empty(x.size, np.float32)
    work = _work(x.size)
    for start in range(0, x.size, _BLOCK):
        block = flat[start : start + _BLOCK]
        out[start : start + _BLOCK] = _erf_block(block, 1.0, *work)
    return out.reshape(x.shape)


def gelu(x: np.ndarray) -> np.ndarray:
    """`x/2 * (1 + erf(x/sqrt(2)))` of a float32 array.

    At most 0.8 ulp + 1e-9 |x| from the true value; below -2, where that would be too much, it is
    the true value rounded once (from SciPy's float64 `ndtr`).
    """
    flat, out = x.reshape(-1), np.empty(x.size, np.float32)
    work = _work(x.size)
    for start in range(0, x.size, _BLOCK):
        block = flat[start : start + _BLOCK]
        value = _erf_block(block, _SQRT_HALF, *work)
        value += 1.0
        value *= block
        value *= 0.5
        low = np.flatnonzero(block < _TAIL)
        if low.size:
            value[low] = _gelu_tail(block[low])
        out[start : start + _BLOCK] = value
    return out.reshape(x.shape)


def _gelu_tail(x: np.ndarray) -> np.ndarray:
    from scipy.special import ndtr

    wide = np.maximum(x, _NOTHING, dtype=np.float64)
    found: np.ndarray = wide * ndtr(wide)
    return found


def _work(size: int) -> np.ndarray:
    return np.empty((4, min(size, _BLOCK)))


def _erf_block(
    block: np.ndarray,
    scale: float,
    argument: np.ndarray,
    square: np.ndarray,
    above: np.ndarray,
    below: np.ndarray,
) -> np.ndarray:
    """erf(block * scale) in float64; the result lies in one of the work arrays."""
    n = block.size
    x, t, p, q = argument[:n], square[:n], above[:n], below[:n]
    np.multiply(block, scale, out=x, dtype=np.float64)
    np.clip(x, -_END, _END, out=x)
    np.multiply(x, x, out=t)
    _horner(_P, t, p)
    _horner(_Q, t, q)
    p /= q
    p *= x
    return p


def _horner(coefficients: tuple[float, ...], t: np.ndarray, out: np.ndarray) -> None:
    np.multiply(t, coefficients[-1], out=out)
    out += coefficients[-2]
    for c in coefficients[-3::-1]:
        out *= t
        out += c
