"""Finds attention that the model spells out (eager attention), and names it.

From the second matrix product upwards: softmax over the last dim, then any chain of scaling, added
biases and masking, then the first product. All that is added to the scores becomes one additive
mask, kept as small as its broadcasts allow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from glia.compiler.passes._rewriter import Rewriter, num_uses, rewrite
from glia.compiler.passes._rules_broadcast import unbroadcast
from glia.compiler.passes._rules_shape import reshape_to
from glia.compiler.passes.base import count_ops, plural
from glia.graph.ir import Graph, Node, Value

# A filler this low swallows any score that is added to it, even in float64, so that selecting it
# and adding it are the same; -1e4 and -1e9 are not, in rows that are masked throughout.
_SWALLOWS = -1e30


@dataclass(frozen=True, slots=True)
class _Scores:
    """The chain so far: softmax is taken of `scale * value + sum of biases`."""

    value: Value
    scale: float = 1.0
    biases: tuple[tuple[Value, float], ...] = ()


@dataclass(frozen=True, slots=True)
class RecogniseAttention:
    """Name attention whose inner values nothing else reads.

        %s = dot_general(%q, %k, contracting the last dims)
        %t = multiply(%s, %scale)
        %u = add(%t, %mask)              -->   %y = attention(%q, %k, %v, %mask, scale=...)
        %p = softmax(%u, axis=3)
        %y = dot_general(%p, %v)

    Scores are [batch, head, query, key], or [batch, query, key] as `bmm` gives them. A query whose
    keys are all masked with -inf gives 0, the meaning of `attention`, where the chain gave NaN.
    """

    name: ClassVar[str] = "recognise-attention"

    def run(self, graph: Graph) -> Graph:
        """The graph with named attention."""
        uses = num_uses(graph)
        return rewrite(graph, lambda rw, node: _recognise(rw, node, uses))

    def notes(self, before: Graph, after: Graph) -> tuple[str, ...]:
        """How many."""
        gained = count_ops(after, "attention") - count_ops(before, "attention")
        note = f"recognised attention written in primitives, {plural(gained, 'time')}"
        return (note,) if gained else ()


def _recognise(rw: Rewriter, node: Node, uses: dict[Value, int]) -> Value | None:
    if node.op != "dot_general" or not _is_batched_product(node, lhs_contracts=(-1,)):
        return None
    softmax = _through_converts(rw, node.operands[0], uses)
    if softmax is None or softmax.op != "softmax":
        return None
    if softmax.attrs["axis"] % softmax.result.type.rank != softmax.result.type.rank - 1:
        return None
    scores = _unwind(rw, _Scores(softmax.operands[0]), uses)
    if scores is None:
        return None
    return _build(rw, node, scores)


def _is_batched_product(node: Node, lhs_contracts: tuple[int, ...]) -> bool:
    """[b.., m, k] times [b.., k, n] or [b.., n, k], with all leading dims batch dims."""
    rank = node.operands[0].type.rank
    batch = tuple(range(rank - 2))
    lhs = tuple(d % rank for d in lhs_contracts)
    rhs = node.attrs["rhs_contracting_dimensions"]
    return (
        rank in (3, 4)
        and node.operands[1].type.rank == rank
        and node.attrs["lhs_batching_dimensions"] == batch
        and node.attrs["rhs_batching_dimensions"] == batch
        and node.attrs["lhs_contracting_dimensions"] == lhs
        and len(rhs) == 1
        and rhs[0] >= rank - 2
    )


def _through_converts(rw: Rewriter, value: Value, uses: dict[Value, int]) -> Node | None:
    """The node that makes `value`, seen through conversions between floats."""
    node = rw.producer(value)
    while node is not None and node.op == "convert" and uses.get(node.result) == 1:
        if not node.operands[0].type.dtype.is_float or not node.result.type.dtype.is_float:
            return None
        node = rw.producer(node.operands[0])
    return node if node is not None and uses.get(node.result) == 1 else None


def _unwind(rw: Rewriter, scores: _Scores, uses: dict[Value, int]) -> _Scores | None:
    """Follow the chain up to the product of query and key."""
    node = _through_converts(rw, scores.value, uses)
    while node is not None:
        if node.op == "dot_general":
            return replace(scores, value=node.result) if _is_query_key(node) else None
        step = _STEPS.get(node.op)
        following = step(rw, node, scores) if step else None
        if following is None:
            return None
        scores = following
        node = _through_converts(rw, scores.value, uses)
    return None


def _is_query_key(node: Node) -> bool:
    return _is_batched_product(node, lhs_contracts=(-1,))


def _scaled(rw: Rewriter, node: Node, scores: _Scores) -> _Scores | None:
    """`x * c`, `c * x` or `x / c`: the scale below it, and that of no bias above, changes."""
    x, y = node.operands
    number = rw.splat(y)
    if number is None and node.op == "multiply":
        x, number = y, rw.splat(x)
    if number is None or number == 0 or not np.isfinite(float(number)):
        return None
    factor = float(number) if node.op == "multiply" else 1.0 / float(number)
    return replace(scores, value=x, scale=scores.scale * factor)


def _biased(rw: Rewriter, node: Node, scores: _Scores) -> _Scores | None:
    """`x + bias`: the scores are the operand that comes from a product."""
    x, y = node.operands
    if not _leads_to_product(rw, x):
        x, y = y, x
    if not _leads_to_product(rw, x):
        return None
    return replace(scores, value=x, biases=(*scores.biases, (y, scores.scale)))


def _masked(rw: Rewriter, node: Node, scores: _Scores) -> _Scores | None:
    """`select(mask, x, very low)`, or the other way round: adds 0 or very low."""
    pred, on_true, on_false = node.operands
    low = rw.splat(on_false)
    x, attend = (on_true, True) if low is not None else (on_false, False)
    low = low if low is not None else rw.splat(on_true)
    if low is None or float(low) > _SWALLOWS or not 0 < scores.scale <= 1:
        return None
    hint = f"{node.result.name}.mask"
    zero, filler = (rw.helper_splat(v, node.result.type, hint) for v in (0.0, float(low)))
    ends = (zero, filler) if attend else (filler, zero)
    bias = rw.emit("select", pred, *ends, hint=hint)
    return replace(scores, value=x, biases=(*scores.biases, (bias, 1.0)))


_STEPS = {
    "multiply": _scaled,
    "divide": _scaled,
    "add": _biased,
    "select": _masked,
}


def _leads_to_product(rw: Rewriter, value: Value) -> bool:
    """Whether following the chain's first operands upwards ends at a `dot_general`."""
    node = rw.producer(value)
    while node is not None and node.op != "dot_general":
        if node.op not in ("convert", *_STEPS):
            return False
        known = [rw.splat(v) is not None for v in node.operands]
        candidates = [v for v, k in zip(node.operands, known, strict=True) if not k]
        candidates = [v for v in candidates if v.type.dtype.is_float]
        if node.op == "add" and len(candidates) == 2:
            return any(_leads_to_product(rw, v) for v in candidates)
        if len(candidates) != 1:
            return False
        node = rw.producer(candidates[0])
    return node is not None


