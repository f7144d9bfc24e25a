"""Finds attention that the model spells out (eager attention), and names it.

From the second matrix product upwards: softmax over the last dim, then any chain of scaling, added
biases and masking, then the first product. What the chain makes of scores that are 0 is the mask
that attention adds; it is computed on size-1 dims wherever the chain broadcasts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from glia.compiler.passes._rewriter import Rewriter, num_uses, rewrite
from glia.compiler.passes._rules_broadcast import unbroadcast
from glia.compiler.passes._rules_shape import reshape_to
from glia.compiler.passes.base import count_ops, plural
from glia.core.dtypes import DType
from glia.graph.ir import Graph, Node, TensorType, Value

# A filler this low swallows any score that is added to it, even in float64, so that selecting it
# and adding it are the same; -1e4 and -1e9 are not, in rows that are masked throughout.
_SWALLOWS = -1e30

_Heads = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Step:
    """One node of the chain: from `scores` to its result. It multiplies them by `scale`, or adds
    `bias`, or puts `low` where `pred` is not `attend`."""

    scores: Value
    scale: float = 1.0
    bias: Value | None = None
    pred: Value | None = None
    attend: bool = True
    low: float = 0.0


@dataclass(frozen=True, slots=True)
class RecogniseAttention:
    """Name attention whose inner values nothing else reads.

        %s = dot_general(%q, %k, contracting the last dims)
        %t = multiply(%s, %scale)
        %u = add(%t, %mask)              -->   %y = attention(%q, %k, %v, %mask, scale=...)
        %p = softmax(%u, axis=3)
        %y = dot_general(%p, %v)

    Scores are [batch, head, query, key], or [batch * head, query, key] as `bmm` gives them, or go
    from one to the other on the way. A query whose keys are all masked with -inf gives 0, the
    meaning of `attention`, where the chain gave NaN.
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
    if node.op != "dot_general" or not _is_batched_product(node):
        return None
    softmax = _through(rw, node.operands[0], uses)
    if softmax is None or softmax.op != "softmax":
        return None
    if softmax.attrs["axis"] % softmax.result.type.rank != softmax.result.type.rank - 1:
        return None
    chain = _unwind(rw, softmax.operands[0], uses)
    if chain is None:
        return None
    product, steps = chain
    heads = _heads([node.result, softmax.result, *(s.scores for s in steps), product.result])
    return None if heads is None else _build(rw, node, product, steps, heads)


def _heads(values: list[Value]) -> _Heads | None:
    """(batch, heads) of the chain; all of it in one batch when no value tells heads apart."""
    found = {v.type.shape[:2] for v in values if v.type.rank == 4}
    if len(found) > 1:
        return None
    batch, heads = found.pop() if found else (values[0].type.shape[0], 1)
    return batch, heads


def _is_batched_product(node: Node) -> bool:
    """[b.., m, k] times [b.., k, n] or [b.., n, k], with all leading dims batch dims."""
    rank = node.operands[0].type.rank
    batch = tuple(range(rank - 2))
    rhs = node.attrs["rhs_contracting_dimensions"]
    return (
        rank in (3, 4)
        and node.operands[1].type.rank == rank
        and node.attrs["lhs_batching_dimensions"] == batch
        and node.attrs["rhs_batching_dimensions"] == batch
        and node.attrs["lhs_contracting_dimensions"] == (rank - 1,)
        and len(rhs) == 1
        and rhs[0] >= rank - 2
    )


def _through(rw: Rewriter, value: Value, uses: dict[Value, int]) -> Node | None:
    """The node that makes `value`, if nothing else reads it, behind conversions and reshapes."""
    node = rw.producer(value)
    while node is not None and uses.get(node.result) == 1 and _only_recasts(node):
        node = rw.producer(node.operands[0])
    return node if node is not None and uses.get(node.result) == 1 else None


