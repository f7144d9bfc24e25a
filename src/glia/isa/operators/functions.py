"""Activation functions of the Scalar engine: name, meaning, documented input range.

The hardware evaluates piecewise polynomials whose coefficients are not public; here each function
is evaluated in float64 and rounded once to float32 (erf and gelu: see `erf.py`). Outside its
documented range a function's result is invalid on hardware, and here an error. Exceptions: sin,
whose extrapolation is documented; and zero, infinities, and the root or logarithm of a negative,
which follow IEEE 754 with a warning, because public kernels meet them (the logarithm of a masked
probability, the reciprocal of a row that is padding). The root of zero is zero, and NaN stays NaN.
Source of names, ranges and the rule for sin: aws-neuron-sdk nki/api/nki.api.shared.rst.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from glia.core.errors import KernelError
from glia.isa.operators.erf import erf, gelu

Fn = Callable[[np.ndarray], np.ndarray]
_BLOCK = 16384  # elements: the float64 work arrays of a block stay in a core's second cache
_GELU_TANH = 0.7978845608028654  # sqrt(2 / pi)
_GELU_CUBE = 0.044715
_GELU_SIGMOID = 1.702
_TWO_OVER_ROOT_PI = 1.1283791670955126
_ONE_OVER_ROOT_2PI = 0.3989422804014327


@dataclass(frozen=True, slots=True, eq=False)
class Activation:
    """One function of float32 arrays.

    `low` and `high` bound the size of its input: the input itself where it must be `positive`, else
    its magnitude. `parametric` functions take a second argument, the slope of prelu. `plain` ones
    need no function table. `narrow` is the function within 3 units of float32's last place, ten
    times as fast: enough for results of two bytes or fewer, whose rounding is 2^13 times as coarse.
    """

    name: str
    apply: Callable[..., np.ndarray]
    low: float = 0.0
    high: float = np.inf
    positive: bool = False
    plain: bool = False
    parametric: bool = False
    narrow: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def table(self) -> str:
        """The table that must be loaded first: one per function; which share one is not public."""
        return "" if self.plain else self.name

    def open_input(self, x: np.ndarray) -> str:
        """The first input that is no number of the documented range and follows IEEE 754, or ""."""
        if self.high == np.inf:
            return ""
        size = x if self.positive else np.abs(x)
        beyond = (size < 0) | (size == np.inf)
        if self.low > 0 and self.name != "sqrt":
            beyond |= size == 0
        return str(x[beyond][0]) if beyond.any() else ""

    def __call__(self, x: np.ndarray, parameter: Any = 0.0) -> np.ndarray:
        """The function of a float32 array.

        Raises:
            KernelError: for an input outside the documented range.
        """
        if self.high < np.inf:
            self._check_range(x)
        return self.apply(x, parameter) if self.parametric else self.apply(x)

    def _check_range(self, x: np.ndarray) -> None:
        size = x if self.positive else np.abs(x)
        outside = ((size > 0) & (size < self.low)) | ((size > self.high) & (size < np.inf))
        if outside.any():
            place = np.unravel_index(int(np.argmax(outside)), x.shape)
            whose = "" if self.positive else "a magnitude in "
            raise KernelError(
                f"activation {self.name}: got {x[place]!s} at {[int(i) for i in place]} (after "
                f"scale and bias), expected {whose}{self.low:.4g}..{self.high:.4g}; the Scalar "
                "engine's result is invalid outside: clamp the input first"
            )

    def __repr__(self) -> str:
        return f"nl.{self.name}"


def rounded(function: Fn) -> Fn:
    """The float32 form of a function of float64 arrays: rounded once."""

    def apply(x: np.ndarray) -> np.ndarray:
        flat, out = x.reshape(-1), np.empty(x.size, np.float32)
        for start in range(0, x.size, _BLOCK):
            block = flat[start : start + _BLOCK].astype(np.float64)
            out[start : start + _BLOCK] = function(block)
        return out.reshape(x.shape)

    return apply


# -- meanings in float64 -----------------------------------------------------------------------
# At infinity they are what their formula gives, as in PyTorch: silu(-inf) is NaN.


def _sigmoid(x: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    found: np.ndarray = expit(x)
    return found


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _silu(x: np.ndarray) -> np.ndarray:
    return x * _sigmoid(x)


def _silu_dx(x: np.ndarray) -> np.ndarray:
    return _sigmoid(x) * (1 + x * _sigmoid(-x))


def _mish(x: np.ndarray) -> np.ndarray:
    return x * np.tanh(_softplus(x))


def _gelu_dx(x: np.ndarray) -> np.ndarray:
    from scipy.special import ndtr

    found: np.ndarray = ndtr(x) + x * np.exp(-0.5 * x * x) * _ONE_OVER_ROOT_2PI
    return found


def _gelu_tanh(x: np.ndarray) -> np.ndarray:
    # 1 + tanh(u) = 2 sigmoid(2 u), which keeps its digits for negative u
    return x * _sigmoid(2 * _GELU_TANH * (x + _GELU_CUBE * x * x * x))


def _gelu_sigmoid(x: np.ndarray) -> np.ndarray:
    return x * _sigmoid(_GELU_SIGMOID * x)


def _gelu_sigmoid_dx(x: np.ndarray) -> np.ndarray:
    u = _GELU_SIGMOID * x
    return _sigmoid(u) * (1 + u * _sigmoid(-u))


def _erf_dx(x: np.ndarray) -> np.ndarray:
    return _TWO_OVER_ROOT_PI * np.exp(-x * x)


def _sin(x: np.ndarray) -> np.ndarray:
    """Outside [-pi, pi] the cubic that meets the sine there: sin(9) gives 27.65, as documented."""
    beyond = np.abs(x) - np.pi
    return np.where(beyond <= 0, np.sin(x), np.sign(x) * (beyond**3 / 6 - beyond))


def _rsqrt(x: np.ndarray) -> np.ndarray:
    return 1 / np.sqrt(x)


# -- float32 forms that round once by themselves -----------------------------------------------


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, np.float32(0))


def _prelu(x: np.ndarray, slope: Any) -> np.ndarray:
    return np.where(x > 0, x, x * slope)


def _reciprocal(x: np.ndarray) -> np.ndarray:
    return np.float32(1) / x


def _plain(name: str, apply: Callable[..., np.ndarray], parametric: bool = False) -> Activation:
    return Activation(name, apply, plain=True, parametric=parametric)


def _smooth(name: str, function: Fn) -> Activation:
    return Activation(name, rounded(function))


FUNCTIONS: dict[str, Activation] = {
    f.name: f
    for f in (
        # Operations of the datapath itself: no table.
        _plain("copy", lambda x: x),
        _plain("square", np.square),
        _plain("relu", _relu),
        _plain("prelu", _prelu, parametric=True),
        _plain("abs", np.abs),
        _plain("sign", np.sign),
        _smooth("sigmoid", _sigmoid),
        Activation("gelu", gelu),
        _smooth("gelu_dx", _gelu_dx),
        _smooth("gelu_apprx_tanh", _gelu_tanh),
        _smooth("gelu_apprx_sigmoid", _gelu_sigmoid),
        _smooth("gelu_apprx_sigmoid_dx", _gelu_sigmoid_dx),
        _smooth("silu", _silu),
        _smooth("silu_dx", _silu_dx),
        _smooth("tanh", np.tanh),
        _smooth("softplus", _softplus),
        _smooth("mish", _mish),
        Activation("erf", erf),
        _smooth("erf_dx", _erf_dx),
        Activation("exp", rounded(np.exp), narrow=np.exp),
        Activation("log", rounded(np.log), 2.0**-64, 2.0**64, positive=True),
        _smooth("sin", _sin),
        Activation("arctan", rounded(np.arctan), high=np.pi / 2),
        Activation("sqrt", np.sqrt, 2.0**-116, 2.0**118, positive=True),
        Activation("rsqrt", rounded(_rsqrt), 2.0**-87, 2.0**97, positive=True),
        Activation("reciprocal", _reciprocal, 2.0**-42, 2.0**42),
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
