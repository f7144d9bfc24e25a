"""`nl.NKIObject` as the base of a kernel's own dataclasses."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

import glia.nki.language as nl


@dataclass
class Sizes(nl.NKIObject):
    rows: int
    columns: int
    step: int = 3

    @property
    def area(self) -> int:
        return self.rows * self.columns


def test_fields_by_place_and_name():
    assert Sizes(2, columns=5) == Sizes(2, 5, 3) != Sizes(2, 5, 4)
    assert Sizes(2, 5).area == 10
    with pytest.raises(TypeError, match="unexpected"):
        Sizes(depth=1)  # type: ignore[call-arg]


def test_a_field_left_out_is_refused_where_it_is_read():
    sizes = Sizes(rows=2)  # type: ignore[call-arg]
    assert sizes.rows == 2 and not hasattr(sizes, "columns")
    with pytest.raises(AttributeError, match=r"Sizes\.columns: got a field that was never given"):
        assert sizes.area
    sizes.columns = 4
    assert sizes.area == 8


def test_annotated_attributes_that_a_constructor_sets():
    class Plain(nl.NKIObject):
        rows: int

        def __init__(self, rows: int) -> None:
            self.rows = rows

    assert Plain(3).rows == 3
