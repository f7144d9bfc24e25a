"""bf16 on the virtual chip is bf16 hardware, not fp32 (or fp64) in disguise."""

from __future__ import annotations

from typing import Any

import numpy as np

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.dtypes import dtype

BF16 = dtype("bfloat16").numpy


def run(body: Any, *inputs: np.ndarray, kind: Any = np.float32, shape: Any = (1, 1)) -> np.ndarray:
    def kernel(*sources: Any) -> Any:
        out = nl.ndarray(shape, dtype=kind, buffer=nl.shared_hbm)
        result = nl.ndarray(shape, dtype=kind)
        body(result, *(nl.load(s) for s in sources))
        nisa.dma_copy(out, result)
        return out

    return nki.simulate(nki.jit(kernel))(*inputs)


def test_each_intermediate_tile_rounds():
    """(1 + 2^-9) - 1 is 0 through a bf16 tile, and 2^-9 through an fp32 one."""
    x = np.full((1, 1), 2.0**-9, np.float32)

    def body(kind):
        def steps(out, tile):
            middle = nl.ndarray((1, 1), kind)
            nisa.tensor_scalar(middle, tile, op0=nl.add, operand0=1.0)
            nisa.tensor_scalar(out, middle, op0=nl.subtract, operand0=1.0)

        return steps

    assert run(body(nl.bfloat16), x)[0, 0] == 0
    assert run(body(nl.float32), x)[0, 0] == 2.0**-9


def test_rounding_is_to_nearest_even():
    x = np.array([[1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20]], np.float32)
    got = run(lambda out, t: nisa.tensor_copy(out, t), x, kind=BF16, shape=(1, 3))
    assert got.astype(np.float64).tolist() == [[1.0, 1 + 2**-6, 1 + 2**-7]]


def product(stationary: np.ndarray, moving: np.ndarray, splits: int = 1) -> float:
    def body(out, s, m):
        bank = nl.ndarray((1, 1), nl.float32, nl.psum)
        for i in range(splits):
            nisa.nc_matmul(bank, s[:, i : i + 1], m[:, i : i + 1], accumulate=i > 0)
        nisa.tensor_copy(out, bank)

    return float(run(body, stationary, moving)[0, 0])


def test_products_are_exact_and_sums_are_wider_than_bf16():
    """257 * 1 + ... needs more bits than bf16 has: 128 + 128 * 2^-8 survives in fp32."""
    ones = np.ones((128, 1), BF16)
    moving = np.full((128, 1), 1 + 2**-7, BF16)
    assert product(ones, moving) == 129.0
    square = np.zeros((128, 1), BF16)
    square[0, 0] = 1 + 2**-7
    assert product(square, square) == (1 + 2**-7) ** 2  # not a bf16 number


def test_sums_are_no_wider_than_fp32():
    """2^24 + 1 - 2^24 over three matmuls: fp32 accumulation loses the 1, fp64 would keep it."""
    stationary = np.zeros((1, 3), BF16)
    moving = np.zeros((1, 3), BF16)
    stationary[0] = [2.0**12, 1, -(2.0**12)]
    moving[0] = [2.0**12, 1, 2.0**12]
    assert product(stationary, moving, splits=3) == 0.0


def test_integers_saturate_and_round_to_even():
    x = np.array([[300.0, -300.0, 2.5, 3.5, np.inf, -1e30]], np.float32)
    got = run(lambda out, t: nisa.tensor_copy(out, t), x, kind=np.int8, shape=(1, 6))
    assert got.tolist() == [[127, -128, 2, 4, 127, -128]]


def test_vector_integers_go_through_fp32_and_gpsimd_ones_do_not():
    x = np.full((1, 1), 2**24, np.int32)

    def add_one(engine):
        def body(out, tile):
            one = nl.ndarray((1, 1), nl.int32)
            nisa.memset(one, 1)
            nisa.tensor_tensor(out, tile, one, op=nl.add, engine=engine)

        return body

    assert run(add_one(nisa.engine.vector), x, kind=np.int32)[0, 0] == 2**24
    assert run(add_one(nisa.engine.gpsimd), x, kind=np.int32)[0, 0] == 2**24 + 1
