"""Simplifications of elementwise nodes. All keep every value exactly, NaN and signed zero included.

That is why `x + 0.0` stays (it turns -0.0 into 0.0) while `x + -0.0` and `x - 0.0` go.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glia.compiler.passes._rewriter import Rewriter, Rule
from glia.core.dtypes import DType
from glia.graph.ir import Node, Value

_NEGATED = {"EQ": "NE", "NE": "EQ", "LT": "GE", "GE": "LT", "GT": "LE", "LE": "GT"}
_MANTISSA_BITS = {"bfloat16": 8, "float16": 11, "float32": 24, "float64": 53}
_EXPONENT_BITS = {"bfloat16": 8, "float16": 5, "float32": 8, "float64": 11}


def holds(wide: DType, narrow: DType) -> bool:
    """Whether converting from `narrow` to `wide` keeps every value (so that it can be undone)."""
    if wide == narrow or narrow.kind == "bool":
        return wide.kind != "bool" or narrow.kind == "bool"
    if wide.is_float and narrow.is_float:
        names = wide.name in _MANTISSA_BITS and narrow.name in _MANTISSA_BITS
        return names and all(
            bits[wide.name] >= bits[narrow.name] for bits in (_MANTISSA_BITS, _EXPONENT_BITS)
        )
    narrow_bits = 8 * narrow.itemsize - (narrow.kind == "int")
    if wide.is_float and narrow.is_integer:
        # float16 reaches 65504, so its 11 bits are the tighter limit for 8-bit integers as well.
        return narrow_bits <= _MANTISSA_BITS.get(wide.name, 0)
    if wide.is_integer and narrow.is_integer and not (wide.kind == "uint" and narrow.kind == "int"):
        return 8 * wide.itemsize - (wide.kind == "int") >= narrow_bits
    return False


def convert(rw: Rewriter, node: Node) -> Value | None:
    """Drop a conversion to the same dtype; skip a lossless step in between."""
    x = node.operands[0]
    if x.type.dtype == node.result.type.dtype:
        return x
    inner = rw.made_by(x, "convert")
    if inner is None or not holds(x.type.dtype, inner.operands[0].type.dtype):
        return None
    if inner.operands[0].type.dtype == node.result.type.dtype:
        return inner.operands[0]
    return rw.replace(node, "convert", inner.operands[0], **node.attrs)


def neutral_operand(rw: Rewriter, node: Node) -> Value | None:
    """Drop an operand that changes nothing: `x * 1`, `x - 0`, `x and true`, ..."""
    x, y = node.operands
    if _is_neutral(node.op, rw.splat(y), y.type.dtype):
        return x
    commutes = node.op in ("add", "multiply", "and", "or", "xor")
    return y if commutes and _is_neutral(node.op, rw.splat(x), x.type.dtype) else None


def _is_neutral(op: str, number: Any | None, dtype: DType) -> bool:
    if number is None:
        return False
    if op in ("multiply", "divide", "power"):
        return bool(number == 1)
    if op in ("add", "subtract"):
        sign_is_safe = not dtype.is_float or bool(np.signbit(float(number))) == (op == "add")
        return bool(number == 0) and sign_is_safe
    if dtype.kind == "bool":
        return bool(number) == (op == "and")
    return op in ("or", "xor") and bool(number == 0)


def absorbing_operand(rw: Rewriter, node: Node) -> Value | None:
    """`x and false` is false, `x or true` is true, `x and x` is x (bool only for the first two)."""
    x, y = node.operands
    if x == y:
        return x
    for operand in (y, x):
        number = rw.splat(operand)
        is_flag = number is not None and operand.type.dtype.kind == "bool"
        if is_flag and bool(number) == (node.op == "or"):
            return operand
    return None


def small_power(rw: Rewriter, node: Node) -> Value | None:
    """`x ** 2` is a multiplication, `x ** 3` two."""
    x, exponent = node.operands[0], rw.splat(node.operands[1])
    if exponent == 2:
        return rw.replace(node, "multiply", x, x)
    if exponent == 3:
        square = rw.emit("multiply", x, x, hint=f"{node.result.name}.square")
        return rw.replace(node, "multiply", square, x)
    return None


def not_(rw: Rewriter, node: Node) -> Value | None:
    """`not not x` is x; `not (a == b)` is `a != b`; order comparisons only where NaN cannot be."""
    inner = rw.made_by(node.operands[0], "not", "compare")
    if inner is None:
        return None
    if inner.op == "not":
        return inner.operands[0]
    direction = inner.attrs["direction"]
    if direction not in ("EQ", "NE") and inner.operands[0].type.dtype.is_float:
        return None
    return rw.replace(node, "compare", *inner.operands, direction=_NEGATED[direction])


def negate(rw: Rewriter, node: Node) -> Value | None:
    """`-(-x)` is x."""
    inner = rw.made_by(node.operands[0], "negate")
    return None if inner is None else inner.operands[0]


def compare_of_bool(rw: Rewriter, node: Node) -> Value | None:
    """Comparing a bool, or a converted bool, with 0 or 1 is the bool or its negation."""
    x, number, direction = node.operands[0], rw.splat(node.operands[1]), node.attrs["direction"]
    inner = rw.made_by(x, "convert")
    flag = x if x.type.dtype.kind == "bool" else inner.operands[0] if inner else None
    if flag is None or flag.type.dtype.kind != "bool" or number not in (0, 1):
        return None
    if direction not in ("EQ", "NE"):
        return None
    if bool(number) == (direction == "EQ"):
        return flag
    return rw.replace(node, "not", flag)


def select(rw: Rewriter, node: Node) -> Value | None:
    """A known predicate, equal branches, a negated predicate, or a bool spelled as a select."""
    pred, on_true, on_false = node.operands
    number = rw.splat(pred)
    if number is not None:
        return on_true if number else on_false
    if on_true == on_false:
        return on_true
    if (inner := rw.made_by(pred, "not")) is not None:
        return rw.replace(node, "select", inner.operands[0], on_false, on_true)
    if on_true.type.dtype.kind == "bool":
        ends = rw.splat(on_true), rw.splat(on_false)
        if ends == (True, False):
            return pred
        if ends == (False, True):
            return rw.replace(node, "not", pred)
    return None


_LOGIC: tuple[Rule, ...] = (neutral_operand, absorbing_operand)
RULES: dict[str, tuple[Rule, ...]] = {
    "convert": (convert,),
    "add": (neutral_operand,),
    "subtract": (neutral_operand,),
    "multiply": (neutral_operand,),
    "divide": (neutral_operand,),
    "power": (neutral_operand, small_power),
    "and": _LOGIC,
    "or": _LOGIC,
    "xor": (neutral_operand,),
    "not": (not_,),
    "negate": (negate,),
    "compare": (compare_of_bool,),
    "select": (select,),
}
