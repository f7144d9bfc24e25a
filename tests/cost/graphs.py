"""Small graphs for the cost tests; weights are broadcast zeros, so that they take no memory."""

import numpy as np

from glia.core.dtypes import dtype
from glia.graph.builder import GraphBuilder
from glia.graph.ir import TensorType

FP32 = dtype("float32")


def tensor(*shape, kind=FP32):
    return TensorType(shape, kind)


def weight(builder, name, *shape):
    return builder.constant(name, np.broadcast_to(np.float32(0), shape))


def matmul(m=512, k=256, n=128):
    """x[m,k] @ w[n,k] transposed."""
    builder = GraphBuilder("matmul")
    x = builder.input("x", tensor(m, k))
    y = builder.emit("linear", x, weight(builder, "w", n, k))
    return builder.finish([y])


def encoder_layer(batch=2, rows=16, width=64, heads=4):
    builder = GraphBuilder("layer")
    x = builder.input("x", tensor(batch, rows, width))
    split = {"shape": (batch, rows, heads, width // heads)}

    def dense(x, name, num_features, **attrs):
        w = weight(builder, f"{name}.weight", num_features, x.type.shape[-1])
        return builder.emit("linear", x, w, weight(builder, f"{name}.bias", num_features), **attrs)

    def by_head(name):
        tall = builder.emit("reshape", dense(x, name, width), **split)
        return builder.emit("transpose", tall, permutation=(0, 2, 1, 3))

    mixed = builder.emit("attention", *map(by_head, "qkv"), scale=0.25)
    flat = builder.emit("transpose", mixed, permutation=(0, 2, 1, 3))
    flat = builder.emit("reshape", flat, shape=(batch, rows, width))
    hidden = dense(dense(flat, "up", 4 * width, activation="gelu"), "down", width)
    norm = weight(builder, "norm.weight", width), weight(builder, "norm.bias", width)
    y = builder.emit("add_layer_norm", hidden, x, *norm, epsilon=1e-5)
    return builder.finish([y])
