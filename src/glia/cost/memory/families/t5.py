"""T5, mT5 and their kin: an encoder, and a decoder that reads it."""

from __future__ import annotations

from collections.abc import Iterator

from glia.cost.memory import blocks
from glia.cost.memory.architecture import (
    Architecture,
    Attention,
    Block,
    Forward,
    Kept,
    Layer,
    Weight,
    joined,
)
from glia.cost.memory.config import Config
from glia.cost.memory.families.common import head_of, lm_head, unknown_part

# What the decoder's keys and values read: one tensor for all layers.
ENCODED = "encoder result"


def read(config: Config) -> Architecture:
    """The architecture of a T5 config.

    Raises:
        ModelError: for a key that is missing or makes no sense.
        UnknownFamily: for a head that is not known here.
    """
    hidden, vocab = config.size("d_model"), config.size("vocab_size")
    depth = config.size("num_layers")
    decoder_depth = config.size("num_decoder_layers", default=depth)
    head = head_of(config, vocab, "lm")
    if head.kind not in ("lm", "none", "encoder"):
        raise unknown_part(config, f"heads such as {config.items('architectures')[0]}")
    encoder = _stack(config, depth, is_decoder=False)
    decoder = () if head.kind == "encoder" else _stack(config, decoder_depth, is_decoder=True)
    tied = config.flag("tie_word_embeddings", default=True)
    top = blocks.rms_norm("encoder.final_layer_norm", hidden)
    if decoder:
        top += blocks.rms_norm("decoder.final_layer_norm", hidden)
    if head.kind == "lm":
        top += lm_head(hidden, vocab, tied)
    first = Block((Weight("shared.weight", (vocab, hidden), "vocab"),))
    first += _dropout("encoder input", hidden, config) + _dropout("decoder input", hidden, config)
    first += _dropout("encoder output", hidden, config) + _dropout("decoder output", hidden, config)
    return Architecture(
        family=config.model_type,
        hidden=hidden,
        vocab_size=vocab,
        layers=encoder + decoder,
        embedding=first,
        head=top,
        num_logits=head.num_logits,
        loss_is_wide=False,
        is_causal=bool(decoder),
    )


def _stack(config: Config, depth: int, is_decoder: bool) -> tuple[Layer, ...]:
    """The layers of one side; the first one holds the table of relative positions."""
    plain = _layer(config, is_decoder, is_first=False)
    return (_layer(config, is_decoder, is_first=True), *(plain for _ in range(depth - 1)))


def _layer(config: Config, is_decoder: bool, is_first: bool) -> Layer:
    hidden, width = config.size("d_model"), config.size("d_ff")
    heads, head_dim = config.size("num_heads"), config.size("d_kv")
    parts = [_attention(config, "SelfAttention", is_cached=is_decoder)]
    specs = [Attention(heads, heads, head_dim, head_dim)]
    if is_decoder:
        parts.append(_attention(config, "EncDecAttention", is_cached=True))
        specs.append(Attention(heads, heads, head_dim, head_dim, reads_encoder=True))
    if is_first:
        buckets = config.size("relative_attention_num_buckets", default=32)
        table = Weight("relative_attention_bias.weight", (buckets, heads), "heads")
        parts.append(Block((table,)))
    parts.append(_feed_forward(config, hidden, width))
    inner = (3 if _is_gated(config) else 2) * width
    return Layer(
        joined(parts),
        tuple(specs),
        (width,),
        inner,
        is_decoder=is_decoder,
        is_gated=_is_gated(config),
        is_written=True,
        forward=Forward(
            (4.0 if _is_gated(config) else 2.0) * width,
            rotary="",
            score_bytes=(16.0, 8.0),
            lingering=2,
            is_bias=True,
            queries=(0, 0),
        ),
    )


def _attention(config: Config, name: str, is_cached: bool) -> Block:
    hidden, heads, head_dim = (config.size(k) for k in ("d_model", "num_heads", "d_kv"))
    q = heads * head_dim
    return joined(
        [
            blocks.rms_norm(f"{name}.layer_norm", hidden),
            *_projections(name, q, hidden),
            blocks.output_linear(f"{name}.o", hidden, q, "heads", False),
            blocks.math_attention(
                heads,
                heads,
                head_dim,
                probability=config.fraction("dropout_rate", default=0.1),
                is_cached=is_cached,
                always=True,
            ),
            _dropout(name, hidden, config),
        ]
    )


def _projections(name: str, q: int, hidden: int) -> Iterator[Block]:
    """Queries read the norm; so do keys and values, but for those of the encoder's result."""
    for m in ("q", "k", "v"):
        is_own = name == "SelfAttention" or m == "q"
        reads = f"{name}.layer_norm result" if is_own else ENCODED
        yield blocks.reading(reads, blocks.linear(f"{name}.{m}", q, hidden, "heads"))


def _is_gated(config: Config) -> bool:
    return config.text("feed_forward_proj", default="relu").startswith("gated-")


def _feed_forward(config: Config, hidden: int, width: int) -> Block:
    function = config.text("feed_forward_proj", default="relu")
    parts = [blocks.rms_norm("feed-forward.layer_norm", hidden)]
    reads = "feed-forward.layer_norm result"
    if _is_gated(config):
        parts += [
            blocks.reading(reads, blocks.linear("wi_0", width, hidden, "width")),
            blocks.reading(reads, blocks.linear("wi_1", width, hidden, "width")),
            blocks.activation("gelu_new", width, is_gated=True),
            blocks.activation("relu", width),
            blocks.output_linear("wo", hidden, width, "width", False),
        ]
    else:
        parts += [
            blocks.reading(reads, blocks.linear("wi", width, hidden, "width")),
            blocks.activation(function, width),
            blocks.output_linear("wo", hidden, width, "width", False, "dropped"),
        ]
    probability = config.fraction("dropout_rate", default=0.1)
    if probability:
        parts.append(blocks.dropout("inside feed-forward", width, probability, "width"))
        parts.append(Block(kept=(Kept("dropped", width, split="width", for_weights=True),)))
    parts.append(_dropout("feed-forward", hidden, config))
    return joined(parts)


def _dropout(name: str, hidden: int, config: Config) -> Block:
    return blocks.dropout(name, hidden, config.fraction("dropout_rate", default=0.1))
