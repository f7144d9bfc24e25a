"""`torch.compile(model, backend="glia")`: the model's graphs run on the virtual chip.

    torch.compile(model, backend="glia", options={"chip": "trn2", "precision": "bf16"})

Values come back as tensors; `last_run()` is the record of the latest graph that ran. A graph is
compiled for its inputs' shapes when it is first called. There is no fallback: what the chip cannot
run is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from glia.core.errors import UsageError, choose
from glia.core.records import RunResult
from glia.devices.virtual import LoadedProgram, VirtualDevice
from glia.frontends.captured import Captured
from glia.frontends.torch.dynamo import DynamoModel
from glia.frontends.torch.tensors import to_numpy

_OPTIONS = {"chip": "trn2", "precision": "bf16"}
_runs: list[RunResult] = []


def last_run() -> RunResult:
    """What the latest graph took, or is predicted to take.

    Raises:
        UsageError: before anything ran.
    """
    if not _runs:
        raise UsageError("last_run: got no run yet, expected a call of a compiled model first")
    return _runs[-1]


def glia_backend(
    gm: torch.fx.GraphModule,
    example_inputs: Sequence[torch.Tensor],
    options: Mapping[str, str] | None = None,
) -> Callable[..., Any]:
    """The entry point that PyTorch calls for every graph it finds."""
    chosen = dict(_OPTIONS)
    for name, value in (options or {}).items():
        chosen[choose("option of backend glia", name, _OPTIONS)] = value
    return _Runner(DynamoModel(gm), VirtualDevice(chosen["chip"]), chosen["precision"])


class _Runner:
    """Runs one graph; compiles once per combination of input shapes and dtypes."""

    def __init__(self, model: DynamoModel, device: VirtualDevice, precision: str) -> None:
        self._model, self._device, self._precision = model, device, precision
        self._programs: dict[Any, tuple[Captured, LoadedProgram]] = {}

    def __call__(self, *inputs: Any) -> Any:
        captured, loaded = self._program(inputs)
        given = [x for x in self._model.call_inputs(inputs) if isinstance(x, torch.Tensor)]
        arrays = dict(zip(captured.inputs, map(to_numpy, given), strict=True))
        outputs = loaded.run(arrays)
        _runs[:] = [loaded.measured()]
        ordered: list[np.ndarray] = [outputs[v.name] for v in captured.graph.outputs]
        return captured.rebuild(ordered)

    def _program(self, inputs: Sequence[Any]) -> tuple[Captured, LoadedProgram]:
        key = tuple(
            (tuple(x.shape), x.dtype) if isinstance(x, torch.Tensor) else int(x) for x in inputs
        )
        if key not in self._programs:
            captured = self._model.capture(inputs, "compiled")
            self._programs[key] = (captured, self._device.load(captured, self._precision))
        return self._programs[key]
