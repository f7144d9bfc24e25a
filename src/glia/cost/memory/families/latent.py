"""DeepSeek-V2 and V3: latent attention, and experts beside shared ones."""

from __future__ import annotations

from glia.core.errors import ModelError
from glia.cost.memory import blocks
from glia.cost.memory.architecture import (
    Architecture,
    Attention,
    Block,
    Forward,
    Kept,
    Layer,
    joined,
)
from glia.cost.memory.config import Config
from glia.cost.memory.families.common import embedding, head_of, top_of

_INPUT = "input_layernorm result"


def read(config: Config) -> Architecture:
    """The architecture of a DeepSeek config.

    Raises:
        ModelError: for a key that is missing or makes no sense.
        UnknownFamily: for a head that is not known here.
    """
    hidden, vocab = config.size("hidden_size"), config.size("vocab_size")
    num_layers = config.size("num_hidden_layers")
    dense = _layer(config, sparse=False)
    has_experts = config.maybe_size("n_routed_experts") is not None
    sparse = _layer(config, sparse=True) if has_experts else dense
    first_dense = config.size("first_k_dense_replace", default=0, least=0)
    every = config.size("moe_layer_freq", default=1)
    layers = tuple(
        sparse if has_experts and i >= first_dense and i % every == 0 else dense
        for i in range(num_layers)
    )
    head = head_of(config, vocab, "lm")
    top = blocks.rms_norm("norm", hidden)
    top += top_of(head, hidden, vocab, config.flag("tie_word_embeddings"))
    notes: tuple[str, ...] = ()
    if config.maybe_size("num_nextn_predict_layers"):
        notes = ("layers for multi-token prediction are not counted; transformers leaves them out",)
    return Architecture(
        family=config.model_type,
        hidden=hidden,
        vocab_size=vocab,
        layers=layers,
        embedding=embedding(vocab, hidden),
        head=top,
        num_logits=head.num_logits,
        pools=head.kind == "classes",
        num_positions=config.maybe_size("max_position_embeddings"),
        notes=notes,
    )


def _layer(config: Config, sparse: bool) -> Layer:
    hidden, heads = config.size("hidden_size"), config.size("num_attention_heads")
    rope, nope = config.size("qk_rope_head_dim"), config.size("qk_nope_head_dim")
    value, rank = config.size("v_head_dim"), config.size("kv_lora_rank")
    feed, widths, inner = _feed_forward(config, hidden, sparse)
    feed = blocks.reading("post_attention_layernorm result", feed)
    block = joined(
        [
            blocks.rms_norm("input_layernorm", hidden),
            blocks.rms_norm("post_attention_layernorm", hidden),
            _attention(config, hidden, heads),
            feed,
        ]
    )
    spec = Attention(heads, heads, nope + rope, value, latent_size=rank + rope)
    active = _active_experts(config) if sparse else 0
    inside = max(4.0 * active * widths[0], 3.0 * widths[-1])
    run = Forward(
        inside, num_sent=active, rotary="", is_fused=True, queries=(3, 10), score_bytes=(8.0, 8.0)
    )
    return Layer(block, (spec,), widths, inner, is_gated=True, is_written=True, forward=run)


def _attention(config: Config, hidden: int, heads: int) -> Block:
    rope, nope = config.size("qk_rope_head_dim"), config.size("qk_nope_head_dim")
    value, rank = config.size("v_head_dim"), config.size("kv_lora_rank")
    bias, q = config.flag("attention_bias"), heads * (rope + nope)
    query_rank = config.maybe_size("q_lora_rank")
    parts = []
    if query_rank is None:
        parts.append(blocks.reading(_INPUT, blocks.linear("q_proj", q, hidden, "heads")))
    else:
        parts += [
            blocks.reading(_INPUT, blocks.linear("q_a_proj", query_rank, hidden, "all", bias=bias)),
            blocks.rms_norm("q_a_layernorm", query_rank),
            blocks.reading(
                "q_a_layernorm result", blocks.linear("q_b_proj", q, query_rank, "heads")
            ),
        ]
    probability = config.fraction("attention_dropout")
    parts += [
        blocks.reading(
            _INPUT, blocks.linear("kv_a_proj_with_mqa", rank + rope, hidden, "all", bias=bias)
        ),
        blocks.rms_norm("kv_a_layernorm", rank),
        blocks.reading(
            "kv_a_layernorm result",
            blocks.linear("kv_b_proj", heads * (nope + value), rank, "heads"),
        ),
        blocks.output_linear("o_proj", hidden, heads * value, "heads", bias, blocks.RESULT),
        blocks.math_attention(
            heads,
            heads,
            nope + rope,
            probability=probability,
            is_cached=False,
            value_dim=value,
            always=True,
        ),
        Block(kept=(Kept("cached latent", rank + rope),)),
    ]
    return joined(parts)


def _active_experts(config: Config) -> int:
    """To how many experts a token goes; DeepSeek-V2's config class leaves it at null.

    Raises:
        ModelError: when the config does not say it.
    """
    if config.maybe_size("num_experts_per_tok") is None:
        raise ModelError(
            f"reading {config.where}: got no num_experts_per_tok, expected to how many of the "
            "experts a token goes (transformers cannot run such a model either); add it: 6 is that "
            "of DeepSeek-V2, 8 of V3"
        )
    return config.size("num_experts_per_tok")


def _feed_forward(config: Config, hidden: int, sparse: bool) -> tuple[Block, tuple[int, ...], int]:
    if not sparse:
        width = config.size("intermediate_size")
        return blocks.gated_mlp(hidden, width), (width,), 3 * width
    width, active = config.size("moe_intermediate_size"), _active_experts(config)
    block = blocks.experts(hidden, width, config.size("n_routed_experts"), active)
    block += Block(kept=(Kept("router input", hidden, kind="widened", for_weights=True),))
    shared = config.size("n_shared_experts", default=0, least=0) * width
    if not shared:
        return block, (width,), 3 * active * width
    block += blocks.gated_mlp(hidden, shared, prefix="mlp.shared_experts")
    return block, (width, shared), 3 * (active * width + shared)
