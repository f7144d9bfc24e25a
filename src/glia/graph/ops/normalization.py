"""Composites that normalise along one dim. Narrow floats are computed in fp32, rounded once."""

from __future__ import annotations

import numpy as np

from glia.graph.builder import GraphBuilder
from glia.graph.ir import TensorType, Value
from glia.graph.op import composite, require
from glia.graph.ops.building import along_last, fold, full_like, mean, rounded, wide
from glia.graph.ops.rules import from_right, require_kind, require_same, require_type


def _norm_type(x: TensorType, *vectors: TensorType, epsilon: float) -> TensorType:
    require_kind(x, ("float",))
    require(x.rank >= 1, x, "rank 1 or more", "reshape it")
    require(type(epsilon) is float, f"epsilon={epsilon!r}", "a float", "convert it")
    for name, vector in zip(("weight", "bias"), vectors, strict=False):
        require_type(name, vector, x.shape[-1:], x)
    return x


def _layer_norm_type(
    x: TensorType, weight: TensorType, bias: TensorType, *, epsilon: float
) -> TensorType:
    return _norm_type(x, weight, bias, epsilon=epsilon)


@composite(_layer_norm_type)
def layer_norm(
    builder: GraphBuilder, x: Value, weight: Value, bias: Value, *, epsilon: float
) -> Value:
    """(x - mean) / sqrt(variance + epsilon) * weight + bias over the last dim of x[..., D].

    weight[D], bias[D]; the variance is the biased one. Ba et al., 2016, arXiv:1607.06450.
    """
    h = wide(builder, x)
    centred = builder.emit("subtract", h, mean(builder, h, h.type.rank - 1))
    unit = _divided_by_rms(builder, centred, epsilon)
    scaled = builder.emit("multiply", unit, along_last(builder, wide(builder, weight), h))
    shifted = builder.emit("add", scaled, along_last(builder, wide(builder, bias), h))
    return rounded(builder, shifted, like=x)


def _add_layer_norm_type(
    x: TensorType, residual: TensorType, weight: TensorType, bias: TensorType, *, epsilon: float
) -> TensorType:
    require_same(x, residual)
    return _norm_type(x, weight, bias, epsilon=epsilon)


@composite(_add_layer_norm_type)
def add_layer_norm(
    builder: GraphBuilder,
    x: Value,
    residual: Value,
    weight: Value,
    bias: Value,
    *,
    epsilon: float,
) -> Value:
    """layer_norm(x + residual): x[..., D], residual[..., D], weight[D], bias[D].

    The sum is not rounded in between.
    """
    total = builder.emit("add", wide(builder, x), wide(builder, residual))
    vectors = wide(builder, weight), wide(builder, bias)
    return rounded(builder, builder.emit("layer_norm", total, *vectors, epsilon=epsilon), like=x)


def _rms_norm_type(x: TensorType, weight: TensorType, *, epsilon: float) -> TensorType:
    return _norm_type(x, weight, epsilon=epsilon)


@composite(_rms_norm_type)
def rms_norm(builder: GraphBuilder, x: Value, weight: Value, *, epsilon: float) -> Value:
    """x / sqrt(mean of squares + epsilon) * weight over the last dim of x[..., D]; weight[D].

    Zhang and Sennrich, 2019, arXiv:1910.07467.
    """
    h = wide(builder, x)
    unit = _divided_by_rms(builder, h, epsilon)
    weighted = builder.emit("multiply", unit, along_last(builder, wide(builder, weight), h))
    return rounded(builder, weighted, like=x)


def _divided_by_rms(builder: GraphBuilder, x: Value, epsilon: float) -> Value:
    square = mean(builder, builder.emit("multiply", x, x), x.type.rank - 1)
    moved = builder.emit("add", square, full_like(builder, square, epsilon))
    return builder.emit("multiply", x, builder.emit("rsqrt", moved))


def _softmax_type(x: TensorType, *, axis: int) -> TensorType:
    require_kind(x, ("float",))
    from_right(axis, x.rank)
    return x


@composite(_softmax_type)
def softmax(builder: GraphBuilder, x: Value, *, axis: int) -> Value:
    """exp(x) over its sum along `axis` (-1 is the last dim); the maximum is subtracted first."""
    dim = from_right(axis, x.type.rank)
    h = wide(builder, x)
    raised = builder.emit("exponential", _below_maximum(builder, h, dim))
    shares = builder.emit("divide", raised, fold(builder, raised, dim, "add"))
    return rounded(builder, shares, like=x)


@composite(_softmax_type)
def log_softmax(builder: GraphBuilder, x: Value, *, axis: int) -> Value:
    """The logarithm of softmax(x, axis), without computing the softmax."""
    dim = from_right(axis, x.type.rank)
    below = _below_maximum(builder, wide(builder, x), dim)
    total = fold(builder, builder.emit("exponential", below), dim, "add")
    return rounded(builder, builder.emit("subtract", below, builder.emit("log", total)), like=x)


def _below_maximum(builder: GraphBuilder, x: Value, dim: int) -> Value:
    return builder.emit("subtract", x, fold(builder, x, dim, "maximum"))


def masked_softmax(builder: GraphBuilder, x: Value) -> Value:
    """Softmax over the last dim in which a row of nothing but -inf gives zeros, not NaN."""
    dim = x.type.rank - 1
    top = fold(builder, x, dim, "maximum")
    blank = builder.emit("compare", top, full_like(builder, x, -np.inf), direction="EQ")
    finite_top = builder.emit("select", blank, full_like(builder, x, 0), top)
    raised = builder.emit("exponential", builder.emit("subtract", x, finite_top))
    total = fold(builder, raised, dim, "add")
    divisor = builder.emit("select", blank, full_like(builder, x, 1), total)
    return builder.emit("divide", raised, divisor)
