"""Reductions and running sums."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from glia.compiler.lowering.context import Lowering, lowers, refuses
from glia.graph.evaluate import evaluate_node
from glia.graph.ir import Graph, Node
from glia.isa.target import Target
from glia.kernels.reduce import reduce_last, reduce_rows
from glia.kernels.scan import cumsum as cumsum_kernel


@lowers("reduce")
def reduce(lowering: Lowering, node: Node) -> None:
    """Trailing dims go along the free dim; other dims, when they are neighbours, over rows."""
    view = lowering.view(node.operands[0])
    dims = sorted(d % len(view.shape) for d in node.attrs["dimensions"])
    kind, name = node.attrs["kind"], node.result.name
    rank = len(view.shape)
    if 0 in view.shape:
        operand = np.zeros(view.shape, view.dtype.numpy)
        neutral = evaluate_node(node, [operand], "native").reshape(-1)[0]
        lowering.define(node, lowering.filled(node, neutral))
        return
    if not dims:
        lowering.define(node, view)
        return
    trailing = _size(view.shape[dims[-1] + 1 :])
    if trailing > 1 and dims == list(range(dims[0], dims[-1] + 1)):
        shape = (_size(view.shape[: dims[0]]), _size(view.shape[dims[0] : dims[-1] + 1]))
        middle = lowering.reshaped(view, (*shape, trailing), name)
        lowering.run(node, reduce_rows, {"x": middle}, kind=kind)
        return
    kept = [d for d in range(rank) if d not in dims]
    turned = view.permute((*kept, *dims))
    rows, columns = _size([view.shape[d] for d in kept]), _size([view.shape[d] for d in dims])
    lowering.run(
        node, reduce_last, {"x": lowering.reshaped(turned, (rows, columns), name)}, kind=kind
    )


@refuses("reduce")
def refuse(node: Node, graph: Graph, target: Target) -> str | None:
    """Bits of integers are not reduced: the kernels know `and` and `or` of 0 and 1."""
    kind, dtype = node.attrs["kind"], node.operands[0].type.dtype
    if kind in ("and", "or") and dtype.kind != "bool":
        return f"got {kind} over {dtype}, expected bool; compare with 0 first"
    return None


def _size(shape: Sequence[int]) -> int:
    return math.prod(shape)


@lowers("cumsum")
def cumsum(lowering: Lowering, node: Node) -> None:
    """Along any dim: the others become rows."""
    view = lowering.view(node.operands[0])
    rank, dim = len(view.shape), node.attrs["dimension"]
    order = (*(d for d in range(rank) if d != dim), dim)
    turned = view.permute(order)
    back = tuple(order.index(d) for d in range(rank))
    tensors = {"x": lowering.matrix(turned, node.result.name)}
    lowering.run(node, cumsum_kernel, tensors, shape=turned.shape, permute=back)
