"""Vector engine: mean and variance.

Source: aws-neuron-sdk nki/api/nki/isa/__init__.py.
"""

from __future__ import annotations

import numpy as np

from glia.isa.builder import current, instruction
from glia.isa.engines import engine as Engine
from glia.isa.rules import f32, on_chip, require, store, traffic
from glia.isa.stream import Instruction, Work
from glia.isa.tensor import NkiTensor
from glia.isa.vector_engine.costs import vector_cycles


@instruction
def bn_stats(dst: NkiTensor, data: NkiTensor, name: str | None = None) -> Instruction:
    """Per partition: count, mean, variance*count of the even, then of the odd elements."""
    what, b = "bn_stats", current()
    on_chip(what, dst=dst, data=data)
    require(data.free_size <= 512, f"{what} data", f"{data.free_size} elements", "at most 512")
    require(dst.free_size == 6, f"{what} dst", f"shape {dst.shape}", "6 elements per partition")
    work = Work(
        vector_cycles(b.target, data.free_size),
        elements=data.num_partitions * data.free_size,
        sram=traffic(dst, data),
    )
    return b.emit(what, Engine.vector, (dst,), (data,), work, _bn_stats)


def _bn_stats(out: np.ndarray, x: np.ndarray) -> None:
    flat = f32(x).reshape(x.shape[0], -1)
    rows = []
    for half in (flat[:, 0::2], flat[:, 1::2]):
        count = half.shape[1]
        mean = half.mean(axis=1) if count else np.zeros(len(flat), np.float32)
        spread = np.square(half - mean[:, None]).sum(axis=1)
        rows += [np.full(len(flat), count, np.float32), mean, spread]
    store(out, np.stack(rows, axis=1))


@instruction
def bn_aggr(dst: NkiTensor, data: NkiTensor, name: str | None = None) -> Instruction:
    """Combine (count, mean, variance*count) triples into the mean and the variance."""
    what, b = "bn_aggr", current()
    on_chip(what, dst=dst, data=data)
    require(
        data.free_size % 3 == 0,
        f"{what} data",
        f"{data.free_size} elements",
        "a multiple of 3",
    )
    require(dst.free_size == 2, f"{what} dst", f"shape {dst.shape}", "2 elements per partition")
    cycles = vector_cycles(b.target, 13 * data.free_size / 3)
    work = Work(cycles, elements=data.num_partitions * data.free_size, sram=traffic(dst, data))
    return b.emit(what, Engine.vector, (dst,), (data,), work, _bn_aggr)


def _bn_aggr(out: np.ndarray, x: np.ndarray) -> None:
    triples = f32(x).reshape(x.shape[0], -1, 3)
    count, mean, spread = triples[..., 0], triples[..., 1], triples[..., 2]
    total = count.sum(axis=1)
    whole = (count * mean).sum(axis=1) / total
    between = count * np.square(mean - whole[:, None])
    store(out, np.stack([whole, (spread + between).sum(axis=1) / total], axis=1))
