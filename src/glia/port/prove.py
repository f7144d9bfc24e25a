"""The proof: a device's values against PyTorch's, launch by launch, and then the outputs.

Two errors per value. *Accumulated*: against PyTorch in float32, with everything that went before.
*Local*: this launch alone, fed with the device's own operands, against a float64 evaluation of the
graph node; it names the faulty launch exactly. An operand that is not what its launch wrote is an
infinite local error. `glia.port.budgets` says how large each may be.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from glia.compiler import Compiled, Launch
from glia.core.records import LayerError, OutputCheck, Parity
from glia.core.threads import one_blas_thread
from glia.devices.virtual import LoadedProgram
from glia.frontends.captured import Captured
from glia.graph.evaluate import evaluate_node
from glia.graph.ir import Node, Value
from glia.port.budgets import (
    BUDGET_RULE,
    LIMIT,
    accumulated_budget,
    disturbed,
    local_budget,
    local_error,
    magnified_budget,
)
from glia.port.errors import cosine, relative_error, worst_absolute
from glia.port.noise import ExpectedNoise, rms
from glia.port.similarity import check_output, worst_cosine

Array = np.ndarray[Any, Any]
ReadValue = Callable[[str], Array]


class Oracle:
    """PyTorch's values of one captured model; computed once for all the devices it judges."""

    def __init__(self, captured: Captured) -> None:
        self.captured = captured
        self._asked: set[str] = set()
        self._values: dict[str, Array] = {}
        self.judged: dict[
            tuple[Any, ...], tuple[LayerError, float]
        ] = {}  # launches, by all their bits

    def values(self, names: set[str]) -> Mapping[str, Array]:
        """PyTorch's values of these names, as far as PyTorch knows them."""
        if not names <= self._asked:
            self._asked |= names
            self._values = self.captured.reference(only=self._asked)
        return self._values


