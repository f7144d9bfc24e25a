"""Sentence vectors: the mean of attended tokens, rows of unit length."""

from __future__ import annotations

from glia.compiler.lowering.context import Lowering, lowers, refuses
from glia.graph.ir import Graph, Node
from glia.isa.target import Target
from glia.kernels import pooling as poolings


@lowers("masked_mean")
def masked_mean(lowering: Lowering, node: Node) -> None:
    """x [B, S, H] and mask [B, S] as they lie."""
    x, mask = (lowering.view(operand) for operand in node.operands)
    tensors = {"x": x, "mask": mask}
    lowering.run(node, poolings.masked_mean, tensors, least=float(node.attrs["least"]))


@lowers("l2_normalise")
def l2_normalise(lowering: Lowering, node: Node) -> None:
    """Rows on partitions."""
    tensors = {"x": lowering.matrix(lowering.view(node.operands[0]), node.result.name)}
    lowering.run(node, poolings.l2_normalise, tensors, epsilon=float(node.attrs["epsilon"]))


@refuses("masked_mean", "l2_normalise")
def _too_wide(node: Node, graph: Graph, target: Target) -> str | None:
    columns, size = node.result.type.shape[-1], node.result.type.dtype.itemsize
    if poolings.accepts(columns, size, target.sbuf_bytes):
        return None
    return f"got rows of {columns} elements, which SBUF does not hold; split the last dim"
