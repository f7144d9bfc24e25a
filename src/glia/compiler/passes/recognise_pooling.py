"""Finds mean pooling and L2 normalisation that sentence encoders spell out, and names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from glia.compiler.passes._rewriter import Rewriter, rewrite
from glia.compiler.passes.base import recognised_notes
from glia.graph.ir import Graph, Node, Value

_NAMED = ("masked_mean", "l2_normalise")


@dataclass(frozen=True, slots=True)
class RecognisePooling:
    """Name what is spelled out: the mean of attended tokens, and division by a row's length.

    %p = multiply(%x, %mask)              (mask repeated along the last dim)
    %t = reduce(%p)                        -->   %y = masked_mean(%x, %mask)
    %c = maximum(reduce(%mask), %least)
    %y = divide(%t, %c)

    %n = sqrt(reduce(multiply(%x, %x)))    -->   %y = l2_normalise(%x)
    %y = divide(%x, maximum(%n, %epsilon))
    """

    name: ClassVar[str] = "recognise-pooling"

    def run(self, graph: Graph) -> Graph:
        """The graph with named poolings; their inner values go when nothing else reads them."""
        return rewrite(graph, _recognise)

    def notes(self, before: Graph, after: Graph) -> tuple[str, ...]:
        """How many of which."""
        return recognised_notes(_NAMED, before, after)


def _recognise(rw: Rewriter, node: Node) -> Value | None:
    if node.op != "divide" or not node.result.type.dtype.is_float:
        return None
    floor = rw.made_by(_seen_through(rw, node.operands[1]), "maximum")
    if floor is None:
        return None
    least = rw.splat(floor.operands[1])
    if least is None:
        return None
    return _mean(rw, node, floor.operands[0], float(least)) or _unit(
        rw, node, floor.operands[0], float(least)
    )


def _mean(rw: Rewriter, node: Node, count: Value, least: float) -> Value | None:
    total = rw.made_by(node.operands[0], "reduce")
    if total is None or not _sums(total, dim=1, rank=3):
        return None
    counted = rw.made_by(_seen_through(rw, count), "reduce")
    product = rw.made_by(total.operands[0], "multiply")
    if counted is None or product is None or not _sums(counted, dim=1):
        return None
    mask = _seen_through(rw, counted.operands[0])
    for x, weights in (product.operands, product.operands[::-1]):
        tokens = x.type.shape[:2]
        same = _seen_through(rw, weights) == mask
        if same and mask.type.shape in (tokens, (*tokens, 1)):
            flat = rw.emit("reshape", mask, shape=tokens, hint="mask")
            return rw.replace(node, "masked_mean", x, flat, least=least)
    return None


def _unit(rw: Rewriter, node: Node, length: Value, epsilon: float) -> Value | None:
    x = node.operands[0]
    root = rw.made_by(_seen_through(rw, length), "sqrt")
    total = rw.made_by(_seen_through(rw, root.operands[0]), "reduce") if root else None
    square = rw.made_by(total.operands[0], "multiply") if total else None
    if total is None or square is None or square.operands != (x, x):
        return None
    if not _sums(total, dim=x.type.rank - 1, rank=x.type.rank):
        return None
    return rw.replace(node, "l2_normalise", x, epsilon=epsilon)


def _sums(node: Node, dim: int, rank: int | None = None) -> bool:
    fits = rank is None or node.operands[0].type.rank == rank
    return fits and node.attrs["kind"] == "add" and tuple(node.attrs["dimensions"]) == (dim,)


def _seen_through(rw: Rewriter, value: Value) -> Value:
    """The value behind reshapes and repetitions that leave the leading dims where they are."""
    while (node := rw.made_by(value, "reshape", "broadcast_in_dim")) is not None:
        if not _keeps_rows(node):
            return value
        value = node.operands[0]
    return value


def _keeps_rows(node: Node) -> bool:
    """True when only size-1 dims come or go, or when repetition runs along the last dim only."""
    source, shape = node.operands[0].type.shape, node.result.type.shape
    if node.op == "reshape":
        return [n for n in source if n != 1] == [n for n in shape if n != 1]
    dims = tuple(node.attrs["broadcast_dimensions"])
    kept = shape[:-1]
    return dims == tuple(range(len(dims))) and source[: len(kept)] == kept
