"""Sums, extremes and statistics along dims."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from glia.frontends.torch.aten.logic import truth
from glia.frontends.torch.aten.table import rule
from glia.frontends.torch.emitter import ArgumentUnsupported, Emitter, common_shape
from glia.graph.ir import Value

Dims = int | Sequence[int] | None


def dims_of(x: Value, dim: Dims) -> tuple[int, ...]:
    """The dims to reduce, counted from 0; all of them for None or an empty list."""
    given = () if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    rank = x.type.rank
    return tuple(d % rank for d in given if rank) or tuple(range(rank))


def count_of(x: Value, dim: Dims) -> int:
    """How many elements go into each result."""
    return math.prod(x.type.shape[d] for d in dims_of(x, dim))


@rule("sum")
def sum_(e: Emitter, x: Value, dim: Dims = None, keepdim: bool = False, **_: Any) -> Value:
    """The sum, in the result's format."""
    return e.reduce("add", e.convert(x, e.out.dtype), dims_of(x, dim), keepdim)


@rule("prod")
def prod(e: Emitter, x: Value, dim: Dims = None, keepdim: bool = False, **_: Any) -> Value:
    """The product, in the result's format."""
    return e.reduce("multiply", e.convert(x, e.out.dtype), dims_of(x, dim), keepdim)


@rule("mean")
def mean(e: Emitter, x: Value, dim: Dims = None, keepdim: bool = False, **_: Any) -> Value:
    """The sum over the count."""
    total = e.reduce("add", e.convert(x, e.out.dtype), dims_of(x, dim), keepdim)
    return e.binary("divide", total, count_of(x, dim), e.out.dtype)


@rule("amax", "max.default")
def amax(e: Emitter, x: Value, dim: Dims = None, keepdim: bool = False) -> Value:
    """The largest."""
    return e.reduce("maximum", x, dims_of(x, dim), keepdim)


@rule("amin", "min.default")
def amin(e: Emitter, x: Value, dim: Dims = None, keepdim: bool = False) -> Value:
    """The smallest."""
    return e.reduce("minimum", x, dims_of(x, dim), keepdim)


def first_index(e: Emitter, x: Value, best: Value, axis: int, keepdim: bool) -> Value:
    """The first position along `axis` where `x` equals the kept-dim `best`."""
    size = x.type.shape[axis]
    is_best = e.compare("EQ", x, best)
    places = e.select(is_best, e.iota(x.type.shape, axis), size, e.iota((1,), 0).type.dtype)
    return e.reduce("minimum", places, (axis,), keepdim)


def extreme(e: Emitter, kind: str, x: Value, dim: int, keepdim: bool) -> tuple[Value, Value]:
    """The extreme value along a dim, and where it is."""
    axis = dim % max(x.type.rank, 1)
    best = e.reduce(kind, x, (axis,), True)
    where = first_index(e, x, best, axis, keepdim)
    return e.reshape(best, where.type.shape), where


@rule("max.dim")
def max_dim(e: Emitter, x: Value, dim: int, keepdim: bool = False) -> tuple[Value, Value]:
    """The largest along a dim, and its position."""
    return extreme(e, "maximum", x, dim, keepdim)


@rule("min.dim")
def min_dim(e: Emitter, x: Value, dim: int, keepdim: bool = False) -> tuple[Value, Value]:
    """The smallest along a dim, and its position."""
    return extreme(e, "minimum", x, dim, keepdim)


@rule("argmax")
def argmax(e: Emitter, x: Value, dim: int | None = None, keepdim: bool = False) -> Value:
    """The position of the largest."""
    return _position(e, "maximum", x, dim, keepdim)


@rule("argmin")
def argmin(e: Emitter, x: Value, dim: int | None = None, keepdim: bool = False) -> Value:
    """The position of the smallest."""
    return _position(e, "minimum", x, dim, keepdim)


def _position(e: Emitter, kind: str, x: Value, dim: int | None, keepdim: bool) -> Value:
    if dim is None:
        flat = e.reshape(x, (-1,))
        return e.reshape(extreme(e, kind, flat, 0, False)[1], e.out.shape)
    return extreme(e, kind, x, dim, keepdim)[1]


@rule("any")
def any_(e: Emitter, x: Value, dim: Dims = None, keepdim: bool = False) -> Value:
    """Whether some element is not zero."""
    return e.reduce("or", truth(e, x), dims_of(x, dim), keepdim)


@rule("all")
def all_(e: Emitter, x: Value, dim: Dims = None, keepdim: bool = False) -> Value:
    """Whether no element is zero."""
    return e.reduce("and", truth(e, x), dims_of(x, dim), keepdim)


