"""Decoders with layer norms and plain feed-forwards: GPT-2, GPT-NeoX, Falcon, OPT, Phi, BLOOM."""

from __future__ import annotations

from dataclasses import dataclass

from glia.core.errors import ModelError
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
from glia.cost.memory.families.common import (
    embedding,
    head_of,
    kv_heads_of,
    top_of,
    unknown_part,
)


@dataclass(frozen=True, slots=True)
class _Shape:
    """The sizes of such a decoder, whatever its config calls them."""

    hidden: int
    num_layers: int
    num_heads: int
    width: int
    vocab: int
    num_kv_heads: int
    num_positions: int | None
    tied: bool

    @property
    def head_dim(self) -> int:
        return self.hidden // self.num_heads

    @property
    def kv(self) -> int:
        return self.num_kv_heads * self.head_dim


def _shape(
    config: Config,
    hidden: tuple[str, ...],
    layers: tuple[str, ...],
    heads: tuple[str, ...],
    width: tuple[str, ...],
    positions: tuple[str, ...],
    tied: bool,
    kv_heads: int | None = None,
    default_width: int | None = None,
) -> _Shape:
    size, num_heads = config.size(*hidden), config.size(*heads)
    if size % num_heads:
        raise ModelError(
            f"reading {config.where}: got hidden size {size} and {num_heads} heads, expected a "
            f"multiple; correct {hidden[0]} or {heads[0]}"
        )
    return _Shape(
        hidden=size,
        num_layers=config.size(*layers),
        num_heads=num_heads,
        width=config.size(*width, default=4 * size if default_width is None else default_width),
        vocab=config.size("vocab_size"),
        num_kv_heads=num_heads if kv_heads is None else kv_heads,
        num_positions=config.maybe_size(*positions) if positions else None,
        tied=config.flag("tie_word_embeddings", default=tied),
    )


def _built(
    config: Config, shape: _Shape, block: Block, first: Block, top: Block, head_bias: bool = False
) -> Architecture:
    """The architecture of equal layers `block` between `first` and the final norm `top`."""
    spec = Attention(shape.num_heads, shape.num_kv_heads, shape.head_dim, shape.head_dim)
    # The gradient of BLOOM's own GELU takes eight steps in Python, half of them at once.
    steps = 8 if config.model_type == "bloom" else 2
    run = _forward(config, shape)
    layer = Layer(block, (spec,), (shape.width,), steps * shape.width, forward=run)
    top += blocks.residual("final norm", shape.hidden)
    head = head_of(config, shape.vocab, "lm")
    top += top_of(head, shape.hidden, shape.vocab, shape.tied, head_bias)
    return Architecture(
        family=config.model_type,
        hidden=shape.hidden,
        vocab_size=shape.vocab,
        layers=(layer,) * shape.num_layers,
        embedding=embedding(shape.vocab, shape.hidden) + first,
        head=top,
        num_logits=head.num_logits,
        num_embeddings=2 if config.model_type in ("gpt2", "opt") else 1,
        pools=head.kind == "classes",
        num_positions=shape.num_positions,
    )


# Steps of a feed-forward's function that live at once; its input and result for most.
_STEPS = {"gelu_new": 4.0, "gelu_fast": 5.0}
_SCORE_BYTES = {"falcon": (8.0, 8.0), "bloom": (16.0, 14.0)}
_STREAMS = {"gpt2": 4, "opt": 2}


def _forward(config: Config, shape: _Shape) -> Forward:
    """What a layer holds in a forward pass."""
    kind = config.model_type
    default = "gelu_new" if kind in ("gpt2", "phi") else ""
    function = config.text("activation_function", "hidden_act", default=default)
    is_whole = kind == "falcon" and _is_whole(config, shape.num_heads)
    inner = 5.0 if kind == "bloom" else _STEPS.get(function, 2.0)
    return Forward(
        inner * shape.width,
        streams=_STREAMS.get(kind, 3),
        rotary="model" if kind == "falcon" else "",
        is_fused=kind in ("gpt2", "gpt_neox", "falcon", "bloom"),
        copies_output=kind in ("gpt_neox", "phi"),
        queries=(2, 7) if kind == "falcon" else (2, 2),
        score_bytes=(0.0, 0.0) if is_whole else _SCORE_BYTES.get(kind, (0.0, 0.0)),
        has_mask=is_whole,
        num_masks=_num_masks(config, shape, is_whole),
        lingering=2 if kind == "bloom" else 0,
    )


