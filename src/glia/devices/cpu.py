"""This machine's CPU through PyTorch: the captured module's own operators, timed by the clock."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from glia.core.records import RunResult
from glia.devices.clock import measured_result
from glia.frontends.captured import Captured

_REPEATS = 3


class CpuDevice:
    """PyTorch eager in float32."""

    name = "cpu"

    def load(self, captured: Captured, precision: str) -> LoadedModule:
        """Nothing to prepare; PyTorch runs in float32 whatever precision is asked for."""
        return LoadedModule(captured)


class LoadedModule:
    """A captured module ready to run."""

    def __init__(self, captured: Captured) -> None:
        self._captured = captured
        self._seconds: list[float] = []

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs of PyTorch on the example inputs; then a few plain runs for the clock."""
        names = [value.name for value in self._captured.graph.outputs]
        values = self._captured.reference(only=set(names))
        self._seconds += self._captured.reference.timed(_REPEATS)
        return {name: values[name] for name in names}

    def measured(self) -> RunResult:
        """Wall time of the runs so far."""
        return measured_result("cpu", "fp32", self._captured, self._seconds)
