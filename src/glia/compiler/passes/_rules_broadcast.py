"""Do work before a broadcast, not after: elementwise nodes, reductions, attention masks."""

from __future__ import annotations

import math

import numpy as np

from glia.compiler.passes._elementwise import ELEMENTWISE
from glia.compiler.passes._rewriter import Rewriter, Rule
from glia.compiler.passes._rules_shape import reshape_to
from glia.graph.ir import Node, Value

# An operand before its broadcast, and the dims of the result that its own dims become.
_Core = tuple[Value, tuple[int, ...]]


def sink_broadcast(rw: Rewriter, node: Node) -> Value | None:
    """`f(broadcast(a), broadcast(b))` becomes `broadcast(f(a, b))` when that has fewer elements."""
    cores = [_core(rw, v) for v in node.operands]
    found = [core for core in cores if core is not None]
    if len(found) < len(cores):
        return None
    shape = node.result.type.shape
    dims = tuple(sorted({d for _, core_dims in found for d in core_dims}))
    small = tuple(shape[d] for d in dims)
    if math.prod(small) >= node.result.type.num_elements:
        return None
    hint = f"{node.result.name}.once"
    operands = [_spread(rw, core, dims, small, hint) for core in found]
    once = rw.emit(node.op, *operands, hint=hint, **node.attrs)
    return rw.replace(node, "broadcast_in_dim", once, shape=shape, broadcast_dimensions=dims)


def _core(rw: Rewriter, value: Value) -> _Core | None:
    node = rw.made_by(value, "broadcast_in_dim")
    if node is None:
        return (value, ()) if value.type.rank == 0 else _constant_core(rw, value)
    x, dims = node.operands[0], node.attrs["broadcast_dimensions"]
    sizes = tuple(node.result.type.shape[d] for d in dims)
    return (x, dims) if x.type.shape == sizes else None


def _constant_core(rw: Rewriter, value: Value) -> _Core | None:
    number = rw.splat(value)
    if number is None or rw.data(value) is None or value.type.num_elements == 1:
        return None
    return rw.helper_constant(f"{value.name}.once", np.array(number)), ()


def _spread(
    rw: Rewriter, core: _Core, dims: tuple[int, ...], small: tuple[int, ...], hint: str
) -> Value:
    value, own = core
    places = tuple(dims.index(d) for d in own)
    if places == tuple(range(len(small))):
        return value
    return rw.emit("broadcast_in_dim", value, hint=hint, shape=small, broadcast_dimensions=places)


def reduce_before_broadcast(rw: Rewriter, node: Node) -> Value | None:
    """Reduce the operand of a broadcast, when all reduced dims are its own."""
    inner = rw.made_by(node.operands[0], "broadcast_in_dim")
    core = _core(rw, node.operands[0]) if inner is not None else None
    reduced = node.attrs["dimensions"]
    if core is None or not set(reduced) <= set(core[1]):
        return None
    x, dims = core
    own = tuple(dims.index(d) for d in reduced)
    hint = f"{node.result.name}.once"
    once = rw.emit("reduce", x, hint=hint, dimensions=own, kind=node.attrs["kind"])
    left = [d for d in range(node.operands[0].type.rank) if d not in reduced]
    kept = tuple(left.index(d) for d in dims if d not in reduced)
    return rw.replace(
        node,
        "broadcast_in_dim",
        once,
        shape=node.result.type.shape,
        broadcast_dimensions=kept,
    )


def small_mask(rw: Rewriter, node: Node) -> Value | None:
    """Drop an attention mask that masks nothing; pass a broadcast one by its small operand."""
    if len(node.operands) < 4:
        return None
    *qkv, mask = node.operands
    number = rw.splat(mask)
    nothing = 1 if mask.type.dtype.kind == "bool" else 0
    if number is not None and number == nothing:
        return rw.replace(node, "attention", *qkv, **node.attrs)
    inner = rw.made_by(mask, "broadcast_in_dim")
    if inner is None:
        return None
    small = unbroadcast(rw, inner, hint=f"{node.result.name}.mask")
    if small.type == mask.type:
        return None
    return rw.replace(node, "attention", *qkv, small, **node.attrs)


def unbroadcast(rw: Rewriter, node: Node, hint: str) -> Value:
    """The operand of a broadcast, with size-1 dims in the place of those that it would fill."""
    x, dims = node.operands[0], node.attrs["broadcast_dimensions"]
    sizes = dict(zip(dims, x.type.shape, strict=True))
    shape = tuple(sizes.get(d, 1) for d in range(node.result.type.rank))
    order = tuple(sorted(range(len(dims)), key=lambda i: dims[i]))
    if order != tuple(range(len(dims))):
        x = rw.emit("transpose", x, hint=hint, permutation=order)
    return reshape_to(rw, x, shape, hint)


RULES: dict[str, tuple[Rule, ...]] = {
    "attention": (small_mask,),
    "reduce": (reduce_before_broadcast,),
    **dict.fromkeys(sorted(ELEMENTWISE), (sink_broadcast,)),
}
