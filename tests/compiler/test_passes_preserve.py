"""Every pass, and the pipeline, keeps what a graph computes: on random graphs, in float64.

The same values under the same names: survivors in the middle of the graph are compared as well.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from compiler.random_graphs import RandomGraph
from glia.compiler.passes.base import PassPipeline, pass_classes
from glia.compiler.pipeline import default_pipeline
from glia.graph.evaluate import evaluate
from glia.graph.ir import Graph

# These two change formats, so that constants are rounded; they have tests of their own.
_EXACT = sorted(set(pass_classes()) - {"narrow-types", "set-precision"})
_SEEDS = st.integers(0, 2**32 - 1)


def _assert_same(before: Graph, after: Graph, data: dict[str, np.ndarray], tolerance: float):
    old = evaluate(before, data, precision="float64")
    given_now = {v.name: data[v.name].astype(v.type.dtype.numpy) for v in after.inputs}
    new = evaluate(after, given_now, precision="float64")
    assert len(before.outputs) == len(after.outputs)
    pairs = [(old[b.name], new[a.name]) for b, a in zip(before.outputs, after.outputs, strict=True)]
    pairs += [(old[name], new[name]) for name in old.keys() & new.keys()]
    for expected, got in pairs:
        np.testing.assert_allclose(
            got.astype(float), expected.astype(float), rtol=tolerance, atol=tolerance
        )


@settings(deadline=None, max_examples=25)
@given(seed=_SEEDS)
@pytest.mark.parametrize("name", _EXACT)
def test_each_pass_keeps_every_value(name: str, seed: int):
    graph, data = RandomGraph(seed).build(num_nodes=25)
    after, _ = PassPipeline.parse(name).run(graph)
    _assert_same(graph, after, data, tolerance=1e-12)


@settings(deadline=None, max_examples=40)
@given(seed=_SEEDS)
@example(seed=2628020)  # a broadcast that swaps two dims of one size
def test_the_exact_passes_in_a_row_keep_every_value(seed: int):
    graph, data = RandomGraph(seed).build(num_nodes=40)
    names = [p.name for p in default_pipeline("fp32").passes if p.name in _EXACT]
    after, _ = PassPipeline.parse(",".join(names)).run(graph)
    _assert_same(graph, after, data, tolerance=1e-11)


@settings(deadline=None, max_examples=20)
@given(seed=_SEEDS)
def test_running_the_exact_passes_twice_changes_nothing_more(seed: int):
    graph, _ = RandomGraph(seed).build(num_nodes=25)
    pipeline = PassPipeline.parse("fold-constants,simplify,eliminate-common")
    once, _ = pipeline.run(graph)
    once, _ = pipeline.run(once)
    again, notes = pipeline.run(once)
    assert [n.op for n in again.nodes] == [n.op for n in once.nodes]
    assert notes == ()
