"""Decoders in the manner of Llama: norm, attention, norm, gated feed-forward or experts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from glia.cost.memory import blocks
from glia.cost.memory.architecture import (
    Architecture,
    Attention,
    Block,
    Forward,
    Layer,
    Rotary,
    Weight,
    joined,
)
from glia.cost.memory.config import Config
from glia.cost.memory.families.common import (
    embedding,
    head_dim_of,
    head_of,
    kv_heads_of,
    top_of,
    unknown_part,
    windows_of,
)


@dataclass(frozen=True, slots=True)
class Traits:
    """What tells one family from Llama.

    Biases are the defaults of `attention_bias` and `mlp_bias`, or fixed where the family has no
    such key. `head_norms`: norms of queries and keys, per head (`head`) or over all (`full`).
    `norms` names the norms around attention and feed-forward: before (`pre`), after (`post`),
    both (`both`). `function` is the name under which `blocks.activation` knows a plain
    feed-forward; empty: gated. `is_narrow`: results of experts are summed in the model's format.
    """

    qkv_bias: bool = False
    output_bias: bool | None = None
    bias_key: str = "attention_bias"
    mlp_bias_key: str = "mlp_bias"
    mlp_bias: bool = False
    norm: str = "rms"
    norms: str = "pre"
    head_norms: str = ""
    fused: bool = False
    function: str = ""
    softcap_key: str = ""
    is_parallel: bool = False
    tied: bool = False
    kv_default: int | None = None
    windows: Callable[[Config, int], list[int | None]] | None = None
    copies_output: bool = False
    has_sinks: bool = False
    is_narrow: bool = False


def _no_windows(config: Config, num_layers: int) -> list[int | None]:
    return [None] * num_layers


def _qwen_windows(config: Config, num_layers: int) -> list[int | None]:
    """Windows only where the config switches them on, and in the later layers only."""
    if not config.flag("use_sliding_window"):
        return [None] * num_layers
    if config.items("layer_types"):
        return windows_of(config, num_layers)
    window, first = config.size("sliding_window"), config.size("max_window_layers", least=0)
    return [window if i >= first else None for i in range(num_layers)]


def _patterned(period: int, key: str = "sliding_window_pattern") -> Callable[..., list[int | None]]:
    """Windows in all layers but every `period`-th, unless `layer_types` says otherwise."""

    def windows(config: Config, num_layers: int) -> list[int | None]:
        if config.items("layer_types"):
            return windows_of(config, num_layers)
        window, every = config.maybe_size("sliding_window"), config.size(key, default=period)
        return [window if (i + 1) % every else None for i in range(num_layers)]

    return windows


_QWEN2 = Traits(qkv_bias=True, output_bias=False, bias_key="", windows=_qwen_windows)
_QWEN3 = Traits(head_norms="head", windows=_qwen_windows)
_GEMMA = Traits(norm="wide_rms", tied=True)

FAMILIES: Mapping[str, Traits] = {
    "llama": Traits(windows=_no_windows),
    "granite": Traits(windows=_no_windows),
    "mistral": Traits(bias_key="", mlp_bias_key="", windows=windows_of, kv_default=8),
    "mixtral": Traits(bias_key="", windows=windows_of, kv_default=8),
    "qwen2": _QWEN2,
    "qwen2_moe": Traits(
        qkv_bias=True,
        output_bias=False,
        bias_key="qkv_bias",
        windows=_qwen_windows,
        is_narrow=True,
    ),
    "qwen3": _QWEN3,
    "qwen3_moe": replace(_QWEN3, is_narrow=True),
    "gemma": Traits(norm="wide_rms", tied=True, windows=_no_windows),
    "gemma2": Traits(
        norm="wide_rms",
        norms="both",
        tied=True,
        softcap_key="attn_logit_softcapping",
        windows=_patterned(2),
    ),
    "gemma3_text": Traits(
        norm="wide_rms", norms="both", head_norms="head", tied=True, windows=_patterned(6)
    ),
    "phi3": Traits(
        bias_key="", mlp_bias_key="", fused=True, windows=windows_of, copies_output=True
    ),
    "olmo2": Traits(norm="wide_rms", norms="post", head_norms="full", windows=_no_windows),
    "cohere": Traits(norm="python_layer", is_parallel=True, tied=True, windows=_no_windows),
    "stablelm": Traits(
        norm="layer",
        bias_key="use_qkv_bias",
        output_bias=False,
        windows=_no_windows,
        copies_output=True,
    ),
    "starcoder2": Traits(
        qkv_bias=True,
        bias_key="use_bias",
        mlp_bias=True,
        mlp_bias_key="use_bias",
        norm="layer",
        function="gelu",
        tied=True,
        windows=windows_of,
    ),
    "gpt_oss": Traits(qkv_bias=True, has_sinks=True, windows=_patterned(2), kv_default=8),
}


@dataclass(frozen=True, slots=True)
class _Sizes:
    """The sizes that every layer has."""

    hidden: int
    num_heads: int
    num_kv_heads: int
    head_dim: int

    @property
    def q(self) -> int:
        return self.num_heads * self.head_dim

    @property
    def kv(self) -> int:
        return self.num_kv_heads * self.head_dim


def read(config: Config) -> Architecture:
    """The architecture of a config of one of `FAMILIES`.

    Raises:
        ModelError: for a key that is missing or makes no sense.
        UnknownFamily: for a part that is not known here.
    """
    traits = FAMILIES[config.model_type]
    hidden, heads = config.size("hidden_size"), config.size("num_attention_heads")
    kv_heads = kv_heads_of(config, heads, default=_kv_default(traits, heads))
    sizes = _Sizes(hidden, heads, kv_heads, head_dim_of(config, hidden, heads))
    num_layers, vocab = config.size("num_hidden_layers"), config.size("vocab_size")
    windows = (traits.windows or windows_of)(config, num_layers)
    made: dict[tuple[int | None, bool], Layer] = {}
    layers = []
    for i, window in enumerate(windows):
        key = (window, _is_sparse(config, i))
        if key not in made:
            made[key] = _layer(config, traits, sizes, *key)
        layers.append(made[key])
    head = head_of(config, vocab, "lm")
    tied = config.flag("tie_word_embeddings", default=traits.tied)
    top = _norm(traits, "norm", hidden) + top_of(head, hidden, vocab, tied)
    if head.kind == "lm" and config.tree.get("final_logit_softcapping"):
        top += blocks.capped_logits(vocab)
    return Architecture(
        family=config.model_type,
        hidden=hidden,
        vocab_size=vocab,
        layers=tuple(layers),
        embedding=embedding(vocab, hidden),
        head=top,
        num_logits=head.num_logits,
        pools=head.kind == "classes",
        num_positions=config.maybe_size("max_position_embeddings"),
    )


def _kv_default(traits: Traits, heads: int) -> int:
    return min(traits.kv_default or heads, heads)


def _layer(
    config: Config, traits: Traits, sizes: _Sizes, window: int | None, sparse: bool
) -> Layer:
    hidden, attention = sizes.hidden, _attention(config, traits, sizes, window)
    if sparse:
        feed, widths = _experts(config, hidden)
    else:
        width = config.size("intermediate_size")
        feed, widths = _dense(config, traits, hidden, width), (width,)
    block = attention + blocks.reading(_feed_input(traits), feed) + _around(traits, hidden)
    spec = Attention(sizes.num_heads, sizes.num_kv_heads, sizes.head_dim, sizes.head_dim, window)
    active = config.size("num_experts_per_tok", default=1) if sparse else 1
    is_gated = sparse or not traits.function
    return Layer(
        block,
        (spec,),
        widths,
        (3 if is_gated else 2) * active * max(widths),
        is_gated=is_gated,
        is_written=traits.norm != "layer",
        forward=_forward(traits, widths, active if sparse else 0, _is_capped(config, traits)),
    )


def _feed_input(traits: Traits) -> str:
    """The name of what the feed-forward reads."""
    if traits.norms == "post":
        return "feed-forward input"
    if traits.is_parallel:
        return "input_layernorm result"
    norm = "pre_feedforward" if traits.norms == "both" else "post_attention"
    return f"{norm}_layernorm result"


def _is_capped(config: Config, traits: Traits) -> bool:
    return bool(traits.softcap_key and config.tree.get(traits.softcap_key))


def _forward(traits: Traits, widths: tuple[int, ...], active: int, is_capped: bool) -> Forward:
    """What a layer holds in a forward pass; `active` experts per token, 0: none."""
    inner = (4.0 if traits.fused else 2.0 if traits.function else 3.0) * widths[0]
    if active:  # gate and input of a token in one tensor, the function's result and the product
        inner = max((9.0 if traits.has_sinks else 4.0) * active * widths[0], 3.0 * widths[-1])
    is_plain = traits.norm == "layer" and not traits.is_parallel and not traits.function
    has_shared = active > 0 and len(widths) > 1
    streams = 2 if traits.norms == "post" else 5 if is_plain else 4 if has_shared else 3
    rotary: Rotary = (
        "wide" if traits.norms == "post" else "copied" if traits.is_parallel else "model"
    )
    return Forward(
        inner,
        streams=streams,
        num_sent=active,
        attention_streams=1 if traits.norms == "post" else 2,
        result_copies=(5, 5) if traits.has_sinks else (4, 4) if traits.is_narrow else (4, 6),
        rotary="" if traits.copies_output else rotary,
        is_fused=traits.fused,
        copies_output=traits.copies_output,
        has_head_norms=traits.head_norms == "head",
        has_post_norms=traits.norms == "both",
        num_masks=2,
        queries=(2, 3) if is_capped else (3, 3),
        score_bytes=(12.0, 6.0) if traits.has_sinks else (8.0, 10.0) if is_capped else (0.0, 0.0),
        lingering=1 if traits.has_sinks or is_capped else 0,
    )


def _around(traits: Traits, hidden: int) -> Block:
    """The residual stream and the norms of one layer."""
    if traits.is_parallel:
        return _norm(traits, "input_layernorm", hidden)
    parts: list[Block] = []
    if traits.norms == "post":
        names = ("attention", "feed-forward")
        parts += [blocks.residual(name, hidden, for_weights=True) for name in names]
    if traits.norms in ("pre", "both"):
        parts.append(_norm(traits, "input_layernorm", hidden))
        name = "pre_feedforward_layernorm" if traits.norms == "both" else "post_attention_layernorm"
        parts.append(_norm(traits, name, hidden))
    if traits.norms in ("post", "both"):
        parts.append(_norm(traits, "post_attention_layernorm", hidden, after=True))
        parts.append(_norm(traits, "post_feedforward_layernorm", hidden, after=True))
    return joined(parts)


def _norm(traits: Traits, name: str, hidden: int, after: bool = False) -> Block:
    if traits.norm == "layer":
        return blocks.layer_norm(name, hidden) + blocks.residual(name, hidden)
    if traits.norm == "python_layer":
        return blocks.python_layer_norm(name, hidden)
    wide = traits.norm == "wide_rms"
    return blocks.rms_norm(name, hidden, feeds_product=not after, wide=wide)


def _attention(config: Config, traits: Traits, sizes: _Sizes, window: int | None) -> Block:
    heads, kv_heads, head_dim = sizes.num_heads, sizes.num_kv_heads, sizes.head_dim
    bias = config.flag(traits.bias_key, default=traits.qkv_bias)
    output_bias = bias if traits.output_bias is None else traits.output_bias
    reads = "attention input" if traits.norms == "post" else "input_layernorm result"
    parts = [blocks.reading(reads, _projections(traits, sizes, bias))]
    result = blocks.IN_ORDER if traits.copies_output else blocks.RESULT
    parts.append(
        blocks.output_linear(
            "self_attn.o_proj", sizes.hidden, sizes.q, "heads", output_bias, result
        )
    )
    parts.append(_head_norms(traits, sizes, config))
    if traits.has_sinks:
        parts.append(Block((Weight("self_attn.sinks", (heads,), "heads"),)))
        parts.append(blocks.written_attention(heads, kv_heads, head_dim, wide=False))
        return joined(parts)
    probability = config.fraction("attention_dropout")
    if traits.softcap_key and config.tree.get(traits.softcap_key):
        parts.append(
            blocks.written_attention(
                heads, kv_heads, head_dim, num_scores=2, probability=probability
            )
        )
        return joined(parts)
    if probability:
        parts.append(blocks.math_attention(heads, kv_heads, head_dim, probability=probability))
        return joined(parts)
    parts.append(
        blocks.fused_attention(heads, kv_heads, head_dim, copies_output=traits.copies_output)
    )
    if window is not None:
        parts.append(blocks.window_mask(heads, kv_heads, head_dim, window))
    return joined(parts)


def _projections(traits: Traits, sizes: _Sizes, bias: bool) -> Block:
    q, kv, hidden = sizes.q, sizes.kv, sizes.hidden
    if traits.fused:
        return blocks.linear(
            "self_attn.qkv_proj", q + 2 * kv, hidden, "heads", bias=bias, kv_rows=2 * kv
        )
    return (
        blocks.linear("self_attn.q_proj", q, hidden, "heads", bias=bias)
        + blocks.linear("self_attn.k_proj", kv, hidden, "kv", bias=bias)
        + blocks.linear("self_attn.v_proj", kv, hidden, "kv", bias=bias)
    )


def _head_norms(traits: Traits, sizes: _Sizes, config: Config) -> Block:
    if traits.head_norms == "head":
        wide = traits.norm == "wide_rms"
        return blocks.head_norm(
            "self_attn.q_norm", sizes.num_heads, sizes.head_dim, "heads", wide=wide
        ) + blocks.head_norm(
            "self_attn.k_norm", sizes.num_kv_heads, sizes.head_dim, "kv", wide=wide
        )
    if traits.head_norms == "full":
        names = (("self_attn.q_norm", sizes.q), ("self_attn.k_norm", sizes.kv))
        return joined(
            blocks.rms_norm(name, size, feeds_product=False, wide=True) for name, size in names
        )
    if config.flag("use_qk_norm") or config.flag("qk_layernorm"):
        raise unknown_part(config, "norms of queries and keys")
    return Block()


def _dense(config: Config, traits: Traits, hidden: int, width: int) -> Block:
    bias = config.flag(traits.mlp_bias_key, default=traits.mlp_bias)
    if traits.function:
        names = ("mlp.c_fc", "mlp.c_proj")
        return blocks.mlp(names, hidden, width, traits.function, bias=bias)
    return blocks.gated_mlp(hidden, width, bias=bias, fused=traits.fused)


def _is_sparse(config: Config, index: int) -> bool:
    """True when the layer at `index` has experts in place of one feed-forward."""
    experts = config.maybe_size("num_local_experts", "num_experts")
    if experts is None or index in config.items("mlp_only_layers"):
        return False
    return (index + 1) % config.size("decoder_sparse_step", default=1) == 0


def _experts(config: Config, hidden: int) -> tuple[Block, tuple[int, ...]]:
    width = config.size("moe_intermediate_size", "intermediate_size")
    has_bias = config.model_type == "gpt_oss"
    block = blocks.experts(
        hidden,
        width,
        config.size("num_local_experts", "num_experts"),
        config.size("num_experts_per_tok"),
        bias=has_bias,
    )
    shared = config.maybe_size("shared_expert_intermediate_size")
    if shared is None:
        return block, (width,)
    block += blocks.gated_mlp(hidden, shared, prefix="mlp.shared_expert")
    block += blocks.linear("mlp.shared_expert_gate", 1, hidden, "all")
    block += blocks.residual("shared expert", hidden)
    return block, (width, shared)
