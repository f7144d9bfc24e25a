"""Primitives that fold elements along dims. Floats accumulate in fp32 or wider."""

from __future__ import annotations

from typing import Any

import numpy as np

from glia.graph.ir import TensorType
from glia.graph.op import primitive
from glia.graph.ops.rules import (
    NUMBER,
    REAL,
    require_choice,
    require_dim,
    require_dims,
    require_kind,
)

Array = np.ndarray[Any, Any]

_FOLDS: dict[str, tuple[np.ufunc, tuple[str, ...]]] = {
    "add": (np.add, NUMBER),
    "multiply": (np.multiply, NUMBER),
    "maximum": (np.maximum, REAL),
    "minimum": (np.minimum, REAL),
    "and": (np.bitwise_and, ("bool", "int", "uint")),
    "or": (np.bitwise_or, ("bool", "int", "uint")),
}


def _reduce_type(x: TensorType, *, dimensions: tuple[int, ...], kind: str) -> TensorType:
    require_choice("kind", kind, tuple(_FOLDS))
    require_kind(x, _FOLDS[kind][1])
    require_dims("dimensions", dimensions, x.rank)
    shape = tuple(size for d, size in enumerate(x.shape) if d not in dimensions)
    return TensorType(shape, x.dtype)


@primitive(_reduce_type)
def reduce(x: Array, result_type: TensorType, *, dimensions: tuple[int, ...], kind: str) -> Array:
    """Fold x over `dimensions`, which vanish, with add, multiply, maximum, minimum, and, or.

    Of no elements the result is the fold's neutral element.
    """
    fold = _FOLDS[kind][0]
    if kind in ("maximum", "minimum"):
        return fold.reduce(x, axis=dimensions, initial=_neutral(x.dtype, kind))
    return fold.reduce(x, axis=dimensions, dtype=x.dtype)


def _neutral(dtype: np.dtype[Any], kind: str) -> Any:
    """What every value of this dtype is at least (maximum) or at most (minimum)."""
    if dtype.kind == "f":
        return -np.inf if kind == "maximum" else np.inf
    if dtype.kind == "b":
        return kind == "minimum"
    limits = np.iinfo(dtype)
    return limits.min if kind == "maximum" else limits.max


def _cumsum_type(x: TensorType, *, dimension: int) -> TensorType:
    require_kind(x, NUMBER)
    require_dim("dimension", dimension, x.rank)
    return x


@primitive(_cumsum_type)
def cumsum(x: Array, result_type: TensorType, *, dimension: int) -> Array:
    """Element i is the sum of elements 0..i along `dimension` (a window sum in StableHLO)."""
    return np.cumsum(x, axis=dimension, dtype=x.dtype)
