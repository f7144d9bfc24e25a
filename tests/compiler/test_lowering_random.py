"""Random graphs through the whole compiler and the virtual chip, in fp32, against float64.

Graphs that fp32 cannot tell apart from float64 only: one that rounds to the other side of a
comparison or a floor is no test of the compiler, and is passed over.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from compiler.random_graphs import RandomGraph
from glia.compiler import compile_graph
from glia.core.dtypes import dtype
from glia.devices.execute import Executor
from glia.graph.evaluate import evaluate
from glia.graph.ir import Graph, Node, TensorType, Value

Arrays = dict[str, np.ndarray]


def _close(got: np.ndarray, expected: np.ndarray, tolerance: float) -> bool:
    got, expected = got.astype(np.float64), expected.astype(np.float64)
    scale = float(np.abs(expected[np.isfinite(expected)]).max(initial=0.0))
    return np.allclose(got, expected, rtol=tolerance, atol=tolerance * scale, equal_nan=True)


def _with_work(graph: Graph, data: Arrays) -> tuple[Graph, Arrays]:
    """One more node that computes something: the compiler refuses programs of views alone."""
    beside = Value("beside", TensorType((3,), dtype("float32")))
    node = Node("negate", (beside,), Value("other", beside.type))
    graph = Graph(
        graph.name,
        (*graph.inputs, beside),
        graph.constants,
        (*graph.nodes, node),
        (*graph.outputs, node.result),
    )
    return graph, {**data, "beside": np.ones(3, np.float32)}


@pytest.mark.parametrize("chip", ["trn2", "inf2"])
@settings(deadline=None, max_examples=50, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_random_graph_on_the_virtual_chip(chip: str, seed: int) -> None:
    graph, data = _with_work(*RandomGraph(seed, "float32").build(num_nodes=25))
    exact = evaluate(graph, data)
    native = evaluate(graph, data, precision="native")
    assume(all(_close(native[v.name], exact[v.name], 1e-5) for v in graph.outputs))
    assume(all(np.abs(exact[v.name].astype(float)).max() < 1e30 for v in graph.outputs))
    program = compile_graph(graph, chip, "fp32").program
    got = Executor(program).run(data)
    for value in graph.outputs:
        assert _close(got[value.name], exact[value.name], 1e-4), f"seed {seed}: {value.name}"
