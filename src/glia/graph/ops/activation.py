"""Composites that treat every element alone: the activation functions of neural networks."""

from __future__ import annotations

import math

from glia.graph.builder import GraphBuilder
from glia.graph.ir import TensorType, Value
from glia.graph.op import composite
from glia.graph.ops.building import full_like, rounded, scaled, wide
from glia.graph.ops.rules import NUMBER, require_choice, require_kind, unary


@composite(unary(*NUMBER))
def relu(builder: GraphBuilder, x: Value) -> Value:
    """maximum(x, 0), any shape."""
    return builder.emit("maximum", x, full_like(builder, x, 0))


@composite(unary("float"))
def silu(builder: GraphBuilder, x: Value) -> Value:
    """x * logistic(x), any shape (Elfwing et al., 2017)."""
    h = wide(builder, x)
    return rounded(builder, builder.emit("multiply", h, builder.emit("logistic", h)), like=x)


def _gelu_type(x: TensorType, *, approximate: str = "none") -> TensorType:
    require_kind(x, ("float",))
    require_choice("approximate", approximate, ("none", "tanh"))
    return x


@composite(_gelu_type)
def gelu(builder: GraphBuilder, x: Value, *, approximate: str = "none") -> Value:
    """x times the normal distribution function of x, by erf or by the tanh formula; any shape.

    Hendrycks and Gimpel, 2016, arXiv:1606.08415.
    """
    h = wide(builder, x)
    if approximate == "tanh":
        cube = builder.emit("multiply", builder.emit("multiply", h, h), h)
        inner = builder.emit("add", h, scaled(builder, cube, 0.044715))
        bent = builder.emit("tanh", scaled(builder, inner, math.sqrt(2 / math.pi)))
    else:
        bent = builder.emit("erf", scaled(builder, h, math.sqrt(0.5)))
    gate = scaled(builder, builder.emit("add", bent, full_like(builder, h, 1)), 0.5)
    return rounded(builder, builder.emit("multiply", h, gate), like=x)


# The names that `linear` accepts, and the op and attributes that each stands for.
ACTIVATIONS: dict[str, tuple[str, dict[str, str]]] = {
    "gelu": ("gelu", {}),
    "gelu_tanh": ("gelu", {"approximate": "tanh"}),
    "tanh": ("tanh", {}),
    "relu": ("relu", {}),
    "silu": ("silu", {}),
    "logistic": ("logistic", {}),
}
