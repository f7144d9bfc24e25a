"""The reference evaluator on whole graphs, against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from glia.core.dtypes import dtype
from glia.core.errors import UsageError
from glia.graph import Graph, GraphBuilder, GraphError, TensorType, rebuild
from glia.graph.evaluate import decompose, evaluate, evaluate_node
from glia.graph.op import op
from glia.graph.verify import verify
from graph.transformer import encoder_inputs, graph_encoder, torch_encoder

F32 = dtype("float32")


@pytest.fixture(scope="module")
def encoder() -> tuple[torch.nn.TransformerEncoder, Graph, dict[str, np.ndarray]]:
    model = torch_encoder(width=32, heads=4, layers=2)
    return model, graph_encoder(model, 3, 7), encoder_inputs(3, 7, 32)


def _by_torch(model: torch.nn.Module, inputs: dict[str, np.ndarray], form: torch.dtype):
    x = torch.from_numpy(inputs["x"]).to(form)
    padding = torch.from_numpy(~inputs["mask"][:, 0, 0, :])
    with torch.no_grad():
        return model.to(form)(x, src_key_padding_mask=padding).double().numpy()


def test_two_layer_encoder_agrees_with_torch_in_float64(encoder) -> None:
    model, graph, inputs = encoder
    verify(graph)
    result = evaluate(graph, inputs)[graph.outputs[0].name]
    expected = _by_torch(model, inputs, torch.float64)
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, expected, rtol=1e-11, atol=1e-12)


def test_two_layer_encoder_agrees_with_torch_in_its_own_format(encoder) -> None:
    model, graph, inputs = encoder
    result = evaluate(graph, inputs, "native")[graph.outputs[0].name]
    assert result.dtype == np.float32
    expected = _by_torch(model, inputs, torch.float64)
    np.testing.assert_allclose(result, expected, atol=2e-5)


def test_decomposing_every_composite_keeps_the_meaning_and_the_names(encoder) -> None:
    _, graph, inputs = encoder

    def visit(rewriter, node):
        if not op(node.op).is_composite:
            return None
        return rewriter.inline(decompose(node), [rewriter[o] for o in node.operands])[0]

    opened = graph
    while any(op(node.op).is_composite for node in opened.nodes):
        opened = rebuild(opened, visit)
    verify(opened)
    before, after = evaluate(graph, inputs), evaluate(opened, inputs)
    assert set(before) <= set(after)
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-5, atol=1e-5, err_msg=name)


def test_all_values_come_back_by_name_and_one_node_alone_agrees(encoder) -> None:
    _, graph, inputs = encoder
    for precision in ("float64", "native"):
        known = evaluate(graph, inputs, precision)
        names = [v.name for v in (*graph.inputs, *graph.constants)]
        assert set(known) == {*names, *(node.result.name for node in graph.nodes)}
        for node in graph.nodes:
            alone = evaluate_node(node, [known[o.name] for o in node.operands], precision)
            np.testing.assert_array_equal(alone, known[node.result.name])


def test_float64_mode_widens_bfloat16_and_native_mode_rounds_it() -> None:
    b = GraphBuilder("sum")
    x = b.input("x", TensorType((2,), dtype("bfloat16")))
    graph = b.finish(
        [b.emit("add", x, x, name="y"), b.emit("reduce", x, dimensions=(0,), kind="add", name="s")]
    )
    x_data = np.array([256, 1.0078125]).astype(dtype("bfloat16").numpy)
    exact = evaluate(graph, {"x": x_data})
    assert exact["s"] == 257.0078125
    rounded = evaluate(graph, {"x": x_data}, "native")
    assert rounded["s"].dtype == dtype("bfloat16").numpy
    assert float(rounded["s"]) == 258.0  # 257.0078125 lies above the tie of 256 and 258


def test_narrow_reduction_accumulates_in_fp32() -> None:
    b = GraphBuilder("sum")
    x = b.input("x", TensorType((4096,), dtype("bfloat16")))
    graph = b.finish([b.emit("reduce", x, dimensions=(0,), kind="add", name="s")])
    ones = np.ones(4096).astype(dtype("bfloat16").numpy)
    assert float(evaluate(graph, {"x": ones}, "native")["s"]) == 4096.0


def test_decomposing_a_primitive_is_refused() -> None:
    b = GraphBuilder("g")
    x = b.input("x", TensorType((2,), F32))
    node = b.finish([b.emit("abs", x)]).nodes[0]
    with pytest.raises(GraphError, match="primitive abs, expected a composite"):
        decompose(node)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, r"got inputs \[\], expected \['ids', 'x'\]; pass one array per input"),
        ({"x": np.ones(2, np.float32), "ids": np.ones(3, int), "z": np.ones(1)}, "got inputs"),
        (
            {"x": np.ones(3, np.float32), "ids": np.ones(3, int)},
            r"got %x of float32\[3\], expected float32\[2\]",
        ),
        (
            {"x": np.ones(2, int), "ids": np.ones(3, int)},
            r"got %x of int64\[2\], expected float32\[2\]",
        ),
        ({"x": np.ones(2), "ids": np.full(3, 2**40)}, "beyond its range, expected int32"),
    ],
)
def test_wrong_inputs_are_named(inputs: dict[str, np.ndarray], message: str) -> None:
    b = GraphBuilder("g")
    x = b.input("x", TensorType((2,), F32))
    b.input("ids", TensorType((3,), dtype("int32")))
    with pytest.raises(GraphError, match=message):
        evaluate(b.finish([x]), inputs)


def test_unknown_precision_lists_the_valid_ones() -> None:
    with pytest.raises(UsageError, match="float64, native"):
        evaluate(GraphBuilder("g").finish([]), {}, "float16")  # type: ignore[arg-type]
