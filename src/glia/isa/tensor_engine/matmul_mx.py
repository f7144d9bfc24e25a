"""nc_matmul_mx: a product of MX tiles, four numbers per packed element, scaled by powers of two.

A group of 32 numbers (8 partitions x the 4 of an element) shares one scale. The four scales of a
quadrant of 32 partitions lie in four partitions of the same quadrant, at offset 0, 4, 8 or 12.
Sources: aws-neuron-sdk nki/api/nki/isa/__init__.py, nki/deep-dives/mxfp-matmul.rst.
"""

from __future__ import annotations

import numpy as np

from glia.core.dtypes import DType, unpack
from glia.isa.engines import engine as Engine
from glia.isa.launch.builder import current, instruction
from glia.isa.rules import f32, in_memory, refusal, require, traffic
from glia.isa.stream import Instruction, Work
from glia.isa.target import QUADRANT
from glia.isa.tensor_engine.array import (
    SIZE,
    accumulates,
    array_tile,
    check_fit,
    check_memories,
    check_moving,
    check_result_type,
    is_open,
    onto_zeros,
)
from glia.isa.tensors.tensor import NkiTensor

_PACKED = 4  # numbers per element, each a step of the contraction
_GROUP = 8  # partitions that share a scale
_SCALES = QUADRANT // _GROUP  # partitions of scales per quadrant
_OFFSETS = (0, 4, 8, 12)
_FLOP_KIND = "float8_e4m3fn_x4"  # fp4 is widened to fp8 before the array


@instruction
def nc_matmul_mx(
    dst: NkiTensor,
    stationary: NkiTensor,
    moving: NkiTensor,
    stationary_scale: NkiTensor,
    moving_scale: NkiTensor,
    tile_position: tuple[int, ...] | None = None,
    tile_size: tuple[int, ...] | None = None,
    accumulate: bool | None = None,
    name: str | None = None,
) -> Instruction:
    """`dst[M, N] (+)= stationary[K, M]^T @ moving[K, N]` over K partitions x 4 packed numbers.

    K is a multiple of 32, M even. Scale tiles hold exponents e of 2^(e - 127), one per 8 partitions
    and column.
    """
    what, b = "nc_matmul_mx", current()
    require(b.target.can.matmul_mx, what, b.target.chip, "a chip with MX products", "use nc_matmul")
    check_memories(what, dst, stationary=stationary, moving=moving)
    for role, view in (("stationary", stationary), ("moving", moving)):
        if not view.dtype.is_packed:
            kinds = "float8_e5m2_x4, float8_e4m3fn_x4 or float4_e2m1fn_x4"
            raise refusal(f"{what} {role}", str(view.dtype), kinds, "pack it with quantize_mx")
    rows, width, columns = stationary.shape[0], stationary.free_size, moving.free_size
    require(
        rows % QUADRANT == 0, f"{what} stationary", f"{rows} partitions", "a multiple of 32",
        "pad with zeros",
    )  # fmt: skip
    require(width % 2 == 0, f"{what} stationary", f"{width} columns", "an even number")
    tile = array_tile(what, tile_position, tile_size, b.target)
    require(tile is None or tile.columns == SIZE, what, "a column tile", "row tiles only")
    check_fit(what, stationary, moving, tile, width, b.target)
    check_result_type(what, dst, b.target)
    check_moving(what, dst, columns, width, b.target)
    scales = (
        *scale_rows(what, "stationary_scale", stationary_scale, stationary, width),
        *scale_rows(what, "moving_scale", moving_scale, moving, columns),
    )
    work = Work(
        cycles=columns,
        flops=2.0 * rows * _PACKED * width * columns,
        flop_kind=_FLOP_KIND,
        cell_rate=b.target.mx_rate,
        sram=traffic(dst, stationary, moving, *scales),
        tile=tile,
    )
    adds, unclear = accumulates(what, dst, accumulate), is_open(dst, accumulate)
    kinds_of = stationary.dtype, moving.dtype

    def meaning(out: np.ndarray, left: np.ndarray, right: np.ndarray, *rest: np.ndarray) -> None:
        half = rows // QUADRANT
        first = scaled(left, kinds_of[0], rest[:half])
        second = scaled(right, kinds_of[1], rest[half : 2 * half])
        product = (first.T @ second).reshape(out.shape)
        out[...] = f32(out) + product if adds else product

    reads = (stationary, moving, *scales, *((dst,) if adds else ()))
    done = onto_zeros(what, meaning) if unclear else meaning
    return b.emit(what, Engine.tensor, (dst,), reads, work, done, accumulates=True)


def scale_rows(
    what: str, role: str, scale: NkiTensor, data: NkiTensor, columns: int
) -> tuple[NkiTensor, ...]:
    """The scales of data's quadrants: four partitions of each, [4, columns]."""
    if not isinstance(scale, NkiTensor):
        raise refusal(f"{what} {role}", type(scale).__name__, "a tile in SBUF")
    in_memory(what, role, scale, "sbuf")
    kind = scale.dtype.name
    require(kind in ("uint8", "float8_e8m0fnu"), f"{what} {role}", kind, "float8_e8m0fnu or uint8")
    first = scale.start_partition
    if first // QUADRANT != data.start_partition // QUADRANT or first % QUADRANT not in _OFFSETS:
        base = data.start_partition // QUADRANT * QUADRANT
        expected = " or ".join(str(base + n) for n in _OFFSETS)
        raise refusal(f"{what} {role}", f"start partition {first}", expected)
    num_quadrants = data.shape[0] // QUADRANT
    needed = (num_quadrants - 1) * QUADRANT + _SCALES
    if scale.shape[0] < needed or scale.free_size != columns:
        expected = f"at least {needed} partitions and {columns} columns"
        raise refusal(f"{what} {role}", f"shape {scale.shape}", expected)
    starts = range(0, num_quadrants * QUADRANT, QUADRANT)
    return tuple(scale[at : at + _SCALES] for at in starts)


def scaled(packed: np.ndarray, kind: DType, scales: tuple[np.ndarray, ...]) -> np.ndarray:
    """float32 [4 K, columns]: the numbers of packed [K, columns] times their scales."""
    values = unpack(packed.reshape(len(packed), -1), kind)
    exponents = np.concatenate([s.reshape(_SCALES, -1).view(np.uint8) for s in scales])
    factors = np.ldexp(np.float32(1), exponents.astype(np.int32) - 127)
    factors[exponents == 255] = np.nan  # OCP MX: the code for not a number
    values *= np.repeat(factors, _GROUP, axis=0)[..., None]
    return values.transpose(0, 2, 1).reshape(-1, values.shape[1])


__all__ = ["nc_matmul_mx", "scale_rows", "scaled"]
