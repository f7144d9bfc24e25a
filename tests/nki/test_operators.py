"""Operators as functions of tiles, against NumPy in float64 and PyTorch, and as tokens."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from tests.nki.tiles import integers, on_tiles, uniform

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.errors import KernelError

torch = pytest.importorskip("torch")

FLOATS = {"float32": np.float32, "bfloat16": ml_dtypes.bfloat16, "float16": np.float16}
ROUNDOFF = {"float32": 2.0**-24, "bfloat16": 2.0**-8, "float16": 2.0**-11}

ARITHMETIC = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply,
    "maximum": np.maximum, "minimum": np.minimum,
}  # fmt: skip
COMPARISONS = {
    "equal": np.equal, "not_equal": np.not_equal, "less": np.less, "less_equal": np.less_equal,
    "greater": np.greater, "greater_equal": np.greater_equal,
    "logical_and": np.logical_and, "logical_or": np.logical_or, "logical_xor": np.logical_xor,
}  # fmt: skip
BITS = {"bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or, "bitwise_xor": np.bitwise_xor}


def op(name: str) -> Any:
    return getattr(nl, name)


def wide(array: np.ndarray) -> np.ndarray:
    return np.asarray(array).astype(np.float64)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic_of_two_tiles(name: str, dtype: str):
    x, y = (uniform(-4, 4, seed).astype(FLOATS[dtype]) for seed in (1, 2))
    found = on_tiles(op(name), x, y)
    assert found.dtype == FLOATS[dtype]
    exact = ARITHMETIC[name](wide(x), wide(y))
    assert np.all(np.abs(wide(found) - exact) <= ROUNDOFF[dtype] * np.abs(exact) * 1.001)


@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic_with_a_number_on_either_side(name: str):
    x = uniform(-4, 4)
    right, left = on_tiles(lambda t: (op(name)(t, 2.5), op(name)(2.5, t)), x)
    np.testing.assert_allclose(right, ARITHMETIC[name](wide(x), 2.5), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(left, ARITHMETIC[name](2.5, wide(x)), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic_with_a_column_on_either_side(name: str):
    x, column = uniform(-4, 4), uniform(-1, 1, 3)[:, :1]
    right, left = on_tiles(lambda t, c: (op(name)(t, c), op(name)(c, t)), x, column)
    np.testing.assert_allclose(right, ARITHMETIC[name](wide(x), column), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(left, ARITHMETIC[name](column, wide(x)), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons_give_ones_and_zeros_in_the_input_dtype(name: str):
    x, y = (integers(np.float32, 0, 2, seed) for seed in (1, 2))
    found, as_bytes = on_tiles(lambda a, b: (op(name)(a, b), op(name)(a, b, dtype=nl.uint8)), x, y)
    expected = COMPARISONS[name](x, y)
    assert found.dtype == np.float32
    assert as_bytes.dtype == np.uint8
    np.testing.assert_array_equal(found, expected.astype(np.float32))
    np.testing.assert_array_equal(as_bytes, expected.astype(np.uint8))


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32])
@pytest.mark.parametrize("name", BITS)
def test_bitwise(name: str, kind: Any):
    limits = np.iinfo(kind)
    x, y = (integers(kind, limits.min, limits.max, seed) for seed in (1, 2))
    found, number = on_tiles(lambda a, b: (op(name)(a, b), op(name)(a, 21)), x, y)
    np.testing.assert_array_equal(found, BITS[name](x, y))
    np.testing.assert_array_equal(number, BITS[name](x, kind(21)))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32, np.uint32])
def test_shifts_are_logical(kind: Any):
    limits = np.iinfo(kind)
    x = integers(kind, limits.min, limits.max, 1)
    left, right = on_tiles(lambda a: (nl.left_shift(a, 3), nl.right_shift(a, 3)), x)
    bits = x.view(f"u{x.dtype.itemsize}")
    np.testing.assert_array_equal(left.view(bits.dtype), bits << bits.dtype.type(3))
    np.testing.assert_array_equal(right.view(bits.dtype), bits >> bits.dtype.type(3))


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.uint32])
def test_invert(kind: Any):
    limits = np.iinfo(kind)
    x = integers(kind, limits.min, limits.max, 1)
    np.testing.assert_array_equal(on_tiles(nl.invert, x), np.invert(x))


def test_logical_not():
    x = integers(np.float32, 0, 2)
    np.testing.assert_array_equal(on_tiles(nl.logical_not, x), 1 - x)


def test_power_of_tiles():
    x, y = uniform(0.5, 2, 1), uniform(-3, 3, 2)
    np.testing.assert_allclose(on_tiles(nl.power, x, y), wide(x) ** wide(y), rtol=2e-6)


def test_magnitudes_on_the_generation_that_has_them():
    x, y = integers(np.float32, -4, 5, 1), integers(np.float32, -4, 5, 2)
    both = on_tiles(lambda a, b: (nl.abs_max(a, b), nl.abs_min(a, b)), x, y, target="trn3")
    np.testing.assert_array_equal(both[0], np.where(np.abs(x) > np.abs(y), x, y))
    np.testing.assert_array_equal(both[1], np.where(np.abs(x) < np.abs(y), x, y))


def test_magnitudes_are_refused_before():
    with pytest.raises(KernelError, match="abs_max"):
        on_tiles(nl.abs_max, uniform(-1, 1), uniform(-1, 1, 2), target="trn2")


def gelu_sigmoid(x: Any) -> Any:
    return x * torch.sigmoid(1.702 * x)


def derivative(function: Any) -> Any:
    def of(x: Any) -> Any:
        x = x.clone().requires_grad_()
        return torch.autograd.grad(function(x).sum(), x)[0]

    return of


gelu = torch.nn.functional.gelu
ACTIVATIONS = {
    "abs": (torch.abs, -4, 4),
    "arctan": (torch.arctan, -1.5, 1.5),
    "copy": (lambda x: x, -4, 4),
    "erf": (torch.erf, -3, 3),
    "erf_dx": (derivative(torch.erf), -3, 3),
    "exp": (torch.exp, -8, 8),
    "gelu": (gelu, -4, 4),
    "gelu_apprx_sigmoid": (gelu_sigmoid, -4, 4),
    "gelu_apprx_sigmoid_dx": (derivative(gelu_sigmoid), -4, 4),
    "gelu_apprx_tanh": (lambda x: gelu(x, approximate="tanh"), -4, 4),
    "gelu_dx": (derivative(gelu), -4, 4),
    "log": (torch.log, 0.01, 100),
    "mish": (torch.nn.functional.mish, -4, 4),
    "relu": (torch.relu, -4, 4),
    "sigmoid": (torch.sigmoid, -8, 8),
    "sign": (torch.sign, -4, 4),
    "silu": (torch.nn.functional.silu, -4, 4),
    "silu_dx": (derivative(torch.nn.functional.silu), -4, 4),
    "softplus": (torch.nn.functional.softplus, -8, 8),
    "sqrt": (torch.sqrt, 0.01, 100),
    "square": (torch.square, -4, 4),
    "tanh": (torch.tanh, -4, 4),
    "rsqrt": (torch.rsqrt, 0.01, 100),
    "reciprocal": (torch.reciprocal, 0.1, 10),
    "negative": (torch.neg, -4, 4),
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_functions_of_one_tile(name: str, dtype: str):
    function, low, high = ACTIVATIONS[name]
    x = uniform(low, high, 5).astype(FLOATS[dtype])
    found = on_tiles(op(name), x)
    assert found.dtype == FLOATS[dtype]
    exact = function(torch.from_numpy(wide(x))).numpy()
    np.testing.assert_allclose(wide(found), exact, rtol=4 * ROUNDOFF[dtype], atol=2e-6)


@pytest.mark.parametrize("name", ["exp", "square", "rsqrt", "reciprocal", "negative", "add"])
def test_dtype_of_the_result_can_be_chosen(name: str):
    x = uniform(0.5, 2)
    args = (x, x) if name == "add" else (x,)
    found = on_tiles(lambda *t: op(name)(*t, dtype=nl.bfloat16), *args)
    assert found.dtype == ml_dtypes.bfloat16


def test_every_operator_is_a_token_of_an_instruction():
    def both(t: Any) -> Any:
        summed, powers = nl.ndarray(t.shape, t.dtype), nl.ndarray(t.shape, t.dtype)
        nisa.tensor_tensor(summed, t, t, op=nl.add)
        nisa.activation(powers, nl.exp, t)
        return summed, powers

    x = uniform(-1, 1)
    summed, powers = on_tiles(both, x)
    np.testing.assert_array_equal(summed, x + x)
    np.testing.assert_allclose(powers, np.exp(wide(x)), rtol=1e-6)


@pytest.mark.parametrize("name", ["average", "bypass", "prelu"])
def test_token_only(name: str):
    assert not callable(op(name))


@pytest.mark.parametrize("name", ["divide", "mod", "fmod"])
def test_operations_that_no_engine_has(name: str):
    with pytest.raises(KernelError, match=f"nl.{name}.*no engine.*reciprocal"):
        on_tiles(op(name), uniform(1, 2), uniform(1, 2))


def test_two_numbers():
    with pytest.raises(
        KernelError, match=r"nl\.add: got the number 1, the number 2, expected a tile"
    ):
        on_tiles(lambda t: nl.add(1, 2), uniform(1, 2))


def test_other_shapes():
    with pytest.raises(KernelError, match=r"nl.multiply: got \(32, 48\) and \(32, 7\)"):
        on_tiles(nl.multiply, uniform(1, 2), uniform(1, 2)[:, :7])


def test_neither_tile_nor_number():
    with pytest.raises(KernelError, match=r"nl\.add: got .* str, expected"):
        on_tiles(lambda t: nl.add(t, "1"), uniform(1, 2))


def test_rsqrt_reads_sbuf_only():
    def of_psum(t: Any) -> Any:
        made = nl.ndarray(t.shape, t.dtype, buffer=nl.psum)
        nisa.tensor_copy(made, t)
        return nl.rsqrt(made)

    with pytest.raises(KernelError, match="GpSimd cannot access PSUM"):
        on_tiles(of_psum, uniform(1, 2))
