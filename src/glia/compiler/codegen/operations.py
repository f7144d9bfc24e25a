"""One elementwise graph op as lines of NKI: which instruction computes it, on which operands.

Floats are computed in fp32 tiles, bool as uint8 of 0 and 1; only the last operation of a group
writes the result's own format. Integers of 32 bits take the paths that do not pass through fp32.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from glia.compiler.codegen import rounding
from glia.compiler.codegen.text import Lines, Term, as_tile
from glia.core.dtypes import DType
from glia.graph.ir import Node

Emit = Callable[[Lines, Term, list[Term], Node], None]
EMITTERS: dict[str, Emit] = {}

_FUNCTIONS = {
    "exponential": "exp",
    "log": "log",
    "sqrt": "sqrt",
    "rsqrt": "rsqrt",
    "tanh": "tanh",
    "logistic": "sigmoid",
    "erf": "erf",
    "silu": "silu",
}
_ALU = {
    "add": "add",
    "subtract": "subtract",
    "multiply": "multiply",
    "maximum": "maximum",
    "minimum": "minimum",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
}
_ON_BOOL = {
    "add": "bitwise_or",
    "maximum": "bitwise_or",
    "multiply": "bitwise_and",
    "minimum": "bitwise_and",
}
_COMPARE = {
    "EQ": "equal",
    "NE": "not_equal",
    "LT": "less",
    "LE": "less_equal",
    "GT": "greater",
    "GE": "greater_equal",
}
_EXACT_BELOW = 2.0**24  # integers of smaller magnitude survive a trip through fp32
_FLOATS_ONLY = frozenset(
    {*_FUNCTIONS, "gelu", "divide", "power", "remainder", "sine", "cosine", "floor", "ceil",
     "round_nearest_even", "is_finite"}
)  # fmt: skip


def refusal(node: Node) -> str | None:
    """Why no engine computes this elementwise node, or None."""
    if node.op not in EMITTERS:
        return f"got elementwise {node.op}, which no engine computes; rewrite it with other ops"
    for operand in node.operands:
        dtype = operand.type.dtype
        if node.op in _FLOATS_ONLY and not dtype.is_float:
            return f"got {node.op} of {dtype}, which no engine computes; convert to float32 first"
    return None


def emit(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    """Write the instructions of one node into `dst`; the node must not be refused."""
    EMITTERS[node.op](lines, dst, terms, node)


def _emits(*ops: str) -> Callable[[Emit], Emit]:
    def decorate(rule: Emit) -> Emit:
        EMITTERS.update(dict.fromkeys(ops, rule))
        return rule

    return decorate


# -- arithmetic ----------------------------------------------------------------------------------


def binary(lines: Lines, dst: Term, one: Term, other: Term, op: str) -> None:
    """`dst = one op other` for tiles, columns and numbers, in fp32 (or on bits)."""
    if one.is_number and other.is_number:
        one = as_tile(lines, one)
    bits = op.startswith("bitwise")
    if other.is_number or (other.column and not bits):
        operand = other.literal if other.is_number else other.column
        lines.scalar(dst, one.text, op, operand)
    elif one.is_number or (one.column and not bits):
        operand = one.literal if one.is_number else one.column
        lines.scalar(dst, other.text, op, operand, reverse=True)
    else:
        lines.pair(dst, one.text, other.text, op)


def exact(lines: Lines, dst: Term, one: Term, other: Term, op: str, dtype: DType) -> None:
    """As `binary`, on 32-bit integers: the engines keep all bits when every tile is one."""
    format = "uint32" if dtype.name == "uint32" else "int32"
    target = dst if dst.format == format else lines.tile(format)
    left, right = as_tile(lines, one, format), as_tile(lines, other, format)
    lines.pair(target, left.text, right.text, op)
    if target is not dst:
        lines.copy(dst, target.text)


def _arithmetic(lines: Lines, dst: Term, one: Term, other: Term, op: str, dtype: DType) -> None:
    compute = exact if dtype.is_integer and not op.startswith("bitwise") else None
    if compute is None:
        binary(lines, dst, one, other, op)
    else:
        compute(lines, dst, one, other, op, dtype)


@_emits(*_ALU)
def _alu(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    dtype = node.operands[0].type.dtype
    table = {**_ALU, **_ON_BOOL} if dtype.kind == "bool" else _ALU
    _arithmetic(lines, dst, terms[0], terms[1], table[node.op], dtype)


@_emits("compare")
def _compare(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    dtype, op = node.operands[0].type.dtype, _COMPARE[node.attrs["direction"]]
    small = any(t.number is not None and abs(t.number) < _EXACT_BELOW for t in terms)
    if dtype.is_integer and dtype.itemsize == 4 and not small:
        exact(lines, dst, terms[0], terms[1], op, dtype)
    else:
        binary(lines, dst, terms[0], terms[1], op)


@_emits("negate")
def _negate(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    dtype = node.operands[0].type.dtype
    if dtype.is_integer:
        exact(lines, dst, Term("", "int32", 0), terms[0], "subtract", dtype)
    else:
        lines.scalar(dst, terms[0].text, "multiply", -1.0)


@_emits("abs")
def _abs(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    dtype = node.operands[0].type.dtype
    if dtype.is_integer:
        opposite = lines.tile("int32")
        exact(lines, opposite, Term("", "int32", 0), terms[0], "subtract", dtype)
        exact(lines, dst, terms[0], opposite, "maximum", dtype)
    else:
        lines.scalar(dst, terms[0].text, "abs", 0.0)


@_emits("sign")
def _sign(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    if node.operands[0].type.dtype.is_float:
        lines.activate(dst, as_tile(lines, terms[0]).text, "sign")
    else:
        lines.scalar(dst, terms[0].text, "maximum", -1, "minimum", 1)


@_emits("relu")
def _relu(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    zero = Term("", terms[0].format, 0)
    _arithmetic(lines, dst, terms[0], zero, "maximum", node.operands[0].type.dtype)


@_emits("not")
def _not(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    flipped = 1 if node.operands[0].type.dtype.kind == "bool" else -1
    lines.scalar(dst, as_tile(lines, terms[0]).text, "bitwise_xor", flipped)


@_emits("divide")
def _divide(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    """Multiply by the reciprocal: no engine divides."""
    one, other = terms
    if other.number is not None:
        inverse = 1 / other.number if other.number else math.copysign(math.inf, other.number)
        lines.scalar(dst, as_tile(lines, one).text, "multiply", inverse)
    elif one.number == 1:
        lines.add(f"nisa.reciprocal(dst={dst.text}, data={other.text})")
    else:
        inverse_tile = lines.tile("float32")
        lines.add(f"nisa.reciprocal(dst={inverse_tile.text}, data={other.text})")
        binary(lines, dst, one, inverse_tile, "multiply")


@_emits("power")
def _power(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    base, exponent = as_tile(lines, terms[0]), terms[1]
    known = {2.0: "square", 0.5: "sqrt", -0.5: "rsqrt", 1.0: "copy"}
    if exponent.number in known:
        lines.activate(dst, base.text, known[exponent.number])
    elif exponent.number == 3.0:
        square = lines.tile("float32")
        lines.activate(square, base.text, "square")
        lines.pair(dst, square.text, base.text, "multiply")
    else:
        lines.pair(dst, base.text, as_tile(lines, exponent).text, "power")


@_emits("clamp")
def _clamp(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    low, x, high = terms
    dtype = node.result.type.dtype
    if dtype.is_float:
        bounds = [t.literal if t.is_number else t.column for t in (low, high)]
        if all(bounds):
            data = as_tile(lines, x).text
            lines.scalar(dst, data, "maximum", bounds[0], "minimum", bounds[1])
            return
    middle = lines.tile("float32" if dtype.is_float else "int32")
    _arithmetic(lines, middle, x, low, "maximum", dtype)
    _arithmetic(lines, dst, middle, high, "minimum", dtype)


# -- functions -----------------------------------------------------------------------------------


@_emits(*_FUNCTIONS)
def _function(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    lines.activate(dst, as_tile(lines, terms[0]).text, _FUNCTIONS[node.op])


@_emits("gelu")
def _gelu(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    tanh = node.attrs.get("approximate", "none") == "tanh"
    name = "gelu_apprx_tanh" if tanh else "gelu"
    lines.activate(dst, as_tile(lines, terms[0]).text, name)


@_emits("floor", "ceil", "round_nearest_even")
def _whole(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    rounding.whole(lines, dst, as_tile(lines, terms[0]), node.op)


@_emits("sine")
def _sine(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    rounding.periodic(lines, dst, as_tile(lines, terms[0]), 0.0)


@_emits("cosine")
def _cosine(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    rounding.periodic(lines, dst, as_tile(lines, terms[0]), 0.25)


@_emits("remainder")
def _remainder(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    rounding.remainder(lines, dst, *(as_tile(lines, t) for t in terms))


@_emits("is_finite")
def _is_finite(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    """x - x is 0 for finite x and NaN otherwise, and NaN equals nothing."""
    x, zero = as_tile(lines, terms[0]), lines.tile("float32")
    lines.pair(zero, x.text, x.text, "subtract")
    lines.scalar(dst, zero.text, "equal", 0.0)


# -- choices and formats -------------------------------------------------------------------------


@_emits("select")
def _select(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    predicate = as_tile(lines, terms[0], "uint8")
    on_true, on_false = terms[1], terms[2]
    if on_false.is_number:
        lines.fill(dst, on_false)
    else:
        lines.copy(dst, on_false.text)
    if on_true.is_number:
        source = Term("", dst.format, on_true.number).literal
    else:
        source = as_tile(lines, on_true, dst.format).text
    lines.where(dst, predicate.text, source)


@_emits("convert")
def _convert(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    source, target = node.operands[0].type.dtype, node.result.type.dtype
    term = as_tile(lines, terms[0])
    if target.kind == "bool" and source.kind != "bool":
        lines.scalar(dst, term.text, "not_equal", 0.0)
    elif source.is_float and target.is_integer:
        rounding.truncate(lines, dst, term)  # StableHLO drops the fraction; engines would round
    else:
        lines.copy(dst, term.text)
