"""Drops nodes and constants that no output depends on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from glia.compiler.passes.base import shrink_notes
from glia.graph.ir import Graph
from glia.graph.rewrite import prune


@dataclass(frozen=True, slots=True)
class EliminateDead:
    """Keep only what the outputs need; inputs are the signature and stay.

    %a = tanh(%x)
    %b = abs(%x)        -->   %b = abs(%x)
    return %b                 return %b
    """

    name: ClassVar[str] = "eliminate-dead"

    def run(self, graph: Graph) -> Graph:
        """The graph without dead nodes and constants."""
        return prune(graph)

    def notes(self, before: Graph, after: Graph) -> tuple[str, ...]:
        """How many nodes went."""
        return shrink_notes("dropped unused", before, after)
