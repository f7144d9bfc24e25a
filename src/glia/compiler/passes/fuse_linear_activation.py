"""Lets a linear apply the activation that follows it while the result is still on chip."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from glia.compiler.passes._rewriter import Rewriter, num_uses, rewrite
from glia.compiler.passes.base import plural
from glia.graph.ir import Graph, Node, Value


@dataclass(frozen=True, slots=True)
class FuseLinearActivation:
    """Fold an activation into the linear that it alone reads.

    %h = linear(%x, %w, %b)
    %y = gelu(%h)              -->   %y = linear(%x, %w, %b, activation="gelu")
    """

    name: ClassVar[str] = "fuse-linear-activation"

    def run(self, graph: Graph) -> Graph:
        """The graph with activations inside their linears."""
        uses = num_uses(graph)

        def rule(rw: Rewriter, node: Node) -> Value | None:
            activation = _activation(node)
            linear = rw.made_by(node.operands[0], "linear") if activation else None
            if linear is None or uses[linear.result] != 1 or linear.attrs.get("activation"):
                return None
            return rw.replace(node, "linear", *linear.operands, activation=activation)

        return rewrite(graph, rule)

    def notes(self, before: Graph, after: Graph) -> tuple[str, ...]:
        """How many linears took in which activation."""
        gained = _activations(after) - _activations(before)
        return tuple(f"fused {a} into {plural(n, 'linear')}" for a, n in sorted(gained.items()))


def _activation(node: Node) -> str | None:
    """The name that `linear` gives to the function that `node` applies, if it has one."""
    if node.op == "gelu":
        return "gelu_tanh" if node.attrs.get("approximate", "none") == "tanh" else "gelu"
    return node.op if node.op in ("tanh", "relu", "silu", "logistic") else None


def _activations(graph: Graph) -> Counter[str]:
    found = [n.attrs.get("activation") for n in graph.nodes if n.op == "linear"]
    return Counter(a for a in found if a)
