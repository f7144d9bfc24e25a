"""What Python and NumPy would do with an array, and a tensor of a kernel cannot: what to use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from glia.isa.tensors.view import View

# The functions of nki.language that have a NumPy function's name; a test holds it against both.
IN_LANGUAGE = frozenset((
    "abs", "add", "all", "arctan", "bitwise_and", "bitwise_or", "bitwise_xor", "broadcast_to",
    "ceil", "copy", "cos", "divide", "equal", "exp", "expand_dims", "floor", "fmod", "greater",
    "greater_equal", "invert", "left_shift", "less", "less_equal", "log", "logical_and",
    "logical_not", "logical_or", "logical_xor", "matmul", "max", "maximum", "mean", "min",
    "minimum", "mod", "multiply", "negative", "not_equal", "power", "prod", "reciprocal",
    "right_shift", "sign", "sin", "sqrt", "square", "subtract", "sum", "tan", "tanh",
    "transpose", "trunc", "var", "where",
))  # fmt: skip
_RENAMED = {"absolute": "abs", "amax": "max", "amin": "min", "remainder": "mod"}
_NO_BRANCH = "(an if cannot depend on a tile: nl.where picks elements)"


Refusing = Callable[..., NoReturn]


def refusing(symbol: str, use: str) -> Refusing:
    """An operator that a tensor does not have."""

    def refuse(self: View, *_: Any) -> NoReturn:
        raise self.refused(
            f"{symbol} on",
            "a tensor, whose values exist only on the chip",
            "an instruction",
            f"use {use}",
        )

    return refuse


def comparing(symbol: str, use: str) -> Refusing:
    """A comparison: what follows it is often an `if`."""
    return refusing(symbol, f"{use} {_NO_BRANCH}")


def _of_numpy(tensor: Any, name: str) -> NoReturn:
    found = _RENAMED.get(name, name)
    use = f"nl.{found}" if found in IN_LANGUAGE else "functions of nl and instructions of nisa"
    refusing(f"np.{name}", use)(tensor)


_TO_ARRAY = refusing("conversion to a NumPy array", "nl.copy in a kernel; a launch gives arrays")


class NoArray:
    """Mixin: NumPy's functions refuse the tensor by their own names."""

    __slots__ = ()

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse `np.asarray(tensor)`."""
        _TO_ARRAY(self)

    def __array_ufunc__(
        self, function: np.ufunc, method: str, *inputs: Any, **options: Any
    ) -> NoReturn:
        """Refuse `np.exp(tensor)`, and a NumPy operand of a Python operator."""
        _of_numpy(self, function.__name__)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> NoReturn:
        """Refuse `np.sum(tensor)` and the like."""
        _of_numpy(self, function.__name__)
