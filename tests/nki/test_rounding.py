"""Rounding and circular functions against NumPy, over the whole range of float32."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

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


PI = Decimal(  # 150 digits: enough for the 39 before the point of the largest float32
    "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534"
    "2117067982148086513282306647093844609550582231725359408128"
)


def exact_angle(x: float) -> float:
    """x less the nearest whole number of turns, by long decimal arithmetic."""
    with localcontext(prec=140):
        turn = 2 * PI
        long = Decimal(x)
        return float(long - turn * (long / turn).to_integral_value())


# How far from the exact value, in units of the last place of float32.
@pytest.mark.parametrize(("name", "ulps"), [("sin", 1.5), ("cos", 1.5), ("tan", 4)])
@settings(max_examples=25, deadline=None)
@given(values=st.lists(FINITE, min_size=1, max_size=40))
def test_circular_functions_of_any_angle(name: str, ulps: float, values: list[float]):
    x = row(values)
    function = getattr(math, name)
    exact = np.array([[function(exact_angle(float(v))) for v in x[0]]])
    unit = np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)
    assert np.all(np.abs(on_tiles(getattr(nl, name), x) - exact) <= ulps * unit)


@pytest.mark.parametrize("name", CIRCULAR)
def test_angles_of_bfloat16_and_no_angles(name: str):
    x = np.array([[1e30, 3.0, -2e5, np.inf, -np.inf, np.nan]]).astype(ml_dtypes.bfloat16)
    found = on_tiles(getattr(nl, name), x)
    exact = CIRCULAR[name](x[:, :3].astype(np.float64)).astype(x.dtype)
    np.testing.assert_array_equal(found[:, :3], exact)
    assert found.dtype == x.dtype and np.isnan(found[:, 3:].astype(np.float32)).all()


@pytest.mark.parametrize("name", CIRCULAR)
def test_known_angles(name: str):
    found = on_tiles(getattr(nl, name), row([0.0, math.pi / 4]))
    expected = {"sin": [0, math.sqrt(0.5)], "cos": [1, math.sqrt(0.5)], "tan": [0, 1]}[name]
    np.testing.assert_allclose(found, [expected], atol=3e-7)
