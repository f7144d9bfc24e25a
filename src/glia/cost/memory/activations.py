"""Activations of training: what is kept for the backward pass, and the peak of a step.

The likely number is eager PyTorch, tensor by tensor. A compiler fuses elementwise chains and
recomputes them, so the low end keeps only what feeds a product; nothing published says more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from glia.cost.memory.architecture import Architecture, Layer
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
