"""Groups elementwise nodes on one shape into `fused` nodes, so that a group is one kernel.

A group has one result, its last node. A node joins when every reader of it is in the group already
and it is no output of the graph; so nothing is computed twice and no cycle can arise. Broadcasts
are the exception: repeating elements costs nothing, so each group takes its own copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from glia.compiler.passes._elementwise import ELEMENTWISE
from glia.compiler.passes._rewriter import Rewriter, rewrite
from glia.compiler.passes.base import count_ops, plural
from glia.graph.ir import Graph, Node, Value


@dataclass(frozen=True, slots=True)
class FuseElementwise:
    """Group elementwise nodes of one shape, and the broadcasts that they read.

        %s = broadcast_in_dim(%c)
        %a = multiply(%x, %s)       -->   %y = fused(%x, %c, body={the three nodes})
        %y = tanh(%a)

    Scalar constants move into the body. A node with no partner but broadcasts stays alone unless it
    has one. `max_operands` bounds the tensors that one kernel reads.
    """

    name: ClassVar[str] = "fuse-elementwise"
    max_operands: int = 8

    def run(self, graph: Graph) -> Graph:
        """The graph with groups as `fused` nodes, under the names of their results."""
        groups = _Grouping(graph, self.max_operands).groups()

        def rule(rw: Rewriter, node: Node) -> Value | None:
            members = groups.get(node.result.name)
            if members is None:
                return None
            body = _body(graph, members)
            return rw.replace(node, "fused", *(rw[v] for v in body.inputs), body=body)

        return rewrite(graph, rule)

    def notes(self, before: Graph, after: Graph) -> tuple[str, ...]:
        """How many nodes became how many groups."""
        gained = count_ops(after, "fused") - count_ops(before, "fused")
        inside = len(before.nodes) - len(after.nodes) + gained
        what = f"fused {plural(inside, 'elementwise node')} into {plural(gained, 'group')}"
        return (what,) if gained else ()


class _Grouping:
    """Finds the groups of a graph, from the last node to the first."""

    def __init__(self, graph: Graph, max_operands: int) -> None:
        self.graph = graph
        self.max_operands = max_operands
        self.producers = graph.producers()
        self.consumers = graph.consumers()
        self.outputs = set(graph.outputs)
        self.order = {node.result: i for i, node in enumerate(graph.nodes)}

    def groups(self) -> dict[str, list[Node]]:
        """The members of each group in program order, by the name of its result."""
        taken: set[Value] = set()
        found: dict[str, list[Node]] = {}
        for node in reversed(self.graph.nodes):
            if node.op not in ELEMENTWISE or node.result in taken:
                continue
            members = self._grow(node)
            if len(members) > 1:
                found[node.result.name] = members
                taken.update(m.result for m in members if m.op in ELEMENTWISE)
        return found

    def _grow(self, root: Node) -> list[Node]:
        members = {root.result: root}
        frontier = self._candidates(root)
        while frontier:
            # The latest producer first: by then all its readers have been decided on.
            node = max(frontier, key=lambda n: self.order[n.result])
            frontier = [n for n in frontier if n is not node]
            joined = {**members, node.result: node}
            if self._may_join(node, root, members) and self._num_operands(joined) <= (
                self.max_operands
            ):
                members = joined
                frontier += [n for n in self._candidates(node) if n.result not in members]
        return sorted(members.values(), key=lambda n: self.order[n.result])

    def _candidates(self, node: Node) -> list[Node]:
        if node.op == "broadcast_in_dim":
            return []
        makers = [self.producers.get(v) for v in dict.fromkeys(node.operands)]
        return [m for m in makers if m is not None]

    def _may_join(self, node: Node, root: Node, members: dict[Value, Node]) -> bool:
        if node.result.type.shape != root.result.type.shape:
            return False
        if node.op == "broadcast_in_dim":
            return True
        readers = self.consumers.get(node.result, [])
        inside = all(reader.result in members for reader in readers)
        return node.op in ELEMENTWISE and inside and node.result not in self.outputs

    def _num_operands(self, members: dict[Value, Node]) -> int:
        return len(_operands(self.graph, list(members.values())))


def _operands(graph: Graph, members: list[Node]) -> list[Value]:
    """What the members read from outside the group, scalar constants excepted."""
    made = {node.result for node in members}
    read = dict.fromkeys(v for node in members for v in node.operands)
    return [v for v in read if v not in made and not _is_scalar_constant(graph, v)]


def _is_scalar_constant(graph: Graph, value: Value) -> bool:
    return value in graph.constants and value.type.rank == 0


def _body(graph: Graph, members: list[Node]) -> Graph:
    read = dict.fromkeys(v for node in members for v in node.operands)
    scalars: dict[Value, np.ndarray] = {
        v: graph.constants[v] for v in read if _is_scalar_constant(graph, v)
    }
    root = members[-1].result
    inputs = tuple(_operands(graph, members))
    return Graph(root.name, inputs, MappingProxyType(scalars), tuple(members), (root,))
