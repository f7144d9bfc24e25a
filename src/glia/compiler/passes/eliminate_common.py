"""Computes equal expressions once: equal constants first, then equal nodes on equal operands."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from glia.compiler.passes._rewriter import Rewriter
from glia.compiler.passes.base import shrink_notes
from glia.graph.ir import Graph, Node, Value

# Larger tables are compared by identity of their data only.
_COMPARED_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class EliminateCommon:
    """Replace a node by an earlier one with the same op, operands and attributes.

    %a = tanh(%x)
    %b = tanh(%x)            -->   %a = tanh(%x)
    %c = add(%a, %b)               %c = add(%a, %a)
    """

    name: ClassVar[str] = "eliminate-common"

    def run(self, graph: Graph) -> Graph:
        """The graph with each expression computed once, under its first name."""
        firsts: dict[Hashable, Value] = {}
        same = {v: firsts.setdefault(_constant_key(v, d), v) for v, d in graph.constants.items()}
        seen: dict[Hashable, Value] = {}

        def rule(rw: Rewriter, node: Node) -> Value | None:
            operands = tuple(same.get(v, v) for v in node.operands)
            key = _node_key(node, operands)
            if key is not None and key in seen:
                return seen[key]
            result = rw.replace(node, node.op, *operands, **node.attrs)
            if key is not None:
                seen[key] = result
            return result

        return Rewriter(graph).run(rule)

    def notes(self, before: Graph, after: Graph) -> tuple[str, ...]:
        """How many nodes were duplicates."""
        return shrink_notes("merged duplicates of", before, after)


def _constant_key(value: Value, data: np.ndarray) -> Hashable:
    """Scalars and tables by content; weights by identity: equal ones keep their own names."""
    is_weight = value.type.dtype.is_float and value.type.rank > 0
    if is_weight or data.nbytes > _COMPARED_BYTES:
        return (value.type, data.ctypes.data, data.strides)
    return (value.type, data.tobytes())


def _node_key(node: Node, operands: tuple[Value, ...]) -> Hashable | None:
    """None for nodes with attributes that cannot be compared (a fused body)."""
    attrs = tuple(sorted(node.attrs.items()))
    if any(isinstance(v, Graph) for v in node.attrs.values()):
        return None
    return (node.op, operands, attrs)
