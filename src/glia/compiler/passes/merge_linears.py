"""Runs linears that read the same input as one: query, key and value in one matrix product."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from glia.compiler.passes._rewriter import Rewriter, rewrite
from glia.compiler.passes.base import count_ops
from glia.graph.ir import Graph, Node, Value


@dataclass(frozen=True, slots=True)
class MergeLinears:
    """Concatenate the constant weights of linears on one input; slice the result's last dim.

        %q = linear(%x, %wq, %bq)        %m = linear(%x, %wqkv, %bqkv)
        %k = linear(%x, %wk, %bk)  -->   %q = slice(%m, first columns)
        %v = linear(%x, %wv, %bv)        %k = slice(%m, next columns)
                                         %v = slice(%m, last columns)

    Linears with an activation, or whose weights are not constants, stay as they are. Layers that
    share their weights share the concatenated ones too.
    """

    name: ClassVar[str] = "merge-linears"

    def run(self, graph: Graph) -> Graph:
        """The graph with one linear per input."""
        groups = _groups(graph)
        merged: dict[str, Value] = {}
        weights: dict[tuple[Value, ...], tuple[Value, ...]] = {}

        def rule(rw: Rewriter, node: Node) -> Value | None:
            members = groups.get(node.result.name)
            if members is None:
                return None
            if node.result.name not in merged:
                merged.update(_merge(rw, node.operands[0], members, weights))
            return merged[node.result.name]

        return rewrite(graph, rule)

    def notes(self, before: Graph, after: Graph) -> tuple[str, ...]:
        """How many linears became how many."""
        was, now = count_ops(before, "linear"), count_ops(after, "linear")
        return (f"merged linears on one input: {was} became {now}",) if now < was else ()


def _groups(graph: Graph) -> dict[str, list[Node]]:
    """The members of its group, by the name of each linear that has company."""
    by_input: dict[Value, list[Node]] = defaultdict(list)
    for node in graph.nodes:
        constant = all(v in graph.constants for v in node.operands[1:])
        if node.op == "linear" and constant and not node.attrs.get("activation"):
            by_input[node.operands[0]].append(node)
    groups = [members for members in by_input.values() if len(members) > 1]
    return {node.result.name: members for members in groups for node in members}


def _merge(
    rw: Rewriter,
    x: Value,
    members: list[Node],
    weights: dict[tuple[Value, ...], tuple[Value, ...]],
) -> dict[str, Value]:
    key = tuple(v for node in members for v in node.operands[1:])
    if key not in weights:
        weights[key] = _concatenated(rw, members)
    hint = f"{members[0].result.name}.merged"
    whole = rw.emit("linear", x, *weights[key], hint=hint, activation=None)
    slices, start = {}, 0
    for node in members:
        stop = start + node.result.type.shape[-1]
        slices[node.result.name] = _columns(rw, node, whole, start, stop)
        start = stop
    return slices


def _columns(rw: Rewriter, node: Node, whole: Value, start: int, stop: int) -> Value:
    *rows, _ = whole.type.shape
    return rw.replace(
        node,
        "slice",
        whole,
        start_indices=(*(0 for _ in rows), start),
        limit_indices=(*rows, stop),
        strides=(1,) * whole.type.rank,
    )


def _concatenated(rw: Rewriter, members: list[Node]) -> tuple[Value, ...]:
    """The joint weight [sum of N, K], and the joint bias when any member has one."""
    data = rw.old.constants
    hint = members[0].operands[1].name
    joint = np.concatenate([data[node.operands[1]] for node in members])
    parts = [rw.helper_constant(f"{hint}.merged", joint)]
    if any(len(node.operands) == 3 for node in members):
        biases = [
            data[n.operands[2]] if len(n.operands) == 3 else _no_bias(n, joint) for n in members
        ]
        parts.append(
            rw.helper_constant(f"{members[0].result.name}.bias.merged", np.concatenate(biases))
        )
    return tuple(parts)


def _no_bias(node: Node, weight: np.ndarray) -> np.ndarray:
    return np.zeros(node.result.type.shape[-1], weight.dtype)
