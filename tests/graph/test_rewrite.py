"""Rewriting keeps names and meaning; pruning and extraction keep what is needed."""

from __future__ import annotations

import numpy as np
import pytest

from glia.core.dtypes import dtype
from glia.core.records import SourceLine
from glia.graph import (
    Graph,
    GraphBuilder,
    GraphError,
    TensorType,
    extract,
    prune,
    rebuild,
    substitute,
)
from glia.graph.evaluate import decompose, evaluate
from glia.graph.text import print_graph
from glia.graph.verify import verify

F32 = dtype("float32")
X = np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4)


def _chain() -> Graph:
    """y = gelu(x + w); z = y * y; `unused` and constant `idle` are read by nobody."""
    b = GraphBuilder("g")
    x = b.input("x", TensorType((3, 4), F32))
    w = b.constant("w", np.full((3, 4), 0.5, np.float32))
    b.constant("idle", np.ones(3, np.float32))
    with b.at(SourceLine("m.py", 3), "block"):
        s = b.emit("add", x, w, name="s")
        y = b.emit("gelu", s, name="y")
        b.emit("exponential", s, name="unused")
        z = b.emit("multiply", y, y, name="z")
    return b.finish([z])


def _same_result(before: Graph, after: Graph) -> None:
    verify(after)
    first, second = evaluate(before, {"x": X}), evaluate(after, {"x": X})
    for old, new in zip(before.outputs, after.outputs, strict=True):
        np.testing.assert_allclose(second[new.name], first[old.name], rtol=1e-6)


def test_rebuild_that_keeps_everything_is_prune() -> None:
    graph = _chain()
    kept = rebuild(graph, lambda rewriter, node: None)
    assert print_graph(kept) == print_graph(prune(graph))


def test_prune_drops_what_no_output_needs() -> None:
    pruned = prune(_chain())
    assert [n.result.name for n in pruned.nodes] == ["s", "y", "z"]
    assert [v.name for v in pruned.constants] == ["w"]
    assert [v.name for v in pruned.inputs] == ["x"]


def test_replacement_takes_the_name_and_the_source() -> None:
    def visit(rewriter, node):
        if node.op == "gelu":
            return rewriter.inline(decompose(node), [rewriter[o] for o in node.operands])[0]
        return None

    after = rebuild(_chain(), visit)
    _same_result(_chain(), after)
    y = next(n for n in after.nodes if n.result.name == "y")
    assert (y.op, y.layer, str(y.source)) == ("multiply", "block", "m.py:3")
    assert all(n.layer == "block" for n in after.nodes)


def test_new_names_avoid_names_of_later_nodes() -> None:
    def visit(rewriter, node):
        if node.op != "add":
            return None
        copied = rewriter.emit("negate", rewriter[node.operands[0]], name="tmp")
        again = rewriter.emit("negate", copied, name=rewriter.fresh("z"))
        return rewriter.emit("add", again, rewriter[node.operands[1]])

    after = rebuild(_chain(), visit)
    _same_result(_chain(), after)
    assert [n.result.name for n in after.nodes] == ["tmp", "z.1", "s", "y", "z"]


def test_bypass_to_an_existing_value() -> None:
    after = rebuild(_chain(), lambda r, n: r[n.operands[0]] if n.op == "gelu" else None)
    verify(after)
    result = evaluate(after, {"x": X})
    np.testing.assert_array_equal(result["z"], (X.astype(np.float64) + 0.5) ** 2)
    assert "y" not in result


def test_two_nodes_become_one_fused_node() -> None:
    graph = _chain()
    by_name = {n.result.name: n for n in graph.nodes}
    operands, body = extract("add_gelu", [by_name["s"], by_name["y"]])

    def visit(rewriter, node):
        if node.result.name != "y":
            return None
        return rewriter.emit("fused", *(rewriter[o] for o in operands), body=body)

    after = rebuild(graph, visit)
    _same_result(graph, after)
    assert [(n.op, n.result.name) for n in after.nodes] == [("fused", "y"), ("multiply", "z")]
    assert [v.name for v in body.inputs] == ["x", "w"]


def test_leaves_can_change_format_and_types_follow() -> None:
    bf16 = dtype("bfloat16")

    def leaf(rewriter, value):
        if value in rewriter.old.constants:
            return rewriter.constant(value.name, rewriter.old.constants[value].astype(bf16.numpy))
        return rewriter.input(value.name, TensorType(value.type.shape, bf16))

    after = rebuild(_chain(), lambda rewriter, node: None, leaf)
    verify(after)
    assert {n.result.type.dtype for n in after.nodes} == {bf16}
    assert [v.name for v in (*after.inputs, *after.constants)] == ["x", "w"]


def test_rewriter_knows_constants() -> None:
    seen = {}

    def visit(rewriter, node):
        seen[node.result.name] = [rewriter.data(rewriter[o]) is not None for o in node.operands]

    rebuild(_chain(), visit)
    assert seen == {"s": [False, True], "y": [False], "unused": [False], "z": [False, False]}


def test_reading_ahead_is_refused() -> None:
    graph = _chain()
    with pytest.raises(GraphError, match="got %z before it was rewritten"):
        rebuild(graph, lambda rewriter, node: rewriter[graph.outputs[0]])


def test_substitute_redirects_readers() -> None:
    graph = _chain()
    s, y = graph.nodes[0].result, graph.nodes[1].result
    after = substitute(graph, {y: s})
    verify(after)
    assert [n.result.name for n in prune(after).nodes] == ["s", "z"]
    assert substitute(graph, {graph.outputs[0]: s}).outputs == (s,)


def test_substitute_refuses_another_type() -> None:
    graph = _chain()
    idle = next(v for v in graph.constants if v.name == "idle")
    with pytest.raises(GraphError, match=r"got %idle of float32\[3\], expected float32\[3,4\]"):
        substitute(graph, {graph.nodes[0].result: idle})
