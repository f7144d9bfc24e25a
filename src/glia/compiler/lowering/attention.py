"""Scaled dot-product attention."""

from __future__ import annotations

from dataclasses import replace

from glia.compiler.lowering.context import Lowering, lowers, refuses
from glia.compiler.view import View
from glia.graph.ir import Graph, Node
from glia.isa.target import Target
from glia.kernels.attention import accepts
from glia.kernels.attention import attention as attention_kernel


@lowers("attention")
def attention(lowering: Lowering, node: Node) -> None:
    """q, k, v [B, h, S, d] in any strides; the kernel writes [B, S, h, d]."""
    q, k, v, *mask = (lowering.view(o) for o in node.operands)
    batch, heads, queries, _ = q.shape
    tensors = {"q": q, "k": k, "v": v, "mask": _unrepeated(mask[0]) if mask else None}
    lowering.run(
        node,
        attention_kernel,
        tensors,
        shape=(batch, queries, heads, v.shape[3]),
        permute=(0, 2, 1, 3),
        scale=float(node.attrs["scale"]),
        causal=bool(node.attrs.get("causal", False)),
    )


@refuses("attention")
def refuse(node: Node, graph: Graph, target: Target) -> str | None:
    """Heads wider than the array, or rows of scores that SBUF does not hold."""
    q, k, v = (o.type for o in node.operands[:3])
    if accepts(k.shape[2], q.shape[3], v.shape[3], q.dtype.itemsize, target.sbuf_bytes):
        return None
    return (
        f"got {k.shape[2]} keys with head dims {q.shape[3]} and {v.shape[3]}, expected head dims "
        "up to 128 and rows of scores that fit on chip; use a shorter sequence or smaller heads"
    )


def _unrepeated(mask: View) -> View:
    """A dim that repeats by stride 0 becomes size 1: the kernel broadcasts on chip."""
    pairs = zip(mask.shape, mask.strides, strict=True)
    return replace(mask, shape=tuple(1 if stride == 0 else size for size, stride in pairs))
