"""Which ops act on each element by itself: equal shapes in, the same shape out."""

from __future__ import annotations

# fmt: off
UNARY = frozenset({
    "abs", "negate", "sign", "exponential", "log", "sqrt", "rsqrt", "tanh", "logistic", "sine",
    "cosine", "floor", "ceil", "round_nearest_even", "erf", "not", "is_finite", "convert",
    "gelu", "silu", "relu",
})
BINARY = frozenset({
    "add", "subtract", "multiply", "divide", "maximum", "minimum", "power", "remainder",
    "and", "or", "xor", "compare",
})
# fmt: on
ELEMENTWISE = UNARY | BINARY | {"select", "clamp"}
