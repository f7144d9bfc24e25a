"""Bytes of kept tensors on one rank: elements, formats, and what parallelism divides."""

from __future__ import annotations

from dataclasses import dataclass

from glia.cost.memory.architecture import Block, Kept
from glia.cost.memory.sharding import share

_FLOAT32_BYTES = 4


@dataclass(frozen=True, slots=True)
class Batch:
    """Sequences of `seq` tokens that one model copy handles at once; numbers of `itemsize` bytes.

    `degree` is tensor parallelism; with `sequence_parallel` what it does not divide is divided
    along the sequence.
    """

    num_sequences: int
    seq: int
    itemsize: int
    degree: int = 1
    sequence_parallel: bool = False

    @property
    def num_tokens(self) -> int:
        """Tokens of all sequences."""
        return self.num_sequences * self.seq


def kept_bytes(block: Block, batch: Batch, num_kv_heads: int, only_products: bool = False) -> float:
    """Bytes of what a block keeps on one rank; `only_products` leaves out what is recomputed."""
    kept = (k for k in block.kept if k.is_matmul or not only_products)
    return sum(_bytes(k, batch, num_kv_heads) for k in kept)


def _bytes(kept: Kept, batch: Batch, num_kv_heads: int) -> float:
    if kept.from_length > batch.seq or (kept.of_one and batch.num_sequences > 1):
        return 0.0
    elements = kept.per_token * batch.num_tokens
    elements += kept.per_score * batch.num_tokens * batch.seq
    part = share(kept.split, batch.degree, num_kv_heads)
    if kept.split == "all" and batch.sequence_parallel:
        part = 1.0 / batch.degree
    return elements * _itemsize(kept, batch.itemsize) * part


def _itemsize(kept: Kept, itemsize: int) -> int:
    is_narrow = itemsize < _FLOAT32_BYTES
    if kept.kind == "float32":
        return _FLOAT32_BYTES
    if kept.kind == "widened":
        return _FLOAT32_BYTES if is_narrow else 0
    if kept.kind == "narrow":
        return itemsize if is_narrow else 0
    return 1 if kept.kind == "byte" else itemsize


@dataclass(frozen=True, slots=True)
class Activations:
    """Bytes on one rank: `kept` between forward and backward, `working` on top at the peak."""

    kept: float
    working: float
