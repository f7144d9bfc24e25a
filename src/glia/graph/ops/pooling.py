"""Composites of sentence encoders: the mean of attended tokens, and rows of unit length.

Narrow floats are computed in fp32, rounded once.
"""

from __future__ import annotations

from dataclasses import replace

from glia.graph.builder import GraphBuilder
from glia.graph.ir import TensorType, Value
from glia.graph.op import composite, require
from glia.graph.ops.building import along_first, fold, full_like, rounded, wide
from glia.graph.ops.rules import require_kind, require_type


def _masked_mean_type(x: TensorType, mask: TensorType, *, least: float) -> TensorType:
    require_kind(x, ("float",))
    require(x.rank == 3, x, "rank 3, [B, S, H]", "reshape it")
    require_type("mask", mask, x.shape[:2], x)
    require(type(least) is float, f"least={least!r}", "a float", "convert it")
    return replace(x, shape=(x.shape[0], x.shape[2]))


@composite(_masked_mean_type)
def masked_mean(builder: GraphBuilder, x: Value, mask: Value, *, least: float) -> Value:
    """sum_s(x[b, s] * mask[b, s]) / max(sum_s mask[b, s], least): x[B, S, H] to [B, H].

    mask[B, S] has x's format; `least` keeps the division defined where a row is masked throughout.
    Reimers and Gurevych, 2019, arXiv:1908.10084 (mean pooling).
    """
    tokens, weights = wide(builder, x), wide(builder, mask)
    spread = builder.emit(
        "broadcast_in_dim", weights, shape=x.type.shape, broadcast_dimensions=(0, 1)
    )
    total = builder.emit(
        "reduce", builder.emit("multiply", tokens, spread), dimensions=(1,), kind="add"
    )
    count = builder.emit("reduce", weights, dimensions=(1,), kind="add")
    floor = builder.emit("maximum", count, full_like(builder, count, least))
    mean = builder.emit("divide", total, along_first(builder, floor, total))
    return rounded(builder, mean, like=x)


def _l2_normalise_type(x: TensorType, *, epsilon: float) -> TensorType:
    require_kind(x, ("float",))
    require(x.rank >= 1, x, "rank 1 or more", "reshape it")
    require(type(epsilon) is float, f"epsilon={epsilon!r}", "a float", "convert it")
    return x


@composite(_l2_normalise_type)
def l2_normalise(builder: GraphBuilder, x: Value, *, epsilon: float) -> Value:
    """x / max(|x|, epsilon) over the last dim of x[..., D], as torch.nn.functional.normalize."""
    h = wide(builder, x)
    square = fold(builder, builder.emit("multiply", h, h), h.type.rank - 1, "add")
    length = builder.emit("sqrt", square)
    floor = builder.emit("maximum", length, full_like(builder, length, epsilon))
    return rounded(builder, builder.emit("divide", h, floor), like=x)