def prove(loaded: LoadedProgram, oracle: Oracle) -> tuple[Parity, dict[str, Array]]:
    """Run the device on the example inputs and compare; returns the outputs too."""
    program, captured = loaded.compiled.program, oracle.captured
    names = {launch.value for launch in program.launches}
    reference = oracle.values(names | {value.name for value in captured.graph.outputs})
    comparer = _Comparer(loaded.compiled, captured, reference, oracle.judged)
    with one_blas_thread():
        results = loaded.run(captured.inputs, comparer)
        checks = tuple(comparer.output(name, results[name]) for name in results)
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
        self,
        compiled: Compiled,
        captured: Captured,
        reference: Mapping[str, Array],
        judged: dict[tuple[Any, ...], tuple[LayerError, float]],
    ) -> None:
        self._nodes = {node.result.name: node for node in compiled.graph.nodes}
        self._constants = {v.name: data for v, data in compiled.graph.constants.items()}
        self._reference = reference
        self._noise = ExpectedNoise(compiled.graph, captured.inputs)
        self._num_sequences = captured.summary.num_sequences
        self._written: dict[str, bytes] = {}
        self._judged = judged
        self._results = {
            port.name: value
            for port, value in zip(compiled.program.outputs, compiled.graph.outputs, strict=True)
        }
        self._allowed: dict[str, float] = {}
        self.errors: list[LayerError] = []

    def __call__(self, launch: Launch, value: Array, read: ReadValue) -> None:
        """Compare what a launch has just written.

        A launch that another device gave the same bits of operands and result is not judged again.
        """
        node = self._nodes[launch.value]
        operands = [self._operand(operand, read) for operand in node.operands]
        digests = [_digest(array) for array in (value, *operands)]
        self._written[launch.value] = digests[0]
        stale = any(self._is_stale(operand, read) for operand in node.operands)
        key = (launch.value, node.op, node.result.type, launch.depth, stale, *digests)
        if key not in self._judged:
            error = self._judge(launch, node, value, operands)
            judged = replace(error, local=math.inf) if stale else error
            self._judged[key] = judged, self._allowed[launch.value]
        error, self._allowed[launch.value] = self._judged[key]
        self.errors.append(error)

    def _judge(self, launch: Launch, node: Node, value: Array, operands: list[Array]) -> LayerError:
        budget = local_budget(node)
        exact = evaluate_node(node, operands, "float64")
        local = local_error(node, value, exact, lambda: operands, budget)
        known = self._reference.get(launch.value)
        if known is None or known.shape != value.shape:
            # Only the compiler knows this value: the launch alone is all that can be judged.
            error = replace(_compared(launch, value, exact, budget), relative=local)
            limit = accumulated_budget(budget, launch.depth)
            allowed = max(limit, self._handed_on(node, operands, exact, exact))
        else:
            limit = accumulated_budget(budget, launch.depth)
            error = self._second_look(_compared(launch, value, known, limit), node.result, known)
            if error.relative > error.budget and math.isfinite(error.relative):
                handed_on = self._handed_on(node, operands, exact, known)
                error = replace(error, budget=max(error.budget, handed_on))
            allowed = error.budget
        self._allowed[launch.value] = allowed
        return replace(error, local=local, local_budget=budget)

    def output(self, name: str, value: Array) -> OutputCheck:
        """Compare one output of the program; one that is a view has its error added too."""
        own = self._results[name]
        found = next((e for e in self.errors if e.name in (name, own.name)), None)
        if found is None:
            found = self._view_error(name, own, value)
            self.errors.append(found)
        budget, size = min(found.budget, LIMIT), self._num_sequences
        known = self._known(name, own)
        check = check_output(name, value, known, size, budget)
        if check.ok or own.name not in self._nodes:
            return check
        expected = worst_cosine(*self._noise.evaluated(own), size)
        return check_output(name, value, known, size, budget, expected)

    def _known(self, name: str, own: Value) -> Array:
        """PyTorch's value of an output; a weight that is returned is its own reference."""
        return self._reference[name] if name in self._reference else self._constants[own.name]

    def _view_error(self, name: str, own: Value, value: Array) -> LayerError:
        """An output that no launch computes under its own name: a view of one that did."""
        node, reference = self._nodes.get(own.name), self._known(name, own)
        is_float = own.type.dtype.is_float
        largest = max((e.budget for e in self.errors), default=0.0)
        limit = min(largest, LIMIT) if is_float else 0.0
        error = LayerError(
            name=name,
            layer=node.layer if node else "",
            op=node.op if node else "output",
            depth=max((e.depth for e in self.errors), default=0),
            worst_absolute=worst_absolute(value, reference),
            relative=relative_error(value, reference),
            cosine=cosine(value, reference),
            budget=limit,
            source=node.source if node else None,
        )
        return self._second_look(error, own, reference)

    def _second_look(self, error: LayerError, value: Value, reference: Array) -> LayerError:
        """Over budget: does the model magnify roundings that far?"""
        is_known = value.name in self._nodes
        if error.relative <= error.budget or not math.isfinite(error.relative) or not is_known:
            return error
        scale = rms(reference)
        noise = self._noise.at(value) / scale if scale else 0.0
        budget = max(error.budget, magnified_budget(noise))
        is_output = any(own.name == value.name for own in self._results.values())
        return replace(error, budget=min(budget, LIMIT) if is_output else budget)

    def _handed_on(
        self, node: Node, operands: Sequence[Array], exact: Array, reference: Array
    ) -> float:
        """The error that operands inside their budgets may cause here: large where they cancel."""
        if any(own.name == node.result.name for own in self._results.values()):
            return 0.0
        budgets = [self._allowed_of(operand) for operand in node.operands]
        scale = rms(reference)
        return rms(disturbed(node, operands, budgets) - exact) / scale if scale else 0.0

    def _allowed_of(self, value: Value) -> float:
        """The relative error that a value may carry, seen through views; a weight was rounded."""
        while value.name not in self._allowed:
            maker = self._nodes.get(value.name)
            if maker is None or not maker.operands:
                return value.type.dtype.unit_roundoff
            value = maker.operands[0]
        return self._allowed[value.name]

    def _is_stale(self, operand: Value, read: ReadValue) -> bool:
        written = self._written.get(operand.name)
        return written is not None and written != _digest(read(operand.name))

    def _operand(self, value: Value, read: ReadValue) -> Array:
        constant = self._constants.get(value.name)
        array = read(value.name) if constant is None else constant
        return array.astype(np.bool_) if value.type.dtype.kind == "bool" else array


def _compared(launch: Launch, value: Array, reference: Array, budget: float) -> LayerError:
    return LayerError(
        name=launch.value,
        layer=launch.layer,
        op=launch.op,
        depth=launch.depth,
        worst_absolute=worst_absolute(value, reference),
        relative=relative_error(value, reference),
        cosine=cosine(value, reference),
        budget=budget,
        source=launch.source,
    )


def _digest(array: Array) -> bytes:
    return hashlib.blake2b(array.tobytes(), digest_size=16).digest()
