"""The KV cache: keys and values of every token that a decoder may still look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from glia.cost.memory.architecture import Attention, Layer


@dataclass(frozen=True, slots=True)
class CacheShape:
    """Sequences of `seq` tokens, an encoder's of `encoder_seq`, numbers of `itemsize` bytes."""

    num_sequences: int
    seq: int
    encoder_seq: int
    itemsize: int
    degree: int = 1


def cached_tokens(attention: Attention, shape: CacheShape) -> int:
    """Tokens that one attention caches: the encoder's, or its window at most."""
    if attention.reads_encoder:
        return shape.encoder_seq
    return shape.seq if attention.window is None else min(shape.seq, attention.window)


def local_kv_heads(attention: Attention, degree: int) -> int:
    """KV heads on one rank: divided, and at least one each, so that some are held several times."""
    return max(1, -(-attention.num_kv_heads // degree))


def cache_bytes(layers: Iterable[Layer], shape: CacheShape) -> tuple[float, float]:
    """Bytes on one rank, (least, most): they differ where latent attention may cache either form.

    The least is the latent vector, whole on every rank; the most is keys and values per head.
    """
    least = most = 0.0
    for layer in layers:
        for attention in layer.attentions if layer.is_decoder else ():
            tokens = shape.num_sequences * cached_tokens(attention, shape) * shape.itemsize
            heads = local_kv_heads(attention, shape.degree)
            per_head = tokens * heads * (attention.head_dim + attention.value_dim)
            most += per_head
            least += tokens * attention.latent_size if attention.latent_size else per_head
    return least, most
