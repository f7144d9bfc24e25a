"""One elementwise graph op as lines of NKI: which instruction computes it, on which operands.

Floats are computed in fp32 tiles, integers in int32, bool as uint8 of 0 and 1; only the last
operation of a group writes the result's own format.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from glia.core.dtypes import DType
from glia.core.errors import UnsupportedError
from glia.graph.ir import Node

_TWO_PI = 2 * math.pi


@dataclass(frozen=True, slots=True)
class Term:
    """An operand: a tile (its variable, and its format) or a number known now."""

    text: str
    format: str
    number: float | None = None

    @property
    def is_number(self) -> bool:
        """True for a constant that goes into the instruction itself."""
        return self.number is not None


class Lines:
    """The body being written: statements, and fresh tile names."""

    def __init__(self, indent: str) -> None:
        self.indent = indent
        self.lines: list[str] = []
        self._count = 0

    def add(self, text: str) -> None:
        """One statement."""
        self.lines.append(self.indent + text)

    def tile(self, format: str, columns: str = "cols", hint: str = "t") -> Term:
        """Allocate a tile [rows, columns]."""
        name = f"{hint}{self._count}"
        self._count += 1
        self.add(f"{name} = nl.ndarray((rows, {columns}), dtype=nl.{format}, buffer=nl.sbuf)")
        return Term(name, format)


def working_format(dtype: DType) -> str:
    """The format of intermediate tiles."""
    if dtype.is_float:
        return "float32"
    return "uint8" if dtype.kind == "bool" else "int32"


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
    "relu": "relu",
    "sign": "sign",
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


def emit(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    """Write the instructions of one node into `dst`.

    Raises:
        UnsupportedError: for an op or dtype that no engine computes.
    """
    rule = EMITTERS.get(node.op)
    if rule is None:
        raise _unsupported(node, f"elementwise {node.op}")
    rule(lines, dst, terms, node)


def _unsupported(node: Node, what: str) -> UnsupportedError:
    return UnsupportedError(
        f"compiling {node.op} at {node.source or node.layer or node.result}: got {what}, which "
        "no engine computes; rewrite it with float32 arithmetic"
    )


def _emits(*ops: str) -> Callable[[Emit], Emit]:
    def decorate(rule: Emit) -> Emit:
        EMITTERS.update(dict.fromkeys(ops, rule))
        return rule

    return decorate


# -- instructions --------------------------------------------------------------------------------


def _scalar(
    lines: Lines, dst: str, data: str, op: str, operand: Any, *more: Any, **flags: Any
) -> None:
    extra = f", op1=nl.{more[0]}, operand1={more[1]!r}" if more else ""
    extra += "".join(f", {k}={v}" for k, v in flags.items())
    shown = operand if isinstance(operand, str) else repr(operand)
    lines.add(f"nisa.tensor_scalar(dst={dst}, data={data}, op0=nl.{op}, operand0={shown}{extra})")


def _activate(lines: Lines, dst: str, data: str, function: str, **more: Any) -> None:
    extra = "".join(f", {k}={v!r}" for k, v in more.items())
    lines.add(f"nisa.activation(dst={dst}, op=nl.{function}, data={data}{extra})")


def _pair(lines: Lines, dst: str, one: str, other: str, op: str) -> None:
    lines.add(f"nisa.tensor_tensor(dst={dst}, data1={one}, data2={other}, op=nl.{op})")


def _copy(lines: Lines, dst: str, src: str) -> None:
    lines.add(f"nisa.tensor_copy(dst={dst}, src={src})")


def as_tile(lines: Lines, term: Term, format: str) -> Term:
    """A tile of this format holding the term: itself, converted, or filled."""
    if term.is_number:
        made = lines.tile(format)
        lines.add(f"nisa.memset(dst={made.text}, value={term.number!r})")
        return made
    if term.format == format:
        return term
    made = lines.tile(format)
    _copy(lines, made.text, term.text)
    return made


def binary(lines: Lines, dst: Term, one: Term, other: Term, op: str) -> None:
    """`dst = one op other` for tiles and numbers."""
    if one.is_number and other.is_number:
        one = as_tile(lines, one, dst.format)
    if other.is_number:
        _scalar(lines, dst.text, one.text, op, _literal(other, one))
    elif one.is_number:
        _scalar(lines, dst.text, other.text, op, _literal(one, other), reverse0=True)
    else:
        _pair(lines, dst.text, one.text, other.text, op)


def _literal(term: Term, beside: Term) -> Any:
    assert term.number is not None
    if beside.format in ("uint8", "int32") and float(term.number).is_integer():
        return int(term.number)
    return _finite_text(float(term.number))


def _finite_text(value: float) -> Any:
    return value if math.isfinite(value) else f"float({str(value)!r})"


# -- ops -----------------------------------------------------------------------------------------


@_emits(*_ALU)
def _alu(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    op = _ALU[node.op]
    if node.operands[0].type.dtype.kind == "bool" and op in (
        "add",
        "multiply",
        "maximum",
        "minimum",
    ):
        op = {"add": "bitwise_or", "maximum": "bitwise_or"}.get(op, "bitwise_and")
    binary(lines, dst, terms[0], terms[1], op)


@_emits(*_FUNCTIONS)
def _function(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    _require_float(node)
    _activate(lines, dst.text, as_tile(lines, terms[0], "float32").text, _FUNCTIONS[node.op])


@_emits("gelu")
def _gelu(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    tanh = node.attrs.get("approximate", "none") == "tanh"
    name = "gelu_apprx_tanh" if tanh else "gelu"
    _activate(lines, dst.text, as_tile(lines, terms[0], "float32").text, name)


@_emits("abs")
def _abs(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    _scalar(lines, dst.text, terms[0].text, "abs", 0)


@_emits("negate")
def _negate(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    _scalar(lines, dst.text, terms[0].text, "multiply", -1)


@_emits("not")
def _not(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    if node.operands[0].type.dtype.kind == "bool":
        _scalar(lines, dst.text, terms[0].text, "bitwise_xor", 1)
    else:
        _scalar(lines, dst.text, terms[0].text, "bitwise_xor", -1)


@_emits("divide")
def _divide(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    """Multiply by the reciprocal: no engine divides."""
    _require_float(node)
    one, other = terms
    if other.is_number:
        assert other.number is not None
        _scalar(
            lines,
            dst.text,
            as_tile(lines, one, "float32").text,
            "multiply",
            _finite_text(1 / other.number if other.number else math.inf),
        )
        return
    inverse = lines.tile("float32")
    lines.add(f"nisa.reciprocal(dst={inverse.text}, data={other.text})")
    binary(lines, dst, one, inverse, "multiply")


@_emits("power")
def _power(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    _require_float(node)
    base, exponent = as_tile(lines, terms[0], "float32"), terms[1]
    known = {2.0: "square", 0.5: "sqrt", -0.5: "rsqrt", 1.0: "copy"}
    if exponent.number in known:
        _activate(lines, dst.text, base.text, known[exponent.number])
    elif exponent.number == 3.0:
        square = lines.tile("float32")
        _activate(lines, square.text, base.text, "square")
        _pair(lines, dst.text, square.text, base.text, "multiply")
    else:
        _pair(lines, dst.text, base.text, as_tile(lines, exponent, "float32").text, "power")


@_emits("compare")
def _compare(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    binary(lines, dst, terms[0], terms[1], _COMPARE[node.attrs["direction"]])


@_emits("select")
def _select(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    predicate = as_tile(lines, terms[0], "uint8")
    on_true, on_false = terms[1], terms[2]
    if on_false.is_number:
        lines.add(f"nisa.memset(dst={dst.text}, value={_text(on_false)})")
    else:
        _copy(lines, dst.text, on_false.text)
    source = _text(on_true) if on_true.is_number else as_tile(lines, on_true, dst.format).text
    lines.add(
        f"nisa.tensor_copy_predicated(dst={dst.text}, src={source}, predicate={predicate.text})"
    )


def _text(term: Term) -> str:
    assert term.number is not None
    shown = _finite_text(term.number)
    return shown if isinstance(shown, str) else repr(shown)


@_emits("clamp")
def _clamp(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    low, x, high = terms
    middle = lines.tile(working_format(node.result.type.dtype))
    binary(lines, middle, x, low, "maximum")
    binary(lines, dst, middle, high, "minimum")


@_emits("convert")
def _convert(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    source, target = node.operands[0].type.dtype, node.result.type.dtype
    term = terms[0]
    if term.is_number:
        lines.add(f"nisa.memset(dst={dst.text}, value={_text(term)})")
    elif target.kind == "bool" and source.kind != "bool":
        _scalar(lines, dst.text, term.text, "not_equal", 0)
    elif source.is_float and target.is_integer:
        _truncate(lines, dst, term)  # StableHLO drops the fraction; the engines would round
    else:
        _copy(lines, dst.text, term.text)


def _truncate(lines: Lines, dst: Term, term: Term) -> None:
    """sign(x) * floor(|x|), which is exact in fp32."""
    magnitude, down, sign = (lines.tile("float32") for _ in range(3))
    _scalar(lines, magnitude.text, term.text, "abs", 0)
    _floor_into(lines, down, magnitude)
    _activate(lines, sign.text, term.text, "sign")
    _pair(lines, dst.text, down.text, sign.text, "multiply")


def _rounded(lines: Lines, term: Term) -> Term:
    """Nearest integer, ties to even: a trip through int32 (exact below 2**31)."""
    whole, back = lines.tile("int32"), lines.tile("float32")
    _copy(lines, whole.text, term.text)
    _copy(lines, back.text, whole.text)
    return back


def _floor_into(lines: Lines, dst: Term, term: Term) -> None:
    near, above = _rounded(lines, term), lines.tile("float32")
    _pair(lines, above.text, near.text, term.text, "greater")
    _pair(lines, dst.text, near.text, above.text, "subtract")


@_emits("floor")
def _floor(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    _floor_into(lines, dst, as_tile(lines, terms[0], "float32"))


@_emits("ceil")
def _ceil(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    x = as_tile(lines, terms[0], "float32")
    near, below = _rounded(lines, x), lines.tile("float32")
    _pair(lines, below.text, near.text, x.text, "less")
    _pair(lines, dst.text, near.text, below.text, "add")


@_emits("round_nearest_even")
def _round(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    _copy(lines, dst.text, _rounded(lines, as_tile(lines, terms[0], "float32")).text)


@_emits("is_finite")
def _is_finite(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    """x - x is 0 for finite x and NaN otherwise, and NaN equals nothing."""
    x, zero = terms[0], lines.tile("float32")
    _pair(lines, zero.text, x.text, x.text, "subtract")
    _scalar(lines, dst.text, zero.text, "equal", 0.0)


@_emits("sine")
def _sine(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    _periodic(lines, dst, terms[0], 0.0)


@_emits("cosine")
def _cosine(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    _periodic(lines, dst, terms[0], math.pi / 2)


def _periodic(lines: Lines, dst: Term, term: Term, shift: float) -> None:
    """sin(x + shift) with the argument brought into [-pi, pi], the documented range."""
    x = as_tile(lines, term, "float32")
    moved, turns, near = lines.tile("float32"), lines.tile("float32"), lines.tile("float32")
    _scalar(lines, moved.text, x.text, "add", shift)
    _scalar(lines, turns.text, moved.text, "multiply", 1 / _TWO_PI)
    whole = _rounded(lines, turns)
    lines.add(
        f"nisa.scalar_tensor_tensor(dst={near.text}, data={whole.text}, op0=nl.multiply, "
        f"operand0={-_TWO_PI!r}, op1=nl.add, operand1={moved.text})"
    )
    inside = lines.tile("float32")
    _scalar(lines, inside.text, near.text, "maximum", -math.pi, "minimum", math.pi)
    _activate(lines, dst.text, inside.text, "sin")


@_emits("remainder")
def _remainder(lines: Lines, dst: Term, terms: list[Term], node: Node) -> None:
    """x - y * trunc(x / y), with the sign of x."""
    _require_float(node)
    x, y = (as_tile(lines, t, "float32") for t in terms)
    inverse, ratio, whole, product = (lines.tile("float32") for _ in range(4))
    lines.add(f"nisa.reciprocal(dst={inverse.text}, data={y.text})")
    _pair(lines, ratio.text, x.text, inverse.text, "multiply")
    _truncate(lines, whole, ratio)
    _pair(lines, product.text, whole.text, y.text, "multiply")
    _pair(lines, dst.text, x.text, product.text, "subtract")


def _require_float(node: Node) -> None:
    kind = node.operands[0].type.dtype
    if not kind.is_float:
        raise _unsupported(node, f"{node.op} of {kind}")
