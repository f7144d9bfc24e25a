"""The one contraction: every matrix product is a `dot_general`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from glia.graph.ir import TensorType
from glia.graph.op import primitive, require
from glia.graph.ops.rules import NUMBER, dtype_named, require_dims, require_kind

Array = np.ndarray[Any, Any]
Dims = tuple[int, ...]


def _dot_type(
    lhs: TensorType,
    rhs: TensorType,
    *,
    lhs_batching_dimensions: Dims,
    rhs_batching_dimensions: Dims,
    lhs_contracting_dimensions: Dims,
    rhs_contracting_dimensions: Dims,
    dtype: str | None = None,
) -> TensorType:
    require_kind(lhs, NUMBER)
    require(rhs.dtype == lhs.dtype, rhs, f"dtype {lhs.dtype}", "convert one operand")
    require_dims("lhs dimensions", lhs_batching_dimensions + lhs_contracting_dimensions, lhs.rank)
    require_dims("rhs dimensions", rhs_batching_dimensions + rhs_contracting_dimensions, rhs.rank)
    _require_pairs("batching", lhs, rhs, lhs_batching_dimensions, rhs_batching_dimensions)
    _require_pairs("contracting", lhs, rhs, lhs_contracting_dimensions, rhs_contracting_dimensions)
    batch = tuple(lhs.shape[d] for d in lhs_batching_dimensions)
    lhs_free = _free(lhs.rank, lhs_batching_dimensions + lhs_contracting_dimensions)
    rhs_free = _free(rhs.rank, rhs_batching_dimensions + rhs_contracting_dimensions)
    free = (*(lhs.shape[d] for d in lhs_free), *(rhs.shape[d] for d in rhs_free))
    result = lhs.dtype if dtype is None else dtype_named(dtype)
    same_kind = result.kind == lhs.dtype.kind
    require(same_kind, f"dtype={dtype!r}", f"a dtype of kind {lhs.dtype.kind}", "convert after")
    return TensorType(batch + free, result)


def _require_pairs(what: str, lhs: TensorType, rhs: TensorType, left: Dims, right: Dims) -> None:
    got = f"lhs {what} dims {left} and rhs {what} dims {right}"
    require(len(left) == len(right), got, "as many of each", "pair them")
    same = all(lhs.shape[i] == rhs.shape[j] for i, j in zip(left, right, strict=True))
    require(same, got, "paired dims of equal size", "transpose or name other dims")


@primitive(_dot_type)
def dot_general(
    lhs: Array,
    rhs: Array,
    result_type: TensorType,
    *,
    lhs_batching_dimensions: Dims,
    rhs_batching_dimensions: Dims,
    lhs_contracting_dimensions: Dims,
    rhs_contracting_dimensions: Dims,
    dtype: str | None = None,
) -> Array:
    """Sum of products over the contracting dims: [*batch, *lhs free dims, *rhs free dims].

    Floats accumulate in fp32 or wider; the result has dtype `dtype`, or that of the operands.
    """
    if not result_type.dtype.is_float:
        lhs, rhs = lhs.astype(result_type.dtype.numpy), rhs.astype(result_type.dtype.numpy)
    lhs_free = _free(lhs.ndim, lhs_batching_dimensions + lhs_contracting_dimensions)
    rhs_free = _free(rhs.ndim, rhs_batching_dimensions + rhs_contracting_dimensions)
    left = _matrices(lhs, lhs_batching_dimensions, lhs_free, lhs_contracting_dimensions)
    right = _matrices(rhs, rhs_batching_dimensions, rhs_contracting_dimensions, rhs_free)
    return np.matmul(left, right).reshape(result_type.shape)


def _free(rank: int, used: Dims) -> Dims:
    return tuple(d for d in range(rank) if d not in used)


def _matrices(x: Array, batch: Dims, rows: Dims, columns: Dims) -> Array:
    """The tensor as [batch, rows, columns], or [rows, columns] when there is no batch dim."""
    groups = (batch, rows, columns) if batch else (rows, columns)
    sizes = [math.prod(x.shape[d] for d in group) for group in groups]
    return np.transpose(x, batch + rows + columns).reshape(sizes)
