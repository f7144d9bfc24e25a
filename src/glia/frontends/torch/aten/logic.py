"""Comparisons, logic, and choosing by a mask."""

from __future__ import annotations

import math

from glia.frontends.torch.aten.table import rule
from glia.frontends.torch.emitter import Emitter, Operand
from glia.graph.ir import Value

_DIRECTIONS = {"eq": "EQ", "ne": "NE", "lt": "LT", "le": "LE", "gt": "GT", "ge": "GE"}
_LOGICAL = {"logical_and": "and", "logical_or": "or"}
_BITWISE = {"bitwise_and": "and", "bitwise_or": "or", "bitwise_xor": "xor"}
_BITWISE |= {"__and__": "and", "__or__": "or", "__xor__": "xor"}


def _declare_comparison(aten: str, direction: str) -> None:
    @rule(aten)
    def comparison(e: Emitter, x: Value, y: Operand) -> Value:
        return e.compare(direction, x, y)


def _declare_logical(aten: str, op: str) -> None:
    @rule(aten)
    def logical(e: Emitter, x: Value, y: Value) -> Value:
        return e.binary(op, truth(e, x), truth(e, y))


def _declare_bitwise(aten: str, op: str) -> None:
    @rule(aten)
    def bitwise(e: Emitter, x: Value, y: Operand) -> Value:
        return e.binary(op, x, y, e.out.dtype)


for _aten, _direction in _DIRECTIONS.items():
    _declare_comparison(_aten, _direction)
for _aten, _op in _LOGICAL.items():
    _declare_logical(_aten, _op)
for _aten, _op in _BITWISE.items():
    _declare_bitwise(_aten, _op)


def truth(e: Emitter, x: Value) -> Value:
    """Whether each element is not zero."""
    return x if x.type.dtype.name == "bool" else e.compare("NE", x, 0)


@rule("logical_not")
def logical_not(e: Emitter, x: Value) -> Value:
    """Whether each element is zero."""
    return e.emit("not", truth(e, x))


@rule("logical_xor")
def logical_xor(e: Emitter, x: Value, y: Value) -> Value:
    """Whether exactly one is not zero."""
    return e.binary("xor", truth(e, x), truth(e, y))


@rule("bitwise_not")
def bitwise_not(e: Emitter, x: Value) -> Value:
    """Flip all bits."""
    return e.emit("not", x)


@rule("isnan")
def isnan(e: Emitter, x: Value) -> Value:
    """NaN is the one value that differs from itself."""
    return e.compare("NE", x, x)


@rule("isinf")
def isinf(e: Emitter, x: Value) -> Value:
    """Whether each element is plus or minus infinity."""
    return e.compare("EQ", e.emit("abs", x), math.inf)


@rule("isfinite")
def isfinite(e: Emitter, x: Value) -> Value:
    """Whether each element is neither infinite nor NaN."""
    return e.emit("is_finite", x)


@rule("where.self", "where.ScalarSelf", "where.ScalarOther", "where.Scalar")
def where(e: Emitter, condition: Value, x: Operand, y: Operand) -> Value:
    """`x` where the condition holds, else `y`."""
    return e.select(condition, x, y, e.out.dtype)


@rule("masked_fill")
def masked_fill(e: Emitter, x: Value, mask: Value, number: Operand) -> Value:
    """The number where the mask holds, else `x`."""
    return e.select(mask, number, x, e.out.dtype)
