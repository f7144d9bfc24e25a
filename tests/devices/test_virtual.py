"""What a run on the virtual chip says beside its values."""

from __future__ import annotations

import warnings
from types import MappingProxyType

import numpy as np

from glia.compiler import compile_graph
from glia.core.dtypes import dtype
from glia.devices.virtual import LoadedProgram
from glia.graph.ir import Graph, Node, TensorType, Value


def test_values_outside_an_engines_range_are_an_assumption_of_the_run() -> None:
    x = Value("x", TensorType((4,), dtype("float32")))
    log = Node("log", (x,), Value("y", x.type))
    graph = Graph("one", (x,), MappingProxyType({}), (log,), (log.result,))
    loaded = LoadedProgram(compile_graph(graph, "trn2", "fp32"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = loaded.run({"x": np.array([1, 2, 3, 0], np.float32)})["y"]
    assert y[3] == -np.inf
    assert any("log: got 0.0" in line for line in loaded.measured().assumptions)
    loaded.run({"x": np.array([1, 2, 3, 4], np.float32)})
    assert not any("log: got" in line for line in loaded.measured().assumptions)