def _only_recasts(node: Node) -> bool:
    """A conversion between floats, or a reshape that splits or joins batch and heads."""
    if node.op == "convert":
        return node.operands[0].type.dtype.is_float and node.result.type.dtype.is_float
    old, new = node.operands[0].type.shape if node.operands else (), node.result.type.shape
    return node.op == "reshape" and {len(old), len(new)} == {3, 4} and old[-2:] == new[-2:]


def _unwind(rw: Rewriter, value: Value, uses: dict[Value, int]) -> tuple[Node, list[_Step]] | None:
    """The product of query and key above `value`, and the steps from it downwards."""
    steps: list[_Step] = []
    node = _through(rw, value, uses)
    while node is not None and node.op != "dot_general":
        step = _STEPS[node.op](rw, node) if node.op in _STEPS else None
        if step is None:
            return None
        steps.insert(0, step)
        node = _through(rw, step.scores, uses)
    if node is None or not _is_batched_product(node):
        return None
    # A filler must stay as low as it is, so what comes after one may only scale down.
    filled = next((i for i, step in enumerate(steps) if step.pred is not None), len(steps))
    return (node, steps) if all(0 < s.scale <= 1 for s in steps[filled:]) else None


def _scaled(rw: Rewriter, node: Node) -> _Step | None:
    """`x * c`, `c * x` or `x / c`."""
    x, y = node.operands
    number = rw.splat(y)
    if number is None and node.op == "multiply":
        x, number = y, rw.splat(x)
    if number is None or number == 0 or not np.isfinite(float(number)):
        return None
    return _Step(x, scale=float(number) if node.op == "multiply" else 1.0 / float(number))


def _biased(rw: Rewriter, node: Node) -> _Step | None:
    """`x + bias`: the scores are the operand that comes from a product."""
    x, y = node.operands
    if not _leads_to_product(rw, x):
        x, y = y, x
    return _Step(x, bias=y) if _leads_to_product(rw, x) else None


def _masked(rw: Rewriter, node: Node) -> _Step | None:
    """`select(mask, x, very low)`, or the other way round."""
    pred, on_true, on_false = node.operands
    for x, filler, attend in ((on_true, on_false, True), (on_false, on_true, False)):
        low = rw.splat(filler)
        if low is not None and float(low) <= _SWALLOWS and pred.type.rank == x.type.rank:
            return _Step(x, pred=pred, attend=attend, low=float(low))
    return None


_STEPS: dict[str, Callable[[Rewriter, Node], _Step | None]] = {
    "multiply": _scaled,
    "divide": _scaled,
    "add": _biased,
    "select": _masked,
}


def _leads_to_product(rw: Rewriter, value: Value) -> bool:
    """Whether following the chain's first operands upwards ends at a `dot_general`."""
    node = rw.producer(value)
    while node is not None and node.op != "dot_general":
        if node.op not in _STEPS and not _only_recasts(node):
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


def _build(
    rw: Rewriter, node: Node, product: Node, steps: list[_Step], heads: _Heads
) -> Value | None:
    q, k, scale = _unscale(rw, product)
    k = _rows_first(rw, product, k, contracts=-1)
    v = _rows_first(rw, node, node.operands[1], contracts=-2)
    if not q.type.dtype == k.type.dtype == v.type.dtype == node.result.type.dtype:
        return None
    hint = f"{node.result.name}.mask"
    mask = _mask_of(rw, node.result.type.dtype, steps, heads, hint)
    operands = [_with_heads(rw, x, heads, f"{x.name}.heads") for x in (q, k, v)]
    operands += [] if mask is None else [mask]
    attrs: dict[str, Any] = {
        "scale": scale * math.prod(step.scale for step in steps),
        "causal": False,
    }
    if node.result.type.rank == 4:
        return rw.replace(node, "attention", *operands, **attrs)
    whole = rw.emit("attention", *operands, hint="attention", **attrs)
    return rw.replace(node, "reshape", whole, shape=node.result.type.shape)


