"""The peak of a training step: what the loss and each layer's backward hold beside what is kept.

Each candidate is one moment of the backward pass of eager PyTorch: gradients in flight, the
gradient of a weight before it is added to the others, less what the pass has freed by then.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from glia.cost.memory.architecture import Architecture, Block, Layer, Weight
from glia.cost.memory.forward import mask_bytes
from glia.cost.memory.kept import Activations, Batch, kept_bytes
from glia.cost.memory.sharding import kv_heads_of_layer, share

_FLOAT32_BYTES = 4


def with_peak(
    architecture: Architecture,
    layers: tuple[Layer, ...],
    batch: Batch,
    kept: float,
    recomputed: float,
) -> Activations:
    """`kept` and the logits, with the largest moment on top; `recomputed` is one layer in full.

    When layers are recomputed the head is done, and the layer's input is kept already.
    """
    positions = batch.num_sequences if architecture.pools else batch.num_tokens
    logits = positions * architecture.num_logits / batch.degree
    wide = _FLOAT32_BYTES if architecture.loss_is_wide else batch.itemsize
    held = logits * batch.itemsize
    head = _largest(architecture, architecture.head.weights, batch)
    tied = _tied_gradient(architecture, batch)
    in_loss = 3 * logits * wide  # the log-softmax and two gradients
    in_head = held + max(head, tied)
    distinct = {id(layer.block): layer for layer in layers}.values()
    in_layer = max(
        (max(_moments(architecture, layer, batch, recomputed > 0)) for layer in distinct),
        default=0.0,
    )
    # Both gradients of the shared matrix and their sum; an encoder's layers wait beside them.
    at_end = 3 * tied - kept + min(kept, _encoder_bytes(architecture, layers, batch))
    if recomputed:
        stream = float(architecture.hidden * batch.num_tokens * batch.itemsize)
        recomputed -= stream + kept_bytes(architecture.head, batch, 1)
        recomputed += _bias_bytes(layers, batch) + _argument_masks(layers, batch)
    return Activations(kept + held, max(in_loss, in_head, recomputed + in_layer + tied, at_end))


def _encoder_bytes(architecture: Architecture, layers: tuple[Layer, ...], batch: Batch) -> float:
    """What an encoder keeps until the backward pass of its decoder is done."""
    waiting = (
        [layer for layer in layers if not layer.is_decoder] if architecture.has_encoder else []
    )
    return sum(
        kept_bytes(layer.block, batch, kv_heads_of_layer(layer.attentions)) for layer in waiting
    )


def _bias_bytes(layers: tuple[Layer, ...], batch: Batch) -> float:
    """Biases of the scores that all layers of a stack share, where layers are recomputed.

    As arguments of the layers they live through the pass: one of an encoder, and one for each of
    a decoder's two attentions. Those of the last stack gather gradients from layer to layer.
    """
    stacks = {layer.is_decoder: layer for layer in layers if layer.forward.is_bias}
    if not stacks:
        return 0.0
    last = stacks[max(stacks)]
    count = sum(len(layer.attentions) for layer in stacks.values()) + len(last.attentions)
    heads = last.attentions[0].num_heads / batch.degree
    return count * heads * batch.seq**2 * batch.itemsize


def _argument_masks(layers: tuple[Layer, ...], batch: Batch) -> float:
    """Masks that are added to written scores: arguments of layers that are recomputed live on.

    Biases are counted apart; latent attention asks its kernel for a causal mask.
    """
    written = (
        x
        for x in layers
        if any(x.forward.score_bytes)
        and not x.forward.is_bias
        and not any(a.latent_size for a in x.attentions)
    )
    return max((mask_bytes(layer, batch) for layer in written), default=0.0)


def _tied_gradient(architecture: Architecture, batch: Batch) -> float:
    """The gradient that a tied embedding gets from the head waits for the one of its look-up."""
    if not architecture.is_tied:
        return 0.0
    tables = (w for w in architecture.embedding.weights if w.split == "vocab")
    return _largest(architecture, tables, batch)


def _moments(
    architecture: Architecture, layer: Layer, batch: Batch, is_recomputed: bool
) -> Iterator[float]:
    """Bytes beside what is kept at each moment of one layer's backward pass.

    Where it is recomputed, its forward pass too: variables hold scores that are not kept.
    """
    tokens, a = batch.num_tokens, batch.itemsize
    stream = float(architecture.hidden * tokens * a)
    steps = 3 if layer.is_gated else 2
    width = layer.inner * tokens * a / steps / batch.degree
    inside = [w for w in layer.block.weights if w.split == "width"]
    outside = [w for w in layer.block.weights if w.split in ("heads", "kv")]
    last = [w for w in inside if len(w.shape) > 1 and w.shape[-2] == architecture.hidden]
    feed = _part_bytes(layer, batch, "width")
    scores = _score_bytes(layer, batch)
    queries = sum(x.num_heads * x.head_dim for x in layer.attentions[:1]) * tokens * a
    yield 3.0 * architecture.hidden * tokens * (_FLOAT32_BYTES if layer.is_written else a)
    yield stream + width + _largest(architecture, last, batch)
    yield stream + (steps - 1) * width + _lost_bytes(layer, batch)
    yield stream + _largest(architecture, inside, batch) - (steps - 1) * width
    attend = max(_largest(architecture, outside, batch), scores)
    freed = feed + (
        _after_attention(layer, batch) if scores > _largest(architecture, outside, batch) else 0.0
    )
    yield stream + attend + queries / batch.degree - freed
    norms = float(architecture.hidden * tokens * (_FLOAT32_BYTES if layer.is_written else a))
    yield from _adapter_moments(layer, batch, stream, norms if is_recomputed else 0.0)
    if is_recomputed and not layer.forward.is_bias:
        yield stream + _score_variables(layer, batch) - feed


# Names of what stands behind attention in the manner of Llama: done before its scores' gradient.
_BEHIND = ("post_attention_", "pre_feedforward_", "post_feedforward_", "results of experts")


def _after_attention(layer: Layer, batch: Batch) -> float:
    kept = tuple(k for k in layer.block.kept if k.name.startswith(_BEHIND))
    return kept_bytes(Block(kept=kept), batch, kv_heads_of_layer(layer.attentions))


def _adapter_moments(layer: Layer, batch: Batch, stream: float, gradient: float) -> Iterator[float]:
    """At the last map of a feed-forward: its input's gradients by the map and by the adapter.

    An adapter in a wider format has the latter in its own, then in the model's. Where the layer is
    recomputed (`gradient`, which waits for it, is not 0) the map before it has as much: the base's
    result, the scaled one, the sum and its copy, less the input of the last map; beside the
    residual, the norm's result and the gradient as the engine hands it on.
    """
    for weight in layer.block.weights:
        if weight.name.endswith("lora_A.weight") and weight.split == "width":
            own = weight.itemsize / batch.itemsize
            width = weight.shape[1] * batch.num_tokens * batch.itemsize / batch.degree
            yield 2 * stream + width * (1 + own)
            if gradient and own > 1:
                yield 3 * stream + gradient + width * (1 + own)


def _lost_bytes(layer: Layer, batch: Batch) -> float:
    """The input of a feed-forward's last map where that is frozen, so that it is not kept.

    Its gradient then comes on top; else it takes the place of the input.
    """
    ends = {w.reads for w in layer.block.weights if w.split == "width" and w.cuts_inputs}
    is_frozen = not any(w.is_trained and w.split == "width" for w in layer.block.weights)
    if not is_frozen or not ends - {k.name for k in layer.block.kept}:
        return 0.0
    width = max(layer.widths) * max(1, layer.forward.num_sent)
    return width * batch.num_tokens * batch.itemsize / batch.degree


def _part_bytes(layer: Layer, batch: Batch, split: str) -> float:
    kept = tuple(k for k in layer.block.kept if k.split == split)
    return kept_bytes(Block(kept=kept), batch, kv_heads_of_layer(layer.attentions))


def _score_bytes(layer: Layer, batch: Batch) -> float:
    """The gradient of the attention weights where they exist, and of scores that linger."""
    kept = [k for k in layer.block.kept if k.per_score and k.split == "heads"]
    count = 1 if layer.forward.is_bias else max(1, layer.forward.lingering)
    return count * kept_bytes(Block(kept=tuple(kept[:1])), batch, 1)


def _score_variables(layer: Layer, batch: Batch) -> float:
    """Scores that the forward pass holds beside those that are kept."""
    is_narrow = batch.itemsize < _FLOAT32_BYTES
    each = layer.forward.score_bytes[is_narrow] * sum(a.num_heads for a in layer.attentions)
    whole = each * batch.num_tokens * batch.seq / batch.degree
    kept = tuple(k for k in layer.block.kept if k.per_score and k.split == "heads")
    return max(0.0, whole - kept_bytes(Block(kept=kept), batch, 1))


def _largest(architecture: Architecture, weights: Iterable[Weight], batch: Batch) -> float:
    """The largest gradient of a weight; a frozen one that is quantised is unpacked to be used."""
    sizes = (
        math.prod(w.shape) * (w.itemsize or batch.itemsize) * share(w.split, batch.degree, 1)
        for w in weights
        if w.is_trained or (w.is_linear and architecture.quantisation)
    )
    return max(sizes, default=0.0)
