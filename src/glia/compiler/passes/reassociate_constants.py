"""Adds constants to each other before they are added to data: position row and token-type row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from glia.compiler.passes._rewriter import Rewriter, num_uses, rewrite
from glia.compiler.passes.base import count_ops, plural
from glia.graph.ir import Graph, Node, Value


@dataclass(frozen=True, slots=True)
class ReassociateConstants:
    """Bring the constants of two additions together, for fold-constants to add.

        %a = add(%x, %c)              %s = add(%c, %d)
        %b = add(%a, %d)     -->      %b = add(%x, %s)

    One rounding less, so the result may differ in the last bit; %a must have no other reader.
    Float constants and their broadcasts only.
    """

    name: ClassVar[str] = "reassociate-constants"

    def run(self, graph: Graph) -> Graph:
        """The graph with constants added first."""
        uses = num_uses(graph)

        def rule(rw: Rewriter, node: Node) -> Value | None:
            if node.op != "add" or not node.result.type.dtype.is_float:
                return None
            inner, last = _split(rw, node)
            first = rw.made_by(inner, "add") if inner is not None else None
            if first is None or uses.get(first.result) != 1:
                return None
            x, early = _split(rw, first)
            if x is None or early is None or last is None:
                return None
            together = rw.emit("add", early, last, hint=f"{node.result.name}.constants")
            return rw.replace(node, "add", x, together)

        return rewrite(graph, rule)

    def notes(self, before: Graph, after: Graph) -> tuple[str, ...]:
        """How many additions of a constant will be folded into another."""
        was = {n.result.name for n in before.nodes if n.op == "add"}
        joined = count_ops(after, "add") - sum(n.result.name in was for n in after.nodes)
        return (f"joined {plural(joined, 'pair')} of added constants",) if joined else ()


def _split(rw: Rewriter, node: Node) -> tuple[Value | None, Value | None]:
    """The operand that is data and the one that is constant; None where there is not one each."""
    x, y = node.operands
    if rw.known(x) is not None:
        x, y = y, x
    one_each = rw.known(x) is None and rw.known(y) is not None
    return (x, y) if one_each else (None, None)
