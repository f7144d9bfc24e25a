"""The reference meaning of a graph, in NumPy.

`float64`: every float value is computed in float64, whatever its type says; the oracle for errors.
`native`: every value has its type's format; a float narrower than fp32 is computed in fp32 from
its operands and rounded once per node. A composite is evaluated through its decomposition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from glia.core.dtypes import dtype
from glia.core.errors import choose
from glia.graph.builder import GraphBuilder
from glia.graph.ir import Graph, GraphError, Node, TensorType, Value
from glia.graph.op import op as find_op

Precision = Literal["float64", "native"]
Array = np.ndarray[Any, Any]

_FLOAT64 = dtype("float64")


def evaluate(
    graph: Graph, inputs: Mapping[str, Array], precision: Precision = "float64"
) -> dict[str, Array]:
    """Every value of the graph by name: inputs, constants and the result of each node.

    Inputs are given by name, with the shape of their type and a dtype of its kind. Results may
    share memory with each other and with the inputs: read them only.

    Raises:
        GraphError: an input is missing, unknown, or of another shape or kind.
    """
    choose("precision", precision, ("float64", "native"))
    _check_inputs(graph, inputs)
    known = {
        value: _in_precision(inputs[value.name], value.type, precision) for value in graph.inputs
    }
    for value, data in graph.constants.items():
        known[value] = _in_precision(data, value.type, precision)
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            known[node.result] = _node(node, [known[o] for o in node.operands], precision)
    return {value.name: array for value, array in known.items()}


def evaluate_node(node: Node, arrays: Sequence[Array], precision: Precision = "float64") -> Array:
    """The result of one node for these operand arrays, as `evaluate` would compute it."""
    choose("precision", precision, ("float64", "native"))
    typed = zip(arrays, node.operands, strict=True)
    with np.errstate(all="ignore"):
        return _node(node, [_in_precision(a, o.type, precision) for a, o in typed], precision)


def decompose(node: Node) -> Graph:
    """The meaning of a composite node as a graph of one output, inputs in operand order.

    Raises:
        GraphError: the op is a primitive.
    """
    if not find_op(node.op).is_composite:
        raise GraphError(
            f"decomposing {node.result}: got the primitive {node.op}, expected a "
            "composite; test `op(node.op).is_composite` first"
        )
    return _decomposition(
        node.op, tuple(o.type for o in node.operands), tuple(sorted(node.attrs.items()))
    )


@lru_cache(maxsize=4096)
def _decomposition(
    name: str, types: tuple[TensorType, ...], attrs: tuple[tuple[str, Any], ...]
) -> Graph:
    builder = GraphBuilder(name)
    operands = [builder.input(f"operand{i}", type) for i, type in enumerate(types)]
    decomposed = find_op(name).decompose
    assert decomposed is not None, name
    return builder.finish([decomposed(builder, *operands, **dict(attrs))])


def _node(node: Node, arrays: list[Array], precision: Precision) -> Array:
    op = find_op(node.op)
    if op.evaluate is None:
        return _output(_meaning(node, precision), arrays, precision)
    result_type = _type_in(node.result.type, precision)
    result = op.evaluate(*map(_widened, arrays), result_type=result_type, **node.attrs)
    return np.asarray(result, dtype=result_type.dtype.numpy)


def _meaning(node: Node, precision: Precision) -> Graph:
    """The decomposition to evaluate.

    In float64 it is made for float64 operands, or its own constants (a scale, an epsilon) would
    be rounded to the node's format. A `fused` body has the types that it has.
    """
    if precision == "native" or "body" in node.attrs:
        return decompose(node)
    types = (_type_in(o.type, precision) for o in node.operands)
    widened = tuple(Value(o.name, t) for o, t in zip(node.operands, types, strict=True))
    return decompose(replace(node, operands=widened))


def _output(graph: Graph, operands: Sequence[Array], precision: Precision) -> Array:
    """The one output; every other array is dropped after its last reader."""
    known = dict(zip(graph.inputs, operands, strict=True))
    for value, data in graph.constants.items():
        known[value] = _in_precision(data, value.type, precision)
    for node, dead in _with_last_reads(graph):
        known[node.result] = _node(node, [known[o] for o in node.operands], precision)
        for value in dead:
            del known[value]
    return known[graph.outputs[0]]


@lru_cache(maxsize=4096)
def _last_reads(graph: Graph) -> tuple[tuple[Value, ...], ...]:
    """For each node, the values that nothing reads after it."""
    last = {
        value: i for i, node in enumerate(graph.nodes) for value in (*node.operands, node.result)
    }
    for value in graph.outputs:
        last.pop(value, None)
    dead: list[list[Value]] = [[] for _ in graph.nodes]
    for value, i in last.items():
        dead[i].append(value)
    return tuple(map(tuple, dead))


def _with_last_reads(graph: Graph) -> Iterator[tuple[Node, tuple[Value, ...]]]:
    return zip(graph.nodes, _last_reads(graph), strict=True)


def _type_in(type: TensorType, precision: Precision) -> TensorType:
    wide = precision == "float64" and type.dtype.is_float
    return TensorType(type.shape, _FLOAT64) if wide else type


def _in_precision(array: Array, type: TensorType, precision: Precision) -> Array:
    return np.asarray(array, dtype=_type_in(type, precision).dtype.numpy)


def _widened(array: Array) -> Array:
    """Floats narrower than fp32 in fp32: exact, and the format in which NumPy computes well."""
    narrow = dtype(array.dtype).is_float and array.dtype.itemsize < 4
    return array.astype(np.float32) if narrow else array


def _check_inputs(graph: Graph, inputs: Mapping[str, Array]) -> None:
    names = [value.name for value in graph.inputs]
    if set(names) != set(inputs):
        raise GraphError(
            f"evaluating {graph.name}: got inputs {sorted(inputs)}, expected {sorted(names)}; "
            "pass one array per input, by name"
        )
    for value in graph.inputs:
        given = inputs[value.name]
        got = f"evaluating {graph.name}: got {value} of {given.dtype}{list(given.shape)}"
        same_kind = dtype(given.dtype).kind == value.type.dtype.kind
        if given.shape != value.type.shape or not same_kind:
            raise GraphError(f"{got}, expected {value.type}; reshape or convert the array")
        if not _fits(given, value.type):
            raise GraphError(f"{got} beyond its range, expected {value.type}; use a wider type")


def _fits(array: Array, type: TensorType) -> bool:
    """False for integers that the type cannot hold: they must not wrap silently."""
    if not type.dtype.is_integer or array.size == 0:
        return True
    limits = np.iinfo(type.dtype.numpy)
    return bool(limits.min <= array.min() and array.max() <= limits.max)
