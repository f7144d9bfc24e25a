"""Records of what a CPU could tell about a model's graph; the findings stand in the check's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

# How the operations were got: from one captured graph, or by watching a call.
GraphBasis = Literal["captured", "watched", "none"]


@dataclass(frozen=True, slots=True)
class OperationKind:
    """One kind of operation: how often, whether the vendor lists it, whether glia translates it.

    `listed` is about the vendor's list for Neuron; an operation that is not on it is not thereby
    refused. `translated` is None when no graph was captured.
    """

    name: str
    count: int
    listed: bool
    translated: bool | None


@dataclass(frozen=True, slots=True)
class GraphReading:
    """How a model was looked at, and what the look does not tell.

    `num_graphs` are the pieces that torch.compile makes of one call; None when it gave up or was
    not asked. `confirmed` are places that the source check found and the graph shows as well,
    as `C080 model.py:7`. `glia` says what glia's own compiler makes of the model.
    """

    model: str
    basis: GraphBasis
    note: str
    num_operations: int
    kinds: tuple[OperationKind, ...]
    num_graphs: int | None
    inputs: tuple[str, ...]
    confirmed: tuple[str, ...]
    glia: Mapping[str, str]
    wall_s: float = 0.0
