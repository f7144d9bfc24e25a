"""Scaled dot-product attention as one composite, so that no pass has to recognise it."""

from __future__ import annotations

import numpy as np

from glia.graph.builder import GraphBuilder
from glia.graph.ir import TensorType, Value
from glia.graph.op import composite, require
from glia.graph.ops.building import full_like, rounded, scaled, wide
from glia.graph.ops.normalization import masked_softmax
from glia.graph.ops.rules import require_kind, require_type


def _attention_type(
    q: TensorType,
    k: TensorType,
    v: TensorType,
    mask: TensorType | None = None,
    *,
    scale: float,
    causal: bool = False,
) -> TensorType:
    require_kind(q, ("float",))
    for name, x in (("q", q), ("k", k), ("v", v)):
        require(x.rank == 4, f"{name} {x}", "rank 4, [batch, heads, rows, width]", "reshape it")
    batch, heads, num_queries, width = q.shape
    num_keys = k.shape[2]
    require_type("k", k, (batch, heads, num_keys, width), q)
    require_type("v", v, (batch, heads, num_keys, v.shape[3]), q)
    require(type(scale) is float, f"scale={scale!r}", "a float", "convert it")
    require(type(causal) is bool, f"causal={causal!r}", "a bool", "convert it")
    if mask is not None:
        _require_mask(mask, (batch, heads, num_queries, num_keys))
    return TensorType((batch, heads, num_queries, v.shape[3]), q.dtype)


def _require_mask(mask: TensorType, scores: tuple[int, ...]) -> None:
    require_kind(mask, ("bool", "float"))
    ranked = mask.rank == 4
    fits = ranked and all(m in (1, s) for m, s in zip(mask.shape, scores, strict=True))
    require(fits, f"mask {mask}", f"a shape that broadcasts to {scores}", "reshape it")


@composite(_attention_type)
def attention(
    builder: GraphBuilder,
    q: Value,
    k: Value,
    v: Value,
    mask: Value | None = None,
    *,
    scale: float,
    causal: bool = False,
) -> Value:
    """softmax(q k^T * scale + mask) v: q[B,h,Sq,d], k[B,h,Sk,d], v[B,h,Sk,dv] to [B,h,Sq,dv].

    mask has rank 4 and broadcasts to [B,h,Sq,Sk]: bool (True = attend) or an additive float.
    `causal` lets query i attend to keys 0..i. A query that may attend to nothing gives 0, as
    PyTorch's scaled_dot_product_attention does. Narrow floats are computed in fp32, rounded once.
    """
    dots = _product(builder, wide(builder, q), wide(builder, k), contracting=3)
    scores = scaled(builder, dots, scale)
    if mask is not None:
        scores = _masked(builder, scores, mask)
    if causal:
        scores = _hidden(builder, scores, _not_later(builder, scores))
    shares = masked_softmax(builder, scores)
    return rounded(builder, _product(builder, shares, wide(builder, v), contracting=2), like=q)


def _product(builder: GraphBuilder, lhs: Value, rhs: Value, contracting: int) -> Value:
    """Matrix product per batch and head, over the last dim of lhs and dim `contracting` of rhs."""
    return builder.emit(
        "dot_general",
        lhs,
        rhs,
        lhs_batching_dimensions=(0, 1),
        rhs_batching_dimensions=(0, 1),
        lhs_contracting_dimensions=(3,),
        rhs_contracting_dimensions=(contracting,),
    )


def _masked(builder: GraphBuilder, scores: Value, mask: Value) -> Value:
    shape, is_bool = scores.type.shape, mask.type.dtype.kind == "bool"
    same = is_bool or mask.type.dtype == scores.type.dtype
    fitted = mask if same else builder.emit("convert", mask, dtype=scores.type.dtype.name)
    spread = builder.emit(
        "broadcast_in_dim", fitted, shape=shape, broadcast_dimensions=(0, 1, 2, 3)
    )
    return _hidden(builder, scores, spread) if is_bool else builder.emit("add", scores, spread)


def _hidden(builder: GraphBuilder, scores: Value, attend: Value) -> Value:
    return builder.emit("select", attend, scores, full_like(builder, scores, -np.inf))


def _not_later(builder: GraphBuilder, scores: Value) -> Value:
    shape = scores.type.shape
    query = builder.emit("iota", shape=shape, dimension=2, dtype="int32")
    key = builder.emit("iota", shape=shape, dimension=3, dtype="int32")
    return builder.emit("compare", query, key, direction="GE")
