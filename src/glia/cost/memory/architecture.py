"""A model as far as memory is concerned: its parameters, and what a training step keeps of it.

An `Architecture` is made of `Block`s. A block knows its parameters (`Weight`) and the tensors that
PyTorch keeps between its forward and its backward (`Kept`), each with how tensor parallelism
divides it. Sizes are elements; bytes come in with a `Numerics`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

# How tensor parallelism of degree d divides a tensor: `heads`, `width` and `vocab` into d parts,
# `kv` into as many parts as there are KV heads, at most d; `all` ranks hold the whole of it.
Split = Literal["all", "heads", "kv", "width", "vocab"]

# What a kept tensor is made of: numbers of the model's format, float32 always, float32 copies that
# exist only when the model's format is narrower, copies that exist only then, whole bytes.
Kind = Literal["model", "float32", "widened", "narrow", "byte"]


# How queries and keys are rotated: not as whole heads, in the model's format, in float32.
Rotary = Literal["", "model", "wide", "copied"]


@dataclass(frozen=True, slots=True)
class Weight:
    """`copies` parameter tensors of one shape. `kv_elements` of each belong to KV heads.

    `is_linear` says that quantisation would store it in fewer bits, `is_trained` that it has a
    gradient and optimizer state. `reads` is the name of the `Kept` tensor that a linear map is
    given, empty where no other map reads it; `cuts_inputs` that parallelism divides its columns.
    `itemsize` is that of a format of its own; 0: the model's.
    """

    name: str
    shape: tuple[int, ...]
    split: Split = "all"
    kv_elements: int = 0
    copies: int = 1
    is_linear: bool = False
    is_trained: bool = True
    reads: str = ""
    cuts_inputs: bool = False
    itemsize: int = 0

    @property
    def num_elements(self) -> int:
        """Elements of all copies."""
        return self.copies * math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Kept:
    """One tensor of the forward pass that the backward pass reads.

    `per_token` elements for every token, `per_score` for every pair of query and key token.
    `is_matmul` says that it feeds a product: recomputing it would cost another product. A tensor
    with `from_length` exists for sequences of at least so many tokens only, one `in_training` not
    when dropout is off, one `of_one` only where the batch is one sequence (a view into a whole
    projection, which larger batches copy). One `for_weights` is read for the gradient of a weight
    alone: where the weight is frozen, it is not kept.
    """

    name: str
    per_token: float = 0
    per_score: float = 0
    split: Split = "all"
    kind: Kind = "model"
    is_matmul: bool = False
    from_length: int = 0
    in_training: bool = False
    of_one: bool = False
    for_weights: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """Parameters and kept tensors of a part of the model."""

    weights: tuple[Weight, ...] = ()
    kept: tuple[Kept, ...] = ()

    def __add__(self, other: Block) -> Block:
        return Block(self.weights + other.weights, self.kept + other.kept)


def joined(blocks: Iterable[Block]) -> Block:
    """The blocks as one."""
    return sum(blocks, Block())


@dataclass(frozen=True, slots=True)
class Attention:
    """One attention of a layer. `window` is how many tokens it sees and caches; None: all.

    `latent_size` is what latent attention caches per token in place of keys and values; 0: none.
    `reads_encoder` says that keys and values come from the encoder.
    """

    num_heads: int
    num_kv_heads: int
    head_dim: int
    value_dim: int
    window: int | None = None
    latent_size: int = 0
    reads_encoder: bool = False


@dataclass(frozen=True, slots=True)
class Forward:
    """What one layer holds at the moments of a forward pass without gradients.

    Pairs are for float32 and for a narrower format. `inner`: numbers per token of the feed-forward,
    which tensor parallelism divides; `streams`: how often the stream exists beside them, and
    `attention_streams` beside attention. `num_sent`: copies of the tokens that go to experts, and
    `result_copies` of their results. `rotary`: whole heads are rotated in the model's format, in
    float32 (`wide`) or in float32 copies. `score_bytes`: bytes per score, 0 where one kernel makes
    them, with `num_masks` and `queries` copies beside them; `lingering` scores live on in a
    variable, `is_bias` says that all sequences share them. `has_mask`: one kernel is given a mask.
    """

    inner: float
    streams: int = 3
    attention_streams: int = 2
    num_sent: int = 0
    result_copies: tuple[int, int] = (4, 6)
    rotary: Rotary = "model"
    is_fused: bool = False
    copies_output: bool = False
    has_head_norms: bool = False
    has_post_norms: bool = False
    score_bytes: tuple[float, float] = (0.0, 0.0)
    num_masks: int = 1
    queries: tuple[int, int] = (3, 3)
    lingering: int = 0
    is_bias: bool = False
    has_mask: bool = False


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer. `widths` are those of its feed-forwards, which tensor parallelism divides.

    `inner` is how many numbers per token the feed-forward holds at once: two of its width, three
    when it is gated. `is_written` says that its norms are written in Python, not one kernel.
    """

    block: Block
    attentions: tuple[Attention, ...]
    widths: tuple[int, ...]
    inner: int
    is_decoder: bool = True
    is_gated: bool = False
    is_written: bool = False
    forward: Forward = Forward(0)


