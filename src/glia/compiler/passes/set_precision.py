"""Puts every floating-point value of the graph into the one format that the chip is to use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from glia.compiler.passes._retype import input_notes, retype
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
        clamped = _num_clamped(before, after)
        largest = f"the largest finite {self.precision} number"
        note = f"set {plural(clamped, 'constant')} beyond the range to {largest}"
        return input_notes(before, after) + ((note,) if clamped else ())


def _num_clamped(before: Graph, after: Graph) -> int:
    target = {value.name: data for value, data in after.constants.items()}
    return sum(
        value.name in target and _exceeds(data, target[value.name])
        for value, data in before.constants.items()
    )


def _exceeds(data: np.ndarray, stored: np.ndarray) -> bool:
    """Whether a finite element lies beyond all that the new format holds."""
    if data.dtype == stored.dtype or not data.size or not dtype(data.dtype).is_float:
        return False
    with np.errstate(over="ignore"):
        rounded = data.astype(stored.dtype).astype(np.float64)
    return bool(np.any(np.isinf(rounded) & np.isfinite(data.astype(np.float64))))
