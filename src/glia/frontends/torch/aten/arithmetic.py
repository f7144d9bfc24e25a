"""Arithmetic and elementary functions, element by element."""

from __future__ import annotations

import math
from typing import Any

from glia.frontends.torch.aten.table import rule
from glia.frontends.torch.emitter import ArgumentUnsupported, Emitter, Operand
from glia.graph.ir import Value


@rule("add")
def add(e: Emitter, x: Value, y: Operand, *, alpha: float = 1) -> Value:
    """`x + alpha * y`; on bool it is `or`."""
    format = e.out.dtype
    if format.name == "bool":
        return e.binary("or", x, y, format)
    scaled = y if alpha == 1 else multiply(e, y, alpha)
    return e.binary("add", x, scaled, format)


@rule("sub")
def sub(e: Emitter, x: Operand, y: Operand, alpha: float = 1) -> Value:
    """`x - alpha * y`."""
    scaled = y if alpha == 1 else multiply(e, y, alpha)
    return e.binary("subtract", x, scaled, e.out.dtype)


@rule("rsub")
def rsub(e: Emitter, x: Value, y: Operand, alpha: float = 1) -> Value:
    """`y - alpha * x`."""
    return sub(e, y, x, alpha)


def multiply(e: Emitter, x: Operand, y: Operand) -> Operand:
    """The product in the result's format; of two numbers, a number."""
    if isinstance(x, Value) or isinstance(y, Value):
        return e.binary("multiply", x, y, e.out.dtype)
    return x * y


@rule("mul", "multiply")
def mul(e: Emitter, x: Value, y: Operand) -> Value:
    """`x * y`; on bool it is `and`."""
    format = e.out.dtype
    return e.binary("and" if format.name == "bool" else "multiply", x, y, format)


@rule("div", "divide", "true_divide")
def div(e: Emitter, x: Value, y: Operand, *, rounding_mode: str | None = None) -> Value:
    """`x / y`, exact, truncated or floored."""
    if rounding_mode == "floor":
        return floor_divide(e, x, y)
    quotient = e.binary("divide", x, y, e.out.dtype)
    return truncate(e, quotient) if rounding_mode == "trunc" else quotient


def truncate(e: Emitter, x: Value) -> Value:
    """Round towards zero; integers are whole already."""
    if not x.type.dtype.is_float:
        return x
    is_negative = e.compare("LT", x, 0.0)
    return e.select(is_negative, e.emit("ceil", x), e.emit("floor", x), x.type.dtype)


@rule("trunc", "fix")
def trunc(e: Emitter, x: Value) -> Value:
    """Round towards zero."""
    return truncate(e, x)


@rule("floor_divide")
def floor_divide(e: Emitter, x: Value, y: Operand) -> Value:
    """The quotient rounded towards minus infinity."""
    format = e.out.dtype
    if format.is_float:
        return e.emit("floor", e.binary("divide", x, y, format))
    whole = e.binary("subtract", x, remainder(e, x, y), format)
    return e.binary("divide", whole, y, format)


@rule("remainder")
def remainder(e: Emitter, x: Value, y: Operand) -> Value:
    """The rest of the floored division: it has the sign of `y`."""
    format = e.out.dtype
    rest = e.binary("remainder", x, y, format)
    zero = e.full(0, rest.type.shape, format)
    below = e.compare("LT", rest, zero)
    divisor_below = e.compare("LT", e.operand(y, format, rest.type.shape), zero)
    differs = e.compare("NE", below, divisor_below)
    is_wrong = e.emit("and", differs, e.compare("NE", rest, zero))
    return e.select(is_wrong, e.binary("add", rest, y, format), rest, format)


@rule("fmod")
def fmod(e: Emitter, x: Value, y: Operand) -> Value:
    """The rest of the truncated division: it has the sign of `x`."""
    return e.binary("remainder", x, y, e.out.dtype)


@rule("addcmul")
def addcmul(e: Emitter, x: Value, y: Value, z: Value, *, value: float = 1) -> Value:
    """`x + value * y * z`."""
    product = e.binary("multiply", y, z, e.out.dtype)
    return add(e, x, product, alpha=value)


@rule("addcdiv")
def addcdiv(e: Emitter, x: Value, y: Value, z: Value, *, value: float = 1) -> Value:
    """`x + value * y / z`."""
    return add(e, x, e.binary("divide", y, z, e.out.dtype), alpha=value)


@rule("lerp")
def lerp(e: Emitter, x: Value, y: Value, weight: Operand) -> Value:
    """`x + weight * (y - x)`."""
    step = e.binary("subtract", y, x, e.out.dtype)
    return e.binary("add", x, e.binary("multiply", step, weight, e.out.dtype), e.out.dtype)


@rule("pow")
def power(e: Emitter, x: Operand, exponent: Operand) -> Value:
    """`x ** exponent`; small constant exponents become products and roots."""
    format = e.out.dtype
    if isinstance(x, Value) and isinstance(exponent, int | float):
        base = e.convert(x, format)
        simple = _simple_power(e, base, exponent)
        if simple is not None:
            return simple
    return e.binary("power", x, exponent, format)


def _simple_power(e: Emitter, x: Value, exponent: float) -> Value | None:
    if exponent in (1, 2, 3):
        result = x
        for _ in range(int(exponent) - 1):
            result = e.emit("multiply", result, x)
        return result
    if not x.type.dtype.is_float:
        return None
    roots = {0.5: "sqrt", -0.5: "rsqrt"}
    if exponent in roots:
        return e.emit(roots[exponent], x)
    return e.binary("divide", 1.0, x, x.type.dtype) if exponent == -1 else None


