"""Primitives that treat every element alone: any shape [...], all operands and the result alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from glia.core.dtypes import dtype
from glia.graph.ir import TensorType
from glia.graph.op import primitive, require
from glia.graph.ops.rules import (
    NUMBER,
    REAL,
    binary,
    require_choice,
    require_kind,
    require_same,
    unary,
)

Array = np.ndarray[Any, Any]
BITS = ("bool", "int", "uint")


@primitive(unary(*NUMBER))
def abs_(x: Array, result_type: TensorType) -> Array:
    """|x|."""
    return np.abs(x)


@primitive(unary(*NUMBER))
def negate(x: Array, result_type: TensorType) -> Array:
    """-x; unsigned integers wrap."""
    return np.negative(x)


@primitive(unary("float", "int"))
def sign(x: Array, result_type: TensorType) -> Array:
    """-1, 0 or 1; NaN stays NaN."""
    return np.sign(x)


@primitive(unary("float"))
def exponential(x: Array, result_type: TensorType) -> Array:
    """e to the power x."""
    return np.exp(x)


@primitive(unary("float"))
def log(x: Array, result_type: TensorType) -> Array:
    """Natural logarithm; NaN below zero."""
    return np.log(x)


@primitive(unary("float"))
def sqrt(x: Array, result_type: TensorType) -> Array:
    """Square root; NaN below zero."""
    return np.sqrt(x)


@primitive(unary("float"))
def rsqrt(x: Array, result_type: TensorType) -> Array:
    """1 / sqrt(x)."""
    return 1 / np.sqrt(x)


@primitive(unary("float"))
def tanh(x: Array, result_type: TensorType) -> Array:
    """Hyperbolic tangent."""
    return np.tanh(x)


@primitive(unary("float"))
def logistic(x: Array, result_type: TensorType) -> Array:
    """1 / (1 + exp(-x)), the sigmoid."""
    return 1 / (1 + np.exp(-x))


@primitive(unary("float"))
def sine(x: Array, result_type: TensorType) -> Array:
    """Sine of radians."""
    return np.sin(x)


@primitive(unary("float"))
def cosine(x: Array, result_type: TensorType) -> Array:
    """Cosine of radians."""
    return np.cos(x)


@primitive(unary("float"))
def floor(x: Array, result_type: TensorType) -> Array:
    """Largest integer not above x."""
    return np.floor(x)


@primitive(unary("float"))
def ceil(x: Array, result_type: TensorType) -> Array:
    """Smallest integer not below x."""
    return np.ceil(x)


@primitive(unary("float"))
def round_nearest_even(x: Array, result_type: TensorType) -> Array:
    """Nearest integer, ties to even."""
    return np.rint(x)


@primitive(unary("float"))
def erf(x: Array, result_type: TensorType) -> Array:
    """Gauss error function (of CHLO, StableHLO's companion)."""
    from scipy.special import erf as scipy_erf

    return scipy_erf(x)


@primitive(unary(*BITS))
def not_(x: Array, result_type: TensorType) -> Array:
    """Logical not of bools, bitwise not of integers."""
    return np.invert(x)


@primitive(unary("float", result="bool"))
def is_finite(x: Array, result_type: TensorType) -> Array:
    """False for infinities and NaN; the result is bool."""
    return np.isfinite(x)


@primitive(binary(*NUMBER))
def add(lhs: Array, rhs: Array, result_type: TensorType) -> Array:
    """lhs + rhs."""
    return np.add(lhs, rhs)


@primitive(binary(*NUMBER))
def subtract(lhs: Array, rhs: Array, result_type: TensorType) -> Array:
    """lhs - rhs."""
    return np.subtract(lhs, rhs)


@primitive(binary(*NUMBER))
def multiply(lhs: Array, rhs: Array, result_type: TensorType) -> Array:
    """lhs * rhs."""
    return np.multiply(lhs, rhs)


@primitive(binary(*NUMBER))
def divide(lhs: Array, rhs: Array, result_type: TensorType) -> Array:
    """lhs / rhs; integers truncate toward zero, and division by integer zero gives 0."""
    if result_type.dtype.is_float:
        return np.divide(lhs, rhs)
    down = np.floor_divide(lhs, rhs)
    return down + ((down < 0) & (np.remainder(lhs, rhs) != 0))


@primitive(binary(*REAL))
def maximum(lhs: Array, rhs: Array, result_type: TensorType) -> Array:
    """The larger; NaN if either is; or, of bools."""
    return np.maximum(lhs, rhs)


@primitive(binary(*REAL))
def minimum(lhs: Array, rhs: Array, result_type: TensorType) -> Array:
    """The smaller; NaN if either is; and, of bools."""
    return np.minimum(lhs, rhs)


@primitive(binary("float"))
def power(lhs: Array, rhs: Array, result_type: TensorType) -> Array:
    """lhs to the power rhs."""
    return np.power(lhs, rhs)


@primitive(binary(*NUMBER))
def remainder(lhs: Array, rhs: Array, result_type: TensorType) -> Array:
    """What truncating division leaves: has the sign of lhs; 0 for an integer rhs of 0."""
    return np.fmod(lhs, rhs)


@primitive(binary(*BITS))
def and_(lhs: Array, rhs: Array, result_type: TensorType) -> Array:
    """Logical and of bools, bitwise and of integers."""
    return np.bitwise_and(lhs, rhs)


@primitive(binary(*BITS))
def or_(lhs: Array, rhs: Array, result_type: TensorType) -> Array:
    """Logical or of bools, bitwise or of integers."""
    return np.bitwise_or(lhs, rhs)


@primitive(binary(*BITS))
def xor(lhs: Array, rhs: Array, result_type: TensorType) -> Array:
    """Logical exclusive or of bools, bitwise of integers."""
    return np.bitwise_xor(lhs, rhs)


COMPARISONS = {
    "EQ": np.equal,
    "NE": np.not_equal,
    "LT": np.less,
    "LE": np.less_equal,
    "GT": np.greater,
    "GE": np.greater_equal,
}


def _compare_type(lhs: TensorType, rhs: TensorType, *, direction: str) -> TensorType:
    require_kind(lhs, REAL)
    require_same(lhs, rhs)
    require_choice("direction", direction, tuple(COMPARISONS))
    return TensorType(lhs.shape, dtype("bool"))


@primitive(_compare_type)
def compare(lhs: Array, rhs: Array, result_type: TensorType, *, direction: str) -> Array:
    """lhs `direction` rhs, one of EQ NE LT LE GT GE; the result is bool."""
    return COMPARISONS[direction](lhs, rhs)


def _select_type(pred: TensorType, on_true: TensorType, on_false: TensorType) -> TensorType:
    require_same(on_true, on_false)
    shaped = pred.dtype.kind == "bool" and pred.shape in ((), on_true.shape)
    expected = f"a bool of shape {on_true.shape} or ()"
    require(shaped, f"pred {pred}", expected, "compare or broadcast_in_dim first")
    return on_true


@primitive(_select_type)
def select(pred: Array, on_true: Array, on_false: Array, result_type: TensorType) -> Array:
    """on_true where pred (bool, of the same shape or a scalar) holds, else on_false."""
    return np.where(pred, on_true, on_false)


def _clamp_type(low: TensorType, x: TensorType, high: TensorType) -> TensorType:
    require_kind(x, NUMBER)
    for bound in (low, high):
        good = bound.dtype == x.dtype and bound.shape in ((), x.shape)
        expected = f"a bound of {x.dtype} and shape {x.shape} or ()"
        require(good, f"bound {bound}", expected, "convert or broadcast_in_dim it")
    return x


@primitive(_clamp_type)
def clamp(low: Array, x: Array, high: Array, result_type: TensorType) -> Array:
    """minimum(maximum(x, low), high); each bound has x's shape or is a scalar."""
    return np.minimum(np.maximum(x, low), high)
