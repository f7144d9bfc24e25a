"""The text of generated kernels: readable, no needless work, the same for the same group."""

from __future__ import annotations

import numpy as np

from glia.compiler import compile_graph
from glia.compiler.program import Program
from glia.core.dtypes import dtype
from glia.devices.execute import Executor
from glia.graph.builder import GraphBuilder
from glia.graph.ir import TensorType


def _row_and_column() -> Program:
    """tanh(x * column + row)."""
    b = GraphBuilder("group")
    x = b.input("x", TensorType((300, 40), dtype("float32")))
    row = b.input("row", TensorType((40,), dtype("float32")))
    column = b.input("column", TensorType((300,), dtype("float32")))
    spread = {"shape": (300, 40)}
    wide = b.emit("broadcast_in_dim", row, **spread, broadcast_dimensions=(1,))
    tall = b.emit("broadcast_in_dim", column, **spread, broadcast_dimensions=(0,))
    y = b.emit("tanh", b.emit("add", b.emit("multiply", x, tall), wide), name="y")
    return compile_graph(b.finish([y]), "trn2", "bf16").program


def _instructions(program: Program) -> list[str]:
    (launch,) = program.launches
    return [one.op for one in program.streams[launch.stream].instructions]


def test_a_row_is_loaded_once_and_a_column_is_a_scalar_operand() -> None:
    ops = _instructions(_row_and_column())
    assert ops.count("dma_copy") == 1 + 3 * 3  # the row; then x, column and result of each tile
    assert ops.count("tensor_scalar") == ops.count("tensor_tensor") == ops.count("activation") == 3


def test_no_dma_converts() -> None:
    program = _row_and_column()
    (launch,) = program.launches
    moved = [i.work.dma for i in program.streams[launch.stream].instructions if i.work.dma]
    assert not any(dma.software for dma in moved)


def test_the_text_is_deterministic_and_says_what_it_computes() -> None:
    first, second = _row_and_column(), _row_and_column()
    assert first.sources == second.sources
    (text,) = [t for name, t in first.sources.items() if name.startswith("fused_")]
    assert text.startswith('"""Elementwise: ')
    assert "tanh" in text.splitlines()[0]
    compile(text, "generated", "exec")


def test_integers_of_32_bits_keep_all_their_bits() -> None:
    b = GraphBuilder("integers")
    type = TensorType((5,), dtype("int32"))
    x, y = b.input("x", type), b.input("y", type)
    big = b.constant("big", np.array(1 << 30, np.int32))
    wide = b.emit("broadcast_in_dim", big, shape=(5,), broadcast_dimensions=())
    results = [
        b.emit("add", b.emit("multiply", x, y), wide, name="sum"),
        b.emit("compare", x, y, direction="LT", name="less"),
        b.emit("abs", b.emit("negate", x), name="abs"),
        b.emit("maximum", x, wide, name="most"),
    ]
    program = compile_graph(b.finish(results), "inf2", "bf16").program
    a = np.array([16777217, -16777219, 1, 1073741825, -7], np.int32)
    c = np.array([3, 5, 16777217, 1, -7], np.int32)
    got = Executor(program).run({"x": a, "y": c})
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(got["sum"], a * c + np.int32(1 << 30))
    np.testing.assert_array_equal(got["less"], a < c)
    np.testing.assert_array_equal(got["abs"], np.abs(a))
    np.testing.assert_array_equal(got["most"], np.maximum(a, 1 << 30))
