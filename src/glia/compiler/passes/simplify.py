"""Local rewritings that keep every value exactly, applied until none applies."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import ClassVar

from glia.compiler.passes import _rules_broadcast, _rules_elementwise, _rules_gather, _rules_shape
from glia.compiler.passes._rewriter import Rewriter, Rule
from glia.compiler.passes.base import plural, shrink_notes
from glia.graph.ir import Graph, Node, Value


def _all_rules() -> dict[str, tuple[Rule, ...]]:
    rules: dict[str, tuple[Rule, ...]] = defaultdict(tuple)
    for module in (_rules_elementwise, _rules_shape, _rules_gather, _rules_broadcast):
        for op, of_op in module.RULES.items():
            rules[op] += of_op
    return dict(rules)


_RULES = _all_rules()


@dataclass(frozen=True, slots=True)
class Simplify:
    """Remove nodes that change nothing, join those that undo or continue each other.

        %a = transpose(%x, permutation=[0, 2, 1])
        %b = transpose(%a, permutation=[0, 2, 1])
        %c = multiply(%b, %ones)                    -->   %d = tanh(%x)
        %d = tanh(%c)

    Work moves before broadcasts; a gather that reads evenly spaced constant indices becomes a
    slice. `max_rounds` is a guard only: every rule shrinks the graph or moves it to normal form.
    """

    name: ClassVar[str] = "simplify"
    max_rounds: int = 50

    def run(self, graph: Graph) -> Graph:
        """The graph on which no rule applies."""
        for _ in range(self.max_rounds):
            rewriter = Rewriter(graph)
            graph = rewriter.run(_apply_first)
            if not rewriter.changed:
                break
        return graph

    def notes(self, before: Graph, after: Graph) -> tuple[str, ...]:
        """How many nodes went, or else took a simpler form."""
        kept = {node.result.name: node for node in after.nodes}
        changed = sum(not _is_kept(node, kept.get(node.result.name)) for node in before.nodes)
        in_place = (f"simplified {plural(changed, 'node')}",) if changed else ()
        return shrink_notes("simplified away", before, after) or in_place


def _is_kept(node: Node, now: Node | None) -> bool:
    return now is not None and (now.op, now.operands) == (node.op, node.operands)


def _apply_first(rw: Rewriter, node: Node) -> Value | None:
    replacements = (rule(rw, node) for rule in _RULES.get(node.op, ()))
    return next((value for value in replacements if value is not None), None)
