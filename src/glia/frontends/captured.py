"""What every front end gives: the graph, example inputs, and the framework's own results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glia.core.records import Finding, ModelSummary
from glia.graph.ir import Graph


@dataclass(frozen=True, slots=True)
class Captured:
    """A module as a graph.

    `inputs` are the example inputs by graph input name, in order. `reference(only=None)` runs
    PyTorch in float32 and gives every intermediate by value name. `output_paths` says where each
    graph output stands in what the module returns, and `rebuild` puts arrays there.
    """

    name: str
    graph: Graph
    inputs: Mapping[str, np.ndarray]
    reference: Callable[..., dict[str, np.ndarray]]
    output_paths: tuple[str, ...]
    rebuild: Callable[[Sequence[np.ndarray]], Any]
    findings: tuple[Finding, ...]
    summary: ModelSummary