def _num_masks(config: Config, shape: _Shape, is_whole: bool) -> int:
    """Masks of one head: Falcon's, where scores exist a second one, with ALiBi one per head."""
    if config.model_type != "falcon":
        return 1
    heads = shape.num_heads if config.flag("alibi") else 1
    return heads if is_whole else heads + 1


def _sequential(hidden: int) -> Block:
    """Two residual streams."""
    return blocks.residual("attention", hidden) + blocks.residual("feed-forward", hidden)


def _attend(shape: _Shape, probability: float, *, copies_output: bool = False) -> Block:
    sizes = (shape.num_heads, shape.num_kv_heads, shape.head_dim)
    if probability:
        return blocks.math_attention(*sizes, probability=probability)
    return blocks.fused_attention(*sizes, copies_output=copies_output)


def read_gpt2(config: Config) -> Architecture:
    """GPT-2: learned positions, one matrix for queries, keys and values."""
    shape = _shape(
        config,
        ("n_embd", "hidden_size"),
        ("n_layer", "num_hidden_layers"),
        ("n_head", "num_attention_heads"),
        ("n_inner",),
        ("n_positions", "max_position_embeddings"),
        tied=True,
    )
    if config.flag("add_cross_attention"):
        raise unknown_part(config, "cross-attentions")
    h = shape.hidden
    if shape.num_positions is None:
        config.size("n_positions")
    inner, embd = config.fraction("resid_pdrop"), config.fraction("embd_pdrop")
    attend = config.fraction("attn_pdrop")
    parts = [
        _sequential(h),
        blocks.layer_norm("ln_1", h),
        blocks.layer_norm("ln_2", h),
        blocks.reading(
            "ln_1 result",
            blocks.linear("attn.c_attn", 3 * h, h, "heads", bias=True, kv_rows=2 * h),
        ),
        blocks.output_linear("attn.c_proj", h, h, "heads", True, blocks.RESULT),
        _attend(shape, attend),
        blocks.mlp(
            ("mlp.c_fc", "mlp.c_proj"),
            h,
            shape.width,
            config.text("activation_function", default="gelu_new"),
            bias=True,
        ),
        blocks.dropout("attention", h, inner),
        blocks.dropout("feed-forward", h, inner),
    ]
    if not attend:  # queries, keys and values stay one tensor beside the cached keys and values
        parts.append(blocks.whole_projection(shape.kv))
    first = Block((Weight("wpe.weight", (shape.num_positions or 0, h)),))
    first += blocks.dropout("embedding", h, embd)
    return _built(config, shape, joined(parts), first, blocks.layer_norm("ln_f", h))


def read_neox(config: Config) -> Architecture:
    """GPT-NeoX and Pythia: rotary on a part of every head, both branches from one stream."""
    shape = _shape(
        config,
        ("hidden_size",),
        ("num_hidden_layers",),
        ("num_attention_heads",),
        ("intermediate_size",),
        ("max_position_embeddings",),
        tied=False,
    )
    h, bias = shape.hidden, config.flag("attention_bias", default=True)
    is_parallel = config.flag("use_parallel_residual", default=True)
    drop = config.fraction("hidden_dropout")
    parts = [
        blocks.residual("layer", h) if is_parallel else _sequential(h),
        blocks.layer_norm("input_layernorm", h),
        blocks.layer_norm("post_attention_layernorm", h),
        blocks.linear("attention.query_key_value", 3 * h, h, "heads", bias=bias, kv_rows=2 * h),
        blocks.output_linear("attention.dense", h, h, "heads", bias, blocks.IN_ORDER),
        _attend(shape, config.fraction("attention_dropout"), copies_output=True),
        blocks.mlp(
            ("mlp.dense_h_to_4h", "mlp.dense_4h_to_h"),
            h,
            shape.width,
            config.text("hidden_act", default="gelu"),
            bias=True,
        ),
        blocks.dropout("attention", h, drop),
        blocks.dropout("feed-forward", h, drop),
    ]
    first = blocks.dropout("embedding", h, drop)
    return _built(config, shape, joined(parts), first, blocks.layer_norm("final_layer_norm", h))


