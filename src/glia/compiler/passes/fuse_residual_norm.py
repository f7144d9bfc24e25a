"""Joins a residual addition with the layer norm that alone reads it: one pass over the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from glia.compiler.passes._rewriter import Rewriter, num_uses, rewrite
from glia.compiler.passes.base import count_ops, plural
from glia.graph.ir import Graph, Node, Value


@dataclass(frozen=True, slots=True)
class FuseResidualNorm:
    """Fold an addition into the layer norm that follows it.

    %s = add(%x, %r)
    %y = layer_norm(%s, %w, %b)   -->   %y = add_layer_norm(%x, %r, %w, %b)
    """

    name: ClassVar[str] = "fuse-residual-norm"

    def run(self, graph: Graph) -> Graph:
        """The graph with additions inside their layer norms."""
        uses = num_uses(graph)

        def rule(rw: Rewriter, node: Node) -> Value | None:
            if node.op != "layer_norm":
                return None
            total = rw.made_by(node.operands[0], "add")
            if total is None or uses[total.result] != 1:
                return None
            operands = (*total.operands, *node.operands[1:])
            return rw.replace(node, "add_layer_norm", *operands, **node.attrs)

        return rewrite(graph, rule)

    def notes(self, before: Graph, after: Graph) -> tuple[str, ...]:
        """How many additions were folded in."""
        gained = count_ops(after, "add_layer_norm") - count_ops(before, "add_layer_norm")
        return (f"fused residual add into {plural(gained, 'layer norm')}",) if gained else ()
