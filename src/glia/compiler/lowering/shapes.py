"""Shape ops: views where strides can express them, copies where not."""

from __future__ import annotations

import math

from glia.compiler.lowering.context import Lowering, lowers
from glia.compiler.lowering.indexing import gather_by_meaning
from glia.compiler.view import View, dense_view
from glia.core.errors import UnsupportedError
from glia.graph.ir import Node
from glia.kernels.copy import concatenate as concatenate_kernel


@lowers("reshape")
def reshape(lowering: Lowering, node: Node) -> None:
    """A view of the same elements, or of a dense copy."""
    view = lowering.view(node.operands[0])
    lowering.define(node, lowering.reshaped(view, node.result.type.shape, node.result.name))


@lowers("transpose")
def transpose(lowering: Lowering, node: Node) -> None:
    """Always a view."""
    lowering.define(node, lowering.view(node.operands[0]).permute(node.attrs["permutation"]))


@lowers("slice")
def slice_(lowering: Lowering, node: Node) -> None:
    """Always a view."""
    view = lowering.view(node.operands[0])
    a = node.attrs
    steps = a.get("strides") or (1,) * len(view.shape)
    lowering.define(node, view.slice(a["start_indices"], a["limit_indices"], steps))


@lowers("broadcast_in_dim")
def broadcast_in_dim(lowering: Lowering, node: Node) -> None:
    """Always a view: repeated dims have stride 0."""
    view = lowering.view(node.operands[0])
    a = node.attrs
    lowering.define(node, view.broadcast(a["shape"], a["broadcast_dimensions"]))


@lowers("concatenate")
def concatenate(lowering: Lowering, node: Node) -> None:
    """Parts as [before, dim, after], side by side."""
    dim = node.attrs["dimension"]
    shape = node.result.type.shape
    before, after = math.prod(shape[:dim]), math.prod(shape[dim + 1 :])
    tensors = {}
    for i, part in enumerate(node.operands):
        view, name = lowering.view(part), node.result.name
        tensors[f"x{i}"] = lowering.reshaped(view, (before, view.shape[dim], after), name)
    lowering.run(node, concatenate_kernel(len(tensors)), tensors)


@lowers("pad")
def pad(lowering: Lowering, node: Node) -> None:
    """Low, then high padding of each dim in turn, as concatenation with a repeated value."""
    view, a, name = lowering.view(node.operands[0]), node.attrs, node.result.name
    if any(a["interior_padding"]) or min(*a["edge_padding_low"], *a["edge_padding_high"]) < 0:
        raise UnsupportedError(
            f"pad at {node.source or node.layer}: got interior or negative padding, expected "
            "padding at the edges; use slices and concatenation"
        )
    filler = lowering.view(node.operands[1])
    pairs = zip(a["edge_padding_low"], a["edge_padding_high"], strict=True)
    for dim, (low, high) in enumerate(pairs):
        if low or high:
            view = _padded(lowering, view, filler, dim, low, high, name)
    lowering.finish(node, view)


def _padded(
    lowering: Lowering, view: View, filler: View, dim: int, low: int, high: int, name: str
) -> View:
    before, after = math.prod(view.shape[:dim]), math.prod(view.shape[dim + 1 :])
    parts = [lowering.reshaped(view, (before, view.shape[dim], after), name)]
    if low:
        parts.insert(0, filler.broadcast((before, low, after), ()))
    if high:
        parts.append(filler.broadcast((before, high, after), ()))
    tensors = {f"x{i}": part for i, part in enumerate(parts)}
    made = lowering.launch(concatenate_kernel(len(parts)), tensors, name)
    shape = (*view.shape[:dim], low + view.shape[dim] + high, *view.shape[dim + 1 :])
    return dense_view(made.buffer, made.format, shape)


@lowers("reverse")
def reverse(lowering: Lowering, node: Node) -> None:
    """A gather by constant positions."""
    gather_by_meaning(lowering, node)
