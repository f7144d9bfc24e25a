"""nc_transpose: on the Tensor engine, which passes data through, or on the Vector engine."""

from __future__ import annotations

import numpy as np

from glia.core.dtypes import DType
from glia.core.dtypes import dtype as find_dtype
from glia.isa.engines import engine as Engine
from glia.isa.launch.builder import current, instruction
from glia.isa.rules import f32, on_chip, refusal, require, traffic
from glia.isa.stream import Instruction, Work
from glia.isa.target import Target
from glia.isa.tensor_engine.array import SIZE, check_bank, check_memories
from glia.isa.tensors.tensor import NkiTensor
from glia.isa.undefined import moved
from glia.isa.vector_engine import transpose_on_vector

_VECTOR_SIZE = 32  # the Vector engine transposes blocks of 32 x 32


@instruction
def nc_transpose(
    dst: NkiTensor, data: NkiTensor, engine: Engine = Engine.unknown, name: str | None = None
) -> Instruction:
    """`dst[F, P] = data[P, F]`: Tensor engine up to 128 x 128 (SBUF to PSUM), Vector up to 32 x 32.

    dst has data's dtype. Free dims are flattened. fp8 results on the Tensor engine are 16 bits
    apart, with zeros above, where the chip has a transpose mode.
    """
    what, b = "nc_transpose", current()
    on_chip(what, dst=dst, data=data)
    if dst.dtype != data.dtype:
        raise refusal(f"{what} dst", str(dst.dtype), f"data's {data.dtype}")
    if dst.num_partitions != data.free_size or dst.free_size != data.num_partitions:
        expected = f"({data.free_size}, {data.num_partitions})"
        raise refusal(f"{what} dst", f"shape {dst.shape}", expected)
    if _on_vector(engine, dst, data):
        return transpose_on_vector(dst, data)
    check_memories(what, dst, data=data)
    if data.free_size > SIZE:
        raise refusal(f"{what} data", f"{data.free_size} columns", f"at most {SIZE}")
    exact = b.target.can.transpose_bit_exact
    out = halfwords(what, dst) if exact else dst
    check_bank(what, out, b.target)
    passes = transpose_passes(b.target, data.dtype)
    work = Work(
        cycles=data.num_partitions * passes,
        flops=2.0 * data.num_partitions * data.num_partitions * data.free_size,
        flop_kind=data.dtype.name,
        cell_rate=1.0 / passes,
        useful=False,
        sram=traffic(dst, data),
    )
    meaning = _multiply_by_identity if data.dtype.is_float and not exact else _transpose
    carries = moved(_transpose) if meaning is _transpose else None
    return b.emit(what, Engine.tensor, (out,), (data,), work, meaning, carries=carries)


def _on_vector(chosen: Engine, dst: NkiTensor, data: NkiTensor) -> bool:
    small = data.num_partitions <= _VECTOR_SIZE and data.free_size <= _VECTOR_SIZE
    if chosen not in (Engine.unknown, Engine.tensor, Engine.vector):
        raise refusal("nc_transpose", f"engine {chosen.name}", "tensor or vector")
    if chosen is Engine.vector and not small:
        raise refusal("nc_transpose data", f"shape {data.shape}", "at most 32 x 32 on vector")
    return chosen is Engine.vector or (
        chosen is Engine.unknown and small and not (data.buffer == "sbuf" and dst.buffer == "psum")
    )


def transpose_passes(target: Target, kind: DType) -> float:
    """4-byte data take the passes of float32, half of them where there is a transpose mode
    (nki/guides/architecture/trainium2_arch.rst: fp32 transposes run twice as fast)."""
    if kind.itemsize < 4:
        return 1.0
    return target.fp32_passes / (2 if target.can.transpose_bit_exact else 1)


def halfwords(what: str, dst: NkiTensor) -> NkiTensor:
    """dst as what transpose mode writes: fp8 comes out as 16 bits, the number in the low byte.

    dst must therefore step over every second element.
    """
    if dst.dtype.itemsize != 1 or not dst.dtype.is_float:
        return dst
    steps = [s for s, n in zip(dst.steps[1:], dst.shape[1:], strict=True) if n > 1]
    if dst.start % 2 or any(s % 2 for s in steps):
        raise refusal(
            f"{what} dst",
            f"{dst.dtype} steps of {steps or [1]} from element {dst.start}",
            "even ones: transpose mode writes 16 bits per fp8 number",
            "allocate twice the columns and write every second",
        )
    require(dst.indirection is None, f"{what} dst", "a run-time address", "a fixed one for fp8")
    halved = (dst.steps[0], *(s // 2 for s in dst.steps[1:]))
    return NkiTensor.of(
        dst.storage, find_dtype("uint16"), dst.shape, halved, dst.start // 2, dst.partition
    )


# -- meaning -----------------------------------------------------------------------------------


def flat(array: np.ndarray) -> np.ndarray:
    """[rows, free]."""
    return array if array.ndim == 2 else array.reshape(array.shape[0], -1)


def _transpose(dst: np.ndarray, data: np.ndarray) -> None:
    # Rows lie a whole partition apart: gathered first, columns are read from cache, 6 times faster.
    rows = np.ascontiguousarray(flat(data))
    if dst.dtype != data.dtype:  # fp8 into 16 bits
        rows = rows.view(np.uint8)
    dst[...] = rows.T.reshape(dst.shape)


def _multiply_by_identity(dst: np.ndarray, data: np.ndarray) -> None:
    """A product with the identity, where 0 * NaN and 0 * inf spread along the contraction."""
    rows = np.ascontiguousarray(flat(data))
    value = f32(rows)
    if np.isfinite(value).all():
        dst[...] = rows.T.reshape(dst.shape)
    else:
        dst[...] = (value.T @ np.eye(len(value), dtype=np.float32)).reshape(dst.shape)


__all__ = ["flat", "halfwords", "nc_transpose", "transpose_passes"]
