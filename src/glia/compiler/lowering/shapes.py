"""Shape ops: views where strides can express them, copies where not."""

from __future__ import annotations

import math

from glia.compiler.lowering.context import Lowering, lowers
from glia.compiler.lowering.indexing import gather_by_meaning
from glia.compiler.view import View, dense_view
from glia.graph.ir import Node
from glia.kernels.copy import concatenate as concatenate_kernel


@lowers("reshape")
def reshape(lowering: Lowering, node: Node) -> None:
    """A view of the same elements, or of a dense copy."""
    view = lowering.view(node.operands[0])
    made = view.reshape(node.result.type.shape)
    if made is not None:
        lowering.define(node, made)
    else:
        copied = lowering.reshaped(view, node.result.type.shape, node.result.name)
        lowering.finish(node, copied)


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
    for i, part in enumerate(o for o in node.operands if 0 not in o.type.shape):
        view, name = lowering.view(part), node.result.name
        tensors[f"x{i}"] = lowering.reshaped(view, (before, view.shape[dim], after), name)
    lowering.run(node, concatenate_kernel(len(tensors)), tensors)


@lowers("pad")
def pad(lowering: Lowering, node: Node) -> None:
    """Each dim in turn: spread inside, cut where padding is negative, extend where positive."""
    a, name = node.attrs, node.result.name
    view = lowering.view(node.operands[0])
    filler = lowering.view(node.operands[1])
    if 0 in view.shape:
        lowering.define(node, filler.broadcast(node.result.type.shape, ()))
        return
    num_launches = len(lowering.launches)
    paddings = (a["edge_padding_low"], a["edge_padding_high"], a["interior_padding"])
    for dim, (low, high, interior) in enumerate(zip(*paddings, strict=True)):
        if interior:
            view = _spread(lowering, view, filler, dim, interior, name)
        view = _cut(view, dim, low, high)
        if low > 0 or high > 0:
            view = _padded(lowering, view, filler, dim, max(low, 0), max(high, 0), name)
    if len(lowering.launches) > num_launches:
        lowering.finish(node, view)
    else:
        lowering.define(node, view)


def _cut(view: View, dim: int, low: int, high: int) -> View:
    """Drop elements where padding is negative."""
    starts = [0] * len(view.shape)
    limits = list(view.shape)
    starts[dim], limits[dim] = max(-low, 0), view.shape[dim] - max(-high, 0)
    return view.slice(starts, limits, [1] * len(limits))


def _spread(
    lowering: Lowering, view: View, filler: View, dim: int, interior: int, name: str
) -> View:
    """`interior` fillers between neighbours: after every element, and the last ones dropped."""
    size = view.shape[dim]
    before, after = math.prod(view.shape[:dim]), math.prod(view.shape[dim + 1 :])
    parts = {
        "x0": lowering.reshaped(view, (before * size, 1, after), name),
        "x1": filler.broadcast((before * size, interior, after), ()),
    }
    made = lowering.launch(concatenate_kernel(2), parts, name)
    shape = (*view.shape[:dim], size * (1 + interior), *view.shape[dim + 1 :])
    return _cut(dense_view(made.buffer, made.format, shape), dim, 0, -interior)


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
