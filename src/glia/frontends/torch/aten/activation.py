"""Activation functions that are not elementary."""

from __future__ import annotations

from glia.frontends.torch.aten.table import rule
from glia.frontends.torch.emitter import Emitter
from glia.graph.ir import Value


@rule("gelu")
def gelu(e: Emitter, x: Value, *, approximate: str = "none") -> Value:
    """The composite gelu."""
    return e.emit("gelu", x, approximate=approximate)


@rule("silu")
def silu(e: Emitter, x: Value) -> Value:
    """The composite silu."""
    return e.emit("silu", x)


@rule("relu")
def relu(e: Emitter, x: Value) -> Value:
    """The composite relu."""
    return e.emit("relu", x)


@rule("relu6")
def relu6(e: Emitter, x: Value) -> Value:
    """Limit to 0 and 6."""
    return hardtanh(e, x, 0.0, 6.0)


@rule("hardtanh")
def hardtanh(e: Emitter, x: Value, low: float = -1.0, high: float = 1.0) -> Value:
    """Limit to `low` and `high`."""
    return e.binary("minimum", e.binary("maximum", x, low), high)


@rule("hardsigmoid")
def hardsigmoid(e: Emitter, x: Value) -> Value:
    """`relu6(x + 3) / 6`."""
    return e.binary("divide", hardtanh(e, e.binary("add", x, 3.0), 0.0, 6.0), 6.0)


@rule("hardswish")
def hardswish(e: Emitter, x: Value) -> Value:
    """`x * relu6(x + 3) / 6`."""
    return e.emit("multiply", x, hardsigmoid(e, x))


@rule("leaky_relu")
def leaky_relu(e: Emitter, x: Value, slope: float = 0.01) -> Value:
    """`x` above zero, `slope * x` below."""
    return e.select(e.compare("GT", x, 0.0), x, e.binary("multiply", x, slope), x.type.dtype)


@rule("elu")
def elu(
    e: Emitter, x: Value, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0
) -> Value:
    """`scale * x` above zero, `scale * alpha * (exp(input_scale * x) - 1)` below."""
    grown = e.emit("exponential", e.binary("multiply", x, input_scale))
    below = e.binary("multiply", e.binary("subtract", grown, 1.0), alpha * scale)
    return e.select(e.compare("GT", x, 0.0), e.binary("multiply", x, scale), below, x.type.dtype)


@rule("softplus")
def softplus(e: Emitter, x: Value, beta: float = 1.0, threshold: float = 20.0) -> Value:
    """`log(1 + exp(beta x)) / beta`, and `x` itself above the threshold."""
    scaled = e.binary("multiply", x, beta)
    stable = e.emit("negate", e.emit("abs", scaled))
    tail = e.emit("log", e.binary("add", e.emit("exponential", stable), 1.0))
    soft = e.emit("add", e.binary("maximum", scaled, 0.0), tail)
    is_large = e.compare("GT", scaled, threshold)
    return e.select(is_large, x, e.binary("divide", soft, beta), x.type.dtype)


@rule("mish")
def mish(e: Emitter, x: Value) -> Value:
    """`x * tanh(softplus(x))`."""
    return e.emit("multiply", x, e.emit("tanh", softplus(e, x)))


@rule("log_sigmoid", "log_sigmoid_forward")
def log_sigmoid(e: Emitter, x: Value) -> Value:
    """`-softplus(-x)`."""
    return e.emit("negate", softplus(e, e.emit("negate", x)))


@rule("glu")
def glu(e: Emitter, x: Value, dim: int = -1) -> Value:
    """The first half times the logistic of the second."""
    axis = dim % x.type.rank
    half = x.type.shape[axis] // 2
    gate = e.emit("logistic", e.slice(x, axis, half, 2 * half))
    return e.emit("multiply", e.slice(x, axis, 0, half), gate)