def read_phi(config: Config) -> Architecture:
    """Phi-1 and Phi-2: one norm per layer, biases everywhere, the head included."""
    heads = config.size("num_attention_heads")
    shape = _shape(
        config,
        ("hidden_size",),
        ("num_hidden_layers",),
        ("num_attention_heads",),
        ("intermediate_size",),
        ("max_position_embeddings",),
        tied=False,
        kv_heads=kv_heads_of(config, heads),
    )
    h = shape.hidden
    if config.flag("qk_layernorm"):
        raise unknown_part(config, "norms of queries and keys")
    drop = config.fraction("resid_pdrop")
    parts = [
        blocks.residual("layer", h),
        blocks.layer_norm("input_layernorm", h),
        blocks.reading("input_layernorm result", _phi_maps(config, shape)),
        blocks.output_linear("self_attn.dense", h, h, "heads", True, blocks.IN_ORDER),
        _attend(shape, config.fraction("attention_dropout"), copies_output=True),
        blocks.dropout("attention", h, drop),
        blocks.dropout("feed-forward", h, drop),
    ]
    first = blocks.dropout("embedding", h, config.fraction("embd_pdrop"))
    top = blocks.layer_norm("final_layernorm", h)
    return _built(config, shape, joined(parts), first, top, head_bias=True)


def _phi_maps(config: Config, shape: _Shape) -> Block:
    """What reads the one norm of a layer, and the map behind the feed-forward."""
    h, function = shape.hidden, config.text("hidden_act", default="gelu_new")
    return (
        blocks.linear("self_attn.q_proj", h, h, "heads", bias=True)
        + blocks.linear("self_attn.k_proj", shape.kv, h, "kv", bias=True)
        + blocks.linear("self_attn.v_proj", shape.kv, h, "kv", bias=True)
        + blocks.mlp(("mlp.fc1", "mlp.fc2"), h, shape.width, function, bias=True)
    )


def read_falcon(config: Config) -> Architecture:
    """Falcon: one KV head, or several under the new decoder with two norms."""
    heads = config.size("num_attention_heads", "n_head")
    is_new = config.flag("new_decoder_architecture")
    kv_heads = 1 if config.flag("multi_query", default=True) else heads
    if is_new:
        kv_heads = kv_heads_of(config, heads, "num_kv_heads", "n_head_kv")
    shape = _shape(
        config,
        ("hidden_size",),
        ("num_hidden_layers", "n_layer"),
        ("num_attention_heads", "n_head"),
        ("ffn_hidden_size",),
        (),
        tied=True,
        kv_heads=kv_heads,
    )
    h, bias = shape.hidden, config.flag("bias")
    is_parallel = config.flag("parallel_attn", default=True)
    num_norms = config.size("num_ln_in_parallel_attn", default=2 if is_new else 1)
    norms = ["input_layernorm"]
    if not is_parallel or (is_new and num_norms == 2):
        norms.append("post_attention_layernorm")
    rows = h + 2 * shape.kv
    parts = [
        blocks.residual("layer", h) if is_parallel else _sequential(h),
        *(blocks.layer_norm(name, h) for name in norms),
        blocks.reading(
            "input_layernorm result",
            blocks.linear(
                "self_attention.query_key_value", rows, h, "heads", bias=bias, kv_rows=2 * shape.kv
            ),
        ),
        blocks.output_linear("self_attention.dense", h, h, "heads", bias, blocks.RESULT),
        _falcon_attention(config, shape),
        blocks.reading(
            f"{norms[-1]} result",
            blocks.mlp(
                ("mlp.dense_h_to_4h", "mlp.dense_4h_to_h"), h, shape.width, "gelu", bias=bias
            ),
        ),
    ]
    first = Block()
    if config.flag("alibi") and _is_whole(config, heads):  # one bias of positions for all layers
        first = Block(kept=(Kept("bias of positions", per_score=heads, split="heads"),))
    return _built(config, shape, joined(parts), first, blocks.layer_norm("ln_f", h))


def _is_whole(config: Config, heads: int) -> bool:
    """True when Falcon's keys and values have every head, so that one kernel makes the scores.

    The new decoder copies its KV heads to all heads; a single one stays what it is.
    """
    has_all = config.flag("new_decoder_architecture") or heads == 1
    return has_all or not config.flag("multi_query", default=True)


