"""The graph's Rewriter with what matching needs: who makes a value, and what is known about it.

Rules see each node on its *new* operands, so one walk already sees its own results. A value that
a pass leaves alone is equal in both graphs (same name, same type), so uses counted in the old graph
can be looked up by new values. Helper values never take a name of the old graph.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from glia.graph import rewrite as graph_rewrite
from glia.graph.ir import Graph, Node, TensorType, Value
from glia.graph.rewrite import VisitLeaf, prune

Rule = Callable[["Rewriter", Node], Value | None]


class Rewriter(graph_rewrite.Rewriter):
    """The new graph while it grows. `changed` tells whether a rule has replaced anything."""

    def __init__(self, old: Graph) -> None:
        super().__init__(old)
        self.changed = False
        self._producer: dict[Value, Node] = {}

    def emit(
        self, op: str, *operands: Value, name: str | None = None, hint: str = "", **attrs: Any
    ) -> Value:
        """Add a node: under `name`, or as a helper whose name starts with `hint`."""
        result = super().emit(op, *operands, name=name or self.fresh(hint or op), **attrs)
        self._producer[result] = self._nodes[-1]
        return result

    def replace(self, node: Node, op: str, *operands: Value, **attrs: Any) -> Value:
        """Add the node that stands for `node`, under its name."""
        return self.emit(op, *operands, name=node.result.name, **attrs)

    def helper_constant(self, hint: str, data: np.ndarray) -> Value:
        """Add a constant whose name starts with `hint`."""
        return self.constant(self.fresh(hint), data)

    def helper_splat(self, number: float, type: TensorType, hint: str) -> Value:
        """`number` in every element of a tensor of `type`."""
        scalar = self.helper_constant(hint, np.array(number, type.dtype.numpy))
        if type.rank == 0:
            return scalar
        return self.emit(
            "broadcast_in_dim", scalar, hint=hint, shape=type.shape, broadcast_dimensions=()
        )

    def producer(self, value: Value) -> Node | None:
        """The node that makes `value`; None for inputs and constants."""
        return self._producer.get(value)

    def made_by(self, value: Value, *ops: str) -> Node | None:
        """The node that makes `value` when it applies one of `ops`."""
        node = self._producer.get(value)
        return node if node is not None and node.op in ops else None

    def known(self, value: Value) -> np.ndarray | None:
        """The elements of a constant, or of a broadcast of one (as a read-only view)."""
        node = self.made_by(value, "broadcast_in_dim")
        if node is None:
            return self.data(value)
        data = self.data(node.operands[0])
        return None if data is None else broadcast_view(node, data)

    def splat(self, value: Value) -> Any | None:
        """The one number that every element of `value` is known to be, as a NumPy scalar."""
        while (node := self.made_by(value, "broadcast_in_dim", "reshape")) is not None:
            value = node.operands[0]
        data = self.data(value)
        if data is None or data.size == 0:
            return None
        first = data.reshape(-1)[0]
        return first if data.size == 1 or bool(np.all(data == first)) else None

    def run(self, rule: Rule, leaf: VisitLeaf | None = None) -> Graph:
        """Offer every node to `rule`, and inputs and constants to `leaf`; None keeps each."""

        def visit(_: graph_rewrite.Rewriter, node: Node) -> Value | None:
            new = rule(self, replace(node, operands=tuple(self[v] for v in node.operands)))
            self.changed |= new is not None
            return new

        for value in (*self.old.inputs, *self.old.constants):
            self.visit_leaf(value, leaf)
        for node in self.old.nodes:
            self.visit(node, visit)
        return prune(self.finish(self[value] for value in self.old.outputs))


def rewrite(graph: Graph, rule: Rule, leaf: VisitLeaf | None = None) -> Graph:
    """One walk of `rule` over `graph`."""
    return Rewriter(graph).run(rule, leaf)


def broadcast_view(node: Node, data: np.ndarray) -> np.ndarray:
    """What the `broadcast_in_dim` node makes of `data`, without copying it."""
    shape, dims = node.result.type.shape, node.attrs["broadcast_dimensions"]
    aligned = [1] * len(shape)
    for size, dim in zip(data.shape, dims, strict=True):
        aligned[dim] = size
    by_dim = sorted(range(data.ndim), key=lambda i: dims[i])
    return np.broadcast_to(data.transpose(by_dim).reshape(aligned), shape)


def num_uses(graph: Graph) -> dict[Value, int]:
    """How many nodes read each value; being an output counts as one more."""
    uses = {value: len(nodes) for value, nodes in graph.consumers().items()}
    for value in dict.fromkeys(graph.outputs):
        uses[value] = uses.get(value, 0) + 1
    return uses
