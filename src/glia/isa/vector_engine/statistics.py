"""Vector engine: mean and variance of each partition, in float32; the order of sums is unpublished.

Source: aws-neuron-sdk nki/api/nki/isa/__init__.py.
"""

from __future__ import annotations

import numpy as np

from glia.isa.engines import engine as Engine
from glia.isa.launch.builder import current, instruction
from glia.isa.rules import f32, require, store
from glia.isa.stream import Instruction
from glia.isa.tensors.tensor import NkiTensor
from glia.isa.vector_engine.costs import vector_work
from glia.isa.vector_engine.operands import numeric, per_partition

BN_STATS_FMAX = 512  # nl.tile_size.bn_stats_fmax


@instruction
def bn_stats(dst: NkiTensor, data: NkiTensor, name: str | None = None) -> Instruction:
    """Per partition: count, mean, variance*count of the even, then of the odd elements.

    Raises:
        KernelError: for more than 512 elements per partition, or a dst that is not (P, 6).
    """
    what, b = "bn_stats", current()
    numeric(what, dst=dst, data=data)
    require(
        data.free_size <= BN_STATS_FMAX,
        f"{what} data",
        f"{data.free_size} elements",
        f"at most {BN_STATS_FMAX}",
        "one bn_stats for each part, and one bn_aggr",
    )
    per_partition(what, "dst", dst, data.num_partitions, 6)
    work = vector_work(b.target, data.free_size, dst, data)
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
    """Combine (count, mean, variance*count) triples into the mean and the variance.

    Raises:
        KernelError: unless data has a multiple of 3 elements per partition and dst is (P, 2).
    """
    what, b = "bn_aggr", current()
    numeric(what, dst=dst, data=data)
    require(
        data.free_size % 3 == 0,
        f"{what} data",
        f"{data.free_size} elements",
        "a multiple of 3",
    )
    per_partition(what, "dst", dst, data.num_partitions, 2)
    work = vector_work(b.target, b.target.bn_aggr_cycles * data.free_size / 3, dst, data)
    return b.emit(what, Engine.vector, (dst,), (data,), work, _bn_aggr)


def _bn_aggr(out: np.ndarray, x: np.ndarray) -> None:
    triples = f32(x).reshape(x.shape[0], -1, 3)
    count, mean, spread = triples[..., 0], triples[..., 1], triples[..., 2]
    total = count.sum(axis=1)
    whole = (count * mean).sum(axis=1) / total
    between = count * np.square(mean - whole[:, None])
    store(out, np.stack([whole, (spread + between).sum(axis=1) / total], axis=1))
