"""Reductions along the last free dims, and what is built on them: softmax, RMS norm, selection."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from glia.core.errors import KernelError
from glia.isa.tensors.tensor import NkiTensor
from glia.isa.vector_engine import dropout as isa_dropout
from glia.isa.vector_engine import memset, tensor_copy, tensor_copy_predicated, tensor_reduce
from glia.nki.language.dtypes import float32, uint8
from glia.nki.language.memory import tile_like
from glia.nki.language.operators import OPERATORS, activated, combine, token

Axes = int | Sequence[int]


def _axes(x: NkiTensor, axis: Axes, what: str) -> tuple[int, ...]:
    """The reduced dims, which must be the last ones and not the partition dim."""
    given = (axis,) if isinstance(axis, int) else tuple(axis)
    dims = tuple(sorted(a % x.ndim if -x.ndim <= a < x.ndim else a for a in given))
    if not dims or dims != tuple(range(x.ndim - len(dims), x.ndim)) or dims[0] == 0:
        raise KernelError(
            f"{what}: got axis {axis} of {x!r}, expected the last free dims, such as "
            f"{x.ndim - 1}; reorder the view, or transpose for the partition dim"
        )
    return dims


def _reduced(op: str, x: NkiTensor, axis: Axes, dtype: Any, keepdims: bool, what: str) -> NkiTensor:
    dims = _axes(x, axis, what)
    kept = x.shape[: dims[0]]
    ones = (1,) * len(dims)
    # On chip a tile has at least one free dim.
    shape = kept + (ones if keepdims else ones[:1] if len(kept) == 1 else ())
    made = tile_like(x, dtype, shape)
    tensor_reduce(made, token(op), x, dims)
    return made


def sum(x: NkiTensor, axis: Axes, dtype: Any = None, keepdims: bool = False) -> NkiTensor:
    """Sum along the last free dims."""
    return _reduced("add", x, axis, dtype, keepdims, "nl.sum")


def prod(x: NkiTensor, axis: Axes, dtype: Any = None, keepdims: bool = False) -> NkiTensor:
    """Product along the last free dims."""
    return _reduced("multiply", x, axis, dtype, keepdims, "nl.prod")


def max(x: NkiTensor, axis: Axes, dtype: Any = None, keepdims: bool = False) -> NkiTensor:
    """Largest along the last free dims."""
    return _reduced("maximum", x, axis, dtype, keepdims, "nl.max")


def min(x: NkiTensor, axis: Axes, dtype: Any = None, keepdims: bool = False) -> NkiTensor:
    """Smallest along the last free dims."""
    return _reduced("minimum", x, axis, dtype, keepdims, "nl.min")


def mean(x: NkiTensor, axis: Axes, dtype: Any = None, keepdims: bool = False) -> NkiTensor:
    """Mean along the last free dims, computed in float32."""
    total = _reduced("add", x, axis, float32, keepdims, "nl.mean")
    return combine("multiply", total, 1.0 / _count(x, axis, "nl.mean"), dtype or x.dtype)


def var(x: NkiTensor, axis: Axes, dtype: Any = None, keepdims: bool = False) -> NkiTensor:
    """Variance along the last free dims (mean square deviation); the reduced dims always stay."""
    centre = mean(x, axis, float32, keepdims=True)
    square = activated("square", combine("subtract", x, _spread(centre, x), float32))
    return mean(square, axis, dtype or x.dtype, keepdims=True)


def all(x: NkiTensor, axis: Axes, dtype: Any = None) -> NkiTensor:
    """1 where every element along the last free dims is not 0, else 0."""
    _axes(x, axis, "nl.all")
    truth = combine("not_equal", x, 0.0, float32)
    return _reduced("minimum", truth, axis, dtype or x.dtype, False, "nl.all")


def _count(x: NkiTensor, axis: Axes, what: str) -> int:
    return math.prod(x.shape[d] for d in _axes(x, axis, what))


def _spread(x: NkiTensor, like: NkiTensor) -> NkiTensor:
    """x, whose reduced dims have size 1, seen with the shape of `like`."""
    for dim in range(1, x.ndim):
        if x.shape[dim] != like.shape[dim]:
            x = x.broadcast(dim, like.shape[dim])
    return x


def softmax(x: NkiTensor, axis: Axes = -1, dtype: Any = None) -> NkiTensor:
    """exp(x - max) over its sum, along the last free dims."""
    dims = _axes(x, axis, "nl.softmax")
    largest = max(x, dims, float32, keepdims=True)
    powers = activated("exp", combine("subtract", x, _spread(largest, x), float32))
    total = OPERATORS["reciprocal"](sum(powers, dims, float32, keepdims=True))  # type: ignore[operator]
    return combine("multiply", powers, _spread(total, x), dtype or x.dtype)


def rms_norm(
    x: NkiTensor,
    w: NkiTensor,
    axis: Axes,
    n: int,
    epsilon: float = 1e-06,
    dtype: Any = None,
    compute_dtype: Any = None,
) -> NkiTensor:
    """x / sqrt(sum(x^2) / n + epsilon) * w, along the last free dims; w has x's shape.

    `compute_dtype` is the dtype of what stands between the instructions (float32 unless given).
    """
    dims = _axes(x, axis, "nl.rms_norm")
    kind = compute_dtype or float32
    squares = sum(activated("square", x, kind), dims, float32, keepdims=True)
    mean_square = combine("add", combine("multiply", squares, 1.0 / n), epsilon)
    scale = OPERATORS["rsqrt"](mean_square)  # type: ignore[operator]
    normal = combine("multiply", x, _spread(scale, x), kind)
    return combine("multiply", normal, w, dtype or x.dtype)


def where(condition: NkiTensor, x: Any, y: Any, dtype: Any = None) -> NkiTensor:
    """x where the condition is not 0, else y; tiles of one shape, x and y also numbers."""
    like = next((v for v in (x, y) if isinstance(v, NkiTensor)), condition)
    kind = dtype or like.dtype
    made = _filled(y, like, kind)
    chosen = combine("not_equal", condition, 0.0, uint8)
    tensor_copy_predicated(made, _filled(x, like, kind), chosen)
    return made


def _filled(value: Any, like: NkiTensor, dtype: Any) -> NkiTensor:
    made = tile_like(like, dtype)
    if isinstance(value, NkiTensor):
        tensor_copy(made, value)
    else:
        memset(made, value)
    return made


def dropout(x: NkiTensor, rate: Any, dtype: Any = None) -> NkiTensor:
    """x with elements set to 0 at probability `rate`, a number or a (P, 1) tile; no rescaling."""
    made = tile_like(x)
    isa_dropout(made, x, rate)
    if dtype in (None, x.dtype):
        return made
    wanted = tile_like(x, dtype)
    tensor_copy(wanted, made)
    return wanted
