"""erf and GELU on float32 against SciPy's float64 functions, over all magnitudes."""

from __future__ import annotations

import numpy as np
from scipy import special

from glia.isa.operators.erf import erf, gelu


def magnitudes() -> np.ndarray:
    """Positive float32 numbers of every exponent, about 800,000 of them."""
    return np.arange(0x00000001, 0x7F800000, 2659, dtype=np.uint32).view(np.float32)


def test_erf_is_within_0_55_ulp():
    x = magnitudes()
    x = np.concatenate([x, -x, np.linspace(-5, 5, 300_001, dtype=np.float32)])
    true = special.erf(x.astype(np.float64))
    unit = np.spacing(np.abs(true).astype(np.float32)).astype(np.float64)
    assert np.max(np.abs(erf(x) - true) / unit) < 0.55


def test_erf_is_odd_bounded_and_keeps_shape():
    x = np.random.default_rng(0).standard_normal((3, 70, 129)).astype(np.float32) * 3
    y = erf(x)
    assert y.shape == x.shape and y.dtype == np.float32
    assert np.array_equal(erf(-x), -y) and np.abs(y).max() <= 1


def test_erf_of_special_values():
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], np.float32)
    assert np.array_equal(erf(x), np.array([0.0, -0.0, 1, -1, np.nan], np.float32), equal_nan=True)
    assert np.signbit(erf(x)[1])
    assert erf(np.zeros((4, 0), np.float32)).shape == (4, 0)


def test_gelu():
    x = np.linspace(-15, 12, 1_000_003, dtype=np.float32)
    wide = x.astype(np.float64)
    true = wide * special.ndtr(wide)
    unit = np.spacing(np.abs(true).astype(np.float32)).astype(np.float64)
    budget = np.where(x < -2, 0.501 * unit, 0.8 * unit + 1e-9 * np.abs(wide))
    assert np.all(np.abs(gelu(x) - true) <= budget)
    with np.errstate(invalid="ignore"):
        assert np.array_equal(gelu(np.array([-np.inf, -1e30, np.inf], np.float32)), [0, 0, np.inf])
