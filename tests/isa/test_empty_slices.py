"""Empty slices: formed as in NumPy, refused by each instruction that would use one.

A core without a share of the work forms slices that it leaves alone (nki-library 2.29,
experimental/loss/cross_entropy.py, one position on two cores).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.isa.views import hbm, sbuf

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.errors import KernelError

ARRAY = np.zeros((8, 4, 6), np.float32)


@pytest.mark.parametrize("tensor", [sbuf(8, 4, 6), hbm(8, 4, 6)], ids=["sbuf", "hbm"])
@pytest.mark.parametrize(
    "form",
    [
        lambda t: t[:, 2:2],
        lambda t: t[:, 3:1],
        lambda t: t[8:8],
        lambda t: t[:, :, 0:0:2],
        lambda t: t[0:0].reshape((0, 24)),
        lambda t: t[:, 1:1].reshape((8, 0, 3, 2)),
        lambda t: t[:, 1:1][:, :, 2:4],
        lambda t: t[:, 1:1][:, 0:0],
    ],
)
def test_the_shape_is_that_of_numpy(tensor: Any, form: Callable[[Any], Any]):
    assert form(tensor).shape == form(ARRAY).shape
    assert form(tensor).size == 0


def test_a_dynamic_slice_of_no_elements():
    assert hbm(8, 4)[nl.ds(8, 0)].shape == (0, 4)


@nki.jit
def shared_out(rows):
    """Rows for two cores; the first has none where there is one row."""
    out = nl.ndarray(rows.shape, dtype=rows.dtype, buffer=nl.shared_hbm)
    half = rows.shape[0] // 2
    count = half if nl.program_id(0) == 0 else rows.shape[0] - half
    mine = nl.ds(nl.program_id(0) * half, count)
    source, target = rows[mine], out[mine]
    for start in range(0, count, 128):
        size = min(128, count - start)
        tile = nl.ndarray((128, rows.shape[1]), dtype=rows.dtype, buffer=nl.sbuf)
        nisa.dma_copy(tile[0:size], source[start : start + size])
        nisa.tensor_scalar(tile[0:size], tile[0:size], nl.multiply, 2.0)
        nisa.dma_copy(target[start : start + size], tile[0:size])
    return out


@pytest.mark.parametrize("count", [1, 3])
def test_a_core_without_work(count: int):
    rows = np.arange(count * 16, dtype=np.float32).reshape(count, 16)
    np.testing.assert_array_equal(nki.simulate(shared_out[2])(rows), 2 * rows)


USES: dict[str, Callable[..., Any]] = {
    "memset": lambda t, p, i, o: nisa.memset(t[:, 3:3], 0.0),
    "tensor_copy": lambda t, p, i, o: nisa.tensor_copy(t[:, 3:3], t[:, 5:5]),
    "no partitions": lambda t, p, i, o: nisa.tensor_copy(t[3:3], t[5:5]),
    "activation": lambda t, p, i, o: nisa.activation(t[:, 3:3], nl.exp, t[:, 5:5]),
    "nc_matmul": lambda t, p, i, o: nisa.nc_matmul(p[:64, 3:3], t, t[:, 5:5]),
    "nothing to sum": lambda t, p, i, o: nisa.nc_matmul(p[:64], t[0:0], t[0:0]),
    "nc_transpose": lambda t, p, i, o: nisa.nc_transpose(p[:64, 0:0], t[0:0]),
    "tensor_reduce": lambda t, p, i, o: nisa.tensor_reduce(t[:, :1], nl.add, t[:, 5:5], axis=1),
    "tensor_scalar": lambda t, p, i, o: nisa.tensor_scalar(t, t, nl.add, t[:, 0:0]),
    "iota": lambda t, p, i, o: nisa.iota(i[:, 0:0], [[1, 1]], 0),
    "dma_copy": lambda t, p, i, o: nisa.dma_copy(o[3:3], t[3:3]),
    "in HBM": lambda t, p, i, o: nisa.dma_copy(o[3:3], o[0:0]),
    "dma_transpose": lambda t, p, i, o: nisa.dma_transpose(t[0:0], o[:, 0:0]),
    "rows of nothing": lambda t, p, i, o: nisa.dma_copy(t, o[0:0].vector_select(0, i)),
    "columns of nothing": lambda t, p, i, o: nisa.tensor_copy(
        t[:, 0:1], t[:, 0:0].indirect(i, num_elem=1)
    ),
    "broadcast": lambda t, p, i, o: nisa.tensor_copy(t, t[:, 0:0].expand_dim(2).broadcast(2, 3)),
}


@pytest.mark.parametrize("name", USES)
def test_instructions_refuse_it(name: str):
    def kernel(data):
        tile = nl.ndarray((128, 64), dtype=data.dtype, buffer=nl.sbuf)
        bank = nl.ndarray((128, 64), dtype=nl.float32, buffer=nl.psum)
        index = nl.ndarray((128, 1), dtype=nl.int32, buffer=nl.sbuf)
        out = nl.ndarray((128, 64), dtype=data.dtype, buffer=nl.shared_hbm)
        nisa.memset(index, 0)
        nisa.dma_copy(tile, data)
        nisa.dma_copy(out, tile)
        USES[name](tile, bank, index, out)
        return out

    with pytest.raises(KernelError, match="got an empty slice, expected at least one element"):
        nki.simulate(nki.jit(kernel))(np.zeros((128, 64), np.float32))
