"""Legality checks and value conversions that several instructions share.

Sources: aws-neuron-sdk nki/api/nki.language.tile_size.rst, nki/guides/architecture/*.rst (start
partitions, engine access to PSUM), nki/api/nki/isa/__init__.py (types per operand).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from glia.core.errors import KernelError
from glia.isa.engines import engine
from glia.isa.stream import Traffic
from glia.isa.target import PARTITIONS
from glia.isa.tensor import NkiTensor

_FLOAT32 = np.dtype(np.float32)


def require(condition: bool, what: str, got: str, expected: str, do: str = "") -> None:
    """Raise a KernelError in the house form unless `condition` holds."""
    if not condition:
        raise KernelError(f"{what}: got {got}, expected {expected}" + (f"; {do}" if do else ""))


def on_chip(what: str, **operands: NkiTensor) -> None:
    """Operands must be SBUF or PSUM tiles with a legal start partition."""
    for role, view in operands.items():
        require(
            isinstance(view, NkiTensor) and view.on_chip,
            f"{what} {role}",
            f"{view!r}",
            "a tile in SBUF or PSUM",
            "load it with dma_copy",
        )
        start_partition(what, role, view)


def start_partition(what: str, role: str, view: NkiTensor) -> None:
    """More than 64 active partitions start at 0; 33..64 at 0 or 64; up to 32 at 0/32/64/96."""
    size, start = view.num_partitions, view.start_partition
    step = 128 if size > 64 else 64 if size > 32 else 32
    require(
        start % step == 0 and start + size <= PARTITIONS,
        f"{what} {role}",
        f"partitions {start}..{start + size - 1}",
        f"a start partition that is a multiple of {step if step < 128 else '128 (only 0)'}",
        "move the tile with a DMA or choose another start",
    )


def in_memory(what: str, role: str, view: NkiTensor, *memories: str) -> None:
    """The operand must be in one of these memories."""
    require(
        view.buffer in memories,
        f"{what} {role}",
        f"{view!r} in {view.buffer}",
        " or ".join(memories),
    )


def same_shape(what: str, dst: NkiTensor, **operands: NkiTensor) -> None:
    """Equal partitions and equal elements per partition; dims may be arranged differently."""
    for role, view in operands.items():
        require(
            view.num_partitions == dst.num_partitions and view.free_size == dst.free_size,
            f"{what} {role}",
            f"shape {view.shape}",
            f"dst's shape {dst.shape}",
        )


def not_both_psum(what: str, one: NkiTensor, other: NkiTensor) -> None:
    """Two-input Vector instructions read at most one operand from PSUM."""
    require(
        not (one.buffer == "psum" and other.buffer == "psum"),
        what,
        "both inputs in PSUM",
        "at most one",
        "copy one to SBUF first",
    )


def pick_engine(
    what: str, chosen: engine, allowed: tuple[engine, ...], *views: NkiTensor
) -> engine:
    """The engine asked for, or the first allowed; GpSimd never reaches PSUM."""
    found = allowed[0] if chosen is engine.unknown else chosen
    require(
        found in allowed,
        what,
        f"engine {found.name}",
        "one of " + ", ".join(e.name for e in allowed),
    )
    if found is engine.gpsimd:
        for view in views:
            require(
                view.buffer != "psum",
                what,
                "a PSUM operand on gpsimd",
                "SBUF operands",
                "GpSimd cannot access PSUM; use the vector engine",
            )
    return found


def scalar_or_column(what: str, role: str, operand: Any, rows: int) -> tuple[NkiTensor, ...]:
    """An operand that is a number, or a (P, 1) tile; returns the tile if it is one."""
    if isinstance(operand, NkiTensor):
        on_chip(what, **{role: operand})
        require(
            operand.num_partitions == rows and operand.free_size == 1,
            f"{what} {role}",
            f"shape {operand.shape}",
            f"({rows}, 1)",
        )
        return (operand,)
    require(
        isinstance(operand, (int, float, np.number)),
        f"{what} {role}",
        f"{type(operand).__name__}",
        "a number or a (P, 1) tile",
    )
    return ()


# -- values ------------------------------------------------------------------------------------


def f32(array: np.ndarray) -> np.ndarray:
    """The engine's internal format: float32."""
    return array if array.dtype == _FLOAT32 else array.astype(np.float32)


def store(dst: np.ndarray, value: np.ndarray) -> None:
    """Write with the engine's conversion: round to nearest even; integers saturate.

    Source: aws-neuron-sdk nki/guides/nki_simulator.rst and release notes (fp32 to int).
    """
    value = value if value.shape == dst.shape else np.reshape(value, dst.shape)
    if dst.dtype.kind in "iu" and value.dtype.kind == "f":
        limits = np.iinfo(dst.dtype)
        wide = np.rint(value.astype(np.float64))
        dst[...] = np.clip(np.nan_to_num(wide, nan=0.0), limits.min, limits.max)
    else:
        np.copyto(dst, value, casting="unsafe")


def column(operand: Any, arrays: list[np.ndarray], ndim: int) -> Any:
    """The float32 value of a scalar operand: the number, or the next bound column."""
    if not isinstance(operand, NkiTensor):
        return np.float32(operand)
    array = f32(arrays.pop(0))
    return array.reshape(array.shape[0], *(1,) * (ndim - 1))


# -- work --------------------------------------------------------------------------------------


def traffic(*views: NkiTensor) -> Traffic:
    """Bytes that the operands move in SBUF and PSUM; HBM operands count in the DMA's work."""
    totals = {"sbuf": 0, "psum": 0, "hbm": 0}
    for view in views:
        totals[view.buffer] += math.prod(view.shape) * view.dtype.itemsize
    return Traffic(totals["sbuf"], totals["psum"])


def contiguous(view: NkiTensor) -> bool:
    """True when the innermost dim has unit stride."""
    return view.shape[-1] == 1 or view.strides[-1] == 1
