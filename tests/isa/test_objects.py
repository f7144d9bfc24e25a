"""Classes of kernels: what they declare, typed or not, can be given by name or left out."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import ClassVar

import pytest

from glia.isa.objects import NKIObject


@dataclass
class Untyped(NKIObject):
    offset = None
    size = 3

    def end(self):
        return self.offset + self.size

    @property
    def half(self):
        return self.size // 2


@dataclass
class Typed(NKIObject):
    limit: ClassVar[int]
    rows: int
    columns: int
    tiles: list = field(default_factory=list)


def test_attributes_without_types_are_fields():
    made = Untyped(offset=4)
    assert (made.offset, made.size, made.end(), made.half) == (4, 3, 7, 1)
    assert [f.name for f in fields(Untyped)] == ["offset", "size"]


def test_a_field_may_be_left_out_and_not_be_read_then():
    made = Typed(rows=2)
    assert (made.rows, made.tiles) == (2, [])
    with pytest.raises(AttributeError, match="never given a value"):
        _ = made.columns
    assert not hasattr(Typed, "limit")


def test_names_that_a_class_does_not_have_are_refused():
    with pytest.raises(TypeError, match="height"):
        Typed(height=1)


def test_a_class_with_its_own_init_keeps_it():
    class Own(NKIObject):
        rows: int

        def __init__(self, rows):
            self.rows = 2 * rows

    assert Own(3).rows == 6
