"""The default pipeline on captured models: everything that should be fused is, values stay."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from compiler.models import captured
from glia.compiler.pipeline import optimise
from glia.graph.evaluate import evaluate
from glia.graph.ir import Graph

# The family, how it writes attention, and how many nodes of each op are left in two layers.
_LAYERS = {"attention": 2, "add_layer_norm": 5}
MODELS = [
    ("Bert", "sdpa"),
    ("Bert", "eager"),
    ("Roberta", "sdpa"),
    ("Roberta", "eager"),
    ("MPNet", "eager"),
    ("Albert", "sdpa"),
    ("Albert", "eager"),
    ("Electra", "sdpa"),
    ("DistilBert", "eager"),
]
_GONE = {"softmax", "layer_norm", "gelu", "tanh", "dot_general", "gather", "concatenate"}


def _inputs(model: Any, graph: Graph) -> dict[str, np.ndarray]:
    return {v.name: model.inputs[v.name].astype(v.type.dtype.numpy) for v in graph.inputs}


@pytest.mark.parametrize(("family", "attention"), MODELS)
def test_nothing_is_left_that_a_kernel_would_rather_have_whole(family: str, attention: str):
    graph, _ = optimise(captured(family, attention).graph, "fp32")
    counts = Counter(node.op for node in graph.nodes)
    assert not _GONE & set(counts), counts
    assert {op: counts[op] for op in _LAYERS} == _LAYERS
    linears = [n for n in graph.nodes if n.op == "linear"]
    assert sum(n.operands[1].name.endswith(".merged") for n in linears) == 2
    assert sum(str(n.attrs["activation"]).startswith("gelu") for n in linears) == 2


@pytest.mark.parametrize(("family", "attention"), MODELS)
def test_layers_keep_their_names_lines_and_places(family: str, attention: str):
    """The proof finds them by name, the report by source line and module path."""
    before = captured(family, attention).graph
    after, _ = optimise(before, "bf16")
    norms = {n.result.name: n for n in before.nodes if n.op == "layer_norm"}
    fused = {n.result.name: n for n in after.nodes if n.op == "add_layer_norm"}
    assert norms.keys() == fused.keys()
    for name, node in norms.items():
        assert (fused[name].layer, fused[name].source) == (node.layer, node.source)
        assert fused[name].source is not None


@pytest.mark.parametrize(("family", "attention"), [*MODELS, ("DebertaV2", "eager")])
def test_every_surviving_value_is_what_it_was(family: str, attention: str):
    model = captured(family, attention)
    graph, _ = optimise(model.graph, "fp32")
    old = evaluate(model.graph, dict(model.inputs))
    new = evaluate(graph, _inputs(model, graph))
    common = old.keys() & new.keys()
    assert len(common) > 30
    for name in common:
        np.testing.assert_allclose(new[name], old[name], rtol=1e-6, atol=1e-7, err_msg=name)
    for was, now in zip(model.graph.outputs, graph.outputs, strict=True):
        np.testing.assert_allclose(new[now.name], old[was.name], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("family", "attention"), [("Bert", "eager"), ("MPNet", "eager")])
def test_bf16_leaves_no_other_float(family: str, attention: str):
    model = captured(family, attention)
    graph, _ = optimise(model.graph, "bf16")
    values = {v for n in graph.nodes for v in (*n.operands, n.result)}
    assert {v.type.dtype.name for v in values if v.type.dtype.is_float} == {"bfloat16"}
    native = evaluate(graph, _inputs(model, graph), precision="native")
    exact = evaluate(model.graph, dict(model.inputs))
    for was, now in zip(model.graph.outputs, graph.outputs, strict=True):
        error = native[now.name].astype(float) - exact[was.name]
        assert np.sqrt((error**2).mean() / (exact[was.name] ** 2).mean()) < 0.03
