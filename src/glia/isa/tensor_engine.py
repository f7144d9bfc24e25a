"""Tensor engine: matrix multiply and transpose on the 128 x 128 systolic array.

Operands come from SBUF, results go to PSUM. Products are exact and accumulate in float32.
Sources: aws-neuron-sdk nki/api/nki/isa/__init__.py; cost: git tag v2.26.1 of the same file,
nki/deep-dives/nki_perf_guide.rst; chip constants in `chips/data`.
"""

from __future__ import annotations

import numpy as np

from glia.isa.builder import current, instruction
from glia.isa.engines import engine as Engine
from glia.isa.engines import matmul_perf_mode
from glia.isa.rules import f32, in_memory, on_chip, refusal, require, traffic
from glia.isa.stream import Instruction, Work
from glia.isa.target import Target
from glia.isa.tensor import NkiTensor
from glia.isa.vector_engine import transpose_on_vector

_MATMUL_TYPES = ("float8_e4m3", "float8_e5m2", "bfloat16", "float16", "float32")


def _matmul_cycles(target: Target, columns: int, kind: str, stationary: int) -> float:
    """Streaming cycles: one moving column per cycle and pass, never below the stationary load."""
    passes = target.fp32_passes if kind == "float32" else 1.0
    load = target.stationary_load * stationary / target.max_stationary
    return max(columns * passes, target.matmul_min, load)


@instruction
def nc_matmul(
    dst: NkiTensor,
    stationary: NkiTensor,
    moving: NkiTensor,
    is_stationary_onezero: bool = False,
    is_moving_onezero: bool = False,
    is_transpose: bool = False,
    accumulate: bool | None = None,
    tile_position: tuple[int, ...] = (),
    tile_size: tuple[int, ...] = (),
    perf_mode: matmul_perf_mode = matmul_perf_mode.none,
    name: str | None = None,
) -> Instruction:
    """`dst[M, N] (+)= stationary[K, M]^T @ moving[K, N]`, K and M up to 128, N up to 512.

    `accumulate` False overwrites, True adds to a result that a matmul started, None does the one
    on the first write and the other after.
    """
    what, b = "nc_matmul", current()
    on_chip(what, dst=dst, stationary=stationary, moving=moving)
    in_memory(what, "stationary", stationary, "sbuf")
    in_memory(what, "moving", moving, "sbuf")
    in_memory(what, "dst", dst, "psum")
    if perf_mode is not matmul_perf_mode.none or tile_size or tile_position:
        raise refusal(what, "a performance or tiling mode", "the default mode")
    _check_matmul_types(what, dst, stationary, moving, b.target)
    _check_matmul_shapes(what, dst, stationary, moving, b.target)
    _check_bank(what, dst, b.target)
    adds = _accumulates(what, dst, accumulate)
    rows, columns, kind = stationary.shape[0], moving.free_size, moving.dtype.name
    work = Work(
        cycles=_matmul_cycles(b.target, columns, kind, stationary.free_size),
        flops=2.0 * rows * stationary.free_size * columns,
        flop_kind=kind,
        useful=not is_transpose,
        sram=traffic(dst, stationary, moving),
    )
    reads = (stationary, moving, dst) if adds else (stationary, moving)
    meaning = _accumulate if adds else _overwrite
    return b.emit(what, Engine.tensor, (dst,), reads, work, meaning, accumulates=True)


def _check_matmul_shapes(
    what: str, dst: NkiTensor, stationary: NkiTensor, moving: NkiTensor, target: Target
) -> None:
    rows, columns = stationary.shape[0], moving.free_size
    if moving.shape[0] != rows:
        got = f"{moving.shape[0]} partitions"
        raise refusal(f"{what} moving", got, f"stationary's {rows} (the contraction dim)")
    if stationary.start_partition != moving.start_partition:
        starts = f"{stationary.start_partition}, moving at {moving.start_partition}"
        raise refusal(
            what, f"stationary at partition {starts}", "both on the same rows of the array"
        )
    if stationary.free_size > target.max_stationary:
        got = f"{stationary.free_size} columns"
        raise refusal(f"{what} stationary", got, f"at most {target.max_stationary}")
    if columns > target.max_moving:
        raise refusal(
            f"{what} moving",
            f"{columns} columns",
            f"at most {target.max_moving}",
            "tile by nl.tile_size.gemm_moving_fmax",
        )
    if dst.shape[0] != stationary.free_size or dst.free_size != columns:
        expected = f"({stationary.free_size}, {columns})"
        raise refusal(f"{what} dst", f"shape {dst.shape}", expected)


def _overwrite(dst: np.ndarray, stationary: np.ndarray, moving: np.ndarray) -> None:
    left, right = _flat(f32(stationary)), _flat(f32(moving))
    if dst.ndim == 2 and dst.dtype == np.float32:
        np.matmul(left.T, right, out=dst)
    else:
        dst[...] = (left.T @ right).reshape(dst.shape)


def _accumulate(dst: np.ndarray, stationary: np.ndarray, moving: np.ndarray, _: np.ndarray) -> None:
    product = (_flat(f32(stationary)).T @ _flat(f32(moving))).reshape(dst.shape)
    if dst.dtype == np.float32:
        dst += product
    else:  # widened, added in float32, rounded once
        dst[...] = f32(dst) + product


