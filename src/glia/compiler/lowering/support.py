"""What cannot be lowered, found before anything is: all at once, each with its remedy."""

from __future__ import annotations

from collections.abc import Iterator

from glia.compiler.lowering.context import REFUSALS, RULES
from glia.core.errors import UnsupportedError
from glia.graph.ir import Graph, Node
from glia.isa.target import Target

_MAY_READ_EMPTY = ("concatenate", "pad", "reduce", "dot_general")


def check_supported(graph: Graph, target: Target) -> None:
    """Refuse a graph with nodes that no kernel computes.

    Raises:
        UnsupportedError: names every such node with the user's file and line, and what to do.
    """
    found = [(node, why) for node in graph.nodes for why in _reasons(node, graph, target)]
    if not found:
        return
    lines = [f"  {node.op} at {node.place or node.result}: {why}" for node, why in found]
    raise UnsupportedError(
        f"compiling {graph.name} for {target.chip}: got {len(found)} operation"
        f"{'s' if len(found) > 1 else ''} that no kernel computes, expected none; "
        "change what is named here:\n" + "\n".join(dict.fromkeys(lines))
    )


def _reasons(node: Node, graph: Graph, target: Target) -> Iterator[str]:
    if 0 in node.result.type.shape:
        return
    if node.op not in RULES:
        yield f"got an op without a kernel, expected one of: {', '.join(sorted(RULES))}"
        return
    if node.op not in _MAY_READ_EMPTY and any(0 in o.type.shape for o in node.operands):
        yield "got an operand without elements, expected at least one; drop the empty tensor"
        return
    refusal = REFUSALS.get(node.op)
    why = refusal(node, graph, target) if refusal is not None else None
    if why is not None:
        yield why
