"""More accumulators than PSUM has banks: what reads them moves up, where the data allow it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.dtypes import dtype
from glia.core.errors import KernelError
from glia.isa.serial import load_stream, save_stream
from glia.isa.stream import Stream
from glia.isa.target import target_of
from glia.nki import UnspecifiedWarning
from glia.nki.kernel import TensorSpec

BANKS, ROWS, COLUMNS = 8, 32, 512
RNG = np.random.default_rng(7)
B = RNG.standard_normal((ROWS, COLUMNS)).astype(np.float32)


def left(count: int) -> np.ndarray:
    return RNG.standard_normal((count, ROWS, ROWS)).astype(np.float32)


def products(a: np.ndarray) -> np.ndarray:
    return np.einsum("nkm,kf->nmf", a.astype(np.float64), B)


def accumulated(a: Any, b: Any) -> list[Any]:
    """Products, each in a bank of its own; all are made before any is read."""
    right = nl.load(b)
    tiles = [nl.ndarray((ROWS, COLUMNS), nl.float32, nl.psum) for _ in range(a.shape[0])]
    for i, tile in enumerate(tiles):
        nisa.nc_matmul(tile, nl.load(a[i]), right)
    return tiles


def sbuf() -> Any:
    return nl.ndarray((ROWS, COLUMNS), nl.float32, nl.sbuf)


def read_backwards(a, b):
    out = nl.ndarray((a.shape[0], ROWS, COLUMNS), nl.float32, nl.shared_hbm)
    for i, tile in reversed(list(enumerate(accumulated(a, b)))):
        made = sbuf()
        nisa.activation(made, nl.relu, tile)
        nisa.dma_copy(out[i], made)
    return out


def summed(a, b):
    """In the kernel's order, into one tile."""
    total, out = sbuf(), nl.ndarray((ROWS, COLUMNS), nl.float32, nl.shared_hbm)
    nisa.memset(total, 0)
    for tile in accumulated(a, b):
        nisa.tensor_tensor(total, total, tile, nl.add)
    nisa.dma_copy(out, total)
    return out


def run(kernel: Any, a: np.ndarray, cores: int = 1) -> np.ndarray:
    made = nki.simulate(kernel, target="trn2")
    return np.asarray((made if cores == 1 else made[cores])(a, B))


def traced(kernel: Any, count: int) -> Stream:
    shapes = ((count, ROWS, ROWS), (ROWS, COLUMNS))
    specs = [TensorSpec(shape, dtype("float32")) for shape in shapes]
    return nki.jit(kernel).trace(*specs, target=target_of("trn2"))


@pytest.mark.parametrize("count", [BANKS, BANKS + 1, 2 * BANKS, 3 * BANKS + 1])
def test_values_are_those_of_the_kernel(count: int):
    a = left(count)
    with nullcontext() if count <= BANKS else pytest.warns(UnspecifiedWarning, match="moved up"):
        backwards = run(read_backwards, a)
    np.testing.assert_allclose(backwards, np.maximum(products(a), 0), rtol=1e-4, atol=1e-4)
    with nullcontext() if count <= BANKS else pytest.warns(UnspecifiedWarning, match="moved up"):
        total = run(summed, a)
    np.testing.assert_allclose(total, products(a).sum(axis=0), rtol=1e-4, atol=1e-3)


def test_a_kernel_that_fits_keeps_its_order():
    kept = traced(read_backwards, BANKS)
    assert [one.call for one in kept.instructions] == sorted(one.call for one in kept.instructions)
    assert kept.psum_peak_banks == BANKS


def test_the_stream_is_whole_and_comes_back_from_a_record():
    with pytest.warns(UnspecifiedWarning):
        made = traced(read_backwards, 2 * BANKS)
    assert [one.index for one in made.instructions] == list(range(len(made.instructions)))
    assert sorted(one.call for one in made.instructions) == list(range(len(made.calls)))
    assert made.psum_peak_banks <= BANKS
    with pytest.warns(UnspecifiedWarning):
        back = load_stream(save_stream(made), target_of("trn2"))
    assert [one.call for one in back.instructions] == [one.call for one in made.instructions]


