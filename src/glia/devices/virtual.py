"""The virtual chip: compiles, executes every instruction on one core, predicts time and energy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from glia.compiler import Compiled, compile_graph
from glia.core.records import RunResult
from glia.devices.execute import Executor, Observe
from glia.devices.predict import predict
from glia.frontends.captured import Captured
from glia.isa.target import target_of


class VirtualDevice:
    """One core of a chip that glia can execute."""

    def __init__(self, chip: str) -> None:
        self.chip = target_of(chip).chip
        self.name = f"virtual:{self.chip}"

    def load(self, captured: Captured, precision: str) -> LoadedProgram:
        """Compile the graph for this chip."""
        num_sequences = captured.summary.num_sequences
        return LoadedProgram(compile_graph(captured.graph, self.chip, precision, num_sequences))


class LoadedProgram:
    """A compiled model in the core's memory."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
        self._executor = Executor(compiled.program)

    def run(
        self, inputs: Mapping[str, np.ndarray], observe: Observe | None = None
    ) -> dict[str, np.ndarray]:
        """Execute; `observe` sees every named value as its launch ends."""
        return self._executor.run(inputs, observe)

    def measured(self) -> RunResult:
        """Predicted: timing needs no values."""
        return predict(self.compiled.program)
