"""Computes at compile time what depends on constants alone: index tables, masks, position rows.

Floating-point nodes are evaluated in float64 and rounded once to their type. A folded value is
stored once along every dim that it is constant along, and broadcast from there, so that folding
never blows up a splat or an expanded row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from glia.compiler.passes._rewriter import Rewriter, broadcast_view, rewrite
from glia.compiler.passes.base import shrink_notes
from glia.graph.evaluate import Precision, evaluate_node
from glia.graph.ir import Graph, Node, Value

# Ops that only move elements keep them bit for bit, so they need no float64.
# fmt: off
_MOVES = frozenset({
    "reshape", "transpose", "broadcast_in_dim", "concatenate", "slice", "pad", "reverse",
    "gather", "embedding",
})
# fmt: on
_UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


@dataclass(frozen=True, slots=True)
class FoldConstants:
    """Evaluate nodes whose operands are all constants.

        %i = iota(shape=[4], dimension=0, dtype=int32)      -->  constant %m
        %m = multiply(%i, %two)

    A result with more than `limit_elements` elements is left alone, unless folding shrinks it.
    """

    name: ClassVar[str] = "fold-constants"
    limit_elements: int = 1 << 24

    def run(self, graph: Graph) -> Graph:
        """The graph with constant expressions replaced by their values."""
        known = dict(graph.constants)
        return rewrite(graph, lambda rw, node: self._fold(rw, node, known))

    def notes(self, before: Graph, after: Graph) -> tuple[str, ...]:
        """How many nodes were folded away."""
        return shrink_notes("folded", before, after)

    def _fold(self, rw: Rewriter, node: Node, known: dict[Value, np.ndarray]) -> Value | None:
        """`known` holds constants and, as views, their broadcasts, which stay nodes."""
        if any(v not in known for v in node.operands) or not self._small_enough(node):
            return None
        data = _value_of(node, [known[v] for v in node.operands])
        if node.op == "broadcast_in_dim":
            result = rw.replace(node, node.op, *node.operands, **node.attrs)
        else:
            result = _store(rw, node, data)
        known[result] = data
        return result

    def _small_enough(self, node: Node) -> bool:
        held = sum(v.type.num_elements for v in node.operands)
        return node.result.type.num_elements <= max(self.limit_elements, held)


def _value_of(node: Node, operands: list[np.ndarray]) -> np.ndarray:
    if node.op == "broadcast_in_dim":
        return broadcast_view(node, operands[0])
    precision: Precision = "native" if node.op in _MOVES else "float64"
    return evaluate_node(node, operands, precision).astype(node.result.type.dtype.numpy)


def _store(rw: Rewriter, node: Node, data: np.ndarray) -> Value:
    constant_dims = [d for d in range(data.ndim) if _is_constant_along(data, d)]
    if not constant_dims:
        return rw.constant(node.result.name, np.ascontiguousarray(data).reshape(data.shape))
    kept = [d for d in range(data.ndim) if d not in constant_dims]
    core = data[tuple(slice(None) if d in kept else 0 for d in range(data.ndim))]
    once = rw.helper_constant(f"{node.result.name}.once", np.array(core))
    return rw.replace(
        node,
        "broadcast_in_dim",
        once,
        shape=node.result.type.shape,
        broadcast_dimensions=tuple(kept),
    )


def _is_constant_along(data: np.ndarray, dim: int) -> bool:
    """Bit equality of all slices along `dim` (so that NaN and -0 are told apart)."""
    unsigned = _UNSIGNED.get(data.dtype.itemsize)
    if unsigned is None or data.shape[dim] < 2 or data.size == 0:
        return False
    bits = data if data.strides[dim] == 0 else np.ascontiguousarray(data).view(unsigned)
    if bits.strides[dim] == 0:
        return True
    first, second = bits.take([0], axis=dim), bits.take([1], axis=dim)
    return bool(np.array_equal(first, second)) and bool(np.all(bits == first))
