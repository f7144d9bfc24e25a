"""Takes the formats that accelerators lack off the graph: 64-bit integers and float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from glia.compiler.passes._retype import input_notes, retype
from glia.core.dtypes import DType, dtype
from glia.core.errors import UnsupportedError
from glia.graph.ir import Graph

_NARROW = {"int64": "int32", "uint64": "uint32", "float64": "float32"}


@dataclass(frozen=True, slots=True)
class NarrowTypes:
    """Store int64 as int32, uint64 as uint32, float64 as float32.

        %ids: int64[8,128]               %ids: int32[8,128]
        %j = add(%ids, %one)      -->    %j = add(%ids, %one)

    Integer constants are checked for range; the caller converts inputs (and checks theirs).
    """

    name: ClassVar[str] = "narrow-types"

    def run(self, graph: Graph) -> Graph:
        """The graph without 64-bit formats.

        Raises:
            UnsupportedError: for a constant out of range, or a complex value.
        """
        return retype(graph, _narrow)

    def notes(self, before: Graph, after: Graph) -> tuple[str, ...]:
        """Which inputs changed their format."""
        return input_notes(before, after)


def _narrow(found: DType) -> DType:
    if found.kind == "complex":
        raise UnsupportedError(
            f"compiling: got {found} values, expected real ones; no chip here computes complex "
            "numbers: carry the real and imaginary parts as two tensors"
        )
    return dtype(_NARROW.get(found.name, found.name))
