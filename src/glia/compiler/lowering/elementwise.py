"""Elementwise ops and groups of them: kernels generated as NKI source."""

from __future__ import annotations

from types import MappingProxyType

from glia.compiler.codegen import generate
from glia.compiler.codegen.operations import EMITTERS, refusal
from glia.compiler.lowering.context import Lowering, lowers, refuses
from glia.graph.ir import Graph, Node, Value
from glia.isa.target import Target


@lowers("fused")
def fused(lowering: Lowering, node: Node) -> None:
    """A group that a pass made."""
    _run(lowering, node, node.attrs["body"])


@lowers(*EMITTERS)
def single(lowering: Lowering, node: Node) -> None:
    """A node alone is a group of one."""
    operands = tuple(dict.fromkeys(node.operands))
    inputs = tuple(Value(f"x{i}", o.type) for i, o in enumerate(operands))
    renamed = dict(zip(operands, inputs, strict=True))
    inner = Node(node.op, tuple(renamed[o] for o in node.operands), node.result, node.attrs)
    body = Graph(node.result.name, inputs, MappingProxyType({}), (inner,), (node.result,))
    _run(lowering, node, body, operands)


@refuses("fused")
def refuse_fused(node: Node, graph: Graph, target: Target) -> str | None:
    """The first member that no engine computes."""
    members = (n for n in node.attrs["body"].nodes if n.op != "broadcast_in_dim")
    reasons = ((n, refusal(n)) for n in members)
    return next((f"{n.place or n.op}: {why}" for n, why in reasons if why), None)


@refuses(*EMITTERS)
def refuse_single(node: Node, graph: Graph, target: Target) -> str | None:
    """An op or dtype that no engine computes."""
    return refusal(node)


def _run(
    lowering: Lowering, node: Node, body: Graph, operands: tuple[Value, ...] | None = None
) -> None:
    made = generate(body, [lowering.view(o) for o in operands or node.operands])
    lowering.sources[f"{made.name}.py"] = made.source
    tensors = {f"x{i}": view for i, view in enumerate(made.operands)}
    lowering.run(node, made.kernel, tensors)
