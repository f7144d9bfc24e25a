"""How much rounding noise to expect at each value: what the budgets follow from.

A graph is evaluated twice, node by node beside the device: in float64, and in its own formats
(one rounding per node, as a device without faults would). Their difference is the noise that the
format, the depth and the cancellations on this data explain. Neither evaluation knows a kernel, and
a graph that is wrong is wrong in both, so that it hides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from glia.core.dtypes import DType, dtype
from glia.graph.evaluate import evaluate_node
from glia.graph.ir import Graph, Node, Value

Array = np.ndarray[Any, Any]

MASKED = 1e30  # beyond this a value is a mask's "minus infinity"; its digits mean nothing
FP32 = dtype("float32").unit_roundoff
_PERIOD = 65_537  # a disturbance repeats after this many elements; prime, so that rows differ
_PATTERN = np.random.default_rng(0).uniform(-1.0, 1.0, _PERIOD)


def rms(array: Array) -> float:
    """Root mean square of the finite, unmasked elements."""
    wide = np.asarray(array, np.float64)
    kept = np.where(np.isfinite(wide) & (np.abs(wide) < MASKED), wide, 0.0)
    return float(np.sqrt(np.mean(np.square(kept)))) if kept.size else 0.0


class ExpectedNoise:
    """Walks a graph in program order; `at` gives the expected RMS error of a value."""

    def __init__(self, graph: Graph, inputs: Mapping[str, Array]) -> None:
        self._graph = graph
        self._next = 0
        self._last_use = {v: i for i, n in enumerate(graph.nodes) for v in n.operands}
        self._last_use |= dict.fromkeys(graph.outputs, len(graph.nodes))
        self._exact: dict[Value, Array] = {}
        self._rounded: dict[Value, Array] = {}
        self._noise: dict[Value, float] = {}
        for value, array in zip(graph.inputs, inputs.values(), strict=True):
            self._exact[value] = array
            self._rounded[value] = array.astype(value.type.dtype.numpy)

    def at(self, value: Value) -> float:
        """Expected RMS error of a node's result; evaluates up to that node."""
        while value not in self._noise:
            self._step(self._graph.nodes[self._next])
            self._next += 1
        return self._noise[value]

    def evaluated(self, value: Value) -> tuple[Array, Array]:
        """An output of the graph with one rounding per node, and exact."""
        self.at(value)
        return self._rounded[value], self._exact[value]

    def _step(self, node: Node) -> None:
        exact = [self._operand(v, self._exact, exact=True) for v in node.operands]
        rounded = [self._operand(v, self._rounded, exact=False) for v in node.operands]
        with np.errstate(all="ignore"):
            self._exact[node.result] = evaluate_node(node, exact, "float64")
            self._rounded[node.result] = evaluate_node(node, rounded, "native")
            self._noise[node.result] = rms(
                _difference(self._rounded[node.result], self._exact[node.result])
            )
        for value in node.operands:
            if self._last_use[value] <= self._next:
                self._exact.pop(value, None)
                self._rounded.pop(value, None)

    def _operand(self, value: Value, known: Mapping[Value, Array], exact: bool) -> Array:
        data = self._graph.constants.get(value)
        if data is None:
            return known[value]
        return _unrounded(data, value.type.dtype) if exact else data


def _unrounded(data: Array, kind: DType) -> Array:
    """A weight as it may have been before it was rounded to a narrow format."""
    if not kind.is_float or kind.itemsize >= 4 or data.size == 1:
        return data
    wide = data.astype(np.float64)
    moved = wide * (1 + kind.unit_roundoff * np.resize(_PATTERN, wide.shape))
    return np.where(np.abs(wide) < MASKED, moved, wide)


def num_terms(node: Node) -> int:
    """Elements that may be summed into one element of the result."""
    sizes = [math.prod(o.type.shape) for o in node.operands]
    last = [o.type.shape[-1] for o in node.operands if o.type.rank]
    if node.op == "reduce":
        return max(1, sizes[0] // max(1, node.result.type.num_elements))
    if node.op == "cumsum":
        return max(1, node.result.type.shape[node.attrs["dimension"]])
    if node.op == "dot_general":
        first = node.operands[0].type.shape
        return math.prod(first[d] for d in node.attrs["lhs_contracting_dimensions"])
    if node.op == "attention":
        last.append(node.operands[1].type.shape[2])
    return max(last, default=1)


def _difference(one: Array, other: Array) -> Array:
    return np.asarray(one, np.float64) - np.asarray(other, np.float64)