@rule("square")
def square(e: Emitter, x: Value) -> Value:
    """`x * x`."""
    return e.emit("multiply", x, x)


@rule("maximum", "max.other", "fmax")
def maximum(e: Emitter, x: Value, y: Value) -> Value:
    """The larger of two."""
    return e.binary("maximum", x, y, e.out.dtype)


@rule("minimum", "min.other", "fmin")
def minimum(e: Emitter, x: Value, y: Value) -> Value:
    """The smaller of two."""
    return e.binary("minimum", x, y, e.out.dtype)


@rule("clamp", "clip")
def clamp(e: Emitter, x: Value, low: Operand | None = None, high: Operand | None = None) -> Value:
    """Limit to `low` and `high`, where given."""
    result = e.convert(x, e.out.dtype)
    if low is not None:
        result = e.binary("maximum", result, low, e.out.dtype)
    return result if high is None else e.binary("minimum", result, high, e.out.dtype)


@rule("clamp_min")
def clamp_min(e: Emitter, x: Value, low: Operand) -> Value:
    """At least `low`."""
    return clamp(e, x, low)


@rule("clamp_max")
def clamp_max(e: Emitter, x: Value, high: Operand) -> Value:
    """At most `high`."""
    return clamp(e, x, None, high)


_UNARY = {
    "abs": "abs",
    "neg": "negate",
    "negative": "negate",
    "sign": "sign",
    "sgn": "sign",
    "floor": "floor",
    "ceil": "ceil",
    "exp": "exponential",
    "log": "log",
    "sqrt": "sqrt",
    "rsqrt": "rsqrt",
    "tanh": "tanh",
    "sigmoid": "logistic",
    "sin": "sine",
    "cos": "cosine",
    "erf": "erf",
    "special_erf": "erf",
    "special_expit": "logistic",
}


def _declare_unary(aten: str, op: str) -> None:
    @rule(aten)
    def unary(e: Emitter, x: Value) -> Value:
        return e.emit(op, e.convert(x, e.out.dtype))


for _aten, _op in _UNARY.items():
    _declare_unary(_aten, _op)


@rule("round")
def round_(e: Emitter, x: Value, *, decimals: int = 0) -> Value:
    """Round to the nearest whole number, ties to even."""
    if decimals:
        raise ArgumentUnsupported("use round() without decimals")
    return e.emit("round_nearest_even", x) if x.type.dtype.is_float else x


@rule("reciprocal")
def reciprocal(e: Emitter, x: Value) -> Value:
    """`1 / x`."""
    return e.binary("divide", 1.0, x, e.out.dtype)


def _declare_scaled(aten: str, op: str, before: float, after: float) -> None:
    @rule(aten)
    def scaled(e: Emitter, x: Value) -> Value:
        format = e.out.dtype
        inner = e.convert(x, format) if before == 1 else e.binary("multiply", x, before, format)
        result = e.emit(op, inner)
        return result if after == 1 else e.binary("multiply", result, after, format)


_declare_scaled("exp2", "exponential", math.log(2), 1)
_declare_scaled("log2", "log", 1, 1 / math.log(2))
_declare_scaled("log10", "log", 1, 1 / math.log(10))


@rule("log1p")
def log1p(e: Emitter, x: Value) -> Value:
    """`log(1 + x)`."""
    return e.emit("log", e.binary("add", x, 1.0, e.out.dtype))


@rule("expm1")
def expm1(e: Emitter, x: Value) -> Value:
    """`exp(x) - 1`."""
    return e.binary("subtract", e.emit("exponential", e.convert(x, e.out.dtype)), 1.0)


@rule("tan")
def tan(e: Emitter, x: Value) -> Value:
    """`sin(x) / cos(x)`."""
    wide = e.convert(x, e.out.dtype)
    return e.emit("divide", e.emit("sine", wide), e.emit("cosine", wide))


@rule("erfc", "special_erfc")
def erfc(e: Emitter, x: Value) -> Value:
    """`1 - erf(x)`."""
    return e.binary("subtract", 1.0, e.emit("erf", e.convert(x, e.out.dtype)))


def _grown(e: Emitter, x: Value) -> tuple[Value, Value]:
    wide = e.convert(x, e.out.dtype)
    return e.emit("exponential", wide), e.emit("exponential", e.emit("negate", wide))


@rule("sinh")
def sinh(e: Emitter, x: Value) -> Value:
    """`(exp(x) - exp(-x)) / 2`."""
    up, down = _grown(e, x)
    return e.binary("multiply", e.emit("subtract", up, down), 0.5)


@rule("cosh")
def cosh(e: Emitter, x: Value) -> Value:
    """`(exp(x) + exp(-x)) / 2`."""
    up, down = _grown(e, x)
    return e.binary("multiply", e.emit("add", up, down), 0.5)


@rule("nan_to_num")
def nan_to_num(e: Emitter, x: Value, nan: Any = None, high: Any = None, low: Any = None) -> Value:
    """Replace NaN and the infinities by numbers."""
    import torch

    from glia.frontends.torch.tensors import torch_dtype

    if not x.type.dtype.is_float:
        return x
    limits = torch.finfo(torch_dtype(x.type.dtype))
    format = x.type.dtype
    result = e.select(e.compare("NE", x, x), 0.0 if nan is None else nan, x, format)
    top = limits.max if high is None else high
    bottom = limits.min if low is None else low
    result = e.select(e.compare("EQ", result, math.inf), top, result, format)
    return e.select(e.compare("EQ", result, -math.inf), bottom, result, format)
