"""Activations: what training keeps for the backward pass, and the peak that a step reaches.

The likely number is eager PyTorch, tensor by tensor. A compiler fuses elementwise chains and
recomputes them, so the low end keeps only what feeds a product; nothing published says more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from glia.cost.memory.architecture import Architecture, Block, Layer
from glia.cost.memory.kept import Activations, Batch, kept_bytes
from glia.cost.memory.peak import with_peak
from glia.cost.memory.sharding import kv_heads_of_layer

Checkpointing = Literal["none", "selective", "layer"]


def training_activations(
    architecture: Architecture,
    layers: Iterable[Layer],
    batch: Batch,
    checkpointing: Checkpointing,
    *,
    only_products: bool = False,
) -> Activations:
    """What a training step of these layers, with both ends of the model, keeps at its peak.

    `selective` recomputes everything but what feeds products; `layer` keeps the input of every
    layer, and one layer in full while it is recomputed.
    """
    layers = tuple(layers)
    products = only_products or checkpointing == "selective"
    each = [_layer_bytes(layer, batch, products) for layer in layers]
    ends = kept_bytes(architecture.embedding, batch, 1, products)
    ends += kept_bytes(architecture.head, batch, 1, products)
    if checkpointing == "layer":
        stream = float(architecture.hidden * batch.num_tokens * batch.itemsize)
        if batch.sequence_parallel:
            stream /= batch.degree
        kept = ends + stream * len(layers)
        recomputed = max(each, default=0.0)
    else:
        kept, recomputed = ends + sum(each), 0.0
    return with_peak(architecture, layers, batch, kept, recomputed)


def _layer_bytes(layer: Layer, batch: Batch, only_products: bool) -> float:
    kv_heads = kv_heads_of_layer(layer.attentions)
    return kept_bytes(layer.block, batch, kv_heads, only_products)


def inference_activations(architecture: Architecture, batch: Batch, num_positions: int) -> float:
    """The peak of a forward pass without gradients; logits for `num_positions` per sequence.

    One layer at a time: the stream beside a norm, the attention or the feed-forward.
    """
    tokens, a = batch.num_tokens, batch.itemsize
    stream = float(architecture.hidden * tokens * a)
    layers = {id(layer.block): layer for layer in architecture.layers}.values()
    inside = max((_layer_peak(architecture, layer, batch) for layer in layers), default=0.0)
    positions = 1 if architecture.pools else num_positions
    logits = batch.num_sequences * positions * architecture.num_logits * a / batch.degree
    is_capped = any(kept.name == "capped logits" for kept in architecture.head.kept)
    return stream + max(inside, stream + logits * (3 if is_capped else 1))


def _layer_peak(architecture: Architecture, layer: Layer, batch: Batch) -> float:
    """The most that one layer holds beside the stream; norms in Python hold three float32 steps."""
    stream = float(architecture.hidden * batch.num_tokens)
    norm = 12 * stream if layer.is_written else batch.itemsize * stream
    inner = layer.inner * batch.num_tokens * batch.itemsize / batch.degree
    beside = batch.itemsize * stream
    return max(norm, beside + inner, beside + _attention_bytes(layer, batch))


def _attention_bytes(layer: Layer, batch: Batch) -> float:
    parts = ("heads", "kv")
    kept = tuple(k for k in layer.block.kept if k.split in parts and not k.in_training)
    return kept_bytes(Block(kept=kept), batch, kv_heads_of_layer(layer.attentions))
