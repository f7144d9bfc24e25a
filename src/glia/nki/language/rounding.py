"""Rounding and the circular functions: several instructions each.

The engines have no floor: a conversion to int32 rounds to nearest even, and the difference is
corrected. The Scalar engine's sine is good on [-pi, pi] only, so angles are reduced first.
"""

from __future__ import annotations

import math
from typing import Any

from glia.isa.tensors.tensor import NkiTensor
from glia.isa.vector_engine import (
    scalar_tensor_tensor,
    tensor_copy,
    tensor_copy_predicated,
    tensor_scalar,
)
from glia.nki.language.dtypes import float32, int32, uint8
from glia.nki.language.memory import tile_like
from glia.nki.language.operators import activated, combine, operator, token

_WHOLE = 2.0**23  # from here on every float32 is a whole number
# 2 pi in three parts: products of the first two with quotients up to 2^13 are exact in float32.
_TURN = (6.28125, 0.0019340515136718750, 1.2556659146e-06)
_PI = 3.1415925025939941  # the largest float32 below pi: the Scalar engine's range is [-pi, pi]


def _floor(x: NkiTensor, dtype: Any = None) -> NkiTensor:
    return _rounded(x, dtype, "subtract", "greater")


def _ceil(x: NkiTensor, dtype: Any = None) -> NkiTensor:
    return _rounded(x, dtype, "add", "less")


def _trunc(x: NkiTensor, dtype: Any = None) -> NkiTensor:
    size = _rounded(activated("abs", x, float32), float32, "subtract", "greater")
    return combine("multiply", size, activated("sign", x, float32), dtype or x.dtype)


def _rounded(x: NkiTensor, dtype: Any, fix: str, beyond: str) -> NkiTensor:
    """Nearest whole number, moved by one where it is `beyond` x; large numbers, inf, NaN as is."""
    value = combine("add", x, 0.0, float32)
    nearest = _converted(_converted(value, int32), float32)
    step = combine(beyond, nearest, value, float32)
    whole = combine(fix, nearest, step, float32)
    small = combine("less", activated("abs", value), _WHOLE, uint8)
    tensor_copy_predicated(value, whole, small)
    return _converted(value, dtype or x.dtype)


def _converted(x: NkiTensor, dtype: Any) -> NkiTensor:
    if x.dtype == dtype:
        return x
    made = tile_like(x, dtype)
    tensor_copy(made, x)
    return made


def _sin(x: NkiTensor, dtype: Any = None) -> NkiTensor:
    return _sine(x, 0.0, dtype)


def _cos(x: NkiTensor, dtype: Any = None) -> NkiTensor:
    return _sine(x, math.pi / 2, dtype)


def _tan(x: NkiTensor, dtype: Any = None) -> NkiTensor:
    cosine = _sine(x, math.pi / 2, float32)
    made = tile_like(x, float32)
    tensor_scalar(made, cosine, token("reciprocal"), None)
    return combine("multiply", _sine(x, 0.0, float32), made, dtype or x.dtype)


def _sine(x: NkiTensor, phase: float, dtype: Any) -> NkiTensor:
    """sin(x + phase), x reduced by whole turns to [-pi, pi]."""
    turns = tile_like(x, float32)
    tensor_scalar(turns, x, token("add"), phase, op1=token("multiply"), operand1=1 / math.tau)
    turns = _converted(_converted(turns, int32), float32)
    angle = x
    for part in _TURN:
        left = tile_like(x, float32)
        scalar_tensor_tensor(left, turns, token("multiply"), -part, token("add"), angle)
        angle = left
    kept = tile_like(x, float32)
    tensor_scalar(kept, angle, token("add"), phase, op1=token("minimum"), operand1=_PI)
    return activated("sin", combine("maximum", kept, -_PI), dtype or x.dtype)


ROUNDING = {
    name: operator(name, function)
    for name, function in {
        "ceil": _ceil, "cos": _cos, "floor": _floor, "sin": _sin, "tan": _tan, "trunc": _trunc,
    }.items()
}  # fmt: skip
