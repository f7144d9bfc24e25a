"""Puts every floating-point value of the graph into the one format that the chip is to use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from glia.compiler.passes._retype import exceeds, input_notes, retype
from glia.compiler.passes.base import plural
from glia.core.dtypes import DType, dtype
from glia.core.errors import choose
from glia.graph.ir import Graph

_FORMATS = {"bf16": "bfloat16", "fp32": "float32"}


@dataclass(frozen=True, slots=True)
class SetPrecision:
    """Make all floats bfloat16 (`bf16`) or float32 (`fp32`); outputs too, the host converts back.

        %x: float32[8,4]                 %x: bfloat16[8,4]
        %y = multiply(%x, %w)     -->    %y = multiply(%x, %w)

    Constants are rounded to nearest even. Finite ones beyond the range (mask fillers such as
    `finfo.min`) become the largest finite value, not infinity. Formats of one byte stay.
    """

    name: ClassVar[str] = "set-precision"
    precision: str = "fp32"

    def __post_init__(self) -> None:
        choose("precision", self.precision, _FORMATS)

    def run(self, graph: Graph) -> Graph:
        """The graph in one floating-point format."""
        target = dtype(_FORMATS[self.precision])

        def format_of(found: DType) -> DType:
            return target if found.is_float and found.itemsize > 1 else found

        return retype(graph, format_of)

    def notes(self, before: Graph, after: Graph) -> tuple[str, ...]:
        """Which inputs changed, and how many constants were clamped."""
        target = dtype(_FORMATS[self.precision])
        floats = [d for v, d in before.constants.items() if v.type.dtype.is_float]
        clamped = sum(exceeds(data, target) for data in floats)
        note = f"set {plural(clamped, 'constant')} beyond the range to the largest finite number"
        return input_notes(before, after) + ((note,) if clamped else ())
