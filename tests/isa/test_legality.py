"""One illegal call per rule: each is refused, with the kernel's file and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.dtypes import dtype
from glia.core.errors import KernelError
from glia.isa.target import target_of
from glia.nki.kernel import TensorSpec


def sbuf(*shape: int, kind: Any = nl.float32, **more: Any) -> Any:
    tile = nl.ndarray(shape, kind, **more)
    nisa.memset(tile, 0)
    return tile


def psum(*shape: int, kind: Any = nl.float32) -> Any:
    tile = nl.ndarray(shape, kind, nl.psum)
    nisa.memset(tile, 0)
    return tile


def ts(**options: Any) -> Any:
    kind = options.pop("kind", nl.float32)
    tile = sbuf(128, 8, kind=kind)
    return nisa.tensor_scalar(tile, tile, **{"operand0": 1.0, **options})


def mm(m: int = 64, n: int = 64, k: int = 64, accumulate: Any = None, **kinds: Any) -> Any:
    s, v = (
        sbuf(k, m, kind=kinds.get("s", nl.bfloat16)),
        sbuf(k, n, kind=kinds.get("v", nl.bfloat16)),
    )
    return nisa.nc_matmul(psum(m, n, kind=kinds.get("d", nl.float32)), s, v, accumulate=accumulate)


BF, I32 = nl.bfloat16, nl.int32
RULES: list[tuple[str, Callable[[Any], Any], str]] = [
    ("never written", lambda x: nisa.tensor_copy(sbuf(8, 8), nl.ndarray((8, 8), nl.float32)),
     "memory never written"),
    ("start 33..64", lambda x: nisa.memset(sbuf(128, 4)[32:80], 0), "multiple of 64"),
    ("start <= 32", lambda x: nisa.memset(sbuf(128, 4)[16:40], 0), "multiple of 32"),
    ("start > 64", lambda x: nisa.memset(sbuf(128, 4)[32:128], 0), "only 0"),
    ("partition step", lambda x: nisa.memset(sbuf(128, 4)[0:128:2], 0), "consecutive partitions"),
    ("129 partitions", lambda x: nl.ndarray((129, 4), nl.float32), "tile it by"),
    ("partition too long", lambda x: nl.ndarray((1, 10**6), nl.float32), "split its free dims"),
    ("six dims", lambda x: nisa.memset(sbuf(8, 3, 3, 3, 3, 3)[:, 0:2, 0:2, 0:2, 0:2, 0:2], 0),
     "pattern of 6 dims"),
    ("broadcast write", lambda x: nisa.memset(sbuf(8, 1).broadcast(1, 4), 0), "a broadcast view"),
    ("memset fraction", lambda x: nisa.memset(sbuf(8, 8, kind=I32), 0.5), "whole number"),
    ("memset range", lambda x: nisa.memset(sbuf(8, 8, kind=nl.uint8), 256), r"0\.\.255"),
    ("hbm operand", lambda x: nisa.tensor_copy(sbuf(128, 64), x), "load it with dma_copy"),
    ("shape", lambda x: nisa.tensor_copy(sbuf(8, 8), sbuf(8, 9)), "dst's shape"),
    ("dma psum", lambda x: nisa.dma_copy(sbuf(8, 8), psum(8, 8)), "copy PSUM to SBUF"),
    ("array to dma", lambda x: nisa.dma_copy(np.zeros((128, 64), np.float32), x),
     r"got a NumPy array float32\[128, 64\], .*make it with nl.ndarray"),
    ("array as operand", lambda x: nisa.tensor_copy(sbuf(8, 8), np.zeros((8, 8))),
     r"got a NumPy array float64\[8, 8\], .*load it with dma_copy"),
    ("number as operand", lambda x: nisa.tensor_copy(sbuf(8, 8), 3), "got the number 3"),
    ("none as operand", lambda x: nisa.dma_copy(sbuf(8, 8), None), "got None.*nl.ndarray"),
    ("dma totals", lambda x: nisa.dma_copy(sbuf(8, 8), x),
     "equal numbers of elements; slice the larger"),
    ("both psum", lambda x: nisa.tensor_tensor(sbuf(8, 8), psum(8, 8), psum(8, 8), op=nl.add),
     "both inputs in PSUM"),
    ("gpsimd psum", lambda x: nisa.tensor_copy(sbuf(8, 8), psum(8, 8), engine=nisa.engine.gpsimd),
     "GpSimd cannot access PSUM"),
    ("power engine", lambda x: nisa.tensor_tensor(
        sbuf(8, 8), sbuf(8, 8), sbuf(8, 8), op=nl.power, engine=nisa.engine.vector), "gpsimd"),
    ("unary pair", lambda x: nisa.tensor_tensor(sbuf(8, 8), sbuf(8, 8), sbuf(8, 8), op=nl.rsqrt),
     "a binary operator"),
    ("bits of floats", lambda x: ts(op0=nl.bitwise_and), "integer types"),
    ("mixed kinds", lambda x: ts(op0=nl.add, op1=nl.bitwise_and, operand1=1), "one kind"),
    ("rsqrt engine", lambda x: ts(op0=nl.rsqrt, operand0=None, engine=nisa.engine.vector),
     "one of gpsimd"),
    ("scalar operators", lambda x: ts(op0=nl.maximum, engine=nisa.engine.scalar), "one of vector"),
    ("column dtype", lambda x: ts(op0=nl.add, operand0=sbuf(128, 1, kind=BF)), "expected float32"),
    ("column shape", lambda x: ts(op0=nl.add, operand0=sbuf(128, 2)), r"\(128, 1\)"),
    ("not an op", lambda x: ts(op0="add"), "expected an ALU operator"),
    ("bit op in stt", lambda x: nisa.scalar_tensor_tensor(
        sbuf(8, 8), sbuf(8, 8), nl.bitwise_and, 1, nl.add, sbuf(8, 8)), "binary arithmetic"),
    ("reduce axis", lambda x: nisa.tensor_reduce(sbuf(8, 4), nl.add, sbuf(8, 4, 4), axis=1),
     "the last free dims"),
    ("reduce op", lambda x: nisa.tensor_reduce(sbuf(8, 1), nl.equal, sbuf(8, 4), axis=1),
     "got reduction"),
    ("bn_stats width", lambda x: nisa.bn_stats(sbuf(8, 6), sbuf(8, 513)), "at most 512"),
    ("predicate dtype", lambda x: nisa.tensor_copy_predicated(sbuf(8, 8), 1.0, sbuf(8, 8)),
     "one of uint8, uint16, uint32"),
    ("activation name", lambda x: nisa.activation(sbuf(8, 8), op=nl.add, data=sbuf(8, 8)),
     "an activation function"),
    ("carried sum", lambda x: nisa.activation(
        sbuf(8, 8), op=nl.exp, data=sbuf(8, 8), reduce_cmd=nisa.reduce_cmd.reduce),
     "reduce without reduce_op"),
    ("matmul in psum", lambda x: nisa.nc_matmul(psum(8, 8), psum(8, 8), sbuf(8, 8)), "stationary"),
    ("matmul out", lambda x: nisa.nc_matmul(sbuf(8, 8), sbuf(8, 8), sbuf(8, 8)), "psum"),
    ("matmul out: what to do", lambda x: nisa.nc_matmul(sbuf(8, 8), sbuf(8, 8), sbuf(8, 8)),
     "expected psum; allocate it with buffer=nl.psum"),
    ("matmul contraction", lambda x: nisa.nc_matmul(psum(8, 8), sbuf(64, 8), sbuf(32, 8)),
     "got 32 partitions.*stationary's 64.*transpose or slice"),
    ("matmul result", lambda x: nisa.nc_matmul(psum(16, 8), sbuf(64, 8), sbuf(64, 8)),
     r"got shape \(16, 8\), expected \(8, 8\); dst has stationary's columns"),
    ("shape: what to do", lambda x: nisa.tensor_copy(sbuf(8, 8), sbuf(8, 9)), "slice one to the"),
    ("matmul dtype", lambda x: mm(s=I32), "convert it first"),
    ("matmul mix", lambda x: mm(s=nl.float32), "float32 only with float32"),
    ("matmul dst", lambda x: mm(d=BF), "accumulate in float32"),
    ("stationary width", lambda x: nisa.nc_matmul(psum(128, 8), sbuf(8, 129), sbuf(8, 8)),
     "at most 128"),
    ("moving width", lambda x: mm(n=513), "gemm_moving_fmax"),
    ("bank", lambda x: nisa.nc_matmul(psum(64, 600)[:, 300:600], sbuf(8, 64), sbuf(8, 300)),
     "one bank of 2048 bytes"),
    ("rows of the array", lambda x: nisa.nc_matmul(
        psum(8, 8), sbuf(128, 8)[0:32], sbuf(128, 8)[32:64]), "same rows of the array"),
    ("onto memset", lambda x: mm(accumulate=True), "undefined on hardware"),
    ("transpose dtype", lambda x: nisa.nc_transpose(psum(8, 8), sbuf(8, 8, kind=BF)), "data's"),
    ("transpose on vector", lambda x: nisa.nc_transpose(
        sbuf(64, 32), sbuf(32, 64), engine=nisa.engine.vector), "32 x 32"),
    ("iota pattern", lambda x: nisa.iota(sbuf(8, 8), [[1, 7]]), "with 8 elements"),
    ("comparison", lambda x: nisa.affine_select(
        sbuf(8, 8), [[1, 8]], 1, sbuf(8, 8), 0.0, cmp_op=nl.add), "a comparison"),
    ("index", lambda x: x[0:129], "clamp with min"),
    ("slice step", lambda x: x[::-1], "a step of at least 1"),
    ("reshape", lambda x: sbuf(8, 8).reshape((4, 16)), "partition dim"),
    ("pattern", lambda x: nisa.dma_copy(sbuf(128, 64), x.ap([[64, 129], [1, 64]])[1:129]),
     "shorten the pattern"),
    ("arguments", lambda x: nisa.memset(sbuf(8, 8), 0, colour=1), "colour"),
    ("no room", lambda x: [
        nisa.tensor_copy(t, t) for t in [sbuf(128, 30000), sbuf(128, 30000)] * 2],
     "use smaller tiles"),
    ("pins overlap", lambda x: [
        nisa.tensor_copy(t, t)
        for t in [sbuf(8, 8, address=(0, 0)), sbuf(8, 8, address=(0, 16))] * 2],
     "move one of them"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), [r[1:] for r in RULES], ids=[r[0] for r in RULES])
def test_refused(body: Callable[[Any], Any], message: str):
    def kernel(x: Any) -> Any:
        out = nl.ndarray((128, 64), nl.float32, nl.shared_hbm)
        nisa.dma_copy(out, x)
        body(x)
        return out

    spec = TensorSpec((128, 64), dtype("float32"))
    with pytest.raises(KernelError, match=message) as caught:
        nki.jit(kernel).trace(spec, target=target_of("trn2"))
    if "placing" not in str(caught.value) and "allocating" not in str(caught.value):
        assert str(caught.value).startswith("test_legality.py:")


def test_gather_out_of_bounds_names_the_line():
    @nki.jit
    def kernel(table: Any, ids: Any) -> Any:
        out = nl.ndarray((4, 8), nl.float32, nl.shared_hbm)
        index, tile = nl.load(ids), nl.ndarray((4, 8), nl.float32)
        nisa.dma_copy(tile, table.ap([[8, 4], [1, 8]], vector_offset=index))
        nisa.dma_copy(out, tile)
        return out

    table = np.arange(80, dtype=np.float32).reshape(10, 8)
    good = np.array([[3], [0], [9], [3]], np.int32)
    assert np.array_equal(nki.simulate(kernel)(table, good), table[good[:, 0]])
    with pytest.raises(KernelError, match=r"test_legality.py:\d+: .*got row 10, expected 0..9"):
        nki.simulate(kernel)(table, good + 1)


def tile_of(rows: int) -> Any:
    return nl.ndarray((rows, 8), nl.float32)  # in the helper


def test_tensors_are_called_as_the_kernel_calls_them():
    def kernel(x: Any) -> None:
        weights = nl.load(x)
        total: Any = nl.ndarray((8, 8), nl.float32, nl.psum)
        named = nl.ndarray((8, 8), nl.float32, name="given")
        pair = (nl.ndarray((8, 8), nl.float32), named)
        assert repr(weights).startswith("weights:float32[128, 64]@sbuf")
        assert repr(weights[0:8]).startswith("weights:float32[8, 64]")
        assert repr(total).startswith("total:") and repr(named).startswith("given:")
        assert repr(pair[0]).startswith("sbuf") and repr(tile_of(8)).startswith("sbuf")
        nisa.tensor_copy(named, total)

    with pytest.raises(KernelError, match=r"reading total:float32\[8, 8\]@psum: got memory never"):
        nki.jit(kernel).trace(TensorSpec((128, 64), dtype("float32")), target=target_of("trn2"))


def test_an_allocation_by_a_helper_names_who_called_it():
    def kernel(x: Any) -> None:
        tile_of(129)  # the caller

    with pytest.raises(KernelError) as caught:
        nki.jit(kernel).trace(TensorSpec((128, 64), dtype("float32")), target=target_of("trn2"))
    lines = Path(__file__).read_text().splitlines()
    inside, outside = (
        next(i for i, text in enumerate(lines, 1) if text.endswith(mark))
        for mark in ("# in the helper", "# the caller")
    )
    text = str(caught.value)
    assert text.startswith(f"test_legality.py:{inside}: allocating a tensor in sbuf "), text
    assert f"(called at test_legality.py:{outside})" in text