def _build(rw: Rewriter, node: Node, scores: _Scores) -> Value | None:
    product = rw.producer(scores.value)
    assert product is not None
    q, k, scale = _unscale(rw, product, scores.scale)
    v = _rows_first(rw, node, node.operands[1], contracts=-2)
    k = _rows_first(rw, product, k, contracts=-1)
    if not q.type.dtype == k.type.dtype == v.type.dtype == node.result.type.dtype:
        return None
    mask = _sum_of_biases(rw, node, scores)
    operands = [_lift(rw, x, node) for x in (q, k, v, *([mask] if mask else []))]
    if node.result.type.rank == 4:
        return rw.replace(node, "attention", *operands, scale=scale, causal=False)
    whole = rw.emit("attention", *operands, scale=scale, causal=False)
    return rw.replace(node, "reshape", whole, shape=node.result.type.shape)


def _unscale(rw: Rewriter, product: Node, scale: float) -> tuple[Value, Value, float]:
    """Query and key before a scaling of their own."""
    bare = []
    for operand in product.operands:
        node = rw.made_by(operand, "multiply", "divide")
        step = _scaled(rw, node, _Scores(operand)) if node is not None else None
        bare.append(operand if step is None else step.value)
        scale *= 1.0 if step is None else step.scale
    return bare[0], bare[1], scale


def _rows_first(rw: Rewriter, product: Node, x: Value, contracts: int) -> Value:
    """The right operand with its contracted dim at `contracts` (last two dims swapped if not)."""
    rank = x.type.rank
    if product.attrs["rhs_contracting_dimensions"] == (rank + contracts,):
        return x
    swapped = (*range(rank - 2), rank - 1, rank - 2)
    return rw.emit("transpose", x, hint=f"{x.name}.swapped", permutation=swapped)


def _sum_of_biases(rw: Rewriter, node: Node, scores: _Scores) -> Value | None:
    total: Value | None = None
    hint = f"{node.result.name}.mask"
    for bias, factor in scores.biases:
        term = _as_small(rw, bias, hint)
        if term.type.dtype != node.result.type.dtype:
            term = rw.emit("convert", term, hint=hint, dtype=node.result.type.dtype.name)
        if factor != 1.0:
            term = rw.emit("multiply", term, rw.helper_splat(factor, term.type, hint), hint=hint)
        total = term if total is None else _add_small(rw, total, term, hint)
    return total


def _as_small(rw: Rewriter, bias: Value, hint: str) -> Value:
    inner = rw.made_by(bias, "broadcast_in_dim")
    return bias if inner is None else unbroadcast(rw, inner, hint)


def _add_small(rw: Rewriter, a: Value, b: Value, hint: str) -> Value:
    """The sum of two biases whose size-1 dims broadcast against each other."""
    pairs = zip(a.type.shape, b.type.shape, strict=True)
    shape = tuple(max(m, n) for m, n in pairs)
    return rw.emit("add", *(_widen(rw, v, shape, hint) for v in (a, b)), hint=hint)


def _widen(rw: Rewriter, value: Value, shape: tuple[int, ...], hint: str) -> Value:
    if value.type.shape == shape:
        return value
    kept = tuple(d for d in range(len(shape)) if value.type.shape[d] == shape[d])
    core = reshape_to(rw, value, tuple(shape[d] for d in kept), hint)
    return rw.emit("broadcast_in_dim", core, hint=hint, shape=shape, broadcast_dimensions=kept)


def _lift(rw: Rewriter, x: Value, node: Node) -> Value:
    """[batch, rows, columns] as one head: [batch, 1, rows, columns]."""
    if x.type.rank == 4:
        return x
    batch, rows, columns = x.type.shape
    return reshape_to(rw, x, (batch, 1, rows, columns), f"{node.result.name}.head")
