"""Reads `memory_reserves.toml`: what runtimes, collectives and loading take, as Figures."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from glia.chips.loader import read_tree, validated
from glia.chips.quantity import Bytes, Fraction, Ratio
from glia.chips.schema import ChipKind
from glia.chips.silicon import Section

PATH = Path(__file__).parents[1] / "memory_reserves.toml"


class Runtime(Section):
    """What the runtime of one kind of chip takes: per physical core, per rank, and as shares."""

    per_core: Bytes
    per_rank: Bytes
    rings_of_tensors: Fraction
    scratch_of_activations: Fraction


class Collectives(Section):
    """Buffers of collectives: copies of one layer's stream, and a bucket of gradients."""

    stream_copies: Ratio
    bucket: Bytes


class Host(Section):
    """What loading takes on the host: copies of the checkpoint, and a base."""

    copies: Ratio
    base: Bytes


class Reserves(Section):
    """The whole file; every kind of chip has its runtime."""

    kinds: Mapping[ChipKind, Runtime]
    collectives: Collectives
    host: Host


@cache
def reserves() -> Reserves:
    """The reserves, read once.

    Raises:
        FormatError: when the file breaks the schema.
    """
    return validated(Reserves, read_tree(PATH), PATH)
