"""Every op against an independent oracle, crossed with formats; and what shape rules refuse."""

from __future__ import annotations

import numpy as np
import pytest

from glia.core.dtypes import dtype
from glia.graph import OPS
from glia.graph.evaluate import evaluate_node
from graph.op_row import Row
from graph.op_rows_elementwise import ELEMENTWISE_ROWS
from graph.op_rows_tensor import TENSOR_ROWS

ROWS: list[Row] = [*ELEMENTWISE_ROWS, *TENSOR_ROWS]
CASES = [
    pytest.param(row, crossed, id=f"{row.op}-{i}-{crossed}")
    for i, row in enumerate(ROWS)
    for crossed in row.dtypes
]
# fused rounds once per node of its body, so it may err once per node.
NUM_ROUNDINGS = {"fused": 3}


@pytest.mark.parametrize(("row", "crossed"), CASES)
def test_float64_meaning_agrees_with_oracle(row: Row, crossed: str) -> None:
    node, arrays = row.case(crossed)
    result = evaluate_node(node, arrays, "float64")
    expected = row.expected(arrays)
    assert result.shape == node.result.type.shape == expected.shape
    assert result.dtype == (
        np.float64 if node.result.type.dtype.is_float else node.result.type.dtype.numpy
    )
    scale = _scale(expected)
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-12 * scale)


@pytest.mark.parametrize(("row", "crossed"), CASES)
def test_native_meaning_computes_in_fp32_and_rounds_once(row: Row, crossed: str) -> None:
    node, arrays = row.case(crossed)
    result = evaluate_node(node, arrays, "native")
    expected = row.expected(arrays)
    target = node.result.type.dtype
    assert result.dtype == target.numpy
    assert result.shape == expected.shape
    if not target.is_float:
        np.testing.assert_array_equal(result, expected)
        return
    inside = 32 * (2.0**-53 if crossed == "float64" == target.name else 2.0**-24)
    rtol = target.unit_roundoff * NUM_ROUNDINGS.get(row.op, 1) + inside
    scale = _scale(expected)
    np.testing.assert_allclose(result.astype(np.float64), expected, rtol=rtol, atol=inside * scale)


def _scale(expected: np.ndarray) -> float:
    finite = np.abs(expected[np.isfinite(expected)])
    return float(finite.max()) if finite.size else 0.0


def test_every_op_has_a_row() -> None:
    assert set(OPS) == {row.op for row in ROWS}


def test_number_of_primitives_does_not_grow() -> None:
    primitives = [op for op in OPS.values() if not op.is_composite]
    assert len(primitives) <= 44, "a new primitive needs a reason why no composite will do"


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_every_op_says_what_it_means(op) -> None:
    assert op.doc.endswith(".") or "arXiv" in op.doc
    assert (op.evaluate is None) == op.is_composite


def test_rows_draw_values_that_formats_hold_exactly() -> None:
    row = next(r for r in ROWS if r.op == "add")
    _, arrays = row.case("bfloat16")
    assert arrays[0].dtype == dtype("bfloat16").numpy
