"""Layer norm (with residual), RMS norm, softmax: rows of the last dim."""

from __future__ import annotations

from glia.compiler.lowering.context import Lowering, lowers
from glia.graph.ir import Node
from glia.kernels import layer_norm as norms
from glia.kernels.softmax import log_softmax as log_softmax_kernel
from glia.kernels.softmax import softmax as softmax_kernel


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


_SOFTMAX = {"softmax": softmax_kernel, "log_softmax": log_softmax_kernel}


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
