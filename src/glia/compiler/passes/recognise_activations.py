"""Finds activations that the model spells out in primitives, and names them.

A product is read as `constant * factors`, the argument of its tanh, erf or logistic as a polynomial
in x; so every spelling of one formula looks the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from glia.compiler.passes._rewriter import Rewriter, rewrite
from glia.compiler.passes.base import recognised_notes
from glia.graph.ir import Graph, Node, Value

# Coefficients by power of x. Constants come in float32, so they agree to about 1e-7.
_Polynomial = dict[int, float]
_TOLERANCE = 1e-6
_INSIDE_GELU_TANH = {1: math.sqrt(2 / math.pi), 3: 0.044715 * math.sqrt(2 / math.pi)}
_INSIDE_GELU = {1: math.sqrt(0.5)}
_NAMED = ("gelu", "silu", "relu")


@dataclass(frozen=True, slots=True)
class RecogniseActivations:
    """Name what is spelled out: gelu (erf or tanh form), silu, relu.

    %h = multiply(%x, %half)
    %s = multiply(%x, %sqrt_half)
    %e = erf(%s)                      -->   %y = gelu(%x, approximate="none")
    %u = add(%e, %one)
    %y = multiply(%h, %u)
    """

    name: ClassVar[str] = "recognise-activations"

    def run(self, graph: Graph) -> Graph:
        """The graph with named activations; their inner values go when nothing else reads them."""
        return rewrite(graph, _recognise)

    def notes(self, before: Graph, after: Graph) -> tuple[str, ...]:
        """How many of which."""
        return recognised_notes(_NAMED, before, after)


def _recognise(rw: Rewriter, node: Node) -> Value | None:
    if not node.result.type.dtype.is_float:
        return None
    if node.op == "maximum":
        return _relu(rw, node)
    if node.op not in ("multiply", "divide"):
        return None
    constant, factors = _product(rw, node)
    if len(factors) != 2:
        return None
    for x, curve in (factors, factors[::-1]):
        found = _gelu(rw, x, curve) if math.isclose(constant, 0.5, rel_tol=_TOLERANCE) else None
        if found is not None:
            return rw.replace(node, "gelu", x, approximate=found)
        if constant == 1.0 and _is_logistic_of(rw, curve, x):
            return rw.replace(node, "silu", x)
    return None


def _relu(rw: Rewriter, node: Node) -> Value | None:
    x, y = node.operands
    if rw.splat(y) == 0:
        return rw.replace(node, "relu", x)
    return rw.replace(node, "relu", y) if rw.splat(x) == 0 else None


def _gelu(rw: Rewriter, x: Value, curve: Value) -> str | None:
    """`curve` is 1 + tanh(p(x)) or 1 + erf(p(x)): which gelu that makes."""
    node = rw.made_by(curve, "add")
    if node is None:
        return None
    for one, inner in (node.operands, node.operands[::-1]):
        bend = rw.made_by(inner, "tanh", "erf")
        if bend is None or rw.splat(one) != 1:
            continue
        argument = _polynomial(rw, bend.operands[0], x)
        if bend.op == "tanh" and _same(argument, _INSIDE_GELU_TANH):
            return "tanh"
        if bend.op == "erf" and _same(argument, _INSIDE_GELU):
            return "none"
    return None


def _is_logistic_of(rw: Rewriter, curve: Value, x: Value) -> bool:
    node = rw.made_by(curve, "logistic")
    return node is not None and node.operands[0] == x


def _product(rw: Rewriter, node: Node, depth: int = 4) -> tuple[float, list[Value]]:
    """What `node` multiplies, as one constant and the other factors."""
    left, right = node.operands
    if node.op == "divide":
        number = rw.splat(right)
        if number is None or number == 0:
            return 1.0, []
        constant, factors = _factors(rw, left, depth)
        return constant / float(number), factors
    pairs = [_factors(rw, v, depth) for v in (left, right)]
    return pairs[0][0] * pairs[1][0], pairs[0][1] + pairs[1][1]


def _factors(rw: Rewriter, value: Value, depth: int) -> tuple[float, list[Value]]:
    number, node = rw.splat(value), rw.made_by(value, "multiply", "divide")
    if number is not None:
        return float(number), []
    if node is None or depth == 0 or (node.op == "divide" and not rw.splat(node.operands[1])):
        return 1.0, [value]
    return _product(rw, node, depth - 1)


def _polynomial(rw: Rewriter, value: Value, x: Value, depth: int = 8) -> _Polynomial | None:
    """`value` as a polynomial in `x`, when it is one."""
    if value == x:
        return {1: 1.0}
    number, node = rw.splat(value), rw.producer(value)
    if number is not None:
        return {0: float(number)}
    if node is None or depth == 0 or len(node.operands) != 2:
        return None
    left = _polynomial(rw, node.operands[0], x, depth - 1)
    right = _polynomial(rw, node.operands[1], x, depth - 1)
    return None if left is None or right is None else _combine(node.op, left, right)


def _combine(op: str, left: _Polynomial, right: _Polynomial) -> _Polynomial | None:
    if op == "add":
        return {p: left.get(p, 0.0) + right.get(p, 0.0) for p in left | right}
    if op == "multiply":
        return _times(left, right)
    if set(right) != {0}:
        return None
    number = right[0]
    if op == "divide" and number != 0:
        return {p: c / number for p, c in left.items()}
    if op == "power" and number in (2.0, 3.0):
        square = _times(left, left)
        return square if number == 2.0 else _times(square, left)
    return None


def _times(left: _Polynomial, right: _Polynomial) -> _Polynomial:
    product: dict[int, float] = {}
    for p, a in left.items():
        for q, b in right.items():
            product[p + q] = product.get(p + q, 0.0) + a * b
    return product


def _same(found: _Polynomial | None, expected: dict[int, float]) -> bool:
    terms: dict[int, Any] = {p: c for p, c in (found or {}).items() if c != 0.0}
    return terms.keys() == expected.keys() and all(
        math.isclose(terms[p], c, rel_tol=_TOLERANCE) for p, c in expected.items()
    )
