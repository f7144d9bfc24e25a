"""Pipelines as text, their verification, and the default one."""

from __future__ import annotations

import numpy as np
import pytest

from glia.compiler.passes.base import PassPipeline, pass_classes
from glia.compiler.passes.set_precision import SetPrecision
from glia.compiler.pipeline import default_pipeline, optimise
from glia.core.dtypes import dtype
from glia.core.errors import UsageError
from glia.graph.builder import GraphBuilder
from glia.graph.ir import Graph, GraphError, TensorType


def _graph() -> Graph:
    b = GraphBuilder("small")
    x = b.input("x", TensorType((2, 3), dtype("float32")))
    w = b.constant("w", np.ones((4, 3), np.float32))
    return b.finish([b.emit("gelu", b.emit("linear", x, w, name="h"), name="y")])


@pytest.mark.parametrize(
    "text",
    ["", "simplify", "fold-constants{limit_elements=8},set-precision{precision=bf16},simplify"],
)
def test_a_pipeline_prints_as_it_parses(text: str):
    assert str(PassPipeline.parse(text)) == text


def test_default_options_are_not_printed():
    assert str(PassPipeline((SetPrecision("fp32"), SetPrecision("bf16")))) == (
        "set-precision,set-precision{precision=bf16}"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("simplfy", "did you mean 'simplify'"),
        ("set-precision{precision=fp64}", "choose one of: bf16, fp32"),
        ("set-precision{mode=bf16}", "choose one of: precision"),
        ("eliminate-dead{x=1}", "expected none"),
        ("fold-constants{limit_elements=many}", "expected a whole number"),
        ("simplify;eliminate-dead", "expected a form such as"),
    ],
)
def test_bad_pipelines_say_what_to_do(text: str, words: str):
    with pytest.raises(UsageError, match=words):
        PassPipeline.parse(text)


def test_each_pass_shows_before_and_after():
    assert all("-->" in (cls.__doc__ or "") for cls in pass_classes().values())


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_the_default_pipeline_prints_and_parses(precision: str):
    pipeline = default_pipeline(precision)
    assert PassPipeline.parse(str(pipeline)) == pipeline


def test_an_unknown_precision_is_refused():
    with pytest.raises(UsageError, match="bf16, fp32"):
        default_pipeline("fp8")


def test_optimise_tells_what_it_fused():
    graph, notes = optimise(_graph(), "bf16")
    assert [n.op for n in graph.nodes] == ["linear"]
    assert "fused gelu into 1 linear" in notes
    assert "input x is taken as bfloat16 instead of float32" in notes


def test_a_pass_that_breaks_the_graph_is_caught():
    class Breaks:
        name = "breaks"

        def run(self, graph: Graph) -> Graph:
            return Graph(graph.name, graph.inputs, {}, graph.nodes, graph.outputs)

        def notes(self, before: Graph, after: Graph) -> tuple[str, ...]:
            return ()

    with pytest.raises(GraphError):
        PassPipeline((Breaks(),)).run(_graph())
