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


def encoder(batch, rows, width, heads, num_layers=1):
    """A BERT-like encoder: attention with its projections, and a feed-forward part of 4x width."""
    builder = GraphBuilder("encoder")
    x = builder.input("x", tensor(batch, rows, width))
    for _ in range(num_layers):
        x = _layer(builder, x, heads)
    return builder.finish([x])


def encoder_layer(batch=2, rows=16, width=64, heads=4):
    return encoder(batch, rows, width, heads)


def _layer(builder, x, heads):
    batch, rows, width = x.type.shape
    split = {"shape": (batch, rows, heads, width // heads)}

    def dense(x, num_features, **attrs):
        w = weight(builder, "weight", num_features, x.type.shape[-1])
        return builder.emit("linear", x, w, weight(builder, "bias", num_features), **attrs)

    def add_norm(y, x):
        scale, shift = weight(builder, "scale", width), weight(builder, "shift", width)
        return builder.emit("add_layer_norm", y, x, scale, shift, epsilon=1e-5)

    def by_head():
        tall = builder.emit("reshape", dense(x, width), **split)
        return builder.emit("transpose", tall, permutation=(0, 2, 1, 3))

    mixed = builder.emit("attention", by_head(), by_head(), by_head(), scale=0.25)
    flat = builder.emit("transpose", mixed, permutation=(0, 2, 1, 3))
    flat = builder.emit("reshape", flat, shape=(batch, rows, width))
    x = add_norm(dense(flat, width), x)
    return add_norm(dense(dense(x, 4 * width, activation="gelu"), width), x)
