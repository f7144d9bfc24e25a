"""What every front end gives: the graph, example inputs, and the framework's own results."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from glia.core.records import Finding, ModelSummary
from glia.graph.ir import Graph


class Reference(Protocol):
    """The framework itself, running the captured model."""

    def __call__(self, only: Collection[str] | None = None) -> dict[str, np.ndarray]:
        """Every intermediate by value name, or `only` some."""
        ...

    def timed(self, repeats: int) -> list[float]:
        """Wall seconds of plain runs, intermediates not kept."""
        ...


@dataclass(frozen=True, slots=True)
class Captured:
    """A module as a graph.

    `inputs` are the example inputs by graph input name, in order. `reference(only=None)` runs
    PyTorch in float32 and gives every intermediate by value name; `reference.timed(repeats)` gives
    the wall seconds of plain runs. `output_paths` says where each
    graph output stands in what the module returns, and `rebuild` puts arrays there.
    """

    name: str
    graph: Graph
    inputs: Mapping[str, np.ndarray]
    reference: Reference
    output_paths: tuple[str, ...]
    rebuild: Callable[[Sequence[np.ndarray]], Any]
    findings: tuple[Finding, ...]
    summary: ModelSummary
