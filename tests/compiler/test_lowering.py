"""What the compiler refuses, how launches are named, and what it does not launch."""

from __future__ import annotations

import numpy as np
import pytest

from glia.compiler import compile_graph
from glia.core.dtypes import dtype
from glia.core.errors import UnsupportedError
from glia.core.records import SourceLine
from glia.devices.execute import Executor
from glia.graph.builder import GraphBuilder
from glia.graph.ir import TensorType, Value


def _input(b: GraphBuilder, name: str, *shape: int, kind: str = "float32") -> Value:
    return b.input(name, TensorType(shape, dtype(kind)))


def test_all_unsupported_nodes_are_reported_at_once() -> None:
    b = GraphBuilder("model")
    x, y = (_input(b, name, 4, kind="int32") for name in ("x", "y"))
    with b.at(SourceLine("model.py", 7), "first"):
        ratio = b.emit("divide", x, y)
    with b.at(SourceLine("model.py", 9), "second"):
        dims = {"lhs_batching_dimensions": (), "rhs_batching_dimensions": ()}
        contracted = {"lhs_contracting_dimensions": (0,), "rhs_contracting_dimensions": (0,)}
        product = b.emit("dot_general", ratio, y, **dims, **contracted)
    with pytest.raises(UnsupportedError) as caught:
        compile_graph(b.finish([product]), "trn2", "bf16")
    text = str(caught.value)
    assert "got 2 operations" in text
    assert "divide at first @ model.py:7" in text
    assert "dot_general at second @ model.py:9" in text
    assert text.count("convert") == 2


def test_members_of_a_group_are_refused_by_their_own_line() -> None:
    b = GraphBuilder("model")
    x, y = (_input(b, name, 4, kind="int32") for name in ("x", "y"))
    total = b.emit("add", x, y)
    with b.at(SourceLine("model.py", 3), ""):
        total = b.emit("remainder", total, y)
    with pytest.raises(UnsupportedError, match=r"model\.py:3: got remainder of int32"):
        compile_graph(b.finish([b.emit("add", total, y)]), "inf2", "fp32")


def test_a_model_too_large_for_the_chip_is_refused() -> None:
    b = GraphBuilder("large")
    x = _input(b, "x", 1 << 20, 1 << 16)
    with pytest.raises(UnsupportedError, match=r"HBM of trn2: got .* expected at most"):
        compile_graph(b.finish([b.emit("transpose", x, permutation=(1, 0))]), "trn2", "fp32")


def test_integer_constants_beyond_32_bits_are_refused() -> None:
    b = GraphBuilder("wide")
    x = _input(b, "x", 4, kind="int64")
    big = b.constant("big", np.full(4, 1 << 40))
    with pytest.raises(UnsupportedError, match="big"):
        compile_graph(b.finish([b.emit("add", x, big)]), "trn2", "fp32")


def test_every_launch_that_computes_a_value_is_named() -> None:
    b = GraphBuilder("named")
    with b.at(SourceLine("model.py", 1), "block"):
        x = _input(b, "x", 4, 6, 8)
        turned = b.emit("transpose", x, permutation=(1, 0, 2), name="turned")
        flat = b.emit("reshape", turned, shape=(6, 32), name="flat")
        weight = b.constant("w", np.ones((5, 32), np.float32))
        y = b.emit("linear", flat, weight, name="y")
        z = b.emit("softmax", y, axis=1, name="z")
    launches = compile_graph(b.finish([z]), "trn2", "fp32").program.launches
    assert [one.value for one in launches] == ["flat", "y", "z"]
    assert [one.depth for one in launches] == [1, 2, 3]
    assert {one.layer for one in launches} == {"block"}
    assert [one.reads for one in launches] == [("turned",), ("flat", "w"), ("y",)]


def test_a_repeated_constant_is_written_out_at_compile_time() -> None:
    b = GraphBuilder("constant")
    x = _input(b, "x", 3, 4, 8)
    rows = b.constant("rows", np.arange(32, dtype=np.float32).reshape(4, 8))
    spread = b.emit("broadcast_in_dim", rows, shape=(3, 4, 8), broadcast_dimensions=(1, 2))
    ones, zeros = (b.constant(n, np.full(8, v, np.float32)) for n, v in (("g", 1), ("b", 0)))
    y = b.emit("add_layer_norm", x, spread, ones, zeros, epsilon=1e-5)
    program = compile_graph(b.finish([y]), "trn2", "fp32").program
    assert [one.kernel for one in program.launches] == ["add_layer_norm"]
    data = np.random.default_rng(0).standard_normal((3, 4, 8)).astype(np.float32)
    total = data.astype(np.float64) + np.arange(32).reshape(4, 8)
    centred = total - total.mean(-1, keepdims=True)
    expected = centred / np.sqrt(total.var(-1, keepdims=True) + 1e-5)
    got = Executor(program).run({"x": data})[y.name]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
