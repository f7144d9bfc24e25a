"""Saved streams: the same instructions, addresses, values and timeline come back."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.chips import load_chip
from glia.core.dtypes import dtype
from glia.core.errors import FormatError
from glia.isa.serial import load_stream, save_stream
from glia.isa.stream import Stream
from glia.isa.target import target_of
from glia.nki.kernel import TensorSpec
from glia.nki.simulation import execute
from glia.silicon import Core, Timing, schedule

TARGET = target_of("trn2")
RNG = np.random.default_rng(5)


@nki.jit
def product(a, b):
    out = nl.ndarray((128, 256), dtype=nl.float32, buffer=nl.shared_hbm)
    acc = nl.ndarray((128, 256), dtype=nl.float32, buffer=nl.psum)
    for k in range(2):
        left = nl.load(a[k * 128 : (k + 1) * 128])
        right = nl.load(b[k * 128 : (k + 1) * 128])
        nisa.nc_matmul(acc, left, right, accumulate=k > 0)
    done = nl.ndarray((128, 256), dtype=nl.float32, buffer=nl.sbuf, address=(0, 4096))
    nisa.activation(dst=done, op=nl.gelu, data=acc, scale=0.5)
    nisa.dma_copy(out, done)
    return out


@nki.jit
def rows(table, ids):
    out = nl.ndarray((64, 16), dtype=nl.float32, buffer=nl.shared_hbm)
    index = nl.load(ids)
    tile = nl.ndarray((64, 16), dtype=nl.float32)
    nisa.dma_copy(tile, table.ap([[16, 64], [1, 16]], vector_offset=index))
    shift = nl.load(nl.shared_constant(np.arange(64 * 16, dtype=np.float32).reshape(64, 16)))
    nisa.tensor_tensor(tile, tile, shift, nl.add)
    masked = nl.ndarray((64, 16), dtype=nl.float32)
    pattern = [[-1, 16]]
    nisa.affine_select(masked, pattern, 1, tile, -np.inf, cmp_op=nl.greater_equal, name="triangle")
    pattern[0][0] = 99  # the kernel's list is its own: what was called is what is saved
    top = nl.ndarray((64, 1), dtype=nl.float32)
    nisa.tensor_reduce(top, nl.maximum, masked, axis=[1])
    nisa.tensor_scalar(tile, tile, op0=nl.subtract, operand0=top, engine=nisa.engine.vector)
    nisa.dma_copy(out, tile)
    return out


def traced(name: str) -> tuple[Stream, list[np.ndarray]]:
    if name == "product":
        arrays = [RNG.standard_normal((256, n)).astype(dtype("bf16").numpy) for n in (128, 256)]
        kernel = product
    else:
        arrays = [
            RNG.standard_normal((40, 16)).astype(np.float32),
            RNG.integers(0, 40, (64, 1)).astype(np.int32),
        ]
        kernel = rows
    specs = [TensorSpec(a.shape, dtype(a.dtype)) for a in arrays]
    return kernel.trace(*specs, target=TARGET), arrays


def facts(stream: Stream) -> list[tuple]:
    """Everything of an instruction but its meaning."""
    return [
        (i.op, i.engine, i.work, i.line, [view_facts(v) for v in (*i.writes, *i.reads)])
        for i in stream.instructions
    ]


def view_facts(v) -> tuple:
    return (v.storage.index, v.storage.address, v.dtype, v.shape, v.steps, v.start, v.partition)


@pytest.mark.parametrize("name", ["product", "rows"])
def test_round_trip(name):
    stream, arrays = traced(name)
    record = json.loads(json.dumps(save_stream(stream), allow_nan=False))
    again = load_stream(record, TARGET)
    assert facts(again) == facts(stream)
    assert save_stream(again) == save_stream(stream)
    timing = Timing.of(load_chip("trn2").silicon)
    assert schedule(again, timing) == schedule(stream, timing)
    got, expected = (execute(s, arrays, Core(TARGET)) for s in (again, stream))
    assert np.array_equal(got, expected)
    assert again.instructions[0].file == "test_serial.py"


def test_other_generation_refused():
    record = save_stream(traced("product")[0])
    with pytest.raises(FormatError, match="generation 'gen3', expected gen2 of inf2"):
        load_stream(record, target_of("inf2"))


def altered(**changes) -> dict:
    record = copy.deepcopy(save_stream(traced("rows")[0]))
    for path, value in changes.items():
        place = record
        *steps, last = [int(p) if p.isdigit() else p for p in path.split("__")]
        for step in steps:
            place = place[step]
        place[last] = value
    return record


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "format 2, expected 1; use a newer glia"),
        ({"extra": 1}, "unknown or missing keys 'extra'"),
        ({"storages__0__color": "red"}, "unknown or missing keys 'color'"),
        ({"storages__0__dtype": "float7"}, "float7"),
        ({"storages__0__memory": "cloud"}, "cloud"),
        ({"storages__0__role": "king"}, "role 'king'"),
        ({"storages__1__shape": [4, 1]}, "access pattern"),
        ({"storages__0__shape": "abc"}, "got str, expected list"),
        ({"calls__0__0": "nc_magic"}, "instruction 'nc_magic', expected one of activat"),
        ({"calls__0__3__surprise": 1}, "unexpected keyword argument 'surprise'"),
        ({"calls__0__3__dst": {"view": 999}}, "number 999"),
        ({"calls__0__3__dst": {"what": 1}}, "argument"),
        ({"calls__3__3__op": {"op": "nosuch"}}, "argument"),
        ({"calls__0__1": 7}, "file"),
        ({"calls__0": ["memset"]}, "call 0 of 1 fields"),
        ({"views__0__4": 10_000_000}, "access pattern"),
        ({"views__0__2": [0, 16]}, "sizes above 0"),
        ({"views__0__0": -1}, "number -1"),
        ({"views__0__0": True}, "got bool, expected int"),
        ({"outputs": []}, None),
    ],
)
def test_altered_records_are_refused(changes, message):
    record = altered(**changes)
    if message is None:
        assert load_stream(record, TARGET).outputs == ()
        return
    with pytest.raises(FormatError, match=message):
        load_stream(record, TARGET)


def test_legality_is_checked_again():
    record = altered()
    del record["calls"][0]  # the load that initialises the index
    with pytest.raises(FormatError, match=r"test_serial.py:\d+: dma_copy reading .* never written"):
        load_stream(record, TARGET)


def test_truncated_constant():
    record = altered()
    at = next(i for i, s in enumerate(record["storages"]) if s["data"])
    record["storages"][at]["data"] = record["storages"][at]["data"][:-8]
    with pytest.raises(FormatError, match="bytes of data"):
        load_stream(record, TARGET)
