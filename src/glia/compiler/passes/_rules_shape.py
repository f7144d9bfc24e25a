"""Simplifications of nodes that only move elements: reshape, transpose, slice, broadcast.

Normal form: a `broadcast_in_dim` has an operand without size-1 dims and ascending dimensions, and
adds elements; whatever adds none is a reshape or a transpose.
"""

from __future__ import annotations

from typing import Any

from glia.compiler.passes._rewriter import Rewriter, Rule
from glia.graph.ir import Node, Value


def reshape_to(rw: Rewriter, x: Value, shape: tuple[int, ...], hint: str) -> Value:
    """`x` itself when it has `shape`, else a helper reshape."""
    return x if x.type.shape == shape else rw.emit("reshape", x, hint=hint, shape=shape)


def same_shape(rw: Rewriter, node: Node) -> Value | None:
    """A node that returns its operand as it is: reshape or broadcast to the same shape."""
    x = node.operands[0]
    in_order = tuple(range(x.type.rank))
    if node.result.type.shape != x.type.shape:
        return None
    return x if node.attrs.get("broadcast_dimensions", in_order) == in_order else None


def reshape_of_reshape(rw: Rewriter, node: Node) -> Value | None:
    """Two reshapes are one."""
    inner = rw.made_by(node.operands[0], "reshape")
    if inner is None:
        return None
    return rw.replace(node, "reshape", inner.operands[0], **node.attrs)


def reshape_of_broadcast(rw: Rewriter, node: Node) -> Value | None:
    """A reshape that only adds or drops size-1 dims goes into the broadcast before it."""
    inner = rw.made_by(node.operands[0], "broadcast_in_dim")
    if inner is None or 1 in inner.operands[0].type.shape:
        return None
    old, new = node.operands[0].type.shape, node.result.type.shape
    old_dims, new_dims = _long_dims(old), _long_dims(new)
    if [old[d] for d in old_dims] != [new[d] for d in new_dims]:
        return None
    moved = dict(zip(old_dims, new_dims, strict=True))
    dims = tuple(moved[d] for d in inner.attrs["broadcast_dimensions"])
    return rw.replace(
        node, "broadcast_in_dim", inner.operands[0], shape=new, broadcast_dimensions=dims
    )


def _long_dims(shape: tuple[int, ...]) -> list[int]:
    return [d for d, size in enumerate(shape) if size != 1]


def identity_transpose(rw: Rewriter, node: Node) -> Value | None:
    """Nothing moves: drop it. Only size-1 dims move: it is a reshape."""
    x, permutation = node.operands[0], node.attrs["permutation"]
    if permutation == tuple(range(x.type.rank)):
        return x
    moving = [d for d in permutation if x.type.shape[d] != 1]
    if moving == sorted(moving):
        return rw.replace(node, "reshape", x, shape=node.result.type.shape)
    return None


def transpose_of_transpose(rw: Rewriter, node: Node) -> Value | None:
    """Two transposes are one."""
    inner = rw.made_by(node.operands[0], "transpose")
    if inner is None:
        return None
    permutation = tuple(inner.attrs["permutation"][d] for d in node.attrs["permutation"])
    return rw.replace(node, "transpose", inner.operands[0], permutation=permutation)


def transpose_of_broadcast(rw: Rewriter, node: Node) -> Value | None:
    """Broadcast straight into the transposed dims."""
    inner = rw.made_by(node.operands[0], "broadcast_in_dim")
    if inner is None:
        return None
    where = {old: new for new, old in enumerate(node.attrs["permutation"])}
    dims = tuple(where[d] for d in inner.attrs["broadcast_dimensions"])
    return rw.replace(
        node,
        "broadcast_in_dim",
        inner.operands[0],
        shape=node.result.type.shape,
        broadcast_dimensions=dims,
    )


def whole_slice(rw: Rewriter, node: Node) -> Value | None:
    """A slice that takes everything."""
    return node.operands[0] if node.result.type == node.operands[0].type else None