def _falcon_attention(config: Config, shape: _Shape) -> Block:
    """With every head in one kernel, and a mask per layer; else the scores exist."""
    heads, head_dim = shape.num_heads, shape.head_dim
    probability = config.fraction("attention_dropout") if config.flag("alibi") else 0.0
    if probability or not _is_whole(config, heads):
        return blocks.math_attention(
            heads, shape.num_kv_heads, head_dim, probability=probability, always=True
        )
    block = blocks.fused_attention(heads, heads, head_dim)
    if config.flag("alibi"):  # nothing rotates the queries: they stay in the projection
        return block + blocks.whole_projection(shape.kv)
    return block + Block(kept=(Kept("mask", per_score=1),))


def read_opt(config: Config) -> Architecture:
    """OPT: learned positions with an offset of two, ReLU, a projection where widths differ."""
    shape = _shape(
        config,
        ("hidden_size",),
        ("num_hidden_layers",),
        ("num_attention_heads",),
        ("ffn_dim",),
        ("max_position_embeddings",),
        tied=True,
    )
    h, bias = shape.hidden, config.flag("enable_bias", default=True)
    if config.size("word_embed_proj_dim", default=h) != h:
        raise unknown_part(config, "embeddings of another width (word_embed_proj_dim)")
    affine = config.flag("layer_norm_elementwise_affine", default=True)
    drop = config.fraction("dropout", default=0.1)
    maps = ("q_proj", "k_proj", "v_proj")
    parts = [
        _sequential(h),
        blocks.layer_norm("self_attn_layer_norm", h, affine=affine),
        blocks.layer_norm("final_layer_norm", h, affine=affine),
        *(
            blocks.reading(
                "self_attn_layer_norm result",
                blocks.linear(f"self_attn.{name}", h, h, "heads", bias=bias),
            )
            for name in maps
        ),
        blocks.output_linear("self_attn.out_proj", h, h, "heads", bias, blocks.RESULT),
        _attend(shape, config.fraction("attention_dropout")),
        blocks.mlp(
            ("fc1", "fc2"),
            h,
            shape.width,
            config.text("activation_function", default="relu"),
            bias=bias,
        ),
        blocks.dropout("attention", h, drop),
        blocks.dropout("feed-forward", h, drop),
    ]
    positions = config.size("max_position_embeddings") + 2
    first = Block((Weight("embed_positions.weight", (positions, h)),))
    top = Block()
    if config.flag("do_layer_norm_before", default=True) and not config.flag(
        "_remove_final_layer_norm"
    ):
        top = blocks.layer_norm("final_layer_norm", h, affine=affine)
    return _built(config, shape, joined(parts), first, top)


def read_bloom(config: Config) -> Architecture:
    """BLOOM: ALiBi in place of positions, a norm after the embedding."""
    shape = _shape(
        config,
        ("hidden_size", "n_embed"),
        ("n_layer", "num_hidden_layers"),
        ("n_head", "num_attention_heads"),
        (),
        (),
        tied=True,
    )
    h, drop = shape.hidden, config.fraction("hidden_dropout")
    parts = [
        _sequential(h),
        blocks.layer_norm("input_layernorm", h),
        blocks.layer_norm("post_attention_layernorm", h),
        blocks.linear(
            "self_attention.query_key_value", 3 * h, h, "heads", bias=True, kv_rows=2 * h
        ),
        blocks.output_linear("self_attention.dense", h, h, "heads", True, blocks.RESULT),
        blocks.written_attention(
            shape.num_heads,
            shape.num_heads,
            shape.head_dim,
            probability=config.fraction("attention_dropout"),
        ),
        blocks.whole_projection(shape.kv, of_one=shape.num_heads > 1),
        blocks.mlp(("mlp.dense_h_to_4h", "mlp.dense_4h_to_h"), h, shape.width, "bloom", bias=True),
        blocks.dropout("attention", h, drop),
        blocks.dropout("feed-forward", h, drop),
    ]
    first = blocks.layer_norm("word_embeddings_layernorm", h)
    return _built(config, shape, joined(parts), first, blocks.layer_norm("ln_f", h))
