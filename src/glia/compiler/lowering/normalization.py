"""Layer norm (with residual), RMS norm, softmax: rows of the last dim."""

from __future__ import annotations

from glia.compiler.lowering.context import Lowering, lowers, refuses
from glia.graph.ir import Graph, Node
from glia.isa.target import Target
from glia.kernels import layer_norm as norms
from glia.kernels import softmax as softmaxes


@lowers("layer_norm")
def layer_norm(lowering: Lowering, node: Node) -> None:
    """Rows on partitions."""
    x, weight, bias = node.operands
    tensors = {
        "x": lowering.matrix(lowering.view(x), node.result.name),
        "weight": lowering.view(weight),
        "bias": lowering.view(bias),
    }
    lowering.run(node, norms.layer_norm, tensors, epsilon=float(node.attrs["epsilon"]))


@lowers("add_layer_norm")
def add_layer_norm(lowering: Lowering, node: Node) -> None:
    """The residual is added on the way in."""
    x, residual, weight, bias = node.operands
    name = node.result.name
    tensors = {
        "x": lowering.matrix(lowering.view(x), name),
        "residual": lowering.matrix(lowering.view(residual), name),
        "weight": lowering.view(weight),
        "bias": lowering.view(bias),
    }
    lowering.run(node, norms.add_layer_norm, tensors, epsilon=float(node.attrs["epsilon"]))


@lowers("rms_norm")
def rms_norm(lowering: Lowering, node: Node) -> None:
    """Rows on partitions."""
    x, weight = node.operands
    tensors = {
        "x": lowering.matrix(lowering.view(x), node.result.name),
        "weight": lowering.view(weight),
    }
    lowering.run(node, norms.rms_norm, tensors, epsilon=float(node.attrs["epsilon"]))


_SOFTMAX = {"softmax": softmaxes.softmax, "log_softmax": softmaxes.log_softmax}


@lowers(*_SOFTMAX)
def softmax(lowering: Lowering, node: Node) -> None:
    """Any axis: the others are merged into rows, by strides where they allow it."""
    view = lowering.view(node.operands[0])
    rank = len(view.shape)
    axis = node.attrs["axis"] % rank
    order = (*(d for d in range(rank) if d != axis), axis)
    turned = view.permute(order)
    back = tuple(order.index(d) for d in range(rank))
    tensors = {"x": lowering.matrix(turned, node.result.name)}
    lowering.run(node, _SOFTMAX[node.op], tensors, shape=turned.shape, permute=back)


@refuses("layer_norm", "add_layer_norm", "rms_norm", *_SOFTMAX)
def refuse(node: Node, graph: Graph, target: Target) -> str | None:
    """Rows that do not fit on chip."""
    operand = node.operands[0].type
    accepts = softmaxes.accepts if node.op in _SOFTMAX else norms.accepts
    columns = operand.shape[node.attrs.get("axis", -1)] if operand.rank else 1
    if accepts(columns, operand.dtype.itemsize, target.sbuf_bytes):
        return None
    return f"got rows of {columns} elements, expected rows that fit on chip; split that dim"
