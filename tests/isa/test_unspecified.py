"""What the public record leaves open is met with a warning that names the kernel's line."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.errors import KernelError
from glia.nki import UnspecifiedWarning

OPEN = [
    ("log", 0.0), ("log", -1.0), ("log", np.inf), ("sqrt", -1.0), ("sqrt", np.inf), ("rsqrt", 0.0),
    ("rsqrt", -4.0), ("rsqrt", np.inf), ("reciprocal", 0.0), ("reciprocal", -np.inf),
    ("arctan", np.inf),
]  # fmt: skip
IEEE = {
    "log": np.log, "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x),
    "reciprocal": lambda x: 1 / x, "arctan": np.arctan,
}  # fmt: skip


def activated(name: str, value: float) -> np.ndarray:
    def kernel(x):
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        tile = nl.load(x)
        nisa.activation(tile, getattr(nl, name), tile)
        nl.store(out, tile)
        return out

    return nki.simulate(kernel, target="trn2")(np.array([[1.0, value]], np.float32))


@pytest.mark.parametrize(("name", "value"), OPEN)
def test_activations_outside_their_range_follow_ieee_754(name: str, value: float):
    text = rf"activation {name}: got {value} .*outside the documented range"
    with pytest.warns(UnspecifiedWarning, match=text) as caught:
        found = activated(name, value)
    assert caught[0].filename == __file__
    assert caught[0].lineno == activated.__code__.co_firstlineno + 4
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(found[0, 1], IEEE[name](np.float32(value)))


@pytest.mark.parametrize(
    ("name", "value"), [("sqrt", 0.0), ("log", np.nan), ("exp", -np.inf), ("tanh", np.inf)]
)
def test_values_that_leave_nothing_open(name: str, value: float):
    activated(name, value)  # warnings are errors


def scattered(rows: list[int], values: Any, oob: Any = nisa.oob_mode.error) -> np.ndarray:
    def kernel(data, numbers):
        out = nl.zeros((8, 2), nl.float32, buffer=nl.shared_hbm)
        index, tile = nl.load(numbers), nl.load(data)
        nisa.dma_copy(
            out.ap([[2, len(rows)], [1, 2]], vector_offset=index, indirect_dim=0), tile,
            oob_mode=oob,
        )  # fmt: skip
        return out

    data = np.repeat(np.array(values, np.float32)[:, None], 2, axis=1)
    return nki.simulate(kernel, target="trn2")(data, np.array(rows, np.int32)[:, None])


def test_a_row_that_a_scatter_writes_twice():
    with pytest.warns(UnspecifiedWarning, match="row 3 is written twice with different values"):
        found = scattered([3, 1, 3, 2], [10, 20, 30, 40])
    assert found[:, 0].tolist() == [0, 20, 40, 30, 0, 0, 0, 0]


def test_equal_values_and_skipped_rows_are_no_conflict():
    assert scattered([3, 1, 3], [10, 20, 10])[3, 0] == 10
    assert scattered([9, 1, 9], [10, 20, 30], nisa.oob_mode.skip)[1, 0] == 20


def test_it_can_be_made_an_error():
    with warnings.catch_warnings(), pytest.raises(UnspecifiedWarning):
        warnings.simplefilter("error", UnspecifiedWarning)
        activated("log", 0.0)


@pytest.mark.parametrize(("kind", "unknown"), [(np.float32, np.nan), (np.int32, 4)])
def test_rows_that_no_scatter_reached_show(kind: Any, unknown: float):
    def kernel(data, numbers):
        out = nl.ndarray((4, 2), data.dtype, buffer=nl.shared_hbm)
        index, tile = nl.load(numbers), nl.load(data)
        nisa.dma_copy(out.ap([[2, 2], [1, 2]], vector_offset=index, indirect_dim=0), tile)
        return out

    data, rows = np.ones((2, 2), kind), np.array([[3], [1]], np.int32)
    for cores in (1, 2):
        with pytest.warns(UnspecifiedWarning, match=r"kernel returning out.*run-time address"):
            found = nki.simulate(kernel, target="trn2")[cores](data, rows)
        np.testing.assert_array_equal(found[:, 0], np.array([unknown, 1, unknown, 1], kind))


@pytest.mark.parametrize("value", [0.0, 7.0])
@pytest.mark.parametrize("chip", ["trn1", "trn2", "trn3"])
def test_a_product_onto_what_no_product_wrote(chip: str, value: float):
    """With accumulate left open; the documentation says that it adds, and that it overwrites."""

    def kernel(x):
        psum = nl.ndarray((32, 32), nl.float32, buffer=nl.psum)
        nisa.memset(psum, value)
        tile = nl.load(x)
        nisa.nc_matmul(psum, tile, tile)
        nisa.nc_matmul(psum, tile, tile)  # adds: that one a product has written
        out = nl.ndarray((32, 32), nl.float32, buffer=nl.shared_hbm)
        nl.store(out, nl.copy(psum))
        return out

    x = np.random.default_rng(3).standard_normal((32, 32)).astype(np.float32)
    if value:
        with pytest.raises(KernelError, match=r"got 7.0 in PSUM that no matmul wrote"):
            nki.simulate(kernel, target=chip)(x)
        return
    found = nki.simulate(kernel, target=chip)(x)
    np.testing.assert_allclose(found, 2 * x.T.astype(np.float64) @ x, rtol=1e-5, atol=1e-5)


def test_tiles_are_not_compared_by_python():
    def kernel(x):
        a, b = nl.load(x), nl.load(x)
        assert a != None and not (a != a) and a in [b, a]  # noqa: E711, SIM202
        return x if a != b else None

    with pytest.raises(KernelError, match=r"!= on .*use nl.not_equal"):
        nki.simulate(kernel, target="trn2")(np.ones((4, 4), np.float32))


def test_branching_on_a_tensor_asks_whether_there_is_one():
    """As public kernels do with arguments that may be None (nki-library 2.29, mlp_tkg)."""

    def kernel(x, scale=None):
        tile = nl.load(x)
        if scale:
            nisa.tensor_scalar(tile, tile, nl.multiply, nl.load(scale))
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        nl.store(out, tile)
        return out

    x, zeros = np.ones((4, 2), np.float32), np.zeros((4, 1), np.float32)
    assert nki.simulate(kernel, target="trn2")(x).all()
    with pytest.warns(UnspecifiedWarning, match=r"branching on scale.*is not None"):
        assert not nki.simulate(kernel, target="trn2")(x, zeros).any()


def test_scatters_of_two_cores_that_meet_in_a_row():
    """Padding goes to one row in public kernels (nki-library 2.29, core/moe); nobody reads it."""

    def kernel(data, numbers):
        out = nl.ndarray((4, 2), data.dtype, buffer=nl.shared_hbm)
        core = nl.program_id(0)
        index, tile = nl.load(numbers[2 * core : 2 * core + 2]), nl.load(data)
        nisa.tensor_scalar(tile, tile, nl.multiply, 1.0 + core)
        nisa.dma_copy(out.vector_select(0, index), tile)
        return out

    def run(*rows: int) -> np.ndarray:
        numbers = np.array(rows, np.int32)[:, None]
        return np.asarray(nki.simulate(kernel, target="trn2")[2](data, numbers))

    data = np.ones((2, 2), np.float32)
    assert run(0, 1, 2, 3)[:, 0].tolist() == [1, 1, 2, 2]
    with pytest.warns(UnspecifiedWarning) as caught:
        found = run(0, 3, 1, 3)
    assert found[:2, 0].tolist() == [1, 2]
    assert any("rows that both cores write" in str(one.message) for one in caught)
