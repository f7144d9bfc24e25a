"""A small encoder twice: as a glia graph and as torch modules with the same weights."""

from __future__ import annotations

import numpy as np
import torch

from glia.core.dtypes import dtype
from glia.core.records import SourceLine
from glia.graph import Graph, GraphBuilder, TensorType, Value


def torch_encoder(width: int, heads: int, layers: int) -> torch.nn.TransformerEncoder:
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(
        width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True
    )
    model = torch.nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def graph_encoder(model: torch.nn.TransformerEncoder, batch: int, length: int) -> Graph:
    """Inputs x: float32[batch, length, width], mask: bool[batch, 1, 1, length]."""
    b = GraphBuilder("encoder")
    heads, width = model.layers[0].self_attn.num_heads, model.layers[0].linear1.in_features
    h = b.input("x", TensorType((batch, length, width), dtype("float32")))
    mask = b.input("mask", TensorType((batch, 1, 1, length), dtype("bool")))
    for i, layer in enumerate(model.layers):
        weights = {
            name: b.constant(f"layers.{i}.{name}", parameter.detach().numpy())
            for name, parameter in layer.named_parameters()
        }
        with b.at(SourceLine("encoder.py", 10 + i, "h = layer(h, mask)"), f"layers.{i}"):
            h = _layer(b, h, mask, weights, heads)
    return b.finish([h])


def _layer(b: GraphBuilder, x: Value, mask: Value, w: dict[str, Value], heads: int) -> Value:
    packed = b.emit("linear", x, w["self_attn.in_proj_weight"], w["self_attn.in_proj_bias"])
    q, k, v = (_heads(b, packed, part, heads) for part in range(3))
    mixed = b.emit("attention", q, k, v, mask, scale=q.type.shape[-1] ** -0.5)
    joined = b.emit("transpose", mixed, permutation=(0, 2, 1, 3))
    flat = b.emit("reshape", joined, shape=x.type.shape)
    out = b.emit("linear", flat, w["self_attn.out_proj.weight"], w["self_attn.out_proj.bias"])
    h = b.emit("add_layer_norm", out, x, w["norm1.weight"], w["norm1.bias"], epsilon=1e-5)
    wide = b.emit("linear", h, w["linear1.weight"], w["linear1.bias"], activation="gelu")
    narrow = b.emit("linear", wide, w["linear2.weight"], w["linear2.bias"])
    return b.emit("add_layer_norm", narrow, h, w["norm2.weight"], w["norm2.bias"], epsilon=1e-5)


def _heads(b: GraphBuilder, packed: Value, part: int, heads: int) -> Value:
    batch, length, triple = packed.type.shape
    width = triple // 3
    columns = b.emit(
        "slice",
        packed,
        start_indices=(0, 0, part * width),
        limit_indices=(batch, length, (part + 1) * width),
        strides=(1, 1, 1),
    )
    split = b.emit("reshape", columns, shape=(batch, length, heads, width // heads))
    return b.emit("transpose", split, permutation=(0, 2, 1, 3))


def encoder_inputs(batch: int, length: int, width: int) -> dict[str, np.ndarray]:
    """Every sequence is one token longer than the one before, at least one token."""
    rng = np.random.default_rng(0)
    lengths = np.minimum(np.arange(batch) + 1, length)
    return {
        "x": rng.normal(size=(batch, length, width)).astype(np.float32),
        "mask": (np.arange(length) < lengths[:, None])[:, None, None, :],
    }
