"""Operators: one object is a function on tiles and the `op` of instructions.

Called, it computes a new SBUF tile; passed to an instruction, it stands for its ALU operator or its
activation function. Each is built from instructions; which engine runs is theirs to say.
Sources: aws-neuron-sdk nki/api/nki/language/__init__.py, nki/migration/index.rst.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from glia.core.errors import KernelError
from glia.isa.launch.misfit import misfit
from glia.isa.operators.alu import ALU
from glia.isa.operators.functions import FUNCTIONS
from glia.isa.operators.tokens import Token
from glia.isa.rules import described
from glia.isa.scalar_engine import activation
from glia.isa.tensors.tensor import NkiTensor
from glia.isa.vector_engine import reciprocal as isa_reciprocal
from glia.isa.vector_engine import tensor_scalar, tensor_tensor
from glia.nki.language.memory import tile_like

Function = Callable[..., NkiTensor]

PAIRS = (
    "add", "subtract", "multiply", "maximum", "minimum", "abs_max", "abs_min", "power",
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
    "bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift",
    "logical_and", "logical_or", "logical_xor",
)  # fmt: skip
ACTIVATIONS = (
    "abs", "arctan", "copy", "erf", "erf_dx", "exp", "gelu", "gelu_apprx_sigmoid",
    "gelu_apprx_sigmoid_dx", "gelu_apprx_tanh", "gelu_dx", "log", "mish", "relu", "sigmoid",
    "sign", "silu", "silu_dx", "softplus", "sqrt", "square", "tanh",
)  # fmt: skip
ONLY_TOKENS = ("average", "bypass", "prelu")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Operator(Token):
    """A token that can be called; `function` is what the call does."""

    function: Function

    def __call__(self, *args: Any, **kwargs: Any) -> NkiTensor:
        """Compute a new tile.

        Raises:
            KernelError: for arguments that do not fit, or among which is no tile.
        """
        if not any(isinstance(value, NkiTensor) for value in (*args, *kwargs.values())):
            got = ", ".join(map(described, (*args, *kwargs.values()))) or "no arguments"
            raise KernelError(f"nl.{self.name}: got {got}, expected a tile; compute with Python")
        try:
            return self.function(*args, **kwargs)
        except TypeError:
            self._check_fit(args, kwargs)
            raise

    def _check_fit(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            self.__signature__.bind(*args, **kwargs)
        except TypeError:
            wrong = misfit(self.name, self.__signature__, args, kwargs)
            raise KernelError(f"nl.{self.name}: {wrong}") from None

    @property
    def __name__(self) -> str:
        return self.name

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self.function)


def token(name: str) -> Token:
    """The operator of this name, as an instruction takes it."""
    return Token(name, ALU.get(name), FUNCTIONS.get(name))


def operator(name: str, function: Function) -> Operator:
    """The public object of this name."""
    return Operator(name, ALU.get(name), FUNCTIONS.get(name), function)


def combine(name: str, x: Any, y: Any, dtype: Any = None) -> NkiTensor:
    """`x op y` as a new SBUF tile; one of them may be a number or a (P, 1) column.

    Raises:
        KernelError: for two numbers, or tiles of other shapes.
    """
    op = token(name)
    tiles = [v for v in (x, y) if isinstance(v, NkiTensor)]
    if not tiles:
        raise KernelError(
            f"nl.{name}: got {x!r} and {y!r}, expected at least one tile; compute with Python"
        )
    if len(tiles) == 1 or x.shape != y.shape:
        return _with_scalar(op, x, y, dtype)
    made = tile_like(x, dtype)
    tensor_tensor(made, x, y, op)
    return made


def _with_scalar(op: Token, x: Any, y: Any, dtype: Any) -> NkiTensor:
    """The instruction of one tile and a number or column, whichever side that is on."""
    if _is_scalar_beside(y, x):
        made = tile_like(x, dtype)
        tensor_scalar(made, x, op, y)
        return made
    if _is_scalar_beside(x, y):
        made = tile_like(y, dtype)
        tensor_scalar(made, y, op, x, reverse0=True)
        return made
    shapes = " and ".join(str(getattr(v, "shape", type(v).__name__)) for v in (x, y))
    raise KernelError(
        f"nl.{op.name}: got {shapes}, expected equal shapes, or a number or (P, 1) column beside a "
        "tile; use nl.broadcast_to"
    )


def _is_scalar_beside(value: Any, tile: Any) -> bool:
    if not isinstance(tile, NkiTensor):
        return False
    if isinstance(value, NkiTensor):
        return value.shape[0] == tile.shape[0] and value.free_size == 1
    return isinstance(value, (int, float, np.number))


def _pair(name: str) -> Operator:
    def function(x: Any, y: Any, dtype: Any = None) -> NkiTensor:
        return combine(name, x, y, dtype)

    return operator(name, function)


def _activation(name: str) -> Operator:
    def function(x: NkiTensor, dtype: Any = None) -> NkiTensor:
        return activated(name, x, dtype)

    return operator(name, function)


def activated(name: str, x: NkiTensor, dtype: Any = None) -> NkiTensor:
    """An activation function of a tile, by the Scalar engine, as a new SBUF tile."""
    made = tile_like(x, dtype)
    activation(made, token(name), x)
    return made


def _rsqrt(x: NkiTensor, dtype: Any = None) -> NkiTensor:
    """By GpSimd, which is more accurate than the Scalar engine and reads SBUF only."""
    made = tile_like(x, dtype)
    tensor_scalar(made, x, token("rsqrt"), None)
    return made


def _reciprocal(x: NkiTensor, dtype: Any = None) -> NkiTensor:
    made = tile_like(x, dtype)
    isa_reciprocal(made, x)
    return made


def _negative(x: NkiTensor, dtype: Any = None) -> NkiTensor:
    return combine("multiply", x, -1.0, dtype)


def _invert(x: NkiTensor, dtype: Any = None) -> NkiTensor:
    """Exclusive or with all bits set."""
    ones = -1 if x.dtype.kind == "int" else (1 << (8 * x.dtype.itemsize)) - 1
    return combine("bitwise_xor", x, ones, dtype)


def _logical_not(x: NkiTensor, dtype: Any = None) -> NkiTensor:
    """Exclusive or with 1: x must hold 0 and 1."""
    return combine("logical_xor", x, 1.0, dtype)


def _absent(name: str, instead: str) -> Operator:
    def function(x: Any, y: Any, dtype: Any = None) -> NkiTensor:
        raise KernelError(
            f"nl.{name}: got an operation that no engine has, expected one that runs on the chip; "
            f"use {instead}"
        )

    return operator(name, function)


OPERATORS: dict[str, Token] = {
    **{name: token(name) for name in ONLY_TOKENS},
    **{name: _pair(name) for name in PAIRS},
    **{name: _activation(name) for name in ACTIVATIONS},
    "divide": _absent("divide", "nl.multiply(x, nl.reciprocal(y))"),
    "fmod": _absent("fmod", "x - y * nl.trunc(x / y), with nl.reciprocal(y)"),
    "mod": _absent("mod", "x - y * nl.floor(x / y), with nl.reciprocal(y)"),
    "invert": operator("invert", _invert),
    "logical_not": operator("logical_not", _logical_not),
    "negative": operator("negative", _negative),
    "reciprocal": operator("reciprocal", _reciprocal),
    "rsqrt": operator("rsqrt", _rsqrt),
}
