"""Rounding and the circular functions: several instructions each.

The engines have no floor: a conversion to int32 rounds to nearest even, and the difference is
corrected. The Scalar engine's sine is good on [-pi, pi] only, so angles are reduced first (see
isa/operators/angles.py).
"""

from __future__ import annotations

from typing import Any

from glia.isa.operators.tokens import TOKENS
from glia.isa.tensors.tensor import NkiTensor
from glia.isa.vector_engine import tensor_copy, tensor_copy_predicated, tensor_scalar
from glia.nki.language.dtypes import float32, int32, uint8
from glia.nki.language.memory import tile_like
from glia.nki.language.operators import activated, combine, operator, token

_WHOLE = 2.0**23  # from here on every float32 is a whole number


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
    return _sine(x, "sine_angle", dtype)


def _cos(x: NkiTensor, dtype: Any = None) -> NkiTensor:
    return _sine(x, "cosine_angle", dtype)


def _tan(x: NkiTensor, dtype: Any = None) -> NkiTensor:
    cosine = _cos(x, float32)
    made = tile_like(x, float32)
    tensor_scalar(made, cosine, token("reciprocal"), None)
    return combine("multiply", _sin(x, float32), made, dtype or x.dtype)


def _sine(x: NkiTensor, angle: str, dtype: Any) -> NkiTensor:
    """The sine of an angle within a quarter turn that is found from x."""
    reduced = tile_like(x, float32)
    tensor_scalar(reduced, x, TOKENS[angle], None)
    return activated("sin", reduced, dtype or x.dtype)


ROUNDING = {
    name: operator(name, function)
    for name, function in {
        "ceil": _ceil, "cos": _cos, "floor": _floor, "sin": _sin, "tan": _tan, "trunc": _trunc,
    }.items()
}  # fmt: skip
