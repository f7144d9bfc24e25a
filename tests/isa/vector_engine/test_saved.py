"""Streams with the Vector engine's instructions are saved and made again, state and all."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.dtypes import dtype
from glia.isa.serial import load_stream, save_stream
from glia.isa.target import target_of
from glia.nki.kernel import TensorSpec
from glia.nki.simulation import execute
from glia.silicon.execution.core import Core
from isa.vector_engine.harness import CMD, normal


def kernel(x: Any) -> Any:
    tile, waste = nl.ndarray(x.shape, x.dtype, nl.sbuf), nl.ndarray(x.shape, x.dtype, nl.sbuf)
    nisa.dma_copy(tile, x)
    top, result = (nl.ndarray((x.shape[0], n), nl.float32, nl.sbuf) for n in (8, 12))
    index = nl.ndarray((x.shape[0], 8), nl.uint32, nl.sbuf)
    nisa.max8(top, tile)
    nisa.nc_match_replace8(waste, tile, top, float("-inf"), index)
    nisa.nc_stream_shuffle(tile, tile, [*range(1, 32), 255])
    nisa.range_select(waste, tile, nl.less, nl.greater, top[:, 0:1], top[:, 7:8])
    nisa.tensor_scalar_reduce(
        waste, tile, nl.add, top[:, 0:1], nl.maximum, result[:, 8:9], reduce_cmd=CMD.reduce
    )
    nisa.tensor_scalar_cumulative(waste, tile, nl.add, nl.add, 0.5)
    nisa.exponential(waste, waste, top[:, 0:1], result[:, 9:10], CMD.reset_reduce)
    nisa.dropout(tile, tile, 0.5)
    nisa.rand2(result[:, 10:12], 0.0, 1.0)
    nisa.tensor_copy(result[:, 0:8], index)
    out = nl.ndarray((x.shape[0], 12), nl.float32, nl.shared_hbm)
    nisa.dma_copy(out, result)
    return out


def test_saved_and_made_again():
    target, x = target_of("trn3"), normal(64, 40)
    stream = nki.jit(kernel).trace(TensorSpec(x.shape, dtype("float32")), target=target)
    again = load_stream(json.loads(json.dumps(save_stream(stream))), target)
    assert [(i.op, i.work) for i in again.instructions] == [
        (i.op, i.work) for i in stream.instructions
    ]
    first, second = (execute(s, [x], Core(target)) for s in (stream, again))
    assert np.array_equal(first, second) and np.isfinite(first[:, :9]).all()


def test_replays_do_not_depend_on_what_ran_before():
    """State that a launch did not set is the same for each launch, not what the last one left."""
    target, x = target_of("trn3"), normal(64, 40)
    stream = nki.jit(kernel).trace(TensorSpec(x.shape, dtype("float32")), target=target)
    core = Core(target)
    assert np.array_equal(execute(stream, [x], core), execute(stream, [x], core))
