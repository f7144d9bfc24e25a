"""The proof: a device's values against PyTorch's, launch by launch, and then the outputs.

Two errors per value. *Accumulated*: against PyTorch in float32, with everything that went before.
*Local*: this launch alone, fed with the device's own inputs, against a float64 evaluation of the
graph node; it names the faulty launch exactly. Each has a budget that follows from the format
that values are stored in and from depth (`budget`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from glia.compiler import Compiled, Launch
from glia.core.dtypes import dtype
from glia.core.records import LayerError, Parity
from glia.devices.virtual import LoadedProgram
from glia.frontends.captured import Captured
from glia.graph.evaluate import evaluate_node
from glia.graph.ir import Node, Value
from glia.port.similarity import check_output

Array = np.ndarray[Any, Any]
ReadValue = Callable[[str], Array]

_ROUNDINGS = 3  # roundings to the stored format on one value's way through a launch
_AMPLIFY = 2  # growth of errors that an op hands on, beyond their random walk
_MASKED = 1e30  # beyond this a value is a mask's "minus infinity"; its digits mean nothing

BUDGET_RULE = (
    "Root-mean-square error over root-mean-square of the reference. One launch alone, against "
    "NumPy in float64: "
    f"{_ROUNDINGS} unit roundoffs of the stored format, plus 8 of fp32 times the square root of "
    "the terms summed. Accumulated: that, times the square root of the depth in launches, times "
    f"{_AMPLIFY}. Integers must be equal."
)


def prove(loaded: LoadedProgram, captured: Captured) -> tuple[Parity, dict[str, Array]]:
    """Run the device on the example inputs and compare; returns the outputs too."""
    program = loaded.compiled.program
    names = {launch.value for launch in program.launches}
    outputs = {value.name for value in captured.graph.outputs}
    reference = captured.reference(only=names | outputs)
    comparer = _Comparer(loaded.compiled, reference)
    results = loaded.run(captured.inputs, comparer)
    size = captured.summary.num_sequences
    checks = tuple(
        check_output(name, results[name], reference[name], size, comparer.deepest)
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

    def __init__(self, compiled: Compiled, reference: Mapping[str, Array]) -> None:
        self._nodes = {node.result.name: node for node in compiled.graph.nodes}
        self._constants = {v.name: data for v, data in compiled.graph.constants.items()}
        self._reference = reference
        self.errors: list[LayerError] = []
        self.deepest = 0.0

    def __call__(self, launch: Launch, value: Array, read: ReadValue) -> None:
        node = self._nodes[launch.value]
        oracle = self._locally(node, read)
        local, budget = relative_error(value, oracle), budget_of(node)
        known = self._reference.get(launch.value)
        limit = budget
        if known is None or known.shape != value.shape:
            known = oracle  # a value that only the compiler knows: nothing else to compare with
        else:
            limit = accumulated_budget(budget, launch.depth)
            self.deepest = max(self.deepest, limit)
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
                local_budget=budget,
                source=launch.source,
            )
        )

    def _locally(self, node: Node, read: ReadValue) -> Array:
        """The node's meaning in float64 on what the device itself holds."""
        arrays = [self._operand(operand, read) for operand in node.operands]
        return evaluate_node(node, arrays, "float64")

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
    terms = max(
        (operand.type.shape[-1] for operand in node.operands if operand.type.rank), default=1
    )
    fp32 = dtype("float32").unit_roundoff
    return _ROUNDINGS * kind.unit_roundoff + 8 * fp32 * math.sqrt(terms)


def accumulated_budget(local: float, depth: int) -> float:
    """Relative error that may have gathered after `depth` launches."""
    return local * math.sqrt(max(depth, 1)) * _AMPLIFY


# -- errors --------------------------------------------------------------------------------------


def relative_error(value: Array, reference: Array) -> float:
    """RMS error over RMS of the reference; infinite where only one of the two is not finite."""
    ours, theirs = _comparable(value), _comparable(reference)
    if not np.array_equal(np.isnan(ours), np.isnan(theirs)):
        return math.inf
    ours, theirs = np.nan_to_num(ours), np.nan_to_num(theirs)
    scale = _rms(theirs)
    error = _rms(ours - theirs)
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
    return np.clip(np.asarray(array).astype(np.float64), -_MASKED, _MASKED)


def _rms(array: Array) -> float:
    return float(np.sqrt(np.mean(np.square(array)))) if array.size else 0.0
