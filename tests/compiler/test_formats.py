"""Formats after narrow-types and set-precision, against NumPy and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from compiler.random_graphs import RandomGraph
from glia.compiler.passes._retype import convert_data
from glia.compiler.passes.base import PassPipeline
from glia.core.dtypes import dtype
from glia.core.errors import UnsupportedError
from glia.graph.builder import GraphBuilder
from glia.graph.evaluate import evaluate


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), min_size=1))
def test_bf16_rounds_as_pytorch_does_and_clamps_what_would_overflow(numbers: list[float]):
    torch = pytest.importorskip("torch")
    data = np.array(numbers, np.float32)
    expected = torch.tensor(data).to(torch.bfloat16).float().numpy()
    largest = torch.finfo(torch.bfloat16).max
    overflowed = np.isinf(expected) & np.isfinite(data)
    expected = np.where(overflowed, np.copysign(largest, data), expected)
    got = convert_data("x", data, dtype("bfloat16")).astype(np.float32)
    np.testing.assert_array_equal(got, expected)


def test_the_mask_filler_of_float32_stays_finite():
    filler = np.array(np.finfo(np.float32).min)
    assert float(convert_data("mask", filler, dtype("bfloat16"))) == -3.3895313892515355e38


def test_an_integer_out_of_range_names_the_constant():
    b = GraphBuilder("big")
    x = b.constant("far", np.array([1, 5_000_000_000]))
    graph = b.finish([x])
    with pytest.raises(UnsupportedError, match="'far' as int32: got the value 5000000000"):
        PassPipeline.parse("narrow-types").run(graph)


def test_complex_values_are_refused():
    b = GraphBuilder("complex")
    graph = b.finish([b.constant("z", np.array([1j]))])
    with pytest.raises(UnsupportedError, match="complex128"):
        PassPipeline.parse("narrow-types").run(graph)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), passes=st.sampled_from(["narrow-types", "set-precision"]))
def test_only_the_formats_change(seed: int, passes: str):
    """A float32 graph has no constant to round, so float64 evaluation stays the same to the bit."""
    graph, data = RandomGraph(seed, "float32").build(num_nodes=25)
    graph, _ = PassPipeline.parse("eliminate-dead").run(graph)
    old = evaluate(graph, data)
    assume(all(_in_int32(array) for array in old.values()))
    after, _ = PassPipeline.parse(passes).run(graph)
    assert [n.op for n in after.nodes] == [n.op for n in graph.nodes]
    wide = {"int64", "float64"} if passes == "narrow-types" else {"float64", "float16"}
    assert not wide & {v.type.dtype.name for n in after.nodes for v in (*n.operands, n.result)}
    new = evaluate(after, {v.name: data[v.name].astype(v.type.dtype.numpy) for v in after.inputs})
    for value in graph.outputs:
        np.testing.assert_array_equal(new[value.name].astype(float), old[value.name].astype(float))


def _in_int32(array: np.ndarray) -> bool:
    return array.size == 0 or bool(np.all(np.abs(array.astype(float)) < 2**31))
