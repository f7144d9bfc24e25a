"""Elements that nobody wrote pass through lanes, and are refused where they reach a result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.errors import KernelError
from glia.nki import UnspecifiedWarning

ROWS, COLUMNS, HALF = 64, 16, 32
X = np.random.default_rng(5).uniform(0.5, 2, (ROWS, COLUMNS)).astype(np.float32)
Step = Callable[..., Any]

# What is done to a tile (in place) beside a whole tile and a column; what NumPy makes of it.
LANES: dict[str, tuple[Step, Step]] = {
    "tensor_tensor": (lambda t, w, c: nisa.tensor_tensor(t, w, t, nl.subtract), lambda x: X - x),
    "tensor_scalar": (lambda t, w, c: nisa.tensor_scalar(t, t, nl.add, 3.0), lambda x: x + 3),
    "column": (lambda t, w, c: nisa.tensor_scalar(t, t, nl.multiply, c), lambda x: x * X[:, :1]),
    "scalar_tensor_tensor": (
        lambda t, w, c: nisa.scalar_tensor_tensor(t, t, nl.multiply, c, nl.add, w),
        lambda x: x * X[:, :1] + X,
    ),
    "reciprocal": (lambda t, w, c: nisa.reciprocal(t, t), lambda x: 1 / x),
    "activation": (
        lambda t, w, c: nisa.activation(t, nl.exp, t, c), lambda x: np.exp(x + X[:, :1])
    ),
}  # fmt: skip


def half_written(x: Any) -> Any:
    tile = nl.ndarray((ROWS, COLUMNS), nl.float32, nl.sbuf)
    nisa.dma_copy(tile[0:HALF], x[0:HALF])
    return tile


def run(body: Callable[[Any, Any, Any, Any], Any], cores: int = 1) -> np.ndarray:
    """What `body(x, half-written tile, whole tile, column)` returns, on a chip."""

    def kernel(x):
        whole = nl.load(x)
        return body(x, half_written(x), whole, whole[:, 0:1])

    made = nki.simulate(kernel, target="trn2")
    return np.asarray((made if cores == 1 else made[cores])(X))


def stored(tile: Any) -> Any:
    out = nl.ndarray(tile.shape, tile.dtype, nl.shared_hbm)
    nisa.dma_copy(out, tile)
    return out


@pytest.mark.parametrize("name", LANES)
def test_lanes_that_were_written_are_right_and_the_others_undefined(name: str):
    step, oracle = LANES[name]

    def lanes(end: int) -> Callable[..., Any]:
        def body(x: Any, half: Any, whole: Any, column: Any) -> Any:
            step(half, whole, column)
            step(half, whole, column)
            return stored(half[0:end])

        return body

    with pytest.warns(UnspecifiedWarning, match=r"reading .* never written"):
        found = run(lanes(HALF))
    wide = X.astype(np.float64)
    np.testing.assert_allclose(found, oracle(oracle(wide))[:HALF], rtol=1e-5)
    with pytest.warns(UnspecifiedWarning), pytest.raises(KernelError, match="memory never written"):
        run(lanes(HALF + 1))


def test_a_column_never_written_makes_its_lanes_undefined():
    def body(x: Any, half: Any, whole: Any, column: Any, end: int) -> Any:
        nisa.tensor_scalar(whole, whole, nl.add, half[:, 0:1])
        return stored(whole[0:end])

    with pytest.warns(UnspecifiedWarning):
        found = run(lambda *given: body(*given, HALF))
    np.testing.assert_array_equal(found, (X + X[:, :1])[:HALF])
    with pytest.warns(UnspecifiedWarning), pytest.raises(KernelError, match="memory never written"):
        run(lambda *given: body(*given, ROWS))


def product(x: Any, half: Any, whole: Any, column: Any, rows: int) -> Any:
    nisa.activation(half, nl.exp, half)
    made = nl.ndarray((COLUMNS, COLUMNS), nl.float32, nl.psum)
    nisa.nc_matmul(made, half[0:rows], whole[0:rows])
    return stored(nl.copy(made))


def total(x: Any, half: Any, whole: Any, column: Any, rows: int) -> Any:
    nisa.activation(half, nl.exp, half)
    made = nl.ndarray((rows, 1), nl.float32, nl.sbuf)
    nisa.tensor_reduce(made, nl.add, half[0:rows], axis=1)
    return stored(made)


@pytest.mark.parametrize("mixing", [product, total])
def test_mixing_undefined_elements_into_a_result_is_refused(mixing: Any):
    with pytest.warns(UnspecifiedWarning):
        run(lambda *given: mixing(*given, HALF))
    with pytest.warns(UnspecifiedWarning), pytest.raises(KernelError, match="memory never written"):
        run(lambda *given: mixing(*given, ROWS))


def taking_turns(x: Any, rows: int, columns: int, stored_rows: int) -> Any:
    """The largest of each row, of a tile of which a part holds what an earlier tile left there."""
    first = nl.ndarray((ROWS, COLUMNS), nl.float32, nl.sbuf, address=(0, 0))
    nisa.dma_copy(first, x)
    out = nl.ndarray((stored_rows, 1), nl.float32, nl.shared_hbm)
    nisa.dma_copy(out, first[0:stored_rows, 0:1])
    tile = nl.ndarray((ROWS, COLUMNS), nl.float32, nl.sbuf, address=(0, 0))
    nisa.dma_copy(tile[0:rows, 0:columns], x[0:rows, 0:columns])
    nisa.tensor_reduce(tile[:, 0:1], nl.maximum, tile, axis=1)
    nisa.dma_copy(out, tile[0:stored_rows, 0:1])
    return out


def test_rows_of_an_earlier_tile_may_be_reduced_and_left_alone():
    """nki-library 2.29, core/attention/attention_tkg.py: the padding of the last block of rows."""
    with pytest.warns(UnspecifiedWarning, match="tensor_reduce reading"):
        found = run(lambda x, *_: taking_turns(x, HALF, COLUMNS, HALF))
    np.testing.assert_array_equal(found, X[:HALF].max(axis=1, keepdims=True))


def test_rows_of_an_earlier_tile_are_refused_in_a_result():
    with (
        pytest.warns(UnspecifiedWarning),
        pytest.raises(KernelError, match=r"dma_copy .*never written as tile itself"),
    ):
        run(lambda x, *_: taking_turns(x, HALF, COLUMNS, ROWS))


def test_old_values_are_not_mixed_with_new_ones():
    with pytest.raises(KernelError, match=r"tensor_reduce reading .*never written as tile itself"):
        run(lambda x, *_: taking_turns(x, ROWS, COLUMNS - 1, ROWS))


def test_what_is_computed_from_nothing_is_refused_at_once():
    def body(x: Any, half: Any, whole: Any, column: Any) -> Any:
        nisa.tensor_tensor(whole[HALF:ROWS], half[HALF:ROWS], whole[HALF:ROWS], nl.add)
        return stored(whole)

    with pytest.raises(KernelError, match=r"tensor_tensor reading .*memory never written"):
        run(body)

    def upper_and_lower(x: Any, half: Any, whole: Any, column: Any) -> Any:
        other = nl.ndarray((ROWS, COLUMNS), nl.float32, nl.sbuf)
        nisa.dma_copy(other[HALF:ROWS], x[HALF:ROWS])
        nisa.tensor_tensor(other, half, other, nl.add)  # no row that both hold
        return stored(whole)

    with pytest.raises(KernelError, match=r"tensor_tensor reading .*memory never written"):
        run(upper_and_lower)


def test_what_a_core_sent_half_written_may_be_added_up():
    """As nki-library 2.29 does (core/moe_block, mlp_tkg_gate_up_projection.py)."""

    def body(x: Any, half: Any, whole: Any, column: Any, end: int) -> Any:
        core, received = nl.program_id(0), nl.ndarray(half.shape, half.dtype, nl.sbuf)
        nisa.sendrecv(half, received, 1 - core, 1 - core, 0)
        nisa.tensor_tensor(half, half, received, nl.add)
        nisa.tensor_tensor(whole, whole, received, nl.add)
        out = nl.ndarray((2, 2, end, COLUMNS), half.dtype, nl.shared_hbm)
        nisa.dma_copy(out[core, 0, 0:HALF], half[0:HALF])
        nisa.dma_copy(out[core, 1, 0:HALF], whole[0:HALF])
        return out if end == HALF else stored_tail(out, core, half, whole)

    def stored_tail(out: Any, core: Any, half: Any, whole: Any) -> Any:
        nisa.dma_copy(out[core, 0, HALF:ROWS], whole[0:HALF])
        nisa.dma_copy(out[core, 1, HALF:ROWS], whole[HALF:ROWS])
        return out

    with pytest.warns(UnspecifiedWarning):
        found = run(lambda *given: body(*given, HALF), cores=2)
    np.testing.assert_array_equal(found, np.broadcast_to(2 * X[:HALF], found.shape))
    with pytest.warns(UnspecifiedWarning), pytest.raises(KernelError, match="memory never written"):
        run(lambda *given: body(*given, ROWS), cores=2)


def test_made_an_error_it_is_refused_at_the_line_that_computes():
    def body(x: Any, half: Any, whole: Any, column: Any) -> Any:
        nisa.reciprocal(half, half)
        return stored(whole)

    line = body.__code__.co_firstlineno + 1
    with pytest.raises(KernelError, match=rf"{line}: UnspecifiedWarning: reciprocal reading"):
        run(body)


@pytest.mark.parametrize("rows", [20, HALF, HALF + 1])
def test_a_gather_keeps_partitions_apart(rows: int):
    """As nki-library 2.29 pads tokens to a GpSimd core (core/moe, moe_tkg_utils.py)."""

    def kernel(x, numbers):
        made = nl.ndarray((ROWS, COLUMNS), nl.float32, nl.sbuf)
        nisa.local_gather(made, half_written(x), nl.load(numbers))
        return stored(made[0:rows])

    numbers = np.tile(np.arange(COLUMNS)[::-1], ROWS // COLUMNS).astype(np.uint16)[:, None]
    if rows > HALF:
        with pytest.raises(KernelError, match="memory never written"):
            nki.simulate(kernel, target="trn2")(X, numbers)
        return
    found = nki.simulate(kernel, target="trn2")(X, numbers)
    np.testing.assert_array_equal(found, X[:rows, ::-1])
