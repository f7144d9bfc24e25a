"""Matrix products: `linear` and `dot_general`."""

from __future__ import annotations

import math

import numpy as np

from glia.compiler.lowering.context import Lowering, lowers, refuses
from glia.compiler.view import View
from glia.graph.ir import Graph, Node
from glia.isa.target import Target
from glia.kernels.matmul import batched_matmul
from glia.kernels.matmul import linear as linear_kernel


@lowers("linear")
def linear(lowering: Lowering, node: Node) -> None:
    """x[..., K] @ weight[N, K]^T: a constant weight is stored transposed, K outermost."""
    x, weight, *bias = node.operands
    if lowering.data(weight) is not None:
        kn = lowering.derived(weight, "kn", np.transpose)
    else:
        kn = lowering.view(weight).permute((1, 0))
    tensors = {
        "x": lowering.matrix(lowering.view(x), node.result.name),
        "w": kn,
        "bias": lowering.view(bias[0]) if bias else None,
    }
    lowering.run(node, linear_kernel, tensors, activation=node.attrs.get("activation"))


@lowers("dot_general")
def dot_general(lowering: Lowering, node: Node) -> None:
    """Batch dims, then free, then contracted: as one 2-D product or a batch of them."""
    lhs, rhs = node.operands
    if 0 in lhs.type.shape:
        lowering.define(node, lowering.filled(node, 0))
        return
    name = node.result.name
    attrs = node.attrs
    left = _Side(
        lowering,
        lowering.view(lhs),
        attrs["lhs_batching_dimensions"],
        attrs["lhs_contracting_dimensions"],
        name,
    )
    right = _Side(
        lowering,
        lowering.view(rhs),
        attrs["rhs_batching_dimensions"],
        attrs["rhs_contracting_dimensions"],
        name,
    )
    if left.batch == 1:
        _matrix_product(lowering, node, left, right)
        return
    b = right.arranged(contracted_last=right.contraction_is_inner)
    tensors = {"a": left.arranged(contracted_last=True), "b": b}
    lowering.run(node, batched_matmul, tensors, rhs_transposed=right.contraction_is_inner)


@refuses("linear", "dot_general")
def refuse(node: Node, graph: Graph, target: Target) -> str | None:
    """The Tensor engine multiplies floats of one format."""
    kinds = sorted({o.type.dtype.name for o in (*node.operands[:2], node.result)})
    if kinds in (["float32"], ["bfloat16"]):
        return None
    if node.result.type.dtype.is_float:
        why = "glia's kernels multiply no other format yet"
    else:
        why = "the Tensor engine has no integer product"
    return (
        f"got {', '.join(kinds)}, expected float32 or bfloat16 throughout: {why}; convert the "
        "operands to float32 first"
    )


def _matrix_product(lowering: Lowering, node: Node, left: _Side, right: _Side) -> None:
    if right.contraction_is_inner:
        tensors = {"a": left.arranged(True), "b": right.arranged(True)}
        lowering.run(node, batched_matmul, tensors, rhs_transposed=True)
        return
    turned = left.free_is_inner and not left.contraction_is_inner
    x = _drop_batch(left.arranged(contracted_last=not turned))
    w = _drop_batch(right.arranged(contracted_last=False))
    lowering.run(node, linear_kernel, {"x": x, "w": w}, lhs_transposed=turned)


def _drop_batch(view: View) -> View:
    return View(view.buffer, view.format, view.shape[1:], view.strides[1:], view.offset)


class _Side:
    """One operand of a dot_general, split into batch, free and contracted dims."""

    def __init__(
        self,
        lowering: Lowering,
        view: View,
        batch: tuple[int, ...],
        contracted: tuple[int, ...],
        name: str,
    ) -> None:
        self._lowering, self._view, self._name = lowering, view, name
        self._batch, self._contracted = tuple(batch), tuple(contracted)
        taken = {*batch, *contracted}
        self._free = tuple(d for d in range(len(view.shape)) if d not in taken)
        self.batch = self._size(self._batch)

    def _size(self, dims: tuple[int, ...]) -> int:
        return math.prod(self._view.shape[d] for d in dims)

    def _inner(self, dims: tuple[int, ...]) -> bool:
        return bool(dims) and self._view.strides[dims[-1]] == 1

    @property
    def contraction_is_inner(self) -> bool:
        """True when contracted elements lie next to each other in HBM."""
        return self._inner(self._contracted)

    @property
    def free_is_inner(self) -> bool:
        """True when free elements lie next to each other in HBM."""
        return self._inner(self._free)

    def arranged(self, contracted_last: bool) -> View:
        """As [batch, free, contracted] or [batch, contracted, free]; copied if it must be."""
        tail = (self._free, self._contracted) if contracted_last else (self._contracted, self._free)
        view = self._view.permute((*self._batch, *tail[0], *tail[1]))
        shape = (self.batch, self._size(tail[0]), self._size(tail[1]))
        return self._lowering.reshaped(view, shape, self._name)
