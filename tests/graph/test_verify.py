"""Graphs that break one rule each are refused, naming the node and the user's line."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from glia.core.dtypes import dtype
from glia.core.records import SourceLine
from glia.graph import Graph, GraphBuilder, GraphError, TensorType, Value, extract
from glia.graph.verify import verify

F32, F64 = dtype("float32"), dtype("float64")


def _good() -> Graph:
    b = GraphBuilder("g")
    x = b.input("x", TensorType((2, 3), F32))
    w = b.constant("w", np.ones((2, 3), np.float32))
    with b.at(SourceLine("model.py", 7, "y = x + w"), "block"):
        y = b.emit("add", x, w, name="y")
        z = b.emit("softmax", y, axis=-1, name="z")
    return b.finish([z])


def _with_node(graph: Graph, index: int, **changes: object) -> Graph:
    nodes = list(graph.nodes)
    nodes[index] = replace(nodes[index], **changes)
    return replace(graph, nodes=tuple(nodes))


def _second_x() -> Graph:
    graph = _good()
    return _with_node(graph, 1, result=Value("x", graph.nodes[1].result.type))


def _undefined() -> Graph:
    graph = _good()
    return replace(graph, nodes=graph.nodes[::-1])


def _wrong_type() -> Graph:
    return _with_node(_good(), 1, result=Value("z", TensorType((2, 4), F32)))


def _stale_operand() -> Graph:
    graph = _good()
    return _with_node(graph, 1, operands=(Value("y", TensorType((2, 3), F64)),))


def _list_attr() -> Graph:
    return _with_node(_good(), 1, attrs={"axis": [1]})


def _unknown_op() -> Graph:
    return _with_node(_good(), 1, op="softmux")


def _missing_output() -> Graph:
    return replace(_good(), outputs=(Value("q", TensorType((), F32)),))


def _wrong_data() -> Graph:
    graph = _good()
    (w,) = graph.constants
    return replace(graph, constants=MappingProxyType({w: np.ones((3, 2), np.float32)}))


def _wrong_body() -> Graph:
    good = _good()
    operands, body = extract("body", good.nodes)
    broken = _with_node(body, 1, result=Value("z", TensorType((2, 4), F32)))
    broken = replace(broken, outputs=(broken.nodes[1].result,))
    node = replace(good.nodes[1], op="fused", operands=operands, attrs={"body": broken})
    node = replace(node, result=broken.outputs[0])
    return replace(good, nodes=(node,), outputs=(node.result,))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_second_x, "got a second value named %x"),
        (_undefined, r"node %z = softmax\(%y\) \[block @ model.py:7\]: got %y, which is not"),
        (_wrong_type, r"got a result of float32\[2,4\], expected float32\[2,3\]"),
        (_stale_operand, r"got %y of float64\[2,3\], expected float32\[2,3\]"),
        (_list_attr, r"got axis=\[1\] of type list"),
        (_unknown_op, "did you mean 'softmax'"),
        (_missing_output, "output %q: got %q, which is not defined"),
        (_wrong_data, r"constant %w: got data of float32\[3, 2\], expected float32\[2,3\]"),
        (_wrong_body, r"node %z = fused\(.*verifying body, node %z = softmax.*model.py:7"),
    ],
)
def test_one_broken_rule_is_found(make, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        verify(make())


def test_a_sound_graph_passes() -> None:
    verify(_good())
