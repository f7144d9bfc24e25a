"""The proof: a device's values against PyTorch's, launch by launch, and then the outputs.

Two errors per value. *Accumulated*: against PyTorch in float32, with everything that went before;
its budget is a multiple of the noise to expect there (`noise.py`). *Local*: this launch alone, fed
with the device's own inputs, against a float64 evaluation of the graph node; it names the faulty
launch exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from glia.compiler import Compiled, Launch
from glia.core.records import LayerError, Parity
from glia.devices.virtual import LoadedProgram
from glia.frontends.captured import Captured
from glia.graph.evaluate import evaluate_node
from glia.graph.ir import Node, Value
from glia.port.noise import FP32, MASKED, ExpectedNoise, conditioning, num_terms, rms
from glia.port.similarity import check_output

Array = np.ndarray[Any, Any]
ReadValue = Callable[[str], Array]

_ROUNDINGS = 3  # roundings to the stored format on one value's way through a launch
_SUMMING = 8  # fp32 roundoffs per square root of the terms summed
_SAFETY = 4  # of the expected noise: roundings are not independent
_NO_SIGNAL = 0.3  # an output whose noise may reach this share of it proves nothing

BUDGET_RULE = (
    "Errors are root mean squares, relative to the reference. One launch alone, against NumPy in "
    f"float64 on the same inputs: {_ROUNDINGS} unit roundoffs of the stored format, plus "
    f"{_SUMMING} of fp32 times the square root of the terms summed (more where those cancel). "
    "Against PyTorch, "
    f"with all that went before: {_SAFETY} times the noise to expect there, the difference between "
    "evaluating the graph with one rounding to the stored format per operation and in float64. "
    "Integers must be equal."
)


def prove(loaded: LoadedProgram, captured: Captured) -> tuple[Parity, dict[str, Array]]:
    """Run the device on the example inputs and compare; returns the outputs too."""
    program = loaded.compiled.program
    names = {launch.value for launch in program.launches}
    outputs = {value.name for value in captured.graph.outputs}
    reference = captured.reference(only=names | outputs)
    comparer = _Comparer(loaded.compiled, captured.inputs, reference)
    results = loaded.run(captured.inputs, comparer)
    size = captured.summary.num_sequences
    checks = tuple(
        check_output(name, results[name], reference[name], size, comparer.output_budget(name))
        for name in results
    )
    parity = Parity(
        device=f"virtual:{program.chip}",
        oracle="PyTorch on the CPU in float32",
        budget_rule=BUDGET_RULE,
        layers=tuple(comparer.errors),
        outputs=checks,
    )
    return parity, results


class _Comparer:
    """Observes a run and collects the error of every named value."""

    def __init__(
        self, compiled: Compiled, inputs: Mapping[str, Array], reference: Mapping[str, Array]
    ) -> None:
        self._nodes = {node.result.name: node for node in compiled.graph.nodes}
        self._constants = {v.name: data for v, data in compiled.graph.constants.items()}
        self._outputs = dict(_outputs(compiled))
        self._reference = reference
        self._noise = ExpectedNoise(compiled.graph, inputs)
        self.errors: list[LayerError] = []

    def __call__(self, launch: Launch, value: Array, read: ReadValue) -> None:
        node = self._nodes[launch.value]
        inputs = [self._operand(operand, read) for operand in node.operands]
        oracle = evaluate_node(node, inputs, "float64")
        local = relative_error(value, oracle)
        local_budget = self._local_budget(node, inputs, oracle, local)
        known = self._reference.get(launch.value)
        limit = local_budget
        if known is None or known.shape != value.shape:
            known = oracle  # a value that only the compiler knows: nothing else to compare with
        else:
            limit = self._accumulated_budget(node.result, known)
        self.errors.append(
            LayerError(
                name=launch.value,
                layer=launch.layer,
                op=launch.op,
                depth=launch.depth,
                worst_absolute=worst_absolute(value, known),
                relative=relative_error(value, known),
                cosine=cosine(value, known),
                budget=limit,
                local=local,
                local_budget=local_budget,
                source=launch.source,
            )
        )

    def _local_budget(self, node: Node, inputs: list[Array], oracle: Array, error: float) -> float:
        budget = budget_of(node)
        if error <= budget or not node.result.type.dtype.is_float:
            return budget
        moved = conditioning(node, inputs, oracle)
        return budget + _relative(_SUMMING * math.sqrt(num_terms(node)) * moved, oracle)

    def _accumulated_budget(self, value: Value, reference: Array) -> float:
        if not value.type.dtype.is_float:
            return 0.0
        return _SAFETY * (_relative(self._noise.at(value), reference) + FP32)

    def output_budget(self, name: str) -> float:
        """Relative error allowed for an output of the program."""
        budget = self._accumulated_budget(self._outputs[name], self._reference[name])
        return min(_NO_SIGNAL, budget)

    def _operand(self, value: Value, read: ReadValue) -> Array:
        constant = self._constants.get(value.name)
        array = read(value.name) if constant is None else constant
        return array.astype(np.bool_) if value.type.dtype.kind == "bool" else array


# -- budgets -------------------------------------------------------------------------------------


def budget_of(node: Node) -> float:
    """Relative error that one launch may add (see BUDGET_RULE)."""
    kind = node.result.type.dtype
    if not kind.is_float:
        return 0.0
    summing = _SUMMING * FP32 * math.sqrt(num_terms(node))
    return _ROUNDINGS * kind.unit_roundoff + summing


def _relative(error: float, reference: Array) -> float:
    scale = rms(reference)
    return error / scale if scale else error


def _outputs(compiled: Compiled) -> Iterator[tuple[str, Value]]:
    """Name of each output as the user's side knows it, and its value in the rewritten graph."""
    for port, value in zip(compiled.program.outputs, compiled.graph.outputs, strict=True):
        yield port.name, value


# -- errors --------------------------------------------------------------------------------------


def relative_error(value: Array, reference: Array) -> float:
    """RMS error over RMS of the reference; infinite where only one of the two is not finite."""
    ours, theirs = _comparable(value), _comparable(reference)
    if not np.array_equal(np.isnan(ours), np.isnan(theirs)):
        return math.inf
    ours, theirs = np.nan_to_num(ours), np.nan_to_num(theirs)
    scale, error = rms(theirs), rms(ours - theirs)
    if scale == 0:
        return 0.0 if error == 0 else math.inf
    return error / scale


def worst_absolute(value: Array, reference: Array) -> float:
    """Largest absolute difference."""
    difference = np.abs(_comparable(value) - _comparable(reference))
    return float(np.nan_to_num(difference, nan=math.inf).max(initial=0.0))


def cosine(value: Array, reference: Array) -> float:
    """Cosine of the two values as flat vectors; 1 when both are zero."""
    ours, theirs = (np.nan_to_num(_comparable(a)).reshape(-1) for a in (value, reference))
    norms = float(np.linalg.norm(ours) * np.linalg.norm(theirs))
    if norms == 0:
        return 1.0 if not ours.any() and not theirs.any() else 0.0
    return float(ours @ theirs) / norms


def _comparable(array: Array) -> Array:
    return np.clip(np.asarray(array).astype(np.float64), -MASKED, MASKED)