def slice_of_slice(rw: Rewriter, node: Node) -> Value | None:
    """Two slices are one."""
    inner = rw.made_by(node.operands[0], "slice")
    if inner is None or node.result.type.num_elements == 0:
        return None
    starts, limits, strides = [], [], []
    for d, size in enumerate(node.result.type.shape):
        stride = inner.attrs["strides"][d] * node.attrs["strides"][d]
        start = inner.attrs["start_indices"][d]
        start += inner.attrs["strides"][d] * node.attrs["start_indices"][d]
        starts.append(start)
        limits.append(start + (size - 1) * stride + 1)
        strides.append(stride)
    return rw.replace(
        node,
        "slice",
        inner.operands[0],
        start_indices=tuple(starts),
        limit_indices=tuple(limits),
        strides=tuple(strides),
    )


def slice_of_broadcast(rw: Rewriter, node: Node) -> Value | None:
    """Slice the small operand, and broadcast to the sliced shape."""
    inner = rw.made_by(node.operands[0], "broadcast_in_dim")
    if inner is None or 1 in inner.operands[0].type.shape:
        return None
    x, dims = inner.operands[0], inner.attrs["broadcast_dimensions"]
    if dims:
        parts: dict[str, Any] = {
            key: tuple(node.attrs[key][d] for d in dims)
            for key in ("start_indices", "limit_indices", "strides")
        }
        x = rw.emit("slice", x, hint=f"{node.result.name}.part", **parts)
    return rw.replace(
        node, "broadcast_in_dim", x, shape=node.result.type.shape, broadcast_dimensions=dims
    )


def broadcast_of_broadcast(rw: Rewriter, node: Node) -> Value | None:
    """Two broadcasts are one."""
    inner = rw.made_by(node.operands[0], "broadcast_in_dim")
    if inner is None:
        return None
    outer = node.attrs["broadcast_dimensions"]
    dims = tuple(outer[d] for d in inner.attrs["broadcast_dimensions"])
    return rw.replace(
        node,
        "broadcast_in_dim",
        inner.operands[0],
        shape=node.result.type.shape,
        broadcast_dimensions=dims,
    )


def normal_broadcast(rw: Rewriter, node: Node) -> Value | None:
    """Bring a broadcast into the normal form that the module describes."""
    x, dims, shape = node.operands[0], node.attrs["broadcast_dimensions"], node.result.type.shape
    order = sorted(range(len(dims)), key=lambda i: dims[i])
    if order != list(range(len(dims))):
        turned = rw.emit(
            "transpose", x, hint=f"{node.result.name}.turned", permutation=tuple(order)
        )
        return rw.replace(
            node, "broadcast_in_dim", turned, shape=shape, broadcast_dimensions=tuple(sorted(dims))
        )
    if x.type.num_elements == node.result.type.num_elements:
        return rw.replace(node, "reshape", x, shape=shape)
    if 1 not in x.type.shape:
        return None
    kept = _long_dims(x.type.shape)
    squeezed = reshape_to(
        rw, x, tuple(x.type.shape[i] for i in kept), hint=f"{node.result.name}.squeezed"
    )
    return rw.replace(
        node,
        "broadcast_in_dim",
        squeezed,
        shape=shape,
        broadcast_dimensions=tuple(dims[i] for i in kept),
    )


def lone_concatenate(rw: Rewriter, node: Node) -> Value | None:
    """A concatenation of one array."""
    return node.operands[0] if len(node.operands) == 1 else None


RULES: dict[str, tuple[Rule, ...]] = {
    "reshape": (same_shape, reshape_of_reshape, reshape_of_broadcast),
    "transpose": (identity_transpose, transpose_of_transpose, transpose_of_broadcast),
    "slice": (whole_slice, slice_of_slice, slice_of_broadcast),
    "broadcast_in_dim": (same_shape, broadcast_of_broadcast, normal_broadcast),
    "concatenate": (lone_concatenate,),
}