def refused_kernels() -> Iterator[tuple[str, Callable[..., Any]]]:
    """None of these fits in any order that keeps their meaning, or may be put into another."""

    def filled_again(a, b):
        tiles = accumulated(a, b)
        for i, tile in enumerate(tiles):
            nisa.nc_matmul(tile, nl.load(a[i]), nl.load(b), accumulate=True)
        return kept(tiles)

    def kept(tiles: list[Any]) -> Any:
        out = nl.ndarray((len(tiles), ROWS, COLUMNS), nl.float32, nl.shared_hbm)
        for i, tile in enumerate(tiles):
            nisa.dma_copy(out[i], nl.copy(tile))
        return out

    def summed_backwards(a, b):
        total, out = sbuf(), nl.ndarray((ROWS, COLUMNS), nl.float32, nl.shared_hbm)
        nisa.memset(total, 0)
        for tile in reversed(accumulated(a, b)):
            nisa.tensor_tensor(total, total, tile, nl.add)
        nisa.dma_copy(out, total)
        return out

    def into_buffers_that_rotate(a, b):
        out = nl.ndarray((a.shape[0], ROWS, COLUMNS), nl.float32, nl.shared_hbm)
        for i, tile in enumerate(accumulated(a, b)):
            made = nl.ndarray((ROWS, COLUMNS), nl.float32, nl.sbuf, address=(0, 2048 * (i % 2)))
            nisa.tensor_copy(made, tile)
            nisa.dma_copy(out[i], made)
        return out

    def in_fixed_order(a, b):
        with nl.no_reorder():
            return kept(accumulated(a, b))

    def with_values_asked(a, b):
        tiles = accumulated(a, b)
        print(tiles[0])
        return kept(tiles)

    def all_after_the_last(a, b):
        tiles = accumulated(a, b)
        made = [sbuf() for _ in tiles]
        barrier = nisa.nc_matmul(tiles[-1], nl.load(a[0]), nl.load(b), accumulate=True)
        for tile, one in zip(tiles, made, strict=True):
            nisa.tensor_copy(one, tile).depends_on(barrier)
        return kept(made)

    yield from ((body.__name__, body) for body in (
        filled_again, summed_backwards, into_buffers_that_rotate, in_fixed_order,
        with_values_asked, all_after_the_last,
    ))  # fmt: skip


@pytest.mark.parametrize("name", dict(refused_kernels()))
def test_what_cannot_be_put_into_another_order_is_refused(name: str, capsys: Any):
    kernel = dict(refused_kernels())[name]
    if name != "in_fixed_order":
        run(kernel, left(BANKS))
    with pytest.raises(KernelError, match=r"live ones.*at most 16384"):
        run(kernel, left(BANKS + 1))


def test_one_that_waits_for_another_comes_after_it():
    def kernel(a, b):
        tiles = accumulated(a, b)
        out = nl.ndarray((len(tiles), ROWS, COLUMNS), nl.float32, nl.shared_hbm)
        last = nisa.nc_matmul(tiles[-1], nl.load(a[0]), nl.load(b), accumulate=True)
        for i, tile in enumerate(tiles):
            made = sbuf()
            copied = nisa.tensor_copy(made, tile)
            if i == 0:
                copied.depends_on(last)
            nisa.dma_copy(out[i], made)
        return out

    with pytest.warns(UnspecifiedWarning):
        made = traced(kernel, BANKS + 1)
    ((consumer, producer),) = made.extra
    assert producer < consumer
    assert made.instructions[producer].op == "nc_matmul"
    assert made.instructions[consumer].op == "tensor_copy"


def test_two_cores_that_exchange_between():
    def kernel(a, b):
        core = nl.program_id(0)
        out = nl.ndarray((2, a.shape[0], ROWS, COLUMNS), nl.float32, nl.shared_hbm)
        for i, tile in enumerate(accumulated(a, b)):
            mine, received = sbuf(), sbuf()
            nisa.tensor_scalar(mine, tile, nl.multiply, 1.0 + core)
            nisa.sendrecv(mine, received, 1 - core, 1 - core, 0)
            nisa.dma_copy(out[core, i], received)
        return out

    a = left(BANKS + 3)
    with pytest.warns(UnspecifiedWarning):
        found = run(kernel, a, cores=2)
    for core in range(2):
        wanted = products(a) * (2 - core)
        np.testing.assert_allclose(found[core], wanted, rtol=1e-4, atol=1e-4)
