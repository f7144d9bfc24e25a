"""Scaled dot-product attention."""

from __future__ import annotations

from dataclasses import replace

from glia.compiler.lowering.context import Lowering, lowers
from glia.compiler.view import View
from glia.core.errors import UnsupportedError
from glia.graph.ir import Node
from glia.kernels.attention import accepts
from glia.kernels.attention import attention as attention_kernel


@lowers("attention")
def attention(lowering: Lowering, node: Node) -> None:
    """q, k, v [B, h, S, d] in any strides; the kernel writes [B, S, h, d]."""
    q, k, v, *mask = (lowering.view(o) for o in node.operands)
    batch, heads, queries, head_dim = q.shape
    size = q.dtype.itemsize
    if not accepts(k.shape[2], head_dim, v.shape[3], size, lowering.target.sbuf_bytes):
        raise UnsupportedError(
            f"attention at {node.source or node.layer}: got {k.shape[2]} keys with head dims "
            f"{head_dim} and {v.shape[3]}, which the kernel does not hold on chip; expected head "
            "dims up to 128 and rows of scores that fit SBUF; use a shorter sequence"
        )
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


def _unrepeated(mask: View) -> View:
    """A dim that repeats by stride 0 becomes size 1: the kernel broadcasts on chip."""
    pairs = zip(mask.shape, mask.strides, strict=True)
    return replace(mask, shape=tuple(1 if stride == 0 else size for size, stride in pairs))
