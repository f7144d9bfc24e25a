"""The stand-in for `neuron_dtypes` against ml_dtypes and hand-packed bits."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import glia.nki.language as nl
from glia.nki.standins import neuron_dtypes as dt

VALUES = np.array([[0.0, 1.0, -1.5, 2.75, 100.0, -3.1, 0.02, 240.0]], np.float32)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(nl.bfloat16, ml_dtypes.bfloat16), ("float8_e4m3", ml_dtypes.float8_e4m3),
     (np.float16, np.float16), (dt.float8_e5m2, ml_dtypes.float8_e5m2), (nl.int32, np.int32)],
)  # fmt: skip
def test_cast_to_plain_formats(kind: Any, expected: Any):
    found = dt.static_cast(VALUES, dtype=kind)
    assert found.dtype == expected
    np.testing.assert_array_equal(found, VALUES.astype(expected))


def test_a_cast_to_the_same_format_is_the_array_itself():
    assert dt.static_cast(VALUES, np.float32) is VALUES


def test_a_packed_element_holds_four_numbers_lowest_first():
    packed = dt.static_cast(np.array([[0.5, 1.0, 1.5, -6.0]], np.float32), nl.float4_e2m1fn_x4)
    assert packed.shape == (1, 1)
    # e2m1: 0.5 = 0001, 1 = 0010, 1.5 = 0011, -6 = 1111
    assert packed.view(np.uint16)[0, 0] == 0b1111_0011_0010_0001


@pytest.mark.parametrize("kind", [dt.float8_e4m3fn_x4, dt.float8_e5m2_x4, dt.float4_e2m1fn_x4])
def test_packed_formats_go_and_come(kind: Any):
    values = np.array([[1.0, -2.0, 4.0, 0.5, 3.0, -6.0, 0.0, 1.5]], np.float32)  # all have these
    packed = dt.static_cast(values, kind)
    assert packed.shape == (1, 2)
    np.testing.assert_array_equal(dt.static_cast(packed, np.float32), values)


def test_tfloat32_keeps_ten_bits_of_mantissa():
    found = dt.static_cast(np.array([1 + 2.0**-10, 1 + 2.0**-12], np.float32), nl.tfloat32)
    np.testing.assert_array_equal(found, np.array([1 + 2.0**-10, 1], np.float32))


def test_sizes_and_kinds():
    sizes = [dt.sizeinbytes(k) for k in (np.float32, nl.bfloat16, nl.float8_e4m3, nl.uint8)]
    assert sizes == [4, 2, 1, 1]
    assert dt.sizeinbytes(nl.float4_e2m1fn_x4) == 2
    assert [dt.is_float_type(k) for k in (nl.bfloat16, np.dtype(np.int8))] == [True, False]
    assert float(dt.finfo(nl.float8_e4m3).max) == 240
    assert float(dt.finfo(dt.float4_e2m1fn_x4).max) == 6


@pytest.mark.parametrize("kind", [nl.float8_e4m3fn_x4, nl.float4_e2m1fn_x4, nl.tfloat32])
def test_numpy_makes_arrays_of_the_chips_own_formats(kind: Any):
    assert np.zeros((2, 3), dtype=kind).dtype == kind.numpy
