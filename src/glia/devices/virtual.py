"""The virtual chip: compiles, executes every instruction on one core, predicts time and energy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from glia.compiler import Compiled, compile_graph
from glia.core.records import RunResult
from glia.devices.execute import Executor, Observe
from glia.devices.predict import predict
from glia.frontends.captured import Captured
from glia.isa.target import target_of
from glia.isa.unspecified import told


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
        self._met: list[str] = []

    def run(
        self, inputs: Mapping[str, np.ndarray], observe: Observe | None = None
    ) -> dict[str, np.ndarray]:
        """Execute; `observe` sees every named value as its launch ends."""
        with told() as met:
            values = self._executor.run(inputs, observe)
        self._met = met
        return values

    def measured(self) -> RunResult:
        """Predicted: timing needs no values. Assumes what the last run's values had to."""
        result = predict(self.compiled.program)
        return replace(result, assumptions=(*result.assumptions, *self._met))
