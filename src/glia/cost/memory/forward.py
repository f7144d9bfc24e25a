"""The peak of a forward pass without gradients: one layer at a time, beside the KV cache.

Each candidate is one moment of the modules of transformers in eager PyTorch, variable by variable:
the norm, the rotation of queries and keys, the scores, the feed-forward, the logits.
"""

from __future__ import annotations

from collections.abc import Iterator

from glia.cost.memory.architecture import Architecture, Layer
from glia.cost.memory.kept import Batch
from glia.cost.memory.sharding import share

_FLOAT32_BYTES = 4
_TABLE_BYTES = 36  # the router's order of tokens, there and back, per token that is sent


def inference_activations(architecture: Architecture, batch: Batch, num_positions: int) -> float:
    """The peak of a forward pass; logits for `num_positions` per sequence.

    The embedding's result lives until the last layer is done, beside the layer's own input.
    """
    stream = float(architecture.hidden * batch.num_tokens * batch.itemsize)
    layers = list({id(layer.block): layer for layer in architecture.layers}.values())
    embedded = (1 if len(architecture.layers) > 1 else 0) + architecture.num_embeddings - 1
    outer = stream * (embedded + (1 if architecture.has_encoder else 0))
    inside = (max(moments(layer, stream, batch)) for layer in layers)
    masks = max((mask_bytes(layer, batch) for layer in layers), default=0.0)
    positions = 1 if architecture.pools else num_positions
    numbers = batch.num_sequences * positions * architecture.num_logits
    logits = numbers * batch.itemsize / batch.degree
    is_capped = any(kept.name == "capped logits" for kept in architecture.head.kept)
    at_head = stream * (1 if architecture.is_causal else 2) + logits * (3 if is_capped else 1)
    return max(outer + masks + max(inside, default=0.0), at_head, 2 * stream)


def moments(layer: Layer, stream: float, batch: Batch) -> Iterator[float]:
    """Bytes at each moment of one layer, its input included."""
    run, narrow = layer.forward, batch.itemsize < _FLOAT32_BYTES
    lingering = run.lingering * _scores(layer, batch) * batch.itemsize
    around = lingering + stream * run.streams
    sent = run.num_sent * stream
    tables = _TABLE_BYTES * run.num_sent * batch.num_tokens
    yield lingering + stream * (2 + _norm_steps(layer, narrow))
    yield from (lingering + stream * run.attention_streams + n for n in _attention(layer, batch))
    yield stream * (run.attention_streams + 1) + _output(layer, batch)
    if any(run.score_bytes):
        yield stream * run.attention_streams + _written(layer, batch)
    inner = run.inner * batch.num_tokens * batch.itemsize / batch.degree
    yield around + sent + tables + inner
    if run.has_post_norms and not layer.is_written:  # result, sum and norm behind the feed-forward
        yield around + inner / 2 + 3 * stream
    if run.num_sent:  # results of experts: scaled, and in the order of the tokens
        yield around + tables + run.result_copies[narrow] * sent


def _norm_steps(layer: Layer, narrow: bool) -> float:
    """Streams that a norm holds beside what it reads: written in Python two steps in float32."""
    steps = 1.0 if not layer.is_written else 4.0 if narrow else 2.0
    return steps + (1 if layer.forward.has_post_norms else 0)


def _sizes(layer: Layer, batch: Batch) -> tuple[float, float, float]:
    """Bytes of queries, keys and values on one rank."""
    attention = layer.attentions[0]
    tokens = batch.num_tokens * batch.itemsize
    kv = attention.num_kv_heads * share("kv", batch.degree, attention.num_kv_heads) * tokens
    queries = attention.num_heads * attention.head_dim * tokens / batch.degree
    return queries, kv * attention.head_dim, kv * attention.value_dim


def _attention(layer: Layer, batch: Batch) -> Iterator[float]:
    """Before keys and values go to the cache, whose line has them already."""
    run, narrow = layer.forward, batch.itemsize < _FLOAT32_BYTES
    q, k, _ = _sizes(layer, batch)
    if run.rotary == "copied" and narrow:
        yield q + 2 * (2 * q + 4 * k)
    elif run.rotary == "wide" and narrow:
        yield q + 2 * (q + 3 * k)
    elif run.rotary:
        yield max(4 * q, 2 * q + 3 * k)
    if run.has_head_norms and narrow:
        yield 5 * q - k


def _output(layer: Layer, batch: Batch) -> float:
    """At the map behind attention: what the projections made, and the result once or twice."""
    run = layer.forward
    q, k, v = _sizes(layer, batch)
    raw = q + k + v if run.is_fused else v + q if run.copies_output else v
    if k < q and _is_cut(layer, batch):  # a mask asks for keys and values of every head
        raw += 2 * q
    return raw + (2 if run.rotary or run.copies_output else 1) * q


def _written(layer: Layer, batch: Batch) -> float:
    """Where scores exist: they, and queries, keys and values for every head."""
    run, narrow = layer.forward, batch.itemsize < _FLOAT32_BYTES
    q, k, v = _sizes(layer, batch)
    raw = q + k + v if run.is_fused else 0.0
    return _scores(layer, batch) * run.score_bytes[narrow] + raw + run.queries[narrow] * q


def _is_cut(layer: Layer, batch: Batch) -> bool:
    """True when the window is shorter than the sequence."""
    return any(a.window is not None and a.window < batch.seq for a in layer.attentions)


def mask_bytes(layer: Layer, batch: Batch) -> float:
    """Masks of one head per sequence live as long as the pass; without window and scores, none."""
    run = layer.forward
    is_written = any(run.score_bytes) and not run.is_bias
    has_masks = is_written or run.has_mask
    count = run.num_masks if has_masks else 1 if _is_cut(layer, batch) else 0
    return count * batch.num_sequences * float(batch.seq) ** 2 * batch.itemsize


def _scores(layer: Layer, batch: Batch) -> float:
    """Scores of all heads on one rank; a bias is the same for every sequence."""
    heads = layer.attentions[0].num_heads / batch.degree
    return heads * batch.seq**2 * (1 if layer.forward.is_bias else batch.num_sequences)
