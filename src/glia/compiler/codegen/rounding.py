"""Whole numbers out of fp32 tiles: the engines have no floor, so it is made of what they have.

Adding and taking away 1.5 * 2**23 rounds a number below 2**22 to the nearest integer, ties to even,
because fp32 has no fraction bits there. Larger ones are integers already or stay as they are.
"""

from __future__ import annotations

import math

from glia.compiler.codegen.text import Lines, Term

_MAGIC = 1.5 * 2.0**23
_SMALL = 2.0**22
_LARGEST = (2 - 2.0**-23) * 2.0**127
# 2 * pi as a number of 8 bits, whose small multiples fp32 holds exactly, and the rest.
_TURN_HIGH = 6.28125
_TURN_LOW = 2 * math.pi - _TURN_HIGH


def _rounded(lines: Lines, x: Term) -> Term:
    """Nearest integer of |x| below 2**22."""
    made = lines.tile("float32")
    lines.scalar(made, x.text, "add", _MAGIC, "subtract", _MAGIC)
    return made


def whole(lines: Lines, dst: Term, x: Term, op: str) -> None:
    """`floor`, `ceil` or `round_nearest_even` of a tile; infinities and NaN stay."""
    near = _rounded(lines, x)
    if op != "round_nearest_even":
        compare, step = ("greater", "subtract") if op == "floor" else ("less", "add")
        beyond, moved = lines.tile("float32"), lines.tile("float32")
        lines.pair(beyond, near.text, x.text, compare)
        lines.pair(moved, near.text, beyond.text, step)
        near = moved
    small = lines.tile("uint8")
    lines.scalar(small, x.text, "abs", 0.0, "less", _SMALL)
    result = dst if dst.format == "float32" else lines.tile("float32")
    lines.copy(result, x.text)
    lines.where(result, small.text, near.text)
    if result is not dst:
        lines.copy(dst, result.text)


def truncate(lines: Lines, dst: Term, x: Term) -> None:
    """Towards zero into an integer tile: sign(x) * floor(|x|), by way of int32, which saturates."""
    magnitude, whole_bits, near = (
        lines.tile("float32"), lines.tile("int32"), lines.tile("float32"),
    )  # fmt: skip
    lines.scalar(magnitude, x.text, "abs", 0.0)
    lines.copy(whole_bits, magnitude.text)
    lines.copy(near, whole_bits.text)
    above, down, sign = (lines.tile("float32") for _ in range(3))
    lines.pair(above, near.text, magnitude.text, "greater")
    lines.pair(down, near.text, above.text, "subtract")
    lines.activate(sign, x.text, "sign")
    lines.pair(dst, down.text, sign.text, "multiply")


def periodic(lines: Lines, dst: Term, x: Term, quarter: float) -> None:
    """sin(x + quarter * 2 pi), the argument brought into [-pi, pi], the documented range.

    The number of whole turns is subtracted in two parts, so that no digit of x is lost.
    """
    turns, moved, shifted, inside = (lines.tile("float32") for _ in range(4))
    lines.scalar(turns, x.text, "multiply", 1 / (2 * math.pi), "add", quarter)
    count = _rounded(lines, turns)
    for part, source, target in ((_TURN_HIGH, x, moved), (_TURN_LOW, moved, shifted)):
        lines.add(
            f"nisa.scalar_tensor_tensor(dst={target.text}, data={count.text}, op0=nl.multiply, "
            f"operand0={-part!r}, op1=nl.add, operand1={source.text})"
        )
    if quarter:
        near = lines.tile("float32")
        lines.scalar(near, shifted.text, "add", quarter * 2 * math.pi)
        shifted = near
    lines.scalar(inside, shifted.text, "maximum", -math.pi, "minimum", math.pi)
    lines.activate(dst, inside.text, "sin")


def remainder(lines: Lines, dst: Term, x: Term, y: Term) -> None:
    """x - y * trunc(x / y), with the sign of x; quotients below 2**22.

    The quotient comes from a rounded reciprocal, so it may be one too large or too small; what is
    left over shows it.
    """
    a, b, inverse, ratio, left, signed = (lines.tile("float32") for _ in range(6))
    lines.scalar(a, x.text, "abs", 0.0)
    lines.scalar(b, y.text, "abs", 0.0, "minimum", _LARGEST)  # x % inf is x
    lines.add(f"nisa.reciprocal(dst={inverse.text}, data={b.text})")
    lines.pair(ratio, a.text, inverse.text, "multiply")
    count = _rounded(lines, ratio)
    product = lines.tile("float32")
    lines.pair(product, count.text, b.text, "multiply")
    lines.pair(left, a.text, product.text, "subtract")
    left = _corrected(lines, left, b, "less", "add")
    left = _corrected(lines, left, b, "greater_equal", "subtract")
    lines.activate(signed, x.text, "sign")
    lines.pair(dst, left.text, signed.text, "multiply")


def _corrected(lines: Lines, left: Term, b: Term, compare: str, step: str) -> Term:
    """`left + b` where it is below 0, or `left - b` where it is not below b."""
    flag, amount, made = (lines.tile("float32") for _ in range(3))
    if compare == "less":
        lines.scalar(flag, left.text, "less", 0.0)
    else:
        lines.pair(flag, left.text, b.text, compare)
    lines.pair(amount, flag.text, b.text, "multiply")
    lines.pair(made, left.text, amount.text, step)
    return made
