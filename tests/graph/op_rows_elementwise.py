"""Rows of the ops that treat every element alone."""

from __future__ import annotations

import numpy as np
import torch
from scipy import special

from graph.op_row import FLOATS, NUMBERS, Operand, Row, by_torch, mask, t, values

SHAPES = ((3, 5), (), (2, 0, 3))
EDGES = values(0.0, -0.0, 1.0, -2.5, 3.5, np.inf, -np.inf, np.nan)
BITS = ("bool", "int32")

_UNARY = [
    ("abs", torch.abs, "normal", NUMBERS),
    ("negate", torch.neg, "normal", NUMBERS),
    ("sign", np.sign, "normal", NUMBERS),
    ("exponential", torch.exp, "normal", FLOATS),
    ("log", torch.log, "positive", FLOATS),
    ("sqrt", torch.sqrt, "positive", FLOATS),
    ("rsqrt", torch.rsqrt, "positive", FLOATS),
    ("tanh", torch.tanh, "normal", FLOATS),
    ("logistic", torch.sigmoid, "normal", FLOATS),
    ("sine", torch.sin, "normal", FLOATS),
    ("cosine", torch.cos, "normal", FLOATS),
    ("floor", torch.floor, "normal", FLOATS),
    ("ceil", torch.ceil, "normal", FLOATS),
    ("round_nearest_even", torch.round, "normal", FLOATS),
    ("erf", torch.erf, "normal", FLOATS),
    ("not", np.invert, "normal", BITS),
    ("is_finite", torch.isfinite, "normal", FLOATS),
    ("relu", torch.relu, "normal", NUMBERS),
    ("silu", torch.nn.functional.silu, "normal", FLOATS),
]

_BINARY = [
    ("add", torch.add, "normal", NUMBERS),
    ("subtract", torch.sub, "normal", NUMBERS),
    ("multiply", torch.mul, "normal", NUMBERS),
    ("divide", torch.div, "positive", FLOATS),
    ("maximum", torch.maximum, "normal", (*NUMBERS, "bool")),
    ("minimum", torch.minimum, "normal", (*NUMBERS, "bool")),
    ("power", torch.pow, "positive", FLOATS),
    ("remainder", torch.fmod, "positive", FLOATS),
    ("and", torch.bitwise_and, "normal", BITS),
    ("or", torch.bitwise_or, "normal", BITS),
    ("xor", torch.bitwise_xor, "normal", BITS),
]

_TORCH_COMPARE = {
    "EQ": torch.eq,
    "NE": torch.ne,
    "LT": torch.lt,
    "LE": torch.le,
    "GT": torch.gt,
    "GE": torch.ge,
}


def _oracle(function):
    return function if isinstance(function, np.ufunc) else by_torch(function)


def _unary_rows():
    for op, function, dist, dtypes in _UNARY:
        for shape in SHAPES:
            yield Row(op, (t(*shape, dist=dist),), _oracle(function), dtypes=dtypes)
        if "float32" in dtypes:
            yield Row(op, (EDGES,), _oracle(function))


def _binary_rows():
    edges = values(*np.repeat([0.0, 1.5, -2.0, np.inf, -np.inf, np.nan], 6))
    against = values(*np.tile([0.0, 1.5, -2.0, np.inf, -np.inf, np.nan], 6))
    for op, function, dist, dtypes in _BINARY:
        for shape in SHAPES:
            pair = (t(*shape, dist=dist), t(*shape, dist=dist))
            yield Row(op, pair, _oracle(function), dtypes=dtypes)
        if "float32" in dtypes:
            yield Row(op, (edges, against), _oracle(function))


def _integer_division_rows():
    pairs = (values(7, -7, 7, -7, 0, 6), values(2, 2, -2, -2, 5, 3))
    towards_zero = by_torch(lambda a, b: torch.div(a, b, rounding_mode="trunc"))
    yield Row("divide", pairs, towards_zero, dtypes=("int32",))
    yield Row("divide", (values(3, -3), values(0, 0)), lambda a, b: 0 * a, dtypes=("int32",))
    yield Row("remainder", pairs, by_torch(torch.fmod), dtypes=("int32",))


def _choice_rows():
    few = Operand((4, 6), dist="whole")
    for direction, function in _TORCH_COMPARE.items():
        attrs = {"direction": direction}
        yield Row("compare", (few, few), by_torch(function), attrs, (*NUMBERS, "bool"))
        nan = values(np.nan, 1.0, np.nan), values(np.nan, np.nan, 1.0)
        yield Row("compare", nan, by_torch(function), attrs)
    where = by_torch(torch.where)
    yield Row("select", (mask(3, 5), t(3, 5), t(3, 5)), where, dtypes=(*NUMBERS, "bool"))
    yield Row("select", (mask(), t(3, 5), t(3, 5)), where)
    clip = by_torch(lambda low, x, high: torch.clamp(x, low, high))
    bounds = values(-1.0, -0.5, 0.0), t(3), values(0.5, 1.0, 2.0)
    yield Row("clamp", bounds, clip, dtypes=NUMBERS)
    scalars = Operand((), given=(-1.0,)), t(3, 5), Operand((), given=(1.0,))
    yield Row("clamp", scalars, clip, dtypes=NUMBERS)


def _gelu_rows():
    tails = values(-12.0, -5.0, -1e-3, 0.0, 1e-3, 5.0, 12.0)
    for x in (t(3, 5), tails):
        yield Row("gelu", (x,), lambda a: a * special.ndtr(a))
        yield Row("gelu", (x,), lambda a: a * special.ndtr(a), {"approximate": "none"})
        bent = by_torch(lambda a: torch.nn.functional.gelu(a, approximate="tanh"))
        yield Row("gelu", (x,), bent, {"approximate": "tanh"})


ELEMENTWISE_ROWS = [
    *_unary_rows(),
    *_binary_rows(),
    *_integer_division_rows(),
    *_choice_rows(),
    *_gelu_rows(),
]
