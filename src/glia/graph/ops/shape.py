"""Primitives that move, repeat, create or reinterpret elements without computing on them."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from glia.core.dtypes import DType
from glia.graph.ir import TensorType
from glia.graph.op import primitive, require
from glia.graph.ops.rules import (
    NUMBER,
    REAL,
    dtype_named,
    require_dim,
    require_dims,
    require_ints,
    require_kind,
    require_shape,
    require_type,
)

Array = np.ndarray[Any, Any]
Dims = tuple[int, ...]


def _reshape_type(x: TensorType, *, shape: Dims) -> TensorType:
    require_shape(shape)
    same = math.prod(shape) == x.num_elements
    require(same, f"shape={shape}", f"{x.num_elements} elements", "keep their number")
    return TensorType(shape, x.dtype)


@primitive(_reshape_type)
def reshape(x: Array, result_type: TensorType, *, shape: Dims) -> Array:
    """The same elements in row-major order under another `shape`."""
    return x.reshape(shape)


def _transpose_type(x: TensorType, *, permutation: Dims) -> TensorType:
    require_ints("permutation", permutation, x.rank)
    require_dims("permutation", permutation, x.rank)
    return TensorType(tuple(x.shape[d] for d in permutation), x.dtype)


@primitive(_transpose_type)
def transpose(x: Array, result_type: TensorType, *, permutation: Dims) -> Array:
    """Dim i of the result is dim permutation[i] of x."""
    return np.transpose(x, permutation)


def _broadcast_type(x: TensorType, *, shape: Dims, broadcast_dimensions: Dims) -> TensorType:
    require_shape(shape)
    require_ints("broadcast_dimensions", broadcast_dimensions, x.rank)
    require_dims("broadcast_dimensions", broadcast_dimensions, len(shape))
    pairs = zip(x.shape, broadcast_dimensions, strict=True)
    fits = all(size in (1, shape[d]) for size, d in pairs)
    expected = "every dim to be 1 or the size of the dim that it becomes"
    require(fits, f"shape={shape} at {broadcast_dimensions}", expected, "choose other dims")
    return TensorType(shape, x.dtype)


@primitive(_broadcast_type)
def broadcast_in_dim(
    x: Array, result_type: TensorType, *, shape: Dims, broadcast_dimensions: Dims
) -> Array:
    """Repeat x to `shape`; dim i of x becomes dim broadcast_dimensions[i] of the result."""
    order = np.argsort(broadcast_dimensions) if broadcast_dimensions else ()
    placed = [1] * len(shape)
    for d in broadcast_dimensions:
        placed[d] = x.shape[broadcast_dimensions.index(d)]
    return np.broadcast_to(np.transpose(x, order).reshape(placed), shape)


def _concatenate_type(*xs: TensorType, dimension: int) -> TensorType:
    require(len(xs) > 0, "no operand", "one or more", "give the tensors to join")
    first = xs[0]
    require_dim("dimension", dimension, first.rank)
    for x in xs:
        require(x.rank == first.rank, str(x), f"rank {first.rank}", "reshape it")
        require_type("operand", x, _with(first.shape, dimension, x.shape[dimension]), first)
    total = sum(x.shape[dimension] for x in xs)
    return TensorType(_with(first.shape, dimension, total), first.dtype)


@primitive(_concatenate_type)
def concatenate(*xs: Array, result_type: TensorType, dimension: int) -> Array:
    """Join tensors that differ only in `dimension`, in order, along it."""
    return np.concatenate(xs, axis=dimension)


def _slice_type(
    x: TensorType, *, start_indices: Dims, limit_indices: Dims, strides: Dims
) -> TensorType:
    names = ("start_indices", "limit_indices", "strides")
    for name, ints in zip(names, (start_indices, limit_indices, strides), strict=True):
        require_ints(name, ints, x.rank)
    for bounds in zip(x.shape, start_indices, limit_indices, strides, strict=True):
        size, start, limit, stride = bounds
        good = 0 <= start <= limit <= size and stride > 0
        got = f"start {start}, limit {limit}, stride {stride}"
        require(good, got, f"0 <= start <= limit <= {size} and stride > 0", "stay inside")
    extents = zip(start_indices, limit_indices, strides, strict=True)
    return TensorType(tuple(-(-(e - s) // step) for s, e, step in extents), x.dtype)


@primitive(_slice_type)
def slice_(
    x: Array, result_type: TensorType, *, start_indices: Dims, limit_indices: Dims, strides: Dims
) -> Array:
    """Elements start, start + stride, ... below limit, per dim."""
    windows = map(builtins.slice, start_indices, limit_indices, strides)
    return x[tuple(windows)]


def _pad_type(
    x: TensorType,
    value: TensorType,
    *,
    edge_padding_low: Dims,
    edge_padding_high: Dims,
    interior_padding: Dims,
) -> TensorType:
    require_type("padding value", value, (), x)
    require_ints("edge_padding_low", edge_padding_low, x.rank)
    require_ints("edge_padding_high", edge_padding_high, x.rank)
    require_ints("interior_padding", interior_padding, x.rank)
    inside = all(i >= 0 for i in interior_padding)
    require(inside, f"interior_padding={interior_padding}", "0 or more", "slice instead")
    spread = _spread(x.shape, interior_padding)
    shape = tuple(map(sum, zip(edge_padding_low, spread, edge_padding_high, strict=True)))
    require(min(shape, default=0) >= 0, f"result shape {shape}", "dims of 0 or more", "crop less")
    return TensorType(shape, x.dtype)


@primitive(_pad_type)
def pad(
    x: Array,
    value: Array,
    result_type: TensorType,
    *,
    edge_padding_low: Dims,
    edge_padding_high: Dims,
    interior_padding: Dims,
) -> Array:
    """Put `value` (a scalar) around and between elements; negative edge padding crops."""
    low, high = np.array([edge_padding_low, edge_padding_high], dtype=int).reshape(2, -1)
    spread = np.full(_spread(x.shape, interior_padding), value, dtype=x.dtype)
    spread[tuple(builtins.slice(None, None, i + 1) for i in interior_padding)] = x
    stops = np.array(spread.shape, dtype=int) - np.maximum(-high, 0)
    cropped = spread[tuple(map(builtins.slice, np.maximum(-low, 0), stops))]
    out = np.full(result_type.shape, value, dtype=x.dtype)
    starts = np.maximum(low, 0)
    out[tuple(map(builtins.slice, starts, starts + cropped.shape))] = cropped
    return out


def _reverse_type(x: TensorType, *, dimensions: Dims) -> TensorType:
    require_dims("dimensions", dimensions, x.rank)
    return x


@primitive(_reverse_type)
def reverse(x: Array, result_type: TensorType, *, dimensions: Dims) -> Array:
    """Turn the order of elements around along `dimensions`."""
    return np.flip(x, dimensions)


def _convert_type(x: TensorType, *, dtype: str) -> TensorType:
    require_kind(x, REAL)
    result = TensorType(x.shape, dtype_named(dtype))
    require_kind(result, REAL)
    return result


@primitive(_convert_type)
def convert(x: Array, result_type: TensorType, *, dtype: str) -> Array:
    """Change the number format: floats round to nearest even, bool is x != 0.

    Float to integer truncates toward zero and saturates, NaN becomes 0 (StableHLO leaves both
    open); integer to integer wraps.
    """
    target = result_type.dtype
    if target.kind == "bool":
        return x != 0
    if target.is_integer and x.dtype.kind == "f":
        return _saturated(x, target)
    return x.astype(target.numpy)


def _saturated(x: Array, target: DType) -> Array:
    limits = np.iinfo(target.numpy)
    whole = x.astype(target.numpy)
    whole = np.where(x >= float(limits.max), target.numpy.type(limits.max), whole)
    whole = np.where(x <= float(limits.min), target.numpy.type(limits.min), whole)
    return np.where(np.isnan(x), target.numpy.type(0), whole)


def _iota_type(*, shape: Dims, dimension: int, dtype: str) -> TensorType:
    require_shape(shape)
    require_dim("dimension", dimension, len(shape))
    result = TensorType(shape, dtype_named(dtype))
    require_kind(result, NUMBER)
    return result


@primitive(_iota_type)
def iota(result_type: TensorType, *, shape: Dims, dimension: int, dtype: str) -> Array:
    """0, 1, 2, ... along `dimension`, the same in all others."""
    column = [1] * len(shape)
    column[dimension] = -1
    counts = np.arange(shape[dimension]).astype(result_type.dtype.numpy)
    return np.broadcast_to(counts.reshape(column), shape)


def _with(shape: Dims, dim: int, size: int) -> Dims:
    return (*shape[:dim], size, *shape[dim + 1 :])


def _spread(shape: Dims, interior: Dims) -> Dims:
    """The shape with `interior` elements put between any two."""
    return tuple(n + max(n - 1, 0) * i for n, i in zip(shape, interior, strict=True))
