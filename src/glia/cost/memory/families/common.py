"""What the families share: the head at the end, tied embeddings, windows, the text of errors."""

from __future__ import annotations

from dataclasses import dataclass

from glia.core.errors import ModelError, UnsupportedError
from glia.cost.memory.architecture import Block, Weight
from glia.cost.memory.blocks import linear
from glia.cost.memory.config import Config

# The end of an architecture's name -> what stands at the end of the model.
_HEADS = (
    ("ForCausalLM", "lm"),
    ("LMHeadModel", "lm"),
    ("ForConditionalGeneration", "lm"),
    ("ForMaskedLM", "masked"),
    ("ForPreTraining", "masked"),
    ("ForSequenceClassification", "classes"),
    ("ForImageClassification", "classes"),
    ("ForTokenClassification", "tags"),
    ("EncoderModel", "encoder"),
    ("Model", "none"),
)


class UnknownFamily(UnsupportedError):
    """The config is of a family, or has a part, that this arithmetic does not know."""


@dataclass(frozen=True, slots=True)
class Head:
    """What stands at the end of the model, and how many numbers it gives per position."""

    kind: str
    num_logits: int


def head_of(config: Config, vocab: int, default: str) -> Head:
    """The head that `architectures` names.

    Raises:
        UnknownFamily: for a head whose parameters are not known here.
    """
    names = config.items("architectures")
    kind = default
    if names:
        name = str(names[0])
        found = next((kind for end, kind in _HEADS if name.endswith(end)), None)
        if found is None:
            raise UnknownFamily(
                f"counting {config.where}: got architecture {name!r}, expected one that ends in "
                f"{', '.join(end for end, _ in _HEADS)}; install transformers to build it"
            )
        kind = found
    if kind in ("classes", "tags"):
        labels = config.table("id2label")
        return Head(kind, config.size("num_labels", default=len(labels) or 2))
    return Head(kind, vocab if kind in ("lm", "masked") else 0)


def lm_head(hidden: int, vocab: int, tied: bool, bias: bool = False) -> Block:
    """The map to the vocabulary; a tied one is the embedding's own matrix."""
    block = linear("lm_head", vocab, hidden, "vocab", bias=bias)
    if not tied:
        return block
    return Block((Weight("lm_head.bias", (vocab,), "vocab"),) if bias else ())


def top_of(head: Head, hidden: int, vocab: int, tied: bool, bias: bool = False) -> Block:
    """What stands behind the last norm of a decoder: a map to the vocabulary, to classes, or none.

    `bias` is that of the map to the vocabulary.
    """
    if head.kind == "lm":
        return lm_head(hidden, vocab, tied, bias)
    return linear("score", head.num_logits, hidden, "all") if head.num_logits else Block()


def embedding(vocab: int, hidden: int) -> Block:
    """The table of token embeddings."""
    return Block((Weight("embed_tokens.weight", (vocab, hidden), "vocab"),))


def head_dim_of(config: Config, hidden: int, num_heads: int) -> int:
    """The size of a head: `head_dim`, or the hidden size shared among the heads.

    Raises:
        ModelError: when it does not come out even.
    """
    explicit = config.maybe_size("head_dim")
    if explicit is not None:
        return explicit
    if hidden % num_heads:
        raise ModelError(
            f"reading {config.where}: got hidden size {hidden} and {num_heads} heads, expected one "
            "a multiple of the other; add head_dim"
        )
    return hidden // num_heads


def kv_heads_of(config: Config, num_heads: int, *keys: str, default: int | None = None) -> int:
    """How many KV heads there are.

    Raises:
        ModelError: when the query heads are no multiple of them.
    """
    names = keys or ("num_key_value_heads",)
    kv = config.size(*names, default=num_heads if default is None else default)
    if num_heads % kv:
        raise ModelError(
            f"reading {config.where}: got {num_heads} heads and {kv} KV heads, expected a "
            f"multiple; correct {names[0]}"
        )
    return kv


def windows_of(config: Config, num_layers: int) -> list[int | None]:
    """The sliding window of every layer, None where it sees all tokens.

    Raises:
        ModelError: when `layer_types` has another length.
        UnknownFamily: for a kind of layer that is no attention.
    """
    window = config.maybe_size("sliding_window")
    kinds = config.items("layer_types")
    if not kinds:
        return [window] * num_layers
    if len(kinds) != num_layers:
        raise ModelError(
            f"reading {config.where}: got {len(kinds)} layer_types and {num_layers} layers, "
            "expected as many; correct one"
        )
    chunk = config.maybe_size("attention_chunk_size")
    known = {"full_attention": None, "sliding_attention": window, "chunked_attention": chunk}
    unknown = sorted({str(kind) for kind in kinds if kind not in known})
    if unknown:
        raise UnknownFamily(
            f"counting {config.where}: got layers of type {', '.join(unknown)}, expected some of "
            f"{', '.join(known)}; install transformers to build it"
        )
    return [known[kind] for kind in kinds]


def unknown_part(config: Config, what: str) -> UnknownFamily:
    """The error for a part of a known family that is not counted here."""
    return UnknownFamily(
        f"counting {config.where}: got {what}, which are not known for {config.model_type!r}; "
        "install transformers to build the model"
    )
