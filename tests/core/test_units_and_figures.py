"""How quantities are written, and what Figures and Estimates refuse."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glia.core.dtypes import DTYPES, dtype
from glia.core.errors import UsageError, choose
from glia.core.figures import Estimate, Figure, exact
from glia.core.records import Finding, SourceLine, to_json
from glia.core.units import format_quantity

POSITIVE = st.floats(1e-12, 1e12)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.00133, "s", "1.33 ms"),
        (12e-9, "s", "12 ns"),
        (667e12, "FLOP/s", "667 TFLOP/s"),
        (999.9999e3, "B/s", "1 MB/s"),
        (2048, "B", "2 KiB"),
        (80e9, "B", "80 GB"),
        (96 * 2**30, "B", "96 GiB"),
        (0.758, "USD/h", "$0.76/h"),
        (0.0147, "USD", "$0.0147"),
        (1234.5, "USD", "$1,234"),
        (0.225, "fraction", "22.5 %"),
        (2024, "year", "2024"),
        (0.0, "J", "0 J"),
        (math.inf, "s", "inf s"),
    ],
)
def test_a_quantity_reads_as_people_write_it(value, unit, text):
    assert format_quantity(value, unit) == text


@given(POSITIVE)
def test_a_printed_quantity_is_within_half_a_percent(value):
    number, prefixed = format_quantity(value, "s").split()
    scale = {"P": 1e15, "T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3, "": 1}
    scale |= {"m": 1e-3, "\u00b5": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}
    shown = float(number.replace(",", "")) * scale[prefixed.removesuffix("s")]
    assert shown == pytest.approx(value, rel=0.006)


def test_an_estimate_must_be_in_order():
    with pytest.raises(ValueError, match="order them"):
        Estimate(2, 1, 3, "s", "")
    with pytest.raises(ValueError, match="order them"):
        Figure(5, "s", "published", "x", low=6, high=7)


@given(st.lists(POSITIVE, min_size=3, max_size=3).map(sorted), POSITIVE)
def test_a_reciprocal_swaps_the_ends(numbers, work):
    latency = Estimate(*numbers, "s", "test")
    rate = latency.per(work, "sequences/s")
    assert rate.low == work / latency.high and rate.high == work / latency.low
    assert rate.low <= rate.likely <= rate.high


@given(*(st.lists(POSITIVE, min_size=3, max_size=3).map(sorted) for _ in range(2)))
def test_products_and_sums_hold_every_combination(ours, theirs):
    one, other = Estimate(*ours, "W", "a", ("s1",)), Estimate(*theirs, "W", "b", ("s2", "s1"))
    product, total = one.times(other, "J"), one.plus(other)
    for x, y in ((one.low, other.low), (one.likely, other.likely), (one.high, other.high)):
        assert product.low <= x * y <= product.high
        assert total.low <= x + y <= total.high
    assert total.sources == ("s1", "s2") and total.reason == "a; b"


def test_units_do_not_mix():
    with pytest.raises(ValueError, match="got s and J; convert one"):
        exact(1, "s", "").plus(exact(1, "J", ""))


def test_a_closed_set_suggests_and_lists():
    with pytest.raises(UsageError, match=r"did you mean 'trn2'.*choose one of: inf2, trn1, trn2"):
        choose("chip", "trn22", ["trn2", "trn1", "inf2"])


@pytest.mark.parametrize("name", sorted(set(DTYPES) - {"tfloat32"}))  # float32 in memory
def test_every_dtype_is_found_by_name_and_by_numpy(name):
    kind = dtype(name)
    assert dtype(kind.numpy) is kind and kind.itemsize == kind.numpy.itemsize


def test_unit_roundoff_is_half_the_spacing_at_one():
    assert dtype("bf16").unit_roundoff == 2**-8
    assert dtype("fp32").unit_roundoff == 2**-24
    assert dtype("int32").unit_roundoff == 0


def test_records_become_plain_json():
    finding = Finding("rule", "note", "what", "do", SourceLine("a.py", 3, "x = 1"))
    record = {"f": finding, "n": (math.nan, 1.5), 3: None}
    assert json.loads(json.dumps(to_json(record), allow_nan=False)) == {
        "f": {
            "rule": "rule",
            "severity": "note",
            "what": "what",
            "do": "do",
            "source": {"file": "a.py", "line": 3, "code": "x = 1"},
            "node": "",
        },
        "n": ["nan", 1.5],
        "3": None,
    }
