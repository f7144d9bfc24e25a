"""Eager attention in all its spellings is recognised, and stays what it was in float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glia.compiler.passes.base import PassPipeline
from glia.core.dtypes import dtype
from glia.graph.builder import GraphBuilder
from glia.graph.evaluate import evaluate
from glia.graph.ir import Graph, TensorType, Value

_LOW = float(np.finfo(np.float32).min)
_PASSES = PassPipeline.parse("simplify,recognise-attention,simplify")


@dataclass(frozen=True)
class Spelling:
    """How one model writes attention; `steps` come between the two products, in order."""

    rank: int = 4
    steps: tuple[str, ...] = ()
    scaled: str = ""
    turned_key: bool = True
    turned_value: bool = False
    dropped: bool = False


class Speller:
    """Writes [batch, head, query, key] attention, or without heads, in primitives."""

    def __init__(self, how: Spelling, seed: int) -> None:
        self.how, self.rng = how, np.random.default_rng(seed)
        self.b = GraphBuilder("spelled")
        self.data: dict[str, np.ndarray] = {}
        self.lead = (2, 3)[: how.rank - 2]
        self.num_queries, self.num_keys = 5, 4

    def graph(self) -> Graph:
        q = self.input("q", (*self.lead, self.num_queries, 6))
        k = self.input("k", (*self.lead, self.num_keys, 6))
        v = self.input("v", (*self.lead, self.num_keys, 7))
        if self.how.scaled:
            q = self.scale(q, self.how.scaled, 2.0)
        scores = self.product(q, k, last=not self.how.turned_key, turn=self.how.turned_key)
        for step in self.how.steps:
            scores = getattr(self, step)(scores)
        shares = self.b.emit("softmax", scores, axis=scores.type.rank - 1)
        if self.how.dropped:
            shares = self.b.emit("convert", shares, dtype="float64")
        turn = self.how.turned_value
        shares = self.join_heads(shares)
        return self.b.finish([self.product(shares, v, last=turn, turn=turn)])

    def input(self, name: str, shape: tuple[int, ...], kind: str = "float64") -> Value:
        numbers = self.rng.standard_normal(shape)
        self.data[name] = numbers > -0.5 if kind == "bool" else numbers
        return self.b.input(name, TensorType(shape, dtype(kind)))

    def product(self, lhs: Value, rhs: Value, last: bool, turn: bool) -> Value:
        rank = self.how.rank
        if turn:
            order = (*range(rank - 2), rank - 1, rank - 2)
            rhs = self.b.emit("transpose", rhs, permutation=order)
        batch = tuple(range(rank - 2))
        return self.b.emit(
            "dot_general",
            lhs,
            rhs,
            lhs_batching_dimensions=batch,
            rhs_batching_dimensions=batch,
            lhs_contracting_dimensions=(rank - 1,),
            rhs_contracting_dimensions=(rank - 1 if last else rank - 2,),
        )

    def splat(self, number: float, like: Value) -> Value:
        scalar = self.b.constant("c", np.array(number))
        return self.b.emit(
            "broadcast_in_dim", scalar, shape=like.type.shape, broadcast_dimensions=()
        )

    def spread(self, x: Value, like: Value, dims: tuple[int, ...]) -> Value:
        return self.b.emit("broadcast_in_dim", x, shape=like.type.shape, broadcast_dimensions=dims)

    def scale(self, x: Value, op: str, number: float) -> Value:
        return self.b.emit(op, x, self.splat(number, x))

    def multiply(self, s: Value) -> Value:
        return self.b.emit("multiply", self.splat(0.25, s), s)

    def divide(self, s: Value) -> Value:
        return self.scale(s, "divide", 4.0)

    def padding(self, s: Value) -> Value:
        rank = s.type.rank
        keep = self.input(self.b.fresh("keep"), (s.type.shape[0], self.num_keys), "bool")
        wide = self.spread(keep, s, (0, rank - 1))
        mask = self.b.emit("select", wide, self.splat(0.0, s), self.splat(_LOW, s))
        return self.b.emit("add", s, mask)

    def bias(self, s: Value) -> Value:
        rank = s.type.rank
        table = self.input(self.b.fresh("bias"), s.type.shape[1:])
        return self.b.emit("add", self.spread(table, s, tuple(range(1, rank))), s)

    def fill(self, s: Value) -> Value:
        hide = self.input(self.b.fresh("hide"), s.type.shape, "bool")
        return self.b.emit("select", hide, self.splat(_LOW, s), s)

    def keep(self, s: Value) -> Value:
        keep = self.input(self.b.fresh("keep"), s.type.shape, "bool")
        return self.b.emit("select", keep, s, self.splat(_LOW, s))

    def fill_mildly(self, s: Value) -> Value:
        hide = self.input(self.b.fresh("hide"), s.type.shape, "bool")
        return self.b.emit("select", hide, self.splat(-1e4, s), s)

    def split_heads(self, s: Value) -> Value:
        """From [batch * heads, ...] to [batch, heads, ...]; nothing to do when that is done."""
        return self.b.emit("reshape", s, shape=(1, 2, *s.type.shape[-2:])) if self.flat(s) else s

    def join_heads(self, s: Value) -> Value:
        if self.how.rank == 4 or self.flat(s):
            return s
        return self.b.emit("reshape", s, shape=(2, *s.type.shape[-2:]))

    def flat(self, s: Value) -> bool:
        return s.type.rank == 3

    def tanh(self, s: Value) -> Value:
        return self.b.emit("tanh", s)


_STEPS = ["multiply", "divide", "padding", "bias", "fill", "keep", "split_heads", "join_heads"]
_SPELLINGS = st.builds(
    Spelling,
    rank=st.sampled_from([3, 4]),
    steps=st.lists(st.sampled_from(_STEPS), max_size=4).map(tuple),
    scaled=st.sampled_from(["", "multiply", "divide"]),
    turned_key=st.booleans(),
    turned_value=st.booleans(),
    dropped=st.booleans(),
)


@settings(deadline=None, max_examples=50)
@given(how=_SPELLINGS, seed=st.integers(0, 999))
def test_every_spelling_is_recognised_and_stays_what_it_was(how: Spelling, seed: int):
    speller = Speller(how, seed)
    before = speller.graph()
    after, _ = _PASSES.run(before)
    ops = [n.op for n in after.nodes]
    assert ops.count("attention") == 1
    assert not {"softmax", "dot_general"} & set(ops)
    old, new = evaluate(before, speller.data), evaluate(after, speller.data)
    np.testing.assert_allclose(
        new[after.outputs[0].name], old[before.outputs[0].name], rtol=1e-11, atol=1e-12
    )


@pytest.mark.parametrize("step", ["tanh", "fill_mildly"])
def test_what_attention_cannot_say_stays_spelled_out(step: str):
    after, notes = _PASSES.run(Speller(Spelling(steps=("multiply", step)), 0).graph())
    assert "attention" not in {n.op for n in after.nodes}
    assert not any("attention" in note for note in notes)


def test_a_padding_mask_stays_small_and_a_bias_keeps_its_heads():
    after, _ = _PASSES.run(Speller(Spelling(steps=("padding",)), 0).graph())
    (attention,) = [n for n in after.nodes if n.op == "attention"]
    assert attention.operands[3].type.shape == (2, 1, 1, 4)
    after, _ = _PASSES.run(Speller(Spelling(steps=("bias",)), 0).graph())
    (attention,) = [n for n in after.nodes if n.op == "attention"]
    assert attention.operands[3].type.shape == (1, 3, 5, 4)
