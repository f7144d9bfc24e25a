"""The dense layer, with its bias and activation, as one composite."""

from __future__ import annotations

from glia.graph.builder import GraphBuilder
from glia.graph.ir import TensorType, Value
from glia.graph.op import composite, require
from glia.graph.ops.activation import ACTIVATIONS
from glia.graph.ops.building import along_last, rounded, wide, wide_dtype
from glia.graph.ops.rules import require_choice, require_kind, require_type


def _linear_type(
    x: TensorType,
    weight: TensorType,
    bias: TensorType | None = None,
    *,
    activation: str | None = None,
) -> TensorType:
    require_kind(x, ("float",))
    require(x.rank >= 1, x, "rank 1 or more", "reshape it")
    require(weight.rank == 2, f"weight {weight}", "rank 2, [N, K]", "reshape it")
    num_features = weight.shape[0]
    require_type("weight", weight, (num_features, x.shape[-1]), x)
    if bias is not None:
        require_type("bias", bias, (num_features,), x)
    require_choice("activation", activation, (None, *ACTIVATIONS))
    return TensorType((*x.shape[:-1], num_features), x.dtype)


@composite(_linear_type)
def linear(
    builder: GraphBuilder,
    x: Value,
    weight: Value,
    bias: Value | None = None,
    *,
    activation: str | None = None,
) -> Value:
    """activation(x[..., K] @ weight[N, K] transposed + bias[N]): [..., N], rounded once."""
    h = builder.emit(
        "dot_general",
        x,
        weight,
        lhs_batching_dimensions=(),
        rhs_batching_dimensions=(),
        lhs_contracting_dimensions=(x.type.rank - 1,),
        rhs_contracting_dimensions=(1,),
        dtype=wide_dtype(x.type.dtype).name,
    )
    if bias is not None:
        h = builder.emit("add", h, along_last(builder, wide(builder, bias), h))
    if activation is not None:
        op, attrs = ACTIVATIONS[activation]
        h = builder.emit(op, h, **attrs)
    return rounded(builder, h, like=x)