def _flat(array: np.ndarray) -> np.ndarray:
    return array if array.ndim == 2 else array.reshape(array.shape[0], -1)


def _check_matmul_types(
    what: str, dst: NkiTensor, stationary: NkiTensor, moving: NkiTensor, target: Target
) -> None:
    for role, view in (("stationary", stationary), ("moving", moving)):
        if view.dtype.name not in _MATMUL_TYPES:
            names = ", ".join(_MATMUL_TYPES)
            raise refusal(f"{what} {role}", str(view.dtype), f"one of {names}", "convert it first")
    if (stationary.dtype.name == "float32") != (moving.dtype.name == "float32"):
        got = f"{stationary.dtype} with {moving.dtype}"
        raise refusal(what, got, "float32 only with float32", "convert one of them")
    kind = dst.dtype.name
    if kind != "float32" and not (kind == "bfloat16" and target.can.psum_bf16_output):
        raise refusal(
            f"{what} dst",
            kind,
            "float32 or bfloat16" if target.can.psum_bf16_output else "float32",
            "accumulate in float32 and convert on the copy to SBUF",
        )


def _check_bank(what: str, dst: NkiTensor, target: Target) -> None:
    """A matmul result may not cross a PSUM bank where moving is limited to one bank."""
    if target.max_moving * 4 > target.psum_bank_bytes:
        return
    size, bank = dst.dtype.itemsize, target.psum_bank_bytes
    first = last = dst.start * size
    for count, stride in zip(dst.shape[1:], dst.steps[1:], strict=True):
        last += (count - 1) * stride * size
    if first // bank != last // bank:
        raise refusal(
            f"{what} dst",
            f"bytes {first}..{last} of a partition",
            f"one bank of {bank} bytes",
            "split the columns",
        )


def _accumulates(what: str, dst: NkiTensor, accumulate: bool | None) -> bool:
    if accumulate is False:
        return False
    state = current().shadow(dst).group_state(dst)
    if accumulate is None:
        if state == "mixed":
            raise refusal(
                f"{what} dst",
                "a tile that matmuls have started only in part",
                "all or none of it",
                "say accumulate=True or False",
            )
        return state == "all"
    if state != "all":
        raise refusal(
            f"{what} dst",
            "accumulate=True on PSUM that no matmul started",
            "accumulate=False on the first matmul",
            "adding onto memset or copied PSUM is undefined on hardware",
        )
    return True


@instruction
def nc_transpose(
    dst: NkiTensor, data: NkiTensor, engine: Engine = Engine.unknown, name: str | None = None
) -> Instruction:
    """`dst[F, P] = data[P, F]`: Tensor engine up to 128 x 128 (SBUF to PSUM), Vector up to 32 x 32.

    dst has data's dtype. Free dims are flattened.
    """
    what, b = "nc_transpose", current()
    on_chip(what, dst=dst, data=data)
    require(dst.dtype == data.dtype, f"{what} dst", str(dst.dtype), f"data's {data.dtype}")
    require(
        dst.num_partitions == data.free_size and dst.free_size == data.num_partitions,
        f"{what} dst",
        f"shape {dst.shape}",
        f"({data.free_size}, {data.num_partitions})",
    )
    if _on_vector(engine, dst, data):
        return transpose_on_vector(dst, data)
    in_memory(what, "data", data, "sbuf")
    in_memory(what, "dst", dst, "psum")
    require(
        data.free_size <= 128,
        f"{what} data",
        f"{data.free_size} columns",
        "at most 128",
    )
    _check_bank(what, dst, b.target)
    moving = data.num_partitions
    work = Work(
        cycles=_transpose_cycles(b.target, data),
        flops=2.0 * moving * moving * data.free_size,
        flop_kind=data.dtype.name,
        useful=False,
        sram=traffic(dst, data),
    )
    return b.emit(what, Engine.tensor, (dst,), (data,), work, _transpose)


def _transpose_cycles(target: Target, data: NkiTensor) -> float:
    """As a product with the identity; 4-byte data take half the passes where there is a transpose
    mode (nki/guides/architecture/trainium2_arch.rst: fp32 transposes run twice as fast)."""
    cycles = _matmul_cycles(target, data.num_partitions, "", data.free_size)
    if data.dtype.itemsize < 4:
        return cycles
    passes = target.fp32_passes / (2 if target.can.transpose_bit_exact else 1)
    return max(cycles, data.num_partitions * passes)


def _on_vector(chosen: Engine, dst: NkiTensor, data: NkiTensor) -> bool:
    small = data.num_partitions <= 32 and data.free_size <= 32
    require(
        chosen in (Engine.unknown, Engine.tensor, Engine.vector),
        "nc_transpose",
        f"engine {chosen.name}",
        "tensor or vector",
    )
    if chosen is Engine.vector:
        require(small, "nc_transpose data", f"shape {data.shape}", "at most 32 x 32 on vector")
    return chosen is Engine.vector or (
        chosen is Engine.unknown and small and not (data.buffer == "sbuf" and dst.buffer == "psum")
    )


def _transpose(dst: np.ndarray, data: np.ndarray) -> None:
    # Rows lie a whole partition apart: gathered first, columns are read from cache, 6 times faster.
    dst[...] = np.ascontiguousarray(_flat(data)).T.reshape(dst.shape)


__all__ = ["nc_matmul", "nc_transpose"]
