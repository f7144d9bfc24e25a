"""The reference: the graph's own meaning in NumPy float64. Slow, exact, and the spec."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from glia.core.records import RunResult
from glia.devices.clock import measured_result
from glia.frontends.captured import Captured
from glia.graph.evaluate import evaluate


class ReferenceDevice:
    """Evaluates in float64, whatever precision is asked for."""

    name = "reference"

    def load(self, captured: Captured, precision: str) -> LoadedGraph:
        """Nothing to prepare."""
        return LoadedGraph(captured)


class LoadedGraph:
    """A graph ready to evaluate."""

    def __init__(self, captured: Captured) -> None:
        self._captured = captured
        self._seconds: list[float] = []

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs in float64."""
        start = time.perf_counter()
        graph = self._captured.graph
        values = evaluate(graph, dict(inputs))
        self._seconds.append(time.perf_counter() - start)
        return {value.name: values[value.name] for value in graph.outputs}

    def measured(self) -> RunResult:
        """Wall time of the runs so far."""
        return measured_result("reference", "fp64", self._captured, self._seconds)
