"""Vector engine: copies, fills, moves inside SBUF and PSUM.

Source: aws-neuron-sdk nki/api/nki/isa/__init__.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glia.isa.builder import current, instruction
from glia.isa.engines import engine as Engine
from glia.isa.rules import (
    f32,
    not_both_psum,
    on_chip,
    pick_engine,
    refusal,
    require,
    same_shape,
    store,
    traffic,
)
from glia.isa.stream import Instruction, Work
from glia.isa.target import QUADRANT
from glia.isa.tensor import NkiTensor
from glia.isa.vector_engine.costs import copy_rate, engine_work, vector_cycles


@instruction
def tensor_copy(
    dst: NkiTensor, src: NkiTensor, engine: Engine = Engine.unknown, name: str | None = None
) -> Instruction:
    """`dst = src` inside SBUF and PSUM; bit-exact for equal dtypes, else through float32."""
    what, b = "tensor_copy", current()
    on_chip(what, dst=dst, src=src)
    same_shape(what, dst, src=src)
    allowed: tuple[Engine, ...] = (Engine.vector, Engine.gpsimd)
    allowed = (*allowed, Engine.scalar) if b.target.can.scalar_tensor_copy else allowed
    on = pick_engine(what, engine, allowed, dst, src)
    rate = copy_rate(b.target, dst, src) if on is Engine.vector else 1.0
    work = engine_work(b.target, on, dst.free_size / rate, dst, src)
    same = dst.dtype == src.dtype
    return b.emit(what, on, (dst,), (src,), work, _copy_bits if same else _copy_through_fp32)


def _copy_bits(dst: np.ndarray, src: np.ndarray) -> None:
    dst[...] = src if src.shape == dst.shape else src.reshape(dst.shape)


def _copy_through_fp32(dst: np.ndarray, src: np.ndarray) -> None:
    store(dst, f32(src))


@instruction
def memset(
    dst: NkiTensor, value: float, engine: Engine = Engine.unknown, name: str | None = None
) -> Instruction:
    """Fill dst with a constant."""
    what, b = "memset", current()
    on_chip(what, dst=dst)
    filled = _fill_value(what, value, dst)
    on = pick_engine(what, engine, (Engine.vector, Engine.gpsimd), dst)
    rate = copy_rate(b.target, dst) if on is Engine.vector else 1.0
    work = engine_work(b.target, on, dst.free_size / rate, dst)

    def meaning(out: np.ndarray) -> None:
        out[...] = filled

    return b.emit(what, on, (dst,), (), work, meaning)


def _fill_value(what: str, value: float, dst: NkiTensor) -> np.ndarray:
    """The value in dst's dtype, which must be able to hold it."""
    kind = dst.dtype.numpy
    if dst.dtype.is_integer:
        limits = np.iinfo(kind)
        if value != int(value) or not limits.min <= value <= limits.max:
            expected = f"a whole number in {limits.min}..{limits.max}"
            raise refusal(f"{what} value", f"{value!r} for {dst.dtype}", expected)
    with np.errstate(over="ignore"):
        return np.asarray(value).astype(kind)


@instruction
def tensor_copy_predicated(
    dst: NkiTensor,
    src: Any,
    predicate: NkiTensor,
    reverse_pred: bool = False,
    name: str | None = None,
) -> Instruction:
    """Where predicate (uint) is nonzero, `dst = src` (a tile or a number); elsewhere dst stays."""
    what, b = "tensor_copy_predicated", current()
    on_chip(what, dst=dst, predicate=predicate)
    same_shape(what, dst, predicate=predicate)
    require(
        predicate.dtype.kind == "uint",
        f"{what} predicate",
        str(predicate.dtype),
        "uint8, uint16 or uint32",
    )
    tiles: tuple[NkiTensor, ...] = ()
    if isinstance(src, NkiTensor):
        on_chip(what, src=src)
        same_shape(what, dst, src=src)
        not_both_psum(what, src, predicate)
        require(src.dtype == dst.dtype, f"{what} src", str(src.dtype), f"dst's {dst.dtype}")
        tiles = (src,)
    n = dst.free_size * (1 if any(v.buffer == "psum" for v in (*tiles, predicate)) else 2)
    work = Work(
        vector_cycles(b.target, n),
        elements=dst.num_partitions * dst.free_size,
        sram=traffic(dst, predicate, *tiles),
    )

    def meaning(out: np.ndarray, _: np.ndarray, pred: np.ndarray, *sources: np.ndarray) -> None:
        mask = (pred.reshape(out.shape) == 0) if reverse_pred else (pred.reshape(out.shape) != 0)
        value = sources[0].reshape(out.shape) if sources else np.asarray(src).astype(out.dtype)
        np.copyto(out, value, where=mask)

    return b.emit(what, Engine.vector, (dst,), (dst, predicate, *tiles), work, meaning)


def transpose_on_vector(dst: NkiTensor, data: NkiTensor) -> Instruction:
    """The Vector engine's form of nc_transpose: up to 32 x 32."""
    b = current()
    require(
        data.free_size <= QUADRANT,
        "nc_transpose data",
        f"shape {data.shape}",
        "at most 32 x 32",
    )
    work = engine_work(b.target, Engine.vector, data.free_size, dst, data)

    def meaning(out: np.ndarray, x: np.ndarray) -> None:
        out[...] = x.reshape(x.shape[0], -1).T.reshape(out.shape)

    return b.emit("nc_transpose", Engine.vector, (dst,), (data,), work, meaning)
