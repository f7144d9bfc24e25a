"""How tensor parallelism divides a model, which degrees it allows, and why not the others."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from glia.cost.memory.architecture import Architecture, Attention, Split


@dataclass(frozen=True, slots=True)
class DegreeVerdict:
    """Whether tensor parallelism of `degree` divides the model; `problems` say why not.

    `remarks` are what it costs where it does: KV heads held twice, rows added to the vocabulary.
    """

    degree: int
    problems: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def is_allowed(self) -> bool:
        """True when nothing stands against it."""
        return not self.problems


def judge_degree(architecture: Architecture, degree: int) -> DegreeVerdict:
    """Check heads, KV heads and feed-forward widths; the vocabulary is padded, never refused."""
    problems: list[str] = []
    remarks: list[str] = []
    for attention in architecture.attentions:
        _judge_heads(attention, degree, problems, remarks)
    if not architecture.layers and degree > 1:
        problems.append("its heads are not known: the code was counted, not a config")
    widths = dict.fromkeys(w for layer in architecture.layers for w in layer.widths)
    problems += [
        f"feed-forward width {width} is not divisible by {degree}"
        for width in widths
        if width % degree
    ]
    padding = padded_vocab(architecture.vocab_size, degree) - architecture.vocab_size
    if padding:
        remarks.append(f"vocabulary {architecture.vocab_size} is padded by {padding} rows")
    remarks += _cut_blocks(architecture, widths, degree)
    return DegreeVerdict(degree, tuple(dict.fromkeys(problems)), tuple(dict.fromkeys(remarks)))


def _cut_blocks(architecture: Architecture, widths: Iterable[int], degree: int) -> Iterator[str]:
    """A width whose part of one rank ends inside a block of numbers that share a scale.

    vLLM refuses to load such a degree (its `gptq.py`, `awq.py` and `fp8.py` check it).
    """
    block = max(architecture.scale_block)
    for width in widths:
        if degree > 1 and block and width % (degree * block):
            yield (
                f"a rank's part of feed-forward width {width}, {width / degree:g}, cuts the "
                f"{architecture.quantisation} blocks of {block}, which vLLM refuses"
            )


def _judge_heads(
    attention: Attention, degree: int, problems: list[str], remarks: list[str]
) -> None:
    heads, kv_heads = attention.num_heads, attention.num_kv_heads
    if heads % degree:
        problems.append(f"{heads} attention heads are not divisible by {degree}")
    if attention.latent_size:
        if degree > 1:
            remarks.append("the latent KV cache is whole on every rank")
    elif kv_heads >= degree:
        if kv_heads % degree:
            problems.append(f"{kv_heads} KV heads are not divisible by {degree}")
    elif degree % kv_heads:
        problems.append(f"{degree} is no multiple of {kv_heads} KV heads")
    else:
        noun = "KV head is" if kv_heads == 1 else "KV heads are each"
        remarks.append(f"{kv_heads} {noun} held by {degree // kv_heads} ranks")


def padded_vocab(vocab_size: int, degree: int) -> int:
    """The vocabulary with the rows that make it divisible by `degree`."""
    return math.ceil(vocab_size / degree) * degree


def allowed_degrees(architecture: Architecture, limit: int) -> tuple[int, ...]:
    """Every degree up to `limit` that divides the model."""
    heads = math.gcd(*(a.num_heads for a in architecture.attentions)) or 1
    candidates = (d for d in range(1, min(limit, heads) + 1) if heads % d == 0)
    return tuple(d for d in candidates if judge_degree(architecture, d).is_allowed)


def smallest_degree(attentions: Sequence[Attention], width: int, at_least: int) -> int | None:
    """The smallest degree from `at_least` on that divides heads, KV heads and a width."""
    heads = math.gcd(*(a.num_heads for a in attentions)) or width
    for degree in range(at_least, heads + 1):
        problems: list[str] = []
        for attention in attentions:
            _judge_heads(attention, degree, problems, [])
        if not problems and not width % degree:
            return degree
    return None


def share(split: Split, degree: int, num_kv_heads: int) -> float:
    """Which part of a tensor one rank holds.

    KV heads are divided as far as there are some; beyond that each rank holds one, so that heads
    are held several times. A model whose KV heads are its heads divides both alike.
    """
    if split == "all":
        return 1.0
    if split == "kv":
        return 1.0 / min(degree, num_kv_heads)
    return 1.0 / degree


def kv_heads_of_layer(attentions: tuple[Attention, ...]) -> int:
    """The KV heads that the layer's `kv` tensors are divided by."""
    return min((a.num_kv_heads for a in attentions), default=1)
