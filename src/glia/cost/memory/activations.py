"""Activations: what training keeps for the backward pass, and the peak that a step reaches.

The likely number is eager PyTorch, tensor by tensor. A compiler fuses elementwise chains and
recomputes them, so the low end keeps only what feeds a product; nothing published says more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from glia.cost.memory.architecture import Architecture, Block, Kept, Layer
from glia.cost.memory.sharding import kv_heads_of_layer, share

Checkpointing = Literal["none", "selective", "layer"]
_FLOAT32_BYTES = 4


@dataclass(frozen=True, slots=True)
class Batch:
    """Sequences of `seq` tokens that one model copy handles at once; numbers of `itemsize` bytes.

    `degree` is tensor parallelism; with `sequence_parallel` what it does not divide is divided
    along the sequence.
    """

    num_sequences: int
    seq: int
    itemsize: int
    degree: int = 1
    sequence_parallel: bool = False

    @property
    def num_tokens(self) -> int:
        """Tokens of all sequences."""
        return self.num_sequences * self.seq


def kept_bytes(block: Block, batch: Batch, num_kv_heads: int, *, only_products: bool) -> float:
    """Bytes of what a block keeps on one rank; `only_products` leaves out what is recomputed."""
    kept = (k for k in block.kept if k.is_matmul or not only_products)
    return sum(_bytes(k, batch, num_kv_heads) for k in kept)


def _bytes(kept: Kept, batch: Batch, num_kv_heads: int) -> float:
    if kept.from_length > batch.seq:
        return 0.0
    elements = kept.per_token * batch.num_tokens
    elements += kept.per_score * batch.num_tokens * batch.seq
    part = share(kept.split, batch.degree, num_kv_heads)
    if kept.split == "all" and batch.sequence_parallel:
        part = 1.0 / batch.degree
    return elements * _itemsize(kept, batch.itemsize) * part


def _itemsize(kept: Kept, itemsize: int) -> int:
    is_narrow = itemsize < _FLOAT32_BYTES
    if kept.kind == "float32":
        return _FLOAT32_BYTES
    if kept.kind == "widened":
        return _FLOAT32_BYTES if is_narrow else 0
    if kept.kind == "narrow":
        return itemsize if is_narrow else 0
    return 1 if kept.kind == "byte" else itemsize


@dataclass(frozen=True, slots=True)
class Activations:
    """Bytes on one rank: `kept` between forward and backward, `working` on top at the peak."""

    kept: float
    working: float


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
    ends = kept_bytes(architecture.embedding, batch, 1, only_products=products)
    ends += kept_bytes(architecture.head, batch, 1, only_products=products)
    if checkpointing == "layer":
        stream = float(architecture.hidden * batch.num_tokens * batch.itemsize)
        if batch.sequence_parallel:
            stream /= batch.degree
        kept = ends + stream * len(layers)
        recomputed = max(each, default=0.0)
    else:
        kept, recomputed = ends + sum(each), 0.0
    return _with_peak(architecture, layers, batch, kept, recomputed)


def _layer_bytes(layer: Layer, batch: Batch, only_products: bool) -> float:
    kv_heads = kv_heads_of_layer(layer.attentions)
    return kept_bytes(layer.block, batch, kv_heads, only_products=only_products)


def _with_peak(
    architecture: Architecture,
    layers: tuple[Layer, ...],
    batch: Batch,
    kept: float,
    recomputed: float,
) -> Activations:
    """Add the loss: the logits, their log-softmax, and two gradients at the peak."""
    positions = batch.num_sequences if architecture.pools else batch.num_tokens
    logits = positions * architecture.num_logits / batch.degree
    wide = _FLOAT32_BYTES if architecture.loss_is_wide else batch.itemsize
    held = logits * batch.itemsize
    in_loss = 3 * logits * wide
    in_head = logits * (wide + batch.itemsize) + _largest_weight(architecture.head, batch)
    in_layer = recomputed + _backward_bytes(architecture, layers, batch)
    return Activations(kept + held, max(in_loss, in_head, in_layer))


def _backward_bytes(architecture: Architecture, layers: tuple[Layer, ...], batch: Batch) -> float:
    """Gradients inside a layer: two of the stream, those of the feed-forward, one of a weight."""
    hidden = 2 * architecture.hidden * batch.num_tokens * batch.itemsize
    inner = max((layer.inner for layer in layers), default=0)
    weight = max((_largest_weight(layer.block, batch) for layer in layers), default=0.0)
    return hidden + inner * batch.num_tokens * batch.itemsize / batch.degree + weight


def _largest_weight(block: Block, batch: Batch) -> float:
    sizes = (
        math.prod(w.shape) * batch.itemsize * share(w.split, batch.degree, 1) for w in block.weights
    )
    return max(sizes, default=0.0)


def inference_activations(architecture: Architecture, batch: Batch, num_positions: int) -> float:
    """The peak of a forward pass without gradients; logits for `num_positions` per sequence.

    One layer at a time: the stream, its norm, and the widest of attention and feed-forward.
    """
    tokens, a, degree = batch.num_tokens, batch.itemsize, batch.degree
    stream = 2 * architecture.hidden * tokens * a
    inner = max((layer.inner for layer in architecture.layers), default=0) * tokens * a / degree
    attend = max((_attention_bytes(layer, batch) for layer in architecture.layers), default=0.0)
    positions = 1 if architecture.pools else num_positions
    logits = batch.num_sequences * positions * architecture.num_logits * a / degree
    return max(stream + max(inner, attend), stream + logits)


def _attention_bytes(layer: Layer, batch: Batch) -> float:
    kept = (k for k in layer.block.kept if k.split in ("heads", "kv"))
    kv_heads = kv_heads_of_layer(layer.attentions)
    return sum(_bytes(k, batch, kv_heads) for k in kept)
