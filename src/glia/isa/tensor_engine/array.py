"""The systolic array: which tile of it a product takes, and what its operands must fit.

A product may take a tile of the array instead of all of it: 128, 64 or (by generation) 32 rows, and
columns alike. Products on tiles that do not meet run at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glia.isa.launch.builder import current
from glia.isa.rules import f32, in_memory, on_chip, refusal, require
from glia.isa.stream import ArrayTile
from glia.isa.target import Target
from glia.isa.tensors.addressing import Columns
from glia.isa.tensors.tensor import NkiTensor

SIZE = 128  # rows and columns of the array


def array_tile(
    what: str, position: Sequence[int] | None, size: Sequence[int] | None, target: Target
) -> ArrayTile | None:
    """The tile that a call asks for, None for the whole array."""
    if not position and not size:
        return None
    require(
        bool(position) and bool(size),
        f"{what} tile_position {position}, tile_size {size}",
        "one without the other",
        "both or none",
    )
    start, extent = _pair(what, "tile_position", position), _pair(what, "tile_size", size)
    legal = [n for n in (SIZE, SIZE // 2, SIZE // 4) if n >= target.min_row_tile]
    for axis, at, length in zip(("row", "column"), start, extent, strict=True):
        if length not in legal:
            expected = " or ".join(map(str, legal))
            raise refusal(f"{what} tile_size", f"{length} {axis}s", f"{expected} on {target.chip}")
        if at % length or not 0 <= at < SIZE:
            expected = f"a multiple of {length} below {SIZE}"
            raise refusal(f"{what} tile_position", f"{axis} {at}", expected)
    return ArrayTile(start[0], extent[0], start[1], extent[1])


def _pair(what: str, role: str, value: Any) -> tuple[int, int]:
    try:
        first, second = (int(n) for n in value)
    except (TypeError, ValueError):
        raise refusal(f"{what} {role}", f"{value!r}", "a tuple (row, column)") from None
    return first, second


def check_memories(what: str, dst: NkiTensor, **inputs: NkiTensor) -> None:
    """The engine reads SBUF and writes PSUM."""
    on_chip(what, dst=dst, **inputs)
    for role, view in inputs.items():
        in_memory(what, role, view, "sbuf")
    in_memory(what, "dst", dst, "psum")


def check_fit(
    what: str,
    stationary: NkiTensor,
    moving: NkiTensor,
    tile: ArrayTile | None,
    columns: int,
    target: Target,
) -> None:
    """Both operands on the same rows of the array and inside the tile; `columns` stationary ones.

    The rows of the array are wired to the partitions of SBUF.
    """
    rows = stationary.shape[0]
    if moving.shape[0] != rows:
        got = f"{moving.shape[0]} partitions"
        raise refusal(
            f"{what} moving",
            got,
            f"stationary's {rows} (the contraction dim)",
            "dim 0 of both is what the product sums over: transpose or slice one of them",
        )
    first = stationary.start_partition
    if first != moving.start_partition:
        got = f"stationary at partition {first}, moving at {moving.start_partition}"
        do = "place both at one partition; a DMA moves a tile there"
        raise refusal(what, got, "both on the same rows of the array", do)
    limit = target.max_stationary if tile is None else tile.columns
    if columns > limit:
        raise refusal(
            f"{what} stationary",
            f"{columns} columns",
            f"at most {limit}",
            "tile its free dim by nl.tile_size.gemm_stationary_fmax",
        )
    if tile is None:
        return
    if not tile.row <= first <= first + rows <= tile.row + tile.rows:
        got = f"partitions {first}..{first + rows - 1}"
        raise refusal(
            f"{what} stationary", got, f"inside the tile's {tile.row}..{tile.row + tile.rows - 1}"
        )
    if any(isinstance(v.indirection, Columns) for v in (stationary, moving)):
        raise refusal(what, "tensor indirection on a tile", "the whole array", "drop tile_size")


def check_moving(what: str, dst: NkiTensor, columns: int, rows: int, target: Target) -> None:
    """The moving columns fit, and dst is [stationary columns, moving columns]."""
    limit = target.max_moving if dst.dtype.itemsize > 2 else target.max_moving_2byte
    if columns > limit:
        raise refusal(
            f"{what} moving",
            f"{columns} columns",
            f"at most {limit} into {dst.dtype}",
            "tile by nl.tile_size.gemm_moving_fmax",
        )
    if dst.shape[0] != rows or dst.free_size != columns:
        raise refusal(
            f"{what} dst",
            f"shape {dst.shape}",
            f"({rows}, {columns})",
            "dst has stationary's columns as partitions and moving's columns as free dim",
        )
    check_bank(what, dst, target)


def check_bank(what: str, dst: NkiTensor, target: Target) -> None:
    """A result may not cross a PSUM bank where moving is limited to one bank."""
    if target.max_moving * 4 > target.psum_bank_bytes:
        return
    size, bank = dst.dtype.itemsize, target.psum_bank_bytes
    first = last = dst.start * size
    for count, step in zip(dst.shape[1:], dst.steps[1:], strict=True):
        last += (count - 1) * step * size
    if first // bank != last // bank:
        raise refusal(
            f"{what} dst",
            f"bytes {first}..{last} of a partition",
            f"one bank of {bank} bytes",
            "split the columns",
        )


def check_result_type(what: str, dst: NkiTensor, target: Target) -> None:
    """PSUM takes float32, and bfloat16 where the generation can."""
    kind = dst.dtype
    if kind == "float32":
        return
    can = target.can.psum_bf16_output
    if not (kind == "bfloat16" and can):
        raise refusal(
            f"{what} dst",
            kind,
            "float32 or bfloat16" if can else "float32",
            "accumulate in float32 and convert on the copy to SBUF",
        )


def is_open(dst: NkiTensor, accumulate: bool | None) -> bool:
    """True for accumulate=None on PSUM that something else than a matmul wrote.

    The documentation says both that the first write overwrites and that what was written before is
    added to; on zeros the two agree.
    """
    shadow = current().shadow(dst)
    return accumulate is None and shadow.group_state(dst) == "none" and shadow.is_written(dst)


def onto_zeros(what: str, meaning: Callable[..., None]) -> Callable[..., None]:
    """The product where what dst held must make no difference."""

    def checked(dst: np.ndarray, *operands: np.ndarray) -> None:
        held = f32(dst)
        if np.any(held != 0):
            raise refusal(
                f"{what} dst",
                f"{held[held != 0][0]!s} in PSUM that no matmul wrote, with accumulate=None",
                "zeros, or accumulate=False or True",
                "whether the first product adds to it is not documented",
            )
        meaning(dst, *operands)

    return checked


def accumulates(what: str, dst: NkiTensor, accumulate: bool | None) -> bool:
    """Whether the product adds to dst: said by the call, or None: if matmuls have started it."""
    builder = current()
    if accumulate is None:
        state = builder.shadow(dst).group_state(dst)
        if state == "mixed":
            raise refusal(
                f"{what} dst",
                "a tile that matmuls have started only in part",
                "all or none of it",
                "say accumulate=True or False",
            )
        return state == "all"
    if not accumulate:
        return False
    if builder.target.can.psum_accumulate_any:
        return True  # that dst was written is checked as for any operand
    if builder.shadow(dst).group_state(dst) != "all":
        raise refusal(
            f"{what} dst",
            "accumulate=True on PSUM that no matmul started",
            "accumulate=False on the first matmul",
            "adding onto memset or copied PSUM is undefined on hardware",
        )
    return True
