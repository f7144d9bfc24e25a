"""What the schema refuses, and the text it refuses it with."""

import pytest

from glia.chips import load_chip, read_chip
from glia.chips.catalogue import assumptions, catalogue, cheapest, compare
from glia.chips.quantity import parse_figure
from glia.core.errors import FormatError, UsageError

GOOD = {"value": 1.0, "unit": "Hz", "mark": "published", "source": "a page"}

MINIMAL = """
name = "{name}"
title = "A chip"
vendor = "Nobody"
kind = "custom"
summary = "For a test."
{extra}
[memory]
bandwidth = {{ value = 1e9, unit = "{unit}", mark = "{mark}", source = "{source}" }}
[sources]
page = "a public page"
"""


def write(tmp_path, file="mine", **changes):
    values = {"name": "mine", "extra": "", "unit": "B/s", "mark": "published"} | {"source": "page"}
    values |= changes
    path = tmp_path / f"{file}.toml"
    path.write_text(MINIMAL.format(**values))
    return path


def test_a_chip_file_from_anywhere(tmp_path):
    chip = read_chip(write(tmp_path))
    assert chip.memory.bandwidth.source == "a public page"
    assert chip.memory.capacity is None and chip.silicon is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unit": "B"}, "memory.bandwidth: got unit 'B', expected B/s"),
        ({"mark": "guessed"}, "got mark 'guessed', expected one of published"),
        ({"mark": "estimated"}, "got mark 'estimated' without a range; add low and high"),
        ({"source": "pge"}, "source: got 'pge'; did you mean 'page'?"),
        ({"extra": "colour = 'red'"}, "colour: Extra inputs are not permitted"),
        ({"extra": "silicon_same_as = 'trn9'"}, "got silicon_same_as = 'trn9'"),
        ({"extra": "oops"}, "got bad TOML"),
        ({"name": "yours"}, "got name 'yours', expected 'mine'"),
    ],
)
def test_a_broken_file_says_what_is_wrong(tmp_path, changes, message):
    with pytest.raises(FormatError) as error:
        read_chip(write(tmp_path, **changes))
    assert message in str(error.value) and "mine.toml" in str(error.value)


def test_a_missing_file_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="which does not exist"):
        read_chip(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": " "}, "empty source"),
        ({"low": 0.5}, "give both or neither"),
        ({"low": 2, "high": 3}, "order them"),
        ({"value": "fast"}, "expected a finite number"),
        ({"value": float("nan")}, "expected a finite number"),
        ({"value": True}, "expected a finite number"),
        ({"unit": "parsec"}, "got unit 'parsec', expected Hz"),
        ({"colour": "red"}, "unknown keys \\['colour'\\]"),
    ],
)
def test_a_broken_figure_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        parse_figure(GOOD | changes, ("Hz",))


def test_a_missing_key_is_named():
    with pytest.raises(ValueError, match=r"missing keys \['source'\]"):
        parse_figure({k: v for k, v in GOOD.items() if k != "source"}, ("Hz",))


def test_an_unknown_chip_gets_a_suggestion():
    with pytest.raises(UsageError, match="chip: got 'trn22'; did you mean 'trn2'\\? choose one of"):
        load_chip("trn22")
    with pytest.raises(UsageError, match="choose one of"):
        load_chip("../secrets")


def test_chips_are_frozen_and_read_once():
    chip = load_chip("trn2")
    assert chip is load_chip("trn2")
    with pytest.raises(ValueError, match="frozen"):
        chip.name = "other"


def test_catalogue_rows():
    rows = {row.name: row for row in catalogue()}
    assert rows["trn2"].is_virtual and not rows["h100"].is_virtual
    assert rows["t4"].peak_format == "fp16"
    assert rows["h100"].rental.price.value == 2.95
    assert rows["trn3"].rental is None


def test_comparison_keeps_order_and_gaps():
    rows = {row.path: row.cells for row in compare(["trn2", "graviton4"])}
    assert rows["peak.bf16"][0].value == 667e12 and rows["peak.bf16"][1] is None
    assert not any(path.startswith(("silicon", "rentals")) for path in rows)


def test_assumptions_carry_range_mark_and_source():
    (found,) = assumptions(load_chip("trn2"), "power.tdp")
    assert found.value == "500 W (400 W to 650 W)"
    assert found.mark == "estimated" and "Epoch" in found.source


def test_cheapest_of_nothing_is_nothing():
    assert cheapest([]) is None
