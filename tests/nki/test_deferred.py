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


def late(x, row):
    """Read from PSUM alone; what follows there would have it copied, for nobody."""
    out = nl.ndarray(X, nl.float32, nl.shared_hbm)
    tile = nl.load(x)
    made = product(nl.broadcast_to(nl.load(row), X), tile)
    sums = nl.ndarray(X, nl.float32, nl.psum)
    nisa.nc_matmul(sums, tile[:, 0:128], made)
    nisa.tensor_tensor(made, made, sums, nl.add)
    nisa.dma_copy(out, made)
    return out


def late_and_printed(x, row):
    found = late(x, row)
    print(x)
    return found


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("body", [late, late_and_printed])
def test_a_copy_that_nobody_reads_is_left_out(body, cores):
    random = np.random.default_rng(1)
    x, row = (random.integers(-3, 4, shape).astype(np.float32) for shape in (X, ROW))
    run = nki.simulate(nki.jit(body), target="trn2")[cores].run(x, row)
    np.testing.assert_array_equal(run.result, x * row + x[:, :128].T @ (x * row))
    for stream in run.streams:
        ops = [one.op for one in stream.instructions]
        assert ops.count("activation") == (body is late_and_printed)
        assert [one.index for one in stream.instructions] == list(range(len(ops)))
        assert [stream.calls[one.call].op for one in stream.instructions] == ops
    if cores == 1 and body is late:
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


def full_psum(x, row):
    """Eight banks that are used after the row was brought to all partitions, and before it is."""
    banks = [nl.ndarray((128, 512), nl.float32, nl.psum) for _ in range(8)]
    tile, out = nl.load(x), nl.ndarray(X, nl.float32, nl.shared_hbm)
    wide = nl.broadcast_to(nl.load(row), X)
    for bank in banks:
        nisa.nc_matmul(bank[:, 0:256], tile[:, 0:128], tile)
    for bank in banks:
        added = nl.ndarray(X, nl.float32, nl.sbuf)
        nisa.tensor_tensor(added, tile, bank[:, 0:256], nl.add)
        tile = added
    nisa.dma_copy(out, product(wide, tile))
    return out


def in_a_loop(x, row):
    """What waits is copied in front of the loop: all iterations are alike."""
    tile, out = nl.load(x), nl.ndarray(X, nl.float32, nl.shared_hbm)
    wide = nl.broadcast_to(nl.load(row), X)
    for _ in nl.dynamic_range(3):
        nisa.tensor_tensor(tile, tile, wide, nl.add)
        sums = nl.ndarray(X, nl.float32, nl.psum)
        nisa.nc_matmul(sums, tile[:, 0:128], tile)
    nisa.dma_copy(out, tile)
    return out


@pytest.mark.parametrize("chip", ["trn1", "trn2", "trn3"])
@pytest.mark.parametrize("body", [full_psum, in_a_loop])
def test_waiting_takes_no_more_of_psum_and_changes_no_loop(body, chip):
    random = np.random.default_rng(1)
    x, row = (random.integers(-3, 4, shape).astype(np.float32) for shape in (X, ROW))
    target = target_of(chip)
    specs = (TensorSpec(shape, dtype("float32")) for shape in (X, ROW))
    nki.jit(body).trace(*specs, target=target)
    found = nki.simulate(nki.jit(body))(x, row)
    expected = (x + 8 * (x[:, :128].T @ x)) * row if body is full_psum else x + 3 * row
    np.testing.assert_array_equal(found, expected)


def test_a_late_copy_is_of_the_line_that_asked_for_the_row():
    @nki.jit
    def two(x, row):
        out = nl.ndarray(X, nl.float32, nl.shared_hbm)
        wide = nl.broadcast_to(nl.load(row), X)
        tile = nl.load(x)
        nisa.dma_copy(out, wide)
        nisa.dma_copy(out, product(wide, tile))
        return out

    specs = (TensorSpec(shape, dtype("float32")) for shape in (X, ROW))
    made = two.trace(*specs, target=target_of("trn2")).instructions
    lines = {one.op: one.line for one in made}
    assert lines["activation"] == lines["nc_matmul"]


def test_two_cores_each_have_their_own():
    @nki.jit
    def halves_of(x, row):
        out = nl.ndarray(X, nl.float32, nl.shared_hbm)
        core = nl.program_id(0)
        part = slice(core * 128, (core + 1) * 128)
        tile = nl.load(x)
        wide = nl.broadcast_to(nl.load(row[:, part]), (128, 128))
        made = nl.ndarray((128, 128), nl.float32, nl.sbuf)
        nisa.tensor_tensor(made, tile[:, part], wide, nl.multiply)
        nisa.dma_copy(out[:, part], made)
        return out

    random = np.random.default_rng(1)
    x, row = (random.standard_normal(shape).astype(np.float32) for shape in (X, ROW))
    np.testing.assert_array_equal(nki.simulate(halves_of[2])(x, row), x * row)


@pytest.mark.parametrize("chip", ["trn1", "trn2", "trn3"])
def test_the_first_one_in_a_device_loop(chip):
    """Its ones are of one iteration, and nobody else's after the loop."""
    x = np.random.default_rng(0).standard_normal(X).astype(np.float32)

    def kernel(x: Any) -> Any:
        x, total = nl.load(x), nl.zeros(X, nl.float32, nl.sbuf)
        for _ in nl.dynamic_range(3):
            nisa.tensor_tensor(total, total, nl.broadcast_to(x[0:1], X), op=nl.add)
        nisa.tensor_tensor(total, total, nl.broadcast_to(x[0:1], X), op=nl.add)
        out = nl.ndarray(X, nl.float32, nl.shared_hbm)
        nl.store(out, total)
        return out

    got = nki.simulate(kernel, target=chip)(x)
    np.testing.assert_allclose(got, np.broadcast_to(4 * x[0:1], X), rtol=1e-6)