def variance(e: Emitter, x: Value, dim: Dims, correction: float, keepdim: bool) -> Value:
    """The mean square distance from the mean, over `count - correction`."""
    dims, count = dims_of(x, dim), count_of(x, dim)
    center = e.binary("divide", e.reduce("add", x, dims, True), count, x.type.dtype)
    distance = e.binary("subtract", x, center)
    total = e.reduce("add", e.emit("multiply", distance, distance), dims, keepdim)
    return e.binary("divide", total, max(count - correction, 0), x.type.dtype)


@rule("var.correction")
def var(
    e: Emitter, x: Value, dim: Dims = None, *, correction: float | None = 1, keepdim: bool = False
) -> Value:
    """The variance."""
    return variance(e, x, dim, 1 if correction is None else correction, keepdim)


@rule("std.correction")
def std(
    e: Emitter, x: Value, dim: Dims = None, *, correction: float | None = 1, keepdim: bool = False
) -> Value:
    """The standard deviation."""
    return e.emit("sqrt", var(e, x, dim, correction=correction, keepdim=keepdim))


@rule("var.dim", "var.default")
def var_unbiased(e: Emitter, x: Value, *args: Any) -> Value:
    """The variance, in the older way to call it."""
    return variance(e, x, *_older(args))


@rule("std.dim", "std.default")
def std_unbiased(e: Emitter, x: Value, *args: Any) -> Value:
    """The standard deviation, in the older way to call it."""
    return e.emit("sqrt", variance(e, x, *_older(args)))


def _older(args: Sequence[Any]) -> tuple[Dims, int, bool]:
    """(dim, correction, keepdim) from `(unbiased)` or `(dim, unbiased, keepdim)`."""
    if len(args) <= 1:
        return None, int(args[0]) if args else 1, False
    return args[0], int(args[1]), bool(args[2])


@rule("var_mean.correction")
def var_mean(
    e: Emitter, x: Value, dim: Dims = None, *, correction: float | None = 1, keepdim: bool = False
) -> tuple[Value, Value]:
    """The variance and the mean."""
    total = e.reduce("add", x, dims_of(x, dim), keepdim)
    center = e.binary("divide", total, count_of(x, dim), x.type.dtype)
    return var(e, x, dim, correction=correction, keepdim=keepdim), center


@rule("linalg_vector_norm")
def vector_norm(
    e: Emitter, x: Value, order: float = 2, dim: Dims = None, keepdim: bool = False, **_: Any
) -> Value:
    """The length of vectors: order 1, 2 or infinity."""
    dims, wide = dims_of(x, dim), e.convert(x, e.out.dtype)
    if order == 2:
        return e.emit("sqrt", e.reduce("add", e.emit("multiply", wide, wide), dims, keepdim))
    kinds = {1: "add", math.inf: "maximum", -math.inf: "minimum"}
    if order not in kinds:
        raise ArgumentUnsupported("use the norm of order 1, 2 or infinity")
    return e.reduce(kinds[order], e.emit("abs", wide), dims, keepdim)


@rule("norm.ScalarOpt_dim", "norm.ScalarOpt_dim_dtype")
def norm(
    e: Emitter, x: Value, order: float | None, dim: Dims, keepdim: bool = False, **_: Any
) -> Value:
    """The length of vectors."""
    return vector_norm(e, x, 2 if order is None else order, dim, keepdim)


@rule("norm.Scalar")
def norm_all(e: Emitter, x: Value, order: float = 2) -> Value:
    """The length of the whole tensor as one vector."""
    return vector_norm(e, x, order)


@rule("cumsum")
def cumsum(e: Emitter, x: Value, dim: int, **_: Any) -> Value:
    """The sum of all elements up to each."""
    wide = e.convert(x, e.out.dtype)
    return wide if x.type.rank == 0 else e.emit("cumsum", wide, dimension=dim % x.type.rank)


@rule("logsumexp")
def logsumexp(e: Emitter, x: Value, dim: Dims, keepdim: bool = False) -> Value:
    """`log(sum(exp(x)))`, shifted by the largest."""
    dims, wide = dims_of(x, dim), e.convert(x, e.out.dtype)
    top = e.reduce("maximum", wide, dims, True)
    grown = e.emit("exponential", e.binary("subtract", wide, top))
    total = e.emit("log", e.reduce("add", grown, dims, keepdim))
    return e.emit("add", total, e.reshape(top, total.type.shape))


@rule("cosine_similarity")
def cosine_similarity(e: Emitter, x: Value, y: Value, dim: int = 1, epsilon: float = 1e-8) -> Value:
    """The product of two vectors, each over its length (at least `epsilon`)."""
    units = []
    for vector in (x, y):
        size = vector_norm(e, e.broadcast(vector, common_shape(x, y)), 2, dim, True)
        units.append(e.binary("divide", vector, e.binary("maximum", size, epsilon)))
    return e.reduce("add", e.emit("multiply", *units), dims_of(units[0], dim))
