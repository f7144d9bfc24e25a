"""Activation functions of the Scalar engine: name, meaning, documented input range.

The hardware evaluates piecewise polynomials whose coefficients are not public; here each function
is evaluated in float32 by NumPy or SciPy, within a few units in the last place, and inputs outside
the documented range are computed all the same.
Source of names and ranges: aws-neuron-sdk nki/api/nki.api.shared.rst (activation functions).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from glia.core.errors import KernelError
from glia.isa.erf import erf, gelu

Fn = Callable[[np.ndarray], np.ndarray]
_GELU_TANH = np.float32(0.7978845608028654)  # sqrt(2 / pi)
_GELU_CUBE = np.float32(0.044715)
_ONE, _HALF = np.float32(1), np.float32(0.5)


@dataclass(frozen=True, slots=True, eq=False)
class Activation:
    """One function. `table` names the function table that must be loaded first."""

    name: str
    apply: Fn
    low: float = -np.inf
    high: float = np.inf

    @property
    def table(self) -> str:
        """Functions computed without a table share the empty name."""
        return "" if self.name in _NO_TABLE else self.name

    def __repr__(self) -> str:
        return f"nl.{self.name}"


# copy, square and relu are plain datapath operations; every other function counts as one table.
_NO_TABLE = ("copy", "square", "relu", "abs", "sign")


def _sigmoid(x: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    return expit(x)


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(x, np.float32(0))


def _gelu_tanh(x: np.ndarray) -> np.ndarray:
    return _HALF * x * (_ONE + np.tanh(_GELU_TANH * (x + _GELU_CUBE * x * x * x)))


FUNCTIONS: dict[str, Activation] = {
    f.name: f
    for f in (
        Activation("copy", lambda x: x),
        Activation("square", np.square),
        Activation("relu", lambda x: np.maximum(x, np.float32(0))),
        Activation("abs", np.abs),
        Activation("sign", np.sign),
        Activation("sigmoid", _sigmoid),
        Activation("gelu", gelu),
        Activation("gelu_apprx_tanh", _gelu_tanh),
        Activation("gelu_apprx_sigmoid", lambda x: x * _sigmoid(np.float32(1.702) * x)),
        Activation("silu", lambda x: x * _sigmoid(x)),
        Activation("tanh", np.tanh),
        Activation("softplus", _softplus),
        Activation("mish", lambda x: x * np.tanh(_softplus(x))),
        Activation("erf", erf),
        Activation("exp", np.exp),
        Activation("log", np.log, 2.0**-64, 2.0**64),
        Activation("sin", np.sin, -np.pi, np.pi),
        Activation("arctan", np.arctan, -np.pi / 2, np.pi / 2),
        Activation("sqrt", np.sqrt, 2.0**-116, 2.0**118),
        Activation("rsqrt", lambda x: _ONE / np.sqrt(x), 2.0**-87, 2.0**97),
        Activation("reciprocal", lambda x: _ONE / x, -(2.0**42), 2.0**42),
    )
}


def function(op: Any, what: str) -> Activation:
    """The function behind a token."""
    found = getattr(op, "activation", op)
    if not isinstance(found, Activation):
        raise KernelError(
            f"{what}: got op {op!r}, expected an activation function such as nl.exp; choose one "
            "of: " + ", ".join(sorted(FUNCTIONS))
        )
    return found
