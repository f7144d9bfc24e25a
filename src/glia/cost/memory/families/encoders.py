"""Encoders: BERT, RoBERTa, DistilBERT and ViT."""

from __future__ import annotations

from collections.abc import Mapping

from glia.core.errors import ModelError
from glia.cost.memory import blocks
from glia.cost.memory.architecture import (
    Architecture,
    Attention,
    Block,
    Forward,
    Layer,
    Weight,
    joined,
)
from glia.cost.memory.config import Config
from glia.cost.memory.families.common import Head, head_of, lm_head, unknown_part

# Keys of one meaning, by family.
_KEYS: Mapping[str, Mapping[str, str]] = {
    "distilbert": {
        "hidden_size": "dim",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
        "intermediate_size": "hidden_dim",
        "hidden_act": "activation",
        "hidden_dropout_prob": "dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    },
}


# Names of the linear maps of a layer: queries, keys, values, output, both of the feed-forward.
_NAMES: Mapping[str, tuple[str, str, str, str, str, str]] = {
    "bert": (
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
        "intermediate.dense",
        "output.dense",
    ),
    "distilbert": (
        "attention.q_lin",
        "attention.k_lin",
        "attention.v_lin",
        "attention.out_lin",
        "ffn.lin1",
        "ffn.lin2",
    ),
    "vit": (
        "attention.q_proj",
        "attention.k_proj",
        "attention.v_proj",
        "attention.o_proj",
        "mlp.fc1",
        "mlp.fc2",
    ),
}
_BEFORE = ("layernorm_before", "layernorm_after")


class _Sizes:
    """The sizes of an encoder, whatever its config calls them."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.hidden = config.size(self.key("hidden_size"))
        self.num_layers = config.size(self.key("num_hidden_layers"))
        self.num_heads = config.size(self.key("num_attention_heads"))
        self.width = config.size(self.key("intermediate_size"))
        self.dropout = config.fraction(self.key("hidden_dropout_prob"))
        self.attention_dropout = config.fraction(self.key("attention_probs_dropout_prob"))
        if self.hidden % self.num_heads:
            raise ModelError(
                f"reading {config.where}: got hidden size {self.hidden} and {self.num_heads} "
                "heads, expected a multiple; correct one"
            )

    def key(self, name: str) -> str:
        """The name that this family gives to a key of BERT."""
        return _KEYS.get(self.config.model_type, {}).get(name, name)

    @property
    def function(self) -> str:
        """The name of the non-linear function."""
        return self.config.text(self.key("hidden_act"), default="gelu")


def _layer(sizes: _Sizes, qkv_bias: bool = True) -> Layer:
    h, heads = sizes.hidden, sizes.num_heads
    head_dim = h // heads
    drop = sizes.attention_dropout
    if drop:
        attend = blocks.math_attention(heads, heads, head_dim, probability=drop, is_cached=False)
    else:
        attend = blocks.fused_attention(heads, heads, head_dim)
    names = _NAMES.get(sizes.config.model_type, _NAMES["bert"])
    is_post = sizes.config.model_type != "vit"  # norms behind the branches: one stream less
    first, second = ("output.norm", "attention.norm") if is_post else _BEFORE
    block = joined(
        [
            blocks.residual("attention", h),
            blocks.residual("feed-forward", h),
            blocks.layer_norm(first, h),
            blocks.layer_norm(second, h),
            *(
                blocks.reading(
                    "what the layer reads" if is_post else f"{first} result",
                    blocks.linear(n, h, h, "heads", bias=qkv_bias),
                )
                for n in names[:3]
            ),
            blocks.output_linear(names[3], h, h, "heads", True, blocks.RESULT),
            attend,
            blocks.reading(
                f"{second} result",
                blocks.mlp((names[4], names[5]), h, sizes.width, sizes.function, bias=True),
            ),
            blocks.dropout("attention", h, sizes.dropout),
            blocks.dropout("feed-forward", h, sizes.dropout),
        ]
    )
    spec = Attention(heads, heads, head_dim, head_dim)
    run = Forward(
        2.0 * sizes.width,
        streams=2 if is_post else 3,
        rotary="",
        has_post_norms=is_post,
    )
    return Layer(block, (spec,), (sizes.width,), 2 * sizes.width, is_decoder=False, forward=run)


def read_bert(config: Config) -> Architecture:
    """BERT and RoBERTa: three embeddings, norms after the branches, a pooler in the bare model."""
    sizes = _Sizes(config)
    if config.flag("is_decoder") or config.flag("add_cross_attention"):
        raise unknown_part(config, "decoder layers")
    h, vocab = sizes.hidden, config.size("vocab_size")
    positions = config.size("max_position_embeddings")
    weights = [
        Weight("word_embeddings.weight", (vocab, h), "vocab"),
        Weight("position_embeddings.weight", (positions, h)),
    ]
    if config.model_type != "distilbert":
        types = config.size("type_vocab_size", default=2)
        weights.append(Weight("token_type_embeddings.weight", (types, h)))
    first = Block(tuple(weights)) + blocks.residual("embedding", h)
    first += blocks.layer_norm("embeddings.norm", h) + blocks.dropout("embedding", h, sizes.dropout)
    head = head_of(config, vocab, "none")
    tied = config.flag("tie_word_embeddings", default=True)
    return Architecture(
        family=config.model_type,
        hidden=h,
        vocab_size=vocab,
        layers=(_layer(sizes),) * sizes.num_layers,
        embedding=first,
        head=_bert_head(config, head, h, vocab, tied),
        num_logits=head.num_logits,
        loss_is_wide="ForCausalLM" in str(config.items("architectures")[:1]),
        pools=head.kind == "classes",
        # RoBERTa and its kin count positions from the padding id + 1.
        num_positions=positions - (2 if config.model_type in _OFFSET else 0),
        is_causal=False,
    )


_OFFSET = ("roberta", "xlm-roberta", "camembert")


def _bert_head(config: Config, head: Head, h: int, vocab: int, tied: bool) -> Block:
    pooler = blocks.linear("pooler.dense", h, h, "all", bias=True)
    is_roberta = config.model_type in _OFFSET
    is_distil = config.model_type == "distilbert"
    if head.kind == "none":
        return Block() if is_distil else pooler
    if head.kind in ("classes", "tags"):
        top = blocks.linear("classifier", head.num_logits, h, "all", bias=True)
        if head.kind == "classes":
            top += pooler  # DistilBERT and RoBERTa call the same map a pre-classifier
        return top
    name = "vocab_transform" if is_distil else "transform.dense"
    transform = blocks.linear(name, h, h, "all", bias=True)
    transform += blocks.layer_norm("transform.norm", h)
    transform += blocks.residual("transform", 2 * h)
    top = transform + lm_head(h, vocab, tied, bias=True)
    if config.items("architectures") and "PreTraining" in str(config.items("architectures")[0]):
        if is_roberta or is_distil:
            raise unknown_part(config, "pre-training heads")
        top += pooler + blocks.linear("seq_relationship", 2, h, "all", bias=True)
    return top


def read_vit(config: Config) -> Architecture:
    """ViT: patches by a convolution, a class token, learned positions."""
    sizes = _Sizes(config)
    h, channels = sizes.hidden, config.size("num_channels", default=3)
    image, patch = config.size("image_size"), config.size("patch_size")
    if image % patch:
        raise ModelError(
            f"reading {config.where}: got images of {image} in patches of {patch}, expected a "
            "multiple; correct image_size or patch_size"
        )
    tokens = (image // patch) ** 2 + 1
    weights = (
        Weight("cls_token", (1, 1, h)),
        Weight("position_embeddings", (1, tokens, h)),
        Weight("projection.weight", (h, channels, patch, patch)),
        Weight("projection.bias", (h,)),
    )
    head = head_of(config, 0, "none")
    if head.kind not in ("classes", "none"):
        raise unknown_part(config, "heads other than image classification")
    top = blocks.layer_norm("layernorm", h) + blocks.residual("final norm", h)
    if head.num_logits:
        top += blocks.linear("classifier", head.num_logits, h, "all", bias=True)
    else:
        top += blocks.linear("pooler.dense", h, h, "all", bias=True)
    return Architecture(
        family=config.model_type,
        hidden=h,
        vocab_size=0,
        layers=(_layer(sizes, config.flag("qkv_bias", default=True)),) * sizes.num_layers,
        embedding=Block(weights) + blocks.dropout("embedding", h, sizes.dropout),
        head=top,
        num_logits=head.num_logits,
        loss_is_wide=False,
        pools=True,
        tokens_per_sample=tokens,
        is_causal=False,
    )
