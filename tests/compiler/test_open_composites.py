"""A composite without a kernel still runs: its decomposition does."""

import numpy as np
import pytest

from glia.compiler import lowering
from glia.compiler.compile import compile_graph
from glia.compiler.passes.open_composites import OpenComposites
from glia.core.dtypes import dtype
from glia.devices.execute import Executor
from glia.graph import GraphBuilder, TensorType


def rms_norm_graph():
    builder = GraphBuilder("norm")
    x = builder.input("x", TensorType((5, 96), dtype("float32")))
    weight = builder.constant("weight", np.linspace(0.5, 2, 96, dtype=np.float32))
    return builder.finish([builder.emit("rms_norm", x, weight, epsilon=1e-6, name="y")])


def test_a_composite_with_a_kernel_stays_whole():
    graph = rms_norm_graph()
    assert [n.op for n in OpenComposites().run(graph).nodes] == ["rms_norm"]


def test_one_without_a_kernel_is_opened_and_runs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(lowering.RULES, "rms_norm")
    graph = rms_norm_graph()
    opened = OpenComposites().run(graph)
    assert "rms_norm" not in {n.op for n in opened.nodes}
    assert opened.outputs[0].name == "y"
    assert OpenComposites().notes(graph, opened) == ("opened 1 rms_norm",)
    x = np.random.default_rng(0).standard_normal((5, 96)).astype(np.float32)
    program = compile_graph(graph, "trn2", "fp32").program
    result = Executor(program).run({"x": x})["y"]
    wide = x.astype(np.float64)
    exact = wide / np.sqrt((wide**2).mean(1, keepdims=True) + 1e-6) * np.linspace(0.5, 2, 96)
    assert np.abs(result - exact).max() < 1e-5
