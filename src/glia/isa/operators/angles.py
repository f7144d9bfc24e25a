"""Angles brought into the Scalar engine's range of the sine, for `nl.sin`, `nl.cos` and `nl.tan`.

The public record says that more instructions do this and that the functions are then accurate
everywhere, not which instructions. Here it is one pass of the Vector engine, whose value is the
angle in [-pi/2, pi/2] with the same sine, rounded once: there rounding costs no relative accuracy.
Kernels cannot name these operators. Source: aws-neuron-sdk nki/api/nki.api.shared.rst.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from glia.isa.operators.alu import AluOp


def _angle(name: str, function: Callable[[np.ndarray], np.ndarray]) -> AluOp:
    """The angle whose sine is `function` of x; the C library reduces any float64 exactly."""

    def apply(x: np.ndarray, _: object) -> np.ndarray:
        return np.arcsin(function(x.astype(np.float64))).astype(np.float32)

    return AluOp(name, "arithmetic", apply, unary=True)


ANGLES = {op.name: op for op in (_angle("sine_angle", np.sin), _angle("cosine_angle", np.cos))}
