"""What decompositions share: constants of any shape, widening, sums that keep their dim."""

from __future__ import annotations

import numpy as np

from glia.core.dtypes import DType, dtype
from glia.graph.builder import GraphBuilder
from glia.graph.ir import Value


def full_like(builder: GraphBuilder, x: Value, number: float) -> Value:
    """A tensor of x's type filled with one number."""
    scalar = builder.constant("scalar", np.array(number, dtype=x.type.dtype.numpy))
    return builder.emit("broadcast_in_dim", scalar, shape=x.type.shape, broadcast_dimensions=())


def scaled(builder: GraphBuilder, x: Value, factor: float) -> Value:
    """x * factor."""
    return builder.emit("multiply", x, full_like(builder, x, factor))


def wide(builder: GraphBuilder, x: Value) -> Value:
    """x in at least fp32, the format in which composites compute."""
    narrow = x.type.dtype.is_float and x.type.dtype.itemsize < 4
    return builder.emit("convert", x, dtype="float32") if narrow else x


def wide_dtype(narrow: DType) -> DType:
    """The format that `wide` gives."""
    return dtype("float32") if narrow.is_float and narrow.itemsize < 4 else narrow


def rounded(builder: GraphBuilder, x: Value, like: Value) -> Value:
    """x in the format of `like`: the one rounding at the end of a composite."""
    if x.type.dtype == like.type.dtype:
        return x
    return builder.emit("convert", x, dtype=like.type.dtype.name)


def along_last(builder: GraphBuilder, vector: Value, like: Value) -> Value:
    """vector[D] repeated to the shape [..., D] of `like`."""
    rank = like.type.rank
    return builder.emit(
        "broadcast_in_dim", vector, shape=like.type.shape, broadcast_dimensions=(rank - 1,)
    )


def along_first(builder: GraphBuilder, vector: Value, like: Value) -> Value:
    """vector[D] repeated to the shape [D, ...] of `like`."""
    return builder.emit(
        "broadcast_in_dim", vector, shape=like.type.shape, broadcast_dimensions=(0,)
    )


def fold(builder: GraphBuilder, x: Value, dim: int, kind: str) -> Value:
    """x reduced over `dim` and repeated back to x's shape."""
    reduced = builder.emit("reduce", x, dimensions=(dim,), kind=kind)
    others = tuple(d for d in range(x.type.rank) if d != dim)
    return builder.emit(
        "broadcast_in_dim", reduced, shape=x.type.shape, broadcast_dimensions=others
    )


def mean(builder: GraphBuilder, x: Value, dim: int) -> Value:
    """The mean over `dim`, repeated back to x's shape."""
    return scaled(builder, fold(builder, x, dim, "add"), 1 / max(x.type.shape[dim], 1))
