"""nc_matmul: `stationary^T @ moving`, with tiles of the array, fp8 double rows, transpose mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from glia.core.dtypes import round_tfloat32
from glia.core.errors import KernelError
from glia.isa.engines import engine as Engine
from glia.isa.engines import matmul_perf_mode
from glia.isa.launch.builder import current, instruction
from glia.isa.rules import f32, refusal, require, traffic
from glia.isa.stream import ArrayTile, Instruction, Work
from glia.isa.target import Target
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
from glia.isa.tensor_engine.transpose import flat, halfwords, transpose_passes
from glia.isa.tensors.tensor import NkiTensor
from glia.isa.undefined import moved

_FLOAT32 = ("float32", "tfloat32")
_FP8 = ("float8_e4m3", "float8_e5m2", "float8_e4m3fn")
_TYPES = (*_FP8, "bfloat16", "float16", *_FLOAT32)


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
    """`dst[M, N] (+)= stationary[K, M]^T @ moving[K, N]`, K and M up to 128.

    `accumulate` False overwrites, True adds to a result that a matmul started, None does the one
    on the first write and the other after. `perf_mode` double_row takes fp8 operands [K, 2, M] and
    [K, 2, N] and contracts both leading dims. `is_transpose` passes the stationary tile on bit by
    bit, the moving one being the identity. A onezero hint promises an operand of ones and zeros.
    """
    what, b = "nc_matmul", current()
    check_memories(what, dst, stationary=stationary, moving=moving)
    double = _is_double_row(what, perf_mode)
    tile = array_tile(what, tile_position, tile_size, b.target)
    _check_types(what, stationary, moving, b.target)
    depth = 2 if double else 1
    rows, columns = stationary.free_size // depth, moving.free_size // depth
    if double:
        _check_double_row(what, stationary, moving, is_transpose, tile, b.target)
    check_fit(what, stationary, moving, tile, rows, b.target)
    if is_transpose and b.target.can.transpose_bit_exact:
        return _transpose_mode(what, dst, stationary, moving, accumulate, tile)
    check_result_type(what, dst, b.target)
    check_moving(what, dst, columns, rows, b.target)
    hints = (is_stationary_onezero, is_moving_onezero)
    passes = _passes(b.target, stationary, moving, hints)
    sizes, types = (stationary.shape[0], rows, columns), (dst.dtype, stationary.dtype, moving.dtype)
    alike = ("nc_matmul", sizes, types, double, passes, is_transpose, tile)
    work = b.works.get(alike)
    if work is None:
        work = b.works[alike] = Work(
            cycles=columns * passes,
            flops=2.0 * stationary.shape[0] * depth * rows * columns,
            flop_kind=stationary.dtype.name,
            cell_rate=(b.target.double_row_rate if double else 1.0) / passes,
            useful=not is_transpose,
            sram=traffic(dst, stationary, moving),
            tile=tile,
        )
    adds, unclear = accumulates(what, dst, accumulate), is_open(dst, accumulate)
    meaning = _meaning(stationary, moving, hints, double, adds)
    meaning = onto_zeros(what, meaning) if unclear else meaning
    reads = (stationary, moving, dst) if adds else (stationary, moving)
    return b.emit(what, Engine.tensor, (dst,), reads, work, meaning, accumulates=True)


# -- legality ----------------------------------------------------------------------------------


def _is_double_row(what: str, mode: Any) -> bool:
    """Older kernels name the mode by a string."""
    if mode is matmul_perf_mode.none:
        return False
    try:
        found = matmul_perf_mode[mode] if isinstance(mode, str) else matmul_perf_mode(mode)
    except (KeyError, ValueError):
        raise refusal(f"{what} perf_mode", f"{mode!r}", "none or double_row") from None
    return found is matmul_perf_mode.double_row


def _check_types(what: str, stationary: NkiTensor, moving: NkiTensor, target: Target) -> None:
    kinds = stationary.dtype, moving.dtype
    for role, kind in zip(("stationary", "moving"), kinds, strict=True):
        if kind not in _TYPES or (kind == "float8_e4m3fn" and not target.can.ocp_fp8):
            names = ", ".join(t for t in _TYPES if target.can.ocp_fp8 or t != "float8_e4m3fn")
            raise refusal(f"{what} {role}", kind, f"one of {names}", "convert it first")
    if kinds[0] == kinds[1]:
        return
    if (kinds[0] in _FLOAT32) != (kinds[1] in _FLOAT32):
        got = f"{kinds[0]} with {kinds[1]}"
        raise refusal(what, got, "float32 only with float32 or tfloat32", "convert one of them")
    if set(kinds) == {"float8_e4m3", "float8_e4m3fn"}:
        raise refusal(what, f"{kinds[0]} with {kinds[1]}", "one of the two kinds of e4m3")


def _check_double_row(
    what: str,
    stationary: NkiTensor,
    moving: NkiTensor,
    is_transpose: bool,
    tile: ArrayTile | None,
    target: Target,
) -> None:
    what = f"{what} double_row"
    require(target.can.matmul_double_row, what, target.chip, "a chip with it", "use perf_mode none")
    for role, view in (("stationary", stationary), ("moving", moving)):
        if view.dtype.name not in _FP8:
            raise refusal(f"{what} {role}", view.dtype.name, "an fp8 kind", "use perf_mode none")
        if view.ndim < 3 or view.shape[1] != 2:
            raise refusal(f"{what} {role}", f"shape {view.shape}", "[partitions, 2, free]")
    require(not is_transpose, what, "is_transpose", "a product")
    require(tile is None or tile.columns == SIZE, what, "a column tile", "row tiles only")


# -- cost --------------------------------------------------------------------------------------


def _passes(
    target: Target, stationary: NkiTensor, moving: NkiTensor, hints: tuple[bool, bool]
) -> float:
    """float32 takes several passes, fewer when an operand holds only ones and zeros."""
    wide = stationary.dtype == "float32", moving.dtype == "float32"
    if not (wide[0] or wide[1]):
        return 1.0
    hinted = (wide[0] and hints[0]) or (wide[1] and hints[1])
    return target.fp32_passes_onezero if hinted else target.fp32_passes


# -- meaning -----------------------------------------------------------------------------------


def _meaning(
    stationary: NkiTensor,
    moving: NkiTensor,
    hints: tuple[bool, bool],
    double: bool,
    adds: bool,
) -> Callable[..., None]:
    plain = _accumulate if adds else _overwrite
    kinds = stationary.dtype, moving.dtype
    rounded = kinds[0] == "tfloat32", kinds[1] == "tfloat32"
    hinted = hints[0] and kinds[0] in _FLOAT32, hints[1] and kinds[1] in _FLOAT32
    if not (double or any(rounded) or any(hinted)):
        return plain

    def meaning(dst: np.ndarray, left: np.ndarray, right: np.ndarray, *_: np.ndarray) -> None:
        left = _prepared("stationary", left, rounded[0], hinted[0], double)
        right = _prepared("moving", right, rounded[1], hinted[1], double)
        plain(dst, left, right)

    return meaning


def _prepared(role: str, array: np.ndarray, tf32: bool, onezero: bool, double: bool) -> np.ndarray:
    """The operand [rows of the product, free] as float32."""
    value = f32(array)
    if double:
        value = value.reshape(2 * len(value), -1)
    if onezero and not np.all((value == 0) | (value == 1)):
        raise KernelError(
            f"nc_matmul is_{role}_onezero: got other values than 0 and 1 in {role}, expected only "
            "these; drop the hint"
        )
    return round_tfloat32(value) if tf32 else value


def _overwrite(dst: np.ndarray, stationary: np.ndarray, moving: np.ndarray) -> None:
    left, right = flat(f32(stationary)), flat(f32(moving))
    if dst.ndim == 2 and dst.dtype == np.float32:
        np.matmul(left.T, right, out=dst)
    else:
        dst[...] = (left.T @ right).reshape(dst.shape)


def _accumulate(dst: np.ndarray, stationary: np.ndarray, moving: np.ndarray, *_: Any) -> None:
    product = (flat(f32(stationary)).T @ flat(f32(moving))).reshape(dst.shape)
    if dst.dtype == np.float32:
        dst += product
    else:  # widened, added in float32, rounded once
        dst[...] = f32(dst) + product


# -- transpose mode ----------------------------------------------------------------------------


def _transpose_mode(
    what: str,
    dst: NkiTensor,
    stationary: NkiTensor,
    moving: NkiTensor,
    accumulate: bool | None,
    tile: ArrayTile | None,
) -> Instruction:
    """Data pass through the array unchanged, in their own type."""
    target = current().target
    kind = stationary.dtype
    require(dst.dtype == kind, f"{what} dst", str(dst.dtype), f"stationary's {kind} (is_transpose)")
    require(not accumulate, f"{what} accumulate", "True", "False (is_transpose overwrites)")
    out = halfwords(what, dst)
    check_moving(what, out, moving.free_size, stationary.free_size, target)
    passes = transpose_passes(target, kind)
    work = Work(
        cycles=moving.free_size * passes,
        flops=2.0 * stationary.shape[0] * stationary.free_size * moving.free_size,
        flop_kind=kind.name,
        cell_rate=1.0 / passes,
        useful=False,
        sram=traffic(dst, stationary, moving),
        tile=tile,
    )
    reads = (stationary, moving)
    return current().emit(
        what, Engine.tensor, (out,), reads, work, _pick_rows, carries=moved(_columns_written)
    )


def _columns_written(out: np.ndarray, stationary: np.ndarray) -> None:
    """A row of the result is written where all of its column was, whatever the permutation."""
    columns = flat(stationary).all(axis=0)
    out[...] = columns.reshape(-1, *(1,) * (out.ndim - 1))


def _pick_rows(dst: np.ndarray, stationary: np.ndarray, moving: np.ndarray) -> None:
    """Column n of moving holds a single one, at the row of stationary that becomes dst's column."""
    chosen = flat(f32(moving))
    ones = chosen == 1
    if not np.all(ones | (chosen == 0)) or np.any(ones.sum(axis=0) != 1):
        raise KernelError(
            "nc_matmul is_transpose: got a moving tile that is no identity or permutation, "
            "expected one 1 in each column and zeros; use is_transpose=False for a product"
        )
    data = flat(stationary)
    bits = data.view(f"u{data.dtype.itemsize}")[np.argmax(ones, axis=0)].T
    dst.view(f"u{dst.dtype.itemsize}")[...] = bits.reshape(dst.shape)
