"""Opens composites for which no kernel exists: their decomposition is lowered instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from glia.compiler.passes.base import plural
from glia.graph.ir import Graph, Node, Value
from glia.graph.op import op as find_op
from glia.graph.rewrite import Rewriter, rebuild
from glia.isa.target import Target


@dataclass(frozen=True, slots=True)
class OpenComposites:
    """Replace a composite that has no lowering rule by what it means.

    %y = squared_relu(%x)   -->   %a = relu(%x)
                                  %y = multiply(%a, %a)
    """

    name: ClassVar[str] = "open-composites"

    def run(self, graph: Graph) -> Graph:
        """The graph without such composites; results keep their names."""
        while any(_must_open(node) for node in graph.nodes):
            graph = rebuild(graph, _opened)
        return graph

    def notes(self, before: Graph, after: Graph) -> tuple[str, ...]:
        """Which ops were opened, how often."""
        opened = [node.op for node in before.nodes if _must_open(node)]
        return tuple(f"opened {plural(opened.count(op), op)}" for op in sorted(set(opened)))


def open_refused(graph: Graph, target: Target) -> Graph:
    """Open the composites whose kernel refuses these shapes; what they mean may still have one."""
    from glia.compiler.lowering.context import REFUSALS

    def refused(node: Node) -> bool:
        refusal = REFUSALS.get(node.op)
        if refusal is None or not _is_decomposable(node):
            return False
        return refusal(node, graph, target) is not None

    def opened(rewriter: Rewriter, node: Node) -> Value | None:
        return _decomposed(rewriter, node) if refused(node) else None

    if not any(refused(node) for node in graph.nodes):
        return graph
    return rebuild(graph, opened)


def _is_decomposable(node: Node) -> bool:
    return find_op(node.op).is_composite and node.op != "fused"


def _must_open(node: Node) -> bool:
    # Asked here, not at import: which ops have kernels is the lowering's to say.
    from glia.compiler.lowering import RULES

    return find_op(node.op).is_composite and node.op not in RULES


def _opened(rewriter: Rewriter, node: Node) -> Value | None:
    return _decomposed(rewriter, node) if _must_open(node) else None


def _decomposed(rewriter: Rewriter, node: Node) -> Value:
    decompose = find_op(node.op).decompose
    assert decompose is not None
    return decompose(rewriter, *(rewriter[o] for o in node.operands), **node.attrs)
