"""A row that was brought to all partitions stays in PSUM for readers that take it from there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.dtypes import dtype
from glia.isa.serial import load_stream, save_stream
from glia.isa.target import target_of
from glia.nki.kernel import TensorSpec

X, ROW = (128, 256), (1, 256)


def product(wide: Any, x: Any) -> Any:
    made = nl.ndarray(X, nl.float32, nl.sbuf)
    nisa.tensor_tensor(made, x, wide, op=nl.multiply)
    return made


USES = {
    "product": (lambda wide, x: product(wide, x), 0, lambda row, x: x * row),
    "product, then a store": (
        lambda wide, x: (product(wide, x), wide)[1], 1, lambda row, x: row + 0 * x,
    ),
    "itself": (lambda wide, x: wide, 1, lambda row, x: row + 0 * x),
    "after another": (
        lambda wide, x: product(wide, product(nl.broadcast_to(x[0:1], X), x)),
        1, lambda row, x: row * x[0:1] * x,
    ),
    "on GpSimd": (lambda wide, x: on(nisa.engine.gpsimd, wide, x), 1, lambda row, x: row + x),
    "written to": (lambda wide, x: overwritten(wide, x), 1, lambda row, x: x + row),
    "half of it": (lambda wide, x: halves(wide, x), 1, lambda row, x: x * row),
}  # fmt: skip


def on(engine: Any, wide: Any, x: Any) -> Any:
    made = nl.ndarray(X, nl.float32, nl.sbuf)
    nisa.tensor_tensor(made, x, wide, op=nl.add, engine=engine)
    return made


def overwritten(wide: Any, x: Any) -> Any:
    nisa.tensor_tensor(wide, wide, x, op=nl.add)
    return wide


def halves(wide: Any, x: Any) -> Any:
    made = nl.ndarray(X, nl.float32, nl.sbuf)
    for part in (slice(0, 128), slice(128, 256)):
        nisa.tensor_tensor(made[:, part], x[:, part], wide[:, part], op=nl.multiply)
    return made


def kernel(use: Any) -> Any:
    @nki.jit
    def run(x, row):
        out = nl.ndarray(X, nl.float32, nl.shared_hbm)
        tile = nl.load(x)
        nisa.dma_copy(out, use(nl.broadcast_to(nl.load(row), X), tile))
        return out

    return run


@pytest.mark.parametrize("name", USES)
def test_values_and_copies(name):
    use, copies, exact = USES[name]
    random = np.random.default_rng(1)
    x, row = (random.standard_normal(shape).astype(np.float32) for shape in (X, ROW))
    found = nki.simulate(kernel(use))(x, row)
    np.testing.assert_allclose(found, exact(row, x), rtol=1e-6)
    specs = (TensorSpec(shape, dtype("float32")) for shape in (X, ROW))
    stream = kernel(use).trace(*specs, target=target_of("trn2"))
    ops = [one.op for one in stream.instructions]
    assert ops.count("activation") == copies
    again = load_stream(save_stream(stream), target_of("trn2"))
    assert [one.op for one in again.instructions] == ops


def test_what_is_printed_is_there(capsys):
    @nki.jit
    def shown(row):
        out = nl.ndarray(X, nl.float32, nl.shared_hbm)
        wide = nl.broadcast_to(nl.load(row), X)
        print(wide)
        nisa.dma_copy(out, wide)
        return out

    nki.simulate(shown)(np.full(ROW, 7.0, np.float32))
    assert "7" in capsys.readouterr().out
