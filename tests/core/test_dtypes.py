"""Formats: found by name, rounding of tfloat32, packing of four numbers into one element."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glia.core.dtypes import DTYPES, dtype, pack, round_tfloat32, unpack

PACKED = [n for n, d in DTYPES.items() if d.is_packed]
FP4 = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]  # OCP MX v1.0, table of FP4 E2M1 values


def test_float32_wins_over_tfloat32_as_numpy_kind():
    assert dtype(np.float32).name == "float32"
    assert dtype("tfloat32").numpy == np.float32


def test_packed_formats_are_three_of_known_size():
    sizes = {n: DTYPES[n].itemsize for n in PACKED}
    assert sizes == {"float8_e5m2_x4": 4, "float8_e4m3fn_x4": 4, "float4_e2m1fn_x4": 2}
    assert not any(DTYPES[n].is_float or DTYPES[n].is_integer for n in PACKED)


def test_first_number_is_in_the_lowest_bits():
    # e4m3fn: 1.0 = 0 0111 000 = 0x38, 448 = 0x7e, -2 = 0xc0; e2m1: the code is the table's index
    x = np.array([[1.0, 448.0, -2.0, 0.0]], np.float32)
    assert pack(x, dtype("float8_e4m3fn_x4")).view(np.uint32)[0] == 0x00C07E38
    assert pack(np.array([[0.5, 6, -1, 0]], np.float32), dtype("float4_e2m1fn_x4")).view(
        np.uint16
    ) == [0x0A71]


def test_every_fp4_code():
    codes = np.arange(16, dtype=np.uint16)
    got = unpack(codes | codes << 4 | codes << 8 | codes << 12, dtype("float4_e2m1fn_x4"))
    want = np.array([*FP4, *(-x for x in FP4)], np.float32)
    assert np.array_equal(got, np.repeat(want[:, None], 4, 1))


@pytest.mark.parametrize("name", PACKED)
def test_packing_saturates(name: str):
    kind = dtype(name)
    assert kind.element is not None
    top = float(ml_dtypes.finfo(kind.element.numpy).max)
    got = unpack(pack(np.array([1e9, -1e9, np.inf, 0], np.float32), kind), kind)
    assert got.tolist() == [top, -top, top, 0]


@pytest.mark.parametrize("name", [n for n in PACKED if "float8" in n])
@given(data=st.data())
def test_packed_bytes_are_the_elements_in_order(name: str, data: st.DataObject):
    kind = dtype(name)
    assert kind.element is not None
    shape = (data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5)), 4)
    size = int(np.prod(shape))
    raw = data.draw(st.lists(st.integers(0, 255), min_size=size, max_size=size))
    elements = np.array(raw, np.uint8).reshape(shape).view(kind.element.numpy)
    packed = np.ascontiguousarray(elements).view(kind.numpy)[..., 0]
    assert np.array_equal(unpack(packed, kind), elements.astype(np.float32), equal_nan=True)
    finite = np.where(np.isfinite(elements.astype(np.float32)), elements.astype(np.float32), 0)
    assert np.array_equal(unpack(pack(finite, kind), kind), finite)


@given(st.floats(width=32))
def test_tfloat32_is_the_nearest_of_ten_bits(x: float):
    got = float(round_tfloat32(np.float32([x]))[0])
    if not np.isfinite(x):
        assert got == x or (np.isnan(got) and np.isnan(x))
        return
    assert np.float32(got).view(np.uint32) & 0x1FFF == 0
    if abs(x) >= 2.0**-126 and np.isfinite(got):
        scale = 2.0 ** (np.floor(np.log2(abs(x))) - 10)
        assert got == np.rint(x / scale) * scale
