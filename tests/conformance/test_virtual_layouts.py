"""Ops on operands that do not lie as the kernel would like: odd shapes, and views behind them.

Each op reads its operand through a transpose, a slice or a broadcast, which cost nothing in HBM and
leave strides that the kernel, or a copy before it, must follow.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from glia.compiler import compile_graph
from glia.core.dtypes import dtype
from glia.devices.execute import Executor
from glia.graph.builder import GraphBuilder
from glia.graph.evaluate import evaluate
from glia.graph.ir import Graph, TensorType, Value

SHAPES = [(1,), (7,), (129,), (1, 1), (129, 7), (7, 129), (2, 129, 5), (3, 1, 33), (2, 3, 4, 130)]
View = Callable[[GraphBuilder, tuple[int, ...]], Value]


def _input(b: GraphBuilder, shape: tuple[int, ...], name: str = "x") -> Value:
    return b.input(name, TensorType(shape, dtype("float32")))


def _transposed(b: GraphBuilder, shape: tuple[int, ...]) -> Value:
    order = tuple(reversed(range(len(shape))))
    return b.emit("transpose", _input(b, tuple(reversed(shape))), permutation=order)


def _sliced(b: GraphBuilder, shape: tuple[int, ...]) -> Value:
    x = _input(b, tuple(2 * n + 1 for n in shape))
    return b.emit(
        "slice",
        x,
        start_indices=(1,) * len(shape),
        limit_indices=tuple(2 * n + 1 for n in shape),
        strides=(2,) * len(shape),
    )


def _broadcast(b: GraphBuilder, shape: tuple[int, ...]) -> Value:
    dims = tuple(range(0, len(shape), 2))
    x = _input(b, tuple(shape[d] for d in dims))
    return b.emit("broadcast_in_dim", x, shape=shape, broadcast_dimensions=dims)


def _elementwise(b: GraphBuilder, x: Value) -> Value:
    y = b.input("y", x.type)
    return b.emit("add", b.emit("multiply", x, y), b.emit("tanh", x))


def _reduce_last(b: GraphBuilder, x: Value) -> Value:
    return b.emit("reduce", x, dimensions=(x.type.rank - 1,), kind="add")


def _reduce_first(b: GraphBuilder, x: Value) -> Value:
    return b.emit("reduce", x, dimensions=(0,), kind="maximum")


def _softmax(b: GraphBuilder, x: Value) -> Value:
    return b.emit("softmax", x, axis=x.type.rank - 1)


def _linear(b: GraphBuilder, x: Value) -> Value:
    weight = b.input("w", TensorType((9, x.type.shape[-1]), dtype("float32")))
    return b.emit("linear", x, weight)


def _reshape(b: GraphBuilder, x: Value) -> Value:
    flat = b.emit("reshape", x, shape=(x.type.num_elements,))
    return b.emit("concatenate", flat, flat, dimension=0)


def _reverse(b: GraphBuilder, x: Value) -> Value:
    return b.emit("reverse", x, dimensions=(x.type.rank - 1,))


VIEWS = {"plain": _input, "transposed": _transposed, "sliced": _sliced, "broadcast": _broadcast}
USES = {
    "elementwise": _elementwise,
    "reduce_last": _reduce_last,
    "reduce_first": _reduce_first,
    "softmax": _softmax,
    "linear": _linear,
    "reshape": _reshape,
    "reverse": _reverse,
}


def _run(graph: Graph, chip: str, precision: str) -> None:
    rng = np.random.default_rng(0)
    kept = dtype("bfloat16" if precision == "bf16" else "float32").numpy
    inputs = {
        v.name: rng.standard_normal(v.type.shape).astype(kept).astype(np.float32)
        for v in graph.inputs
    }
    program = compile_graph(graph, chip, precision).program
    got = Executor(program).run(inputs)
    expected = evaluate(graph, inputs)
    unit = 2.0**-8 if precision == "bf16" else 2.0**-22
    for value in graph.outputs:
        wanted = expected[value.name]
        scale = float(np.abs(wanted).max())
        np.testing.assert_allclose(got[value.name], wanted, rtol=4 * unit, atol=2 * unit * scale)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_strided_operands(shape: tuple[int, ...], view: str, use: str) -> None:
    builder = GraphBuilder("strided")
    x = VIEWS[view](builder, shape)
    graph = builder.finish([USES[use](builder, x)])
    chip = "inf2" if len(shape) % 2 else "trn2"
    _run(graph, chip, "fp32")


@pytest.mark.parametrize("use", USES)
def test_strided_operands_in_bf16(use: str) -> None:
    builder = GraphBuilder("strided")
    graph = builder.finish([USES[use](builder, _transposed(builder, (3, 33, 130)))])
    _run(graph, "trn2", "bf16")