@dataclass(frozen=True, slots=True)
class Traced:
    """Peaks of a model whose code was run instead of counted, in bytes; None with `why` unknown.

    `training_inside` and `inference_inside` of them are what kernels take inside, where that was
    not seen but reckoned from a smaller run. `inference_bytes` are beside `cache_bytes`, what the
    code keeps for the next token.
    `has_own_inputs` says that batch, length and format are those of the code.
    """

    training_bytes: float | None
    inference_bytes: float | None
    why: str = ""
    cache_bytes: float | None = None
    has_own_inputs: bool = True
    training_inside: float = 0.0
    inference_inside: float = 0.0


@dataclass(frozen=True, slots=True)
class Architecture:
    """A whole model. `layers` are in order of execution, encoder first.

    `embedding` and `head` stand at the ends; `head` is only a norm in a bare model. `num_logits` is
    how many numbers the head gives per position (0: no head); `pools` says that it looks at one
    position only, `loss_is_wide` that logits become float32 before the loss. `num_positions` is
    the longest sequence, None where nothing limits it. `tokens_per_sample` is set when the input
    has a fixed length (images). `num_embeddings` are the tables of tokens and positions whose
    results live through the pass. `traced` replaces the count of activations. `scale_block` is the
    (rows, columns) of a quantised matrix that share a scale; 0: none is cut by parallelism.
    """

    family: str
    hidden: int
    vocab_size: int
    layers: tuple[Layer, ...]
    embedding: Block
    head: Block
    num_logits: int
    pools: bool = False
    loss_is_wide: bool = True
    num_positions: int | None = None
    tokens_per_sample: int | None = None
    num_embeddings: int = 1
    is_causal: bool = True
    dtype: str = "float32"
    quantisation: str = ""
    scale_block: tuple[int, int] = (0, 0)
    notes: tuple[str, ...] = ()
    traced: Traced | None = None

    def weights(self) -> Iterator[Weight]:
        """Every parameter, layers counted as often as they occur."""
        yield from self.embedding.weights
        counts: dict[int, list[Layer]] = {}
        for layer in self.layers:
            counts.setdefault(id(layer.block), []).append(layer)
        for same in counts.values():
            for weight in same[0].block.weights:
                yield replace(weight, copies=weight.copies * len(same))
        yield from self.head.weights

    @property
    def num_parameters(self) -> int:
        """Elements of all parameters; tied ones count once."""
        return sum(weight.num_elements for weight in self.weights())

    @property
    def is_tied(self) -> bool:
        """True when the head reads the embedding's own matrix."""
        if not 0 < self.num_logits == self.vocab_size:
            return False
        return not any(w.split == "vocab" and len(w.shape) > 1 for w in self.head.weights)

    @property
    def attentions(self) -> tuple[Attention, ...]:
        """The distinct attentions of the model."""
        return tuple(dict.fromkeys(a for layer in self.layers for a in layer.attentions))

    @property
    def has_encoder(self) -> bool:
        """True for an encoder with a decoder that reads it."""
        return any(a.reads_encoder for a in self.attentions)
