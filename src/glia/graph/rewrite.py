"""What passes are made of: `rebuild` a graph node by node, `prune` it, `extract` a part of it.

A pass is a function that looks at one node and says what stands in its place. A value keeps its
name whatever computes it now, so that results can be compared by name before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from glia.graph.builder import GraphBuilder
from glia.graph.ir import Graph, GraphError, Node, Value

Visit = Callable[["Rewriter", Node], Value | None]
VisitLeaf = Callable[["Rewriter", Value], Value | None]


class Rewriter(GraphBuilder):
    """Builds the new graph, and knows what each value of the old one became: `rewriter[old]`."""

    def __init__(self, old: Graph) -> None:
        super().__init__(old.name)
        self.old = old
        self._new: dict[Value, Value] = {}
        values = (*old.inputs, *old.constants, *(node.result for node in old.nodes))
        self.reserve(value.name for value in values)

    def __getitem__(self, value: Value) -> Value:
        """The new value that stands for `value` of the old graph."""
        if value not in self._new:
            raise GraphError(
                f"rewriting {self.name}: got {value} before it was rewritten, expected a value "
                "of an earlier node; replace the last node of a group, not an earlier one"
            )
        return self._new[value]

    def data(self, value: Value) -> np.ndarray | None:
        """The data of a value of the new graph when it is a constant, else None."""
        return self._constants.get(value)

    def keep(self, node: Node) -> Value:
        """Add the old node on the new operands; its result type follows from them."""
        operands = (self[o] for o in node.operands)
        return self.emit(node.op, *operands, name=node.result.name, **node.attrs)

    def keep_leaf(self, value: Value) -> Value:
        """Add the old input or constant as it is."""
        if value in self.old.constants:
            return self.constant(value.name, self.old.constants[value])
        return self.input(value.name, value.type)

    def visit(self, node: Node, visit: Visit) -> None:
        """Let `visit` replace the node; its result takes the node's name when it is new."""
        first_new = len(self._nodes)
        with self.at(node.source, node.layer):
            new = visit(self, node) or self.keep(node)
        is_new = any(made.result == new for made in self._nodes[first_new:])
        if is_new and node.result.name in self._promised:
            new = self._rename(new, node.result.name, first_new)
        self._new[node.result] = new

    def visit_leaf(self, value: Value, visit: VisitLeaf | None) -> None:
        """Let `visit` replace an input or constant."""
        new = visit(self, value) if visit is not None else None
        self._new[value] = new or self.keep_leaf(value)

    def _rename(self, value: Value, name: str, first: int) -> Value:
        """Rename a value that only nodes from index `first` on can have read."""
        named = Value(self._claim(name), value.type)
        tail = self._nodes[first:]
        self._nodes[first:] = [_on_operands(node, {value: named}) for node in tail]
        made = next(i for i in range(first, len(self._nodes)) if self._nodes[i].result == value)
        self._nodes[made] = replace(self._nodes[made], result=named)
        return named


def rebuild(graph: Graph, visit: Visit, leaf: VisitLeaf | None = None) -> Graph:
    """A new graph in which `visit(rewriter, node)` may have replaced any node.

    Nodes come in order, with their old operands. `visit` adds nodes to the rewriter, reads old
    values as `rewriter[old]`, and returns the value that stands for the node's result from then
    on; None keeps the node. `leaf(rewriter, value)` may do the same for inputs and constants.
    New nodes carry the old node's source and layer. What nobody reads any more is pruned.
    """
    rewriter = Rewriter(graph)
    for value in (*graph.inputs, *graph.constants):
        rewriter.visit_leaf(value, leaf)
    for node in graph.nodes:
        rewriter.visit(node, visit)
    return prune(rewriter.finish(rewriter[value] for value in graph.outputs))


def prune(graph: Graph) -> Graph:
    """The graph without the nodes and constants that no output needs; inputs stay."""
    needed, nodes = set(graph.outputs), []
    for node in reversed(graph.nodes):
        if node.result in needed:
            needed.update(node.operands)
            nodes.append(node)
    constants = {value: data for value, data in graph.constants.items() if value in needed}
    return replace(graph, constants=MappingProxyType(constants), nodes=tuple(reversed(nodes)))


def substitute(graph: Graph, new: Mapping[Value, Value]) -> Graph:
    """The graph in which every reader of a key reads its value in `new` instead (same type)."""
    for old, value in new.items():
        if old.type != value.type:
            raise GraphError(
                f"substituting {old}: got {value} of {value.type}, expected {old.type}; convert it"
            )
    nodes = tuple(_on_operands(node, new) for node in graph.nodes)
    return replace(graph, nodes=nodes, outputs=tuple(new.get(v, v) for v in graph.outputs))


def extract(name: str, nodes: Sequence[Node]) -> tuple[tuple[Value, ...], Graph]:
    """The nodes as a graph of their own, and the values that it takes as inputs.

    The nodes stand in program order; the last one's result is the only output. Inputs are the
    values read from outside, in order of first use and under their own names: the operands and
    the body for a `fused` node.
    """
    made = {node.result for node in nodes}
    read = dict.fromkeys(operand for node in nodes for operand in node.operands)
    outside = tuple(value for value in read if value not in made)
    body = Graph(name, outside, MappingProxyType({}), tuple(nodes), (nodes[-1].result,))
    return outside, body


def _on_operands(node: Node, new: Mapping[Value, Value]) -> Node:
    return replace(node, operands=tuple(new.get(o, o) for o in node.operands))
