"""Rounding and circular functions against NumPy, over the whole range of float32."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nki.tiles import on_tiles, uniform

import glia.nki.language as nl

ROUNDING = {"floor": np.floor, "ceil": np.ceil, "trunc": np.trunc}
CIRCULAR = {"sin": np.sin, "cos": np.cos, "tan": np.tan}
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
NEAR_INTEGERS = st.builds(
    lambda n, ulps: float(np.float32(n) + ulps * np.spacing(np.float32(n))),
    st.integers(-(2**24), 2**24),
    st.integers(-2, 2),
)


def row(values: list[float]) -> np.ndarray:
    return np.array([values], np.float32)


@pytest.mark.parametrize("name", ROUNDING)
@settings(max_examples=25, deadline=None)
@given(values=st.lists(st.one_of(FINITE, NEAR_INTEGERS), min_size=1, max_size=40))
def test_rounding_is_exact_everywhere(name: str, values: list[float]):
    x = row(values)
    np.testing.assert_array_equal(on_tiles(getattr(nl, name), x), ROUNDING[name](x))


@pytest.mark.parametrize("name", ROUNDING)
def test_infinities_stay(name: str):
    x = row([np.inf, -np.inf, 2.0**31, -(2.0**40)])
    np.testing.assert_array_equal(on_tiles(getattr(nl, name), x), x)


@pytest.mark.parametrize("name", ["floor", "ceil"])
def test_nan_stays(name: str):
    assert np.isnan(on_tiles(getattr(nl, name), row([np.nan, 1.5])))[0, 0]


@pytest.mark.parametrize("name", ROUNDING)
def test_rounding_of_bfloat16(name: str):
    x = uniform(-40, 40).astype(ml_dtypes.bfloat16)
    found = on_tiles(getattr(nl, name), x)
    assert found.dtype == x.dtype
    np.testing.assert_array_equal(found, ROUNDING[name](x.astype(np.float64)).astype(x.dtype))


@pytest.mark.parametrize("name", ["sin", "cos"])
@pytest.mark.parametrize(("reach", "error"), [(math.pi, 3e-7), (100, 6e-7), (2e4, 4e-6)])
def test_sine_and_cosine_reduce_the_angle(name: str, reach: float, error: float):
    x = uniform(-reach, reach)
    exact = CIRCULAR[name](x.astype(np.float64))
    np.testing.assert_allclose(on_tiles(getattr(nl, name), x), exact, rtol=0, atol=error)


def test_tangent():
    x = uniform(-1.4, 1.4) + np.float32(math.pi) * np.arange(-24, 24, dtype=np.float32)
    np.testing.assert_allclose(on_tiles(nl.tan, x), np.tan(x.astype(np.float64)), rtol=2e-5)


@pytest.mark.parametrize("name", CIRCULAR)
def test_known_angles(name: str):
    found = on_tiles(getattr(nl, name), row([0.0, math.pi / 4]))
    expected = {"sin": [0, math.sqrt(0.5)], "cos": [1, math.sqrt(0.5)], "tan": [0, 1]}[name]
    np.testing.assert_allclose(found, [expected], atol=3e-7)
