"""Every graph op, compiled alone and run on the virtual chips, against its meaning in float64.

The rows are those of the op table (tests/graph). What no engine computes must be refused by name.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pytest

from glia.compiler import compile_graph
from glia.core.dtypes import dtype
from glia.core.errors import UnsupportedError
from glia.devices.execute import Executor
from glia.graph import OPS
from glia.graph.evaluate import evaluate
from glia.graph.ir import Graph, Node, TensorType, Value
from graph.op_row import Row
from graph.op_rows_elementwise import ELEMENTWISE_ROWS
from graph.op_rows_tensor import TENSOR_ROWS

ROWS: list[Row] = [*ELEMENTWISE_ROWS, *TENSOR_ROWS]
# The passes put float64 and bfloat16 rows into the program's format: float32 rows stand for them.
CASES = [
    pytest.param(row, crossed, id=f"{row.op}-{i}-{crossed}")
    for i, row in enumerate(ROWS)
    for crossed in row.dtypes
    if crossed not in ("float64", "bfloat16")
]
CHIPS = [("trn2", "fp32"), ("trn2", "bf16"), ("inf2", "fp32"), ("inf2", "bf16")]


_BESIDE = {"beside": np.ones(3, np.float32)}


def _graph(node: Node) -> Graph:
    """The node, and one that computes something: the compiler refuses programs of views alone."""
    beside = Value("beside", TensorType((3,), dtype("float32")))
    other = Node("negate", (beside,), Value("other", beside.type))
    inputs = (*node.operands, beside)
    return Graph("one", inputs, MappingProxyType({}), (node, other), (node.result, other.result))


def _refused(row: Row, crossed: str) -> str:
    """What the error must say, for the few rows that no engine computes."""
    if crossed != "int32":
        return ""
    if row.op in ("divide", "remainder"):
        return f"got {row.op} of int32"
    if row.op == "dot_general":
        return "the Tensor engine has no integer product"
    if row.op == "reduce" and row.attrs_for(crossed)["kind"] in ("and", "or"):
        return "expected bool"
    return ""


def _inputs(names: list[str], arrays: list[np.ndarray], precision: str) -> dict[str, np.ndarray]:
    """Values that the program's format holds: rounding them is not the op's error."""
    narrow = dtype("bfloat16" if precision == "bf16" else "float32").numpy
    held = [a.astype(narrow).astype(a.dtype) if dtype(a.dtype).is_float else a for a in arrays]
    return dict(zip(names, held, strict=True))


# The rows ask for what IEEE 754 says outside an engine's range; the chip is not sure.
@pytest.mark.filterwarnings("ignore::glia.nki.UnspecifiedWarning")
@pytest.mark.parametrize(("chip", "precision"), CHIPS)
@pytest.mark.parametrize(("row", "crossed"), CASES)
def test_op_on_the_virtual_chip(row: Row, crossed: str, chip: str, precision: str) -> None:
    node, arrays = row.case(crossed)
    graph = _graph(node)
    inputs = _inputs([v.name for v in node.operands], arrays, precision) | _BESIDE
    expected_text = _refused(row, crossed)
    if expected_text:
        with pytest.raises(UnsupportedError, match=expected_text):
            compile_graph(graph, chip, precision)
        return
    program = compile_graph(graph, chip, precision).program
    got = np.asarray(Executor(program).run(inputs)["result"], np.float64)
    expected = np.asarray(evaluate(graph, inputs)["result"], np.float64)
    finite = np.abs(expected[np.isfinite(expected)])
    scale = float(finite.max()) if finite.size else 0.0
    unit = 2.0**-9 if precision == "bf16" else 2.0**-24
    rtol, atol = 4 * unit + 16 * 2.0**-24, scale * (unit + 8 * 2.0**-24)
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol)


def test_every_op_is_here() -> None:
    assert set(OPS) == {row.op for row in ROWS}
