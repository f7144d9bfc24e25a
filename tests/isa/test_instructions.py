"""Every instruction against an oracle in float64: one row each, at least.

A row gives the inputs (all loaded to SBUF), the result's shape and dtype, the call, and the oracle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.dtypes import dtype
from glia.isa.launch.builder import INSTRUCTIONS

RNG = np.random.default_rng(11)
BF16 = dtype("bfloat16").numpy


def floats(*shape: int, kind: Any = np.float32) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32).astype(kind)


def positive(*shape: int) -> np.ndarray:
    return RNG.uniform(0.5, 2, shape).astype(np.float32)


def ints(*shape: int, low: int = -(2**31), high: int = 2**31, kind: Any = np.int32) -> np.ndarray:
    return RNG.integers(low, high, shape, dtype=np.int64).astype(kind)


@dataclass(frozen=True)
class Row:
    op: str
    inputs: tuple[np.ndarray, ...]
    shape: tuple[int, ...]
    call: Callable[..., None]  # call(dst, *tiles)
    oracle: Callable[..., Any]  # oracle(*float64 or integer inputs)
    kind: Any = np.float32
    psum: bool = False  # dst in PSUM, copied to SBUF after
    tolerance: float = 2e-6


def gelu64(x: np.ndarray) -> np.ndarray:
    return torch.nn.functional.gelu(torch.from_numpy(x)).numpy()


def stats(x: np.ndarray) -> np.ndarray:
    parts = []
    for half in (x[:, 0::2], x[:, 1::2]):
        count = np.full(len(x), half.shape[1])
        parts += [count, half.mean(1), half.var(1) * half.shape[1]]
    return np.stack(parts, 1)


def scan(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    out, state = np.empty_like(a), np.full(len(a), 0.5)
    for i in range(a.shape[1]):
        state = a[:, i] * state + b[:, i]
        out[:, i] = state
    return out


A, B, C = floats(128, 96), floats(128, 96), floats(128, 1)
K = floats(64, 40)
I32, J32 = ints(128, 96), ints(128, 96)
IOTA = np.arange(32)[:, None, None] * 3 + 7 + np.arange(5)[None, :, None] * 100 + np.arange(4)
TRIANGLE = np.arange(128)[:, None] - np.arange(96) >= 0

ROWS = [
    Row("dma_copy", (A,), (128, 96), lambda d, x: nisa.dma_copy(d, x), lambda x: x),
    Row("tensor_copy", (A,), (128, 96), lambda d, x: nisa.tensor_copy(d, x), lambda x: x),
    Row(
        "tensor_copy", (I32,), (128, 96), lambda d, x: nisa.tensor_copy(d, x), lambda x: x,
        kind=np.int32, tolerance=0,
    ),
    Row("memset", (A,), (128, 96), lambda d, x: nisa.memset(d, 2.5), lambda x: 0 * x + 2.5),
    Row(
        "tensor_tensor", (A, B), (128, 96),
        lambda d, x, y: nisa.tensor_tensor(d, x, y, op=nl.multiply), lambda x, y: x * y,
    ),
    Row(
        "tensor_tensor", (I32, J32), (128, 96),
        lambda d, x, y: nisa.tensor_tensor(d, x, y, op=nl.add),
        lambda x, y: (x + y + 2**31) % 2**32 - 2**31, kind=np.int32, tolerance=0,
    ),
    Row(
        "tensor_tensor", (positive(128, 96), A), (128, 96),
        lambda d, x, y: nisa.tensor_tensor(d, x, y, op=nl.power), lambda x, y: x**y,
    ),
    Row(
        "tensor_tensor", (I32, J32), (128, 96),
        lambda d, x, y: nisa.tensor_tensor(d, x, y, op=nl.bitwise_xor), lambda x, y: x ^ y,
        kind=np.int32, tolerance=0,
    ),
    Row(
        "tensor_scalar", (A, C), (128, 96),
        lambda d, x, c: nisa.tensor_scalar(
            d, x, op0=nl.subtract, operand0=c, reverse0=True, op1=nl.multiply, operand1=3.0
        ),
        lambda x, c: (c - x) * 3,
    ),
    Row(
        "tensor_scalar", (I32,), (128, 96),
        lambda d, x: nisa.tensor_scalar(d, x, op0=nl.right_shift, operand0=4),
        lambda x: (x % 2**32) >> 4, kind=np.int32, tolerance=0,
    ),
    Row(
        "tensor_scalar", (positive(128, 96),), (128, 96),
        lambda d, x: nisa.tensor_scalar(
            d, x, op0=nl.add, operand0=0.25, op1=nl.rsqrt, operand1=None
        ),
        lambda x: (x + 0.25) ** -0.5,
    ),
    Row(
        "scalar_tensor_tensor", (A, C, B), (128, 96),
        lambda d, x, c, y: nisa.scalar_tensor_tensor(d, x, nl.multiply, c, nl.add, y),
        lambda x, c, y: x * c + y,
    ),
    Row(
        "tensor_reduce", (A,), (128, 1),
        lambda d, x: nisa.tensor_reduce(d, nl.maximum, x, axis=1, negate=True),
        lambda x: -x.max(1, keepdims=True),
    ),
    Row(
        "tensor_reduce", (floats(64, 6, 20),), (64, 6),
        lambda d, x: nisa.tensor_reduce(d, nl.add, x, axis=(2,)), lambda x: x.sum(2),
    ),
    Row(
        "reciprocal", (positive(128, 96),), (128, 96), lambda d, x: nisa.reciprocal(d, x),
        lambda x: 1 / x,
    ),
    Row("bn_stats", (A,), (128, 6), lambda d, x: nisa.bn_stats(d, x), stats, tolerance=2e-5),
    Row(
        "bn_aggr", (stats(A.astype(np.float64)).astype(np.float32),), (128, 2),
        lambda d, x: nisa.bn_aggr(d, x),
        lambda _: np.stack([A.astype(np.float64).mean(1), A.astype(np.float64).var(1)], 1),
    ),
    Row(
        "tensor_tensor_scan", (0.5 * A, B), (128, 96),
        lambda d, x, y: nisa.tensor_tensor_scan(d, x, y, 0.5, nl.multiply, nl.add), scan,
        tolerance=2e-5,
    ),
    Row(
        "tensor_copy_predicated", (A, ints(128, 96, low=0, high=2, kind=np.uint8)), (128, 96),
        lambda d, x, p: (nisa.memset(d, -1.0), nisa.tensor_copy_predicated(d, x, p)),
        lambda x, p: np.where(p != 0, x, -1),
    ),
    Row(
        "activation", (A, C), (128, 96),
        lambda d, x, c: nisa.activation(d, op=nl.gelu, data=x, bias=c, scale=0.5),
        lambda x, c: gelu64(x * 0.5 + c),
    ),
    Row(
        "activation", (A,), (128, 1),
        lambda d, x: nisa.activation(
            nl.ndarray((128, 96), nl.float32), op=nl.exp, data=x, reduce_op=nl.add, reduce_res=d,
            reduce_cmd=nisa.reduce_cmd.reset_reduce,
        ),
        lambda x: np.exp(x).sum(1, keepdims=True),
    ),
    Row(
        "activation_reduce", (A,), (128, 1),
        lambda d, x: nisa.activation_reduce(
            nl.ndarray((128, 96), nl.float32), nl.square, x, nl.add, d
        ),
        lambda x: (x * x).sum(1, keepdims=True),
    ),
    Row(
        "nc_matmul", (K, floats(64, 200)), (40, 200),
        lambda d, s, m: nisa.nc_matmul(d, s, m), lambda s, m: s.T @ m, psum=True, tolerance=1e-5,
    ),
    Row(
        "nc_transpose", (K,), (40, 64),
        lambda d, x: nisa.nc_transpose(d, x, engine=nisa.engine.tensor), lambda x: x.T, psum=True,
        tolerance=0,
    ),
    Row(
        "nc_transpose", (floats(32, 20),), (20, 32),
        lambda d, x: nisa.nc_transpose(d, x, engine=nisa.engine.vector), lambda x: x.T, tolerance=0,
    ),
    Row(
        "iota", (A,), (32, 20),
        lambda d, x: nisa.iota(d, [[100, 5], [1, 4]], offset=7, channel_multiplier=3),
        lambda _: IOTA.reshape(32, 20), kind=np.int32, tolerance=0,
    ),
    Row(
        "affine_select", (A,), (128, 96),
        lambda d, x: nisa.affine_select(
            d, [[-1, 96]], 1, x, -1e30, cmp_op=nl.greater_equal
        ),
        lambda x: np.where(TRIANGLE, x, -1e30),
    ),
]  # fmt: skip


def simulate(row: Row, inputs: tuple[np.ndarray, ...], kind: Any) -> np.ndarray:
    """Load the inputs, make the call, store the result."""

    def kernel(*sources: Any) -> Any:
        out = nl.ndarray(row.shape, dtype=kind, buffer=nl.shared_hbm)
        tiles = [nl.load(s) for s in sources]
        dst = nl.ndarray(row.shape, dtype=kind, buffer=nl.psum if row.psum else nl.sbuf)
        row.call(dst, *tiles)
        if row.psum:
            copied = nl.ndarray(row.shape, dtype=kind)
            nisa.tensor_copy(copied, dst)
            dst = copied
        nisa.dma_copy(out, dst)
        return out

    return nki.simulate(nki.jit(kernel))(*inputs)


def exact(array: np.ndarray) -> np.ndarray:
    return array.astype(np.int64 if array.dtype.kind in "iu" else np.float64)


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.op)
def test_against_float64(row: Row):
    got = exact(simulate(row, row.inputs, row.kind))
    expected = row.oracle(*(exact(x) for x in row.inputs))
    scale = np.maximum(1, np.abs(expected))
    assert np.max(np.abs(got - expected) / scale) <= row.tolerance


TESTED_ELSEWHERE = {
    # tests/isa/test_registers.py, tests/nki/test_cores.py
    "register_store",
    "core_barrier",
    "sendrecv",
    # tests/isa/test_dma.py
    "dma_compute",
    "dma_transpose",
    # tests/isa/gpsimd_engine
    "local_gather",
    "nc_n_gather",
    "nonzero_with_count",
    "sequence_bounds",
    "tensor_partition_reduce",
    "topk",
    # tests/isa/scalar_engine
    "activate2",
    # tests/isa/tensor_engine
    "nc_matmul_mx",
    # tests/isa/vector_engine
    "dropout",
    "exponential",
    "max8",
    "nc_find_index8",
    "nc_match_replace8",
    "nc_stream_shuffle",
    "quantize_mx",
    "rand2",
    "rand_get_state",
    "rand_set_state",
    "range_select",
    "rng",
    "select_reduce",
    "set_rng_seed",
    "tensor_scalar_cumulative",
    "tensor_scalar_reduce",
}


def test_every_instruction_has_a_row():
    assert {row.op for row in ROWS} | TESTED_ELSEWHERE == set(INSTRUCTIONS)


FLOAT_ROWS = [r for r in ROWS if r.kind is np.float32 and not r.psum and r.op != "bn_aggr"]


@pytest.mark.parametrize("row", FLOAT_ROWS, ids=lambda r: r.op)
def test_bfloat16_results_are_rounded_once(row: Row):
    """With a bf16 dst the result is the fp32 result, rounded to nearest even."""
    same_type = row.op in ("nc_transpose", "tensor_copy_predicated")
    if same_type:
        pytest.skip("dst and data have one dtype")
    wide, narrow = simulate(row, row.inputs, np.float32), simulate(row, row.inputs, BF16)
    assert narrow.dtype == BF16
    assert np.array_equal(narrow, torch.from_numpy(wide).bfloat16().float().numpy().astype(BF16))