def _unscale(rw: Rewriter, product: Node) -> tuple[Value, Value, float]:
    """Query and key before a scaling of their own, and that scale."""
    scale, bare = 1.0, []
    for operand in product.operands:
        node = rw.made_by(operand, "multiply", "divide")
        step = _scaled(rw, node) if node is not None else None
        bare.append(operand if step is None else step.scores)
        scale *= 1.0 if step is None else step.scale
    return bare[0], bare[1], scale


def _rows_first(rw: Rewriter, product: Node, x: Value, contracts: int) -> Value:
    """The right operand with its contracted dim at `contracts` (last two dims swapped if not)."""
    rank = x.type.rank
    if product.attrs["rhs_contracting_dimensions"] == (rank + contracts,):
        return x
    swapped = (*range(rank - 2), rank - 1, rank - 2)
    return rw.emit("transpose", x, hint=f"{x.name}.swapped", permutation=swapped)


def _mask_of(
    rw: Rewriter, dtype: DType, steps: list[_Step], heads: _Heads, hint: str
) -> Value | None:
    """What the chain makes of scores that are 0; None when it makes 0 of them."""
    mask: Value | None = None
    for step in steps:
        if step.bias is not None:
            bias = _as_small(rw, step.bias, heads, hint)
            if bias.type.dtype != dtype:
                bias = rw.emit("convert", bias, hint=hint, dtype=dtype.name)
            mask = bias if mask is None else rw.emit("add", *_fit(rw, hint, mask, bias), hint=hint)
        elif step.pred is not None:
            pred = _as_small(rw, step.pred, heads, hint)
            mask = _fill(rw, hint, pred, mask, step, dtype)
        elif mask is not None:
            factor = rw.helper_splat(step.scale, mask.type, hint)
            mask = rw.emit("multiply", mask, factor, hint=hint)
    return mask


def _fill(
    rw: Rewriter, hint: str, pred: Value, mask: Value | None, step: _Step, dtype: DType
) -> Value:
    if mask is None:
        mask = rw.helper_splat(0.0, TensorType(pred.type.shape, dtype), hint)
    pred, mask = _fit(rw, hint, pred, mask)
    low = rw.helper_splat(step.low, mask.type, hint)
    ends = (mask, low) if step.attend else (low, mask)
    return rw.emit("select", pred, *ends, hint=hint)


def _as_small(rw: Rewriter, value: Value, heads: _Heads, hint: str) -> Value:
    """Before its broadcast, at rank 4, with size-1 dims."""
    inner = rw.made_by(value, "broadcast_in_dim")
    small = value if inner is None else unbroadcast(rw, inner, hint)
    return _with_heads(rw, small, heads, hint)


def _fit(rw: Rewriter, hint: str, a: Value, b: Value) -> tuple[Value, Value]:
    """Two values whose size-1 dims broadcast against each other, in the one shape."""
    pairs = zip(a.type.shape, b.type.shape, strict=True)
    shape = tuple(max(m, n) for m, n in pairs)
    return _widen(rw, a, shape, hint), _widen(rw, b, shape, hint)


def _widen(rw: Rewriter, value: Value, shape: tuple[int, ...], hint: str) -> Value:
    if value.type.shape == shape:
        return value
    kept = tuple(d for d in range(len(shape)) if value.type.shape[d] == shape[d])
    core = reshape_to(rw, value, tuple(shape[d] for d in kept), hint)
    return rw.emit("broadcast_in_dim", core, hint=hint, shape=shape, broadcast_dimensions=kept)


def _with_heads(rw: Rewriter, x: Value, heads: _Heads, hint: str) -> Value:
    """[batch * heads, rows, columns] as [batch, heads, rows, columns]."""
    if x.type.rank == 4:
        return x
    batch, rows, columns = x.type.shape
    lead = (1, 1) if batch == 1 else heads
    return reshape_to(rw, x, (*lead, rows, columns), hint)
