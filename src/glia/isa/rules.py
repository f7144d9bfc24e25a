"""Legality checks and value conversions that several instructions share.

Sources: aws-neuron-sdk nki/api/nki.language.tile_size.rst, nki/guides/architecture/*.rst (start
partitions, engine access to PSUM), nki/api/nki/isa/__init__.py (types per operand).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glia.core.errors import KernelError
from glia.isa.engines import engine
from glia.isa.stream import Traffic
from glia.isa.target import PARTITIONS
from glia.isa.tensors.tensor import NkiTensor

_FLOAT32 = np.dtype(np.float32)
# Architecture guide (trainium_inferentia2_arch.rst), accessing SBUF/PSUM with compute engines:
_MAX_DIMS = 5
_MAX_COUNT = 2**16 - 1
_MAX_STEP = 2**15 - 1


def refusal(what: str, got: str, expected: str, do: str = "") -> KernelError:
    """The KernelError in the house form; for checks too frequent to format texts in advance."""
    return KernelError(f"{what}: got {got}, expected {expected}" + (f"; {do}" if do else ""))


def described(value: Any) -> str:
    """What an operand is, in one line."""
    if value is None or isinstance(value, (NkiTensor, str)):
        return repr(value)
    if isinstance(value, np.ndarray):
        shape = ", ".join(map(str, value.shape))
        return f"a NumPy array {value.dtype}[{shape}], which is not on the chip"
    if isinstance(value, (int, float, np.number)):
        return f"the number {value}"
    return f"a value of type {type(value).__name__}"


def _on_chip_remedy(value: Any) -> str:
    if isinstance(value, NkiTensor):
        return "load it with dma_copy"
    return f"{FROM_HOST}, and load it with dma_copy"


FROM_HOST = "make it with nl.ndarray, or pass the array as an argument of the kernel"
"""What to do with a value of the host where a tensor is needed."""


def on_chip(what: str, **operands: NkiTensor) -> None:
    """Operands must be SBUF or PSUM tiles on consecutive partitions with a legal start."""
    for role, view in operands.items():
        if not isinstance(view, NkiTensor) or not view.on_chip:
            raise refusal(
                f"{what} {role}", described(view), "a tile in SBUF or PSUM", _on_chip_remedy(view)
            )
        if view.outside:
            view.check_bounds()
        if view.steps[0] != 1 and view.shape[0] > 1:
            raise refusal(
                f"{what} {role}",
                f"a partition step of {view.steps[0]}",
                "consecutive partitions",
                "only a DMA can pick every n-th partition",
            )
        if len(view.shape) > _MAX_DIMS or view.storage.partition_bytes > _MAX_STEP:
            _check_pattern(what, role, view)
        start_partition(what, role, view)


def _check_pattern(what: str, role: str, view: NkiTensor) -> None:
    """An engine's access pattern has the partitions and up to four free dims of 16-bit steps.

    Dims that continue one another are one; one longer than 65535 elements takes two.
    """
    dims: list[tuple[int, int]] = []  # step and count, innermost first
    for size, step in zip(view.shape[:0:-1], view.steps[:0:-1], strict=True):
        if size == 1:
            continue
        if dims and dims[-1][0] * dims[-1][1] == step:
            dims[-1] = (dims[-1][0], dims[-1][1] * size)
        else:
            dims.append((step, size))
    merged = 1 + len(dims) + sum(count > _MAX_COUNT for _, count in dims)
    if merged > _MAX_DIMS:
        raise refusal(
            f"{what} {role}",
            f"a pattern of {merged} dims",
            f"at most {_MAX_DIMS} with the partition dim",
            "split the instruction",
        )
    longest = max((step for step, _ in dims), default=0)
    if longest > _MAX_STEP:
        raise refusal(
            f"{what} {role}",
            f"a step of {longest} elements",
            f"steps of at most {_MAX_STEP} (16 bits)",
            "split the instruction",
        )


def start_partition(what: str, role: str, view: NkiTensor) -> None:
    """More than 64 active partitions start at 0; 33..64 at 0 or 64; up to 32 at 0/32/64/96."""
    size, start = view.shape[0], view.storage.start_partition + view.partition
    step = 128 if size > 64 else 64 if size > 32 else 32
    if start % step or start + size > PARTITIONS:
        raise refusal(
            f"{what} {role}",
            f"partitions {start}..{start + size - 1}",
            f"a start partition that is a multiple of {step if step < 128 else '128 (only 0)'}",
            "move the tile with a DMA or choose another start",
        )


def in_memory(what: str, role: str, view: NkiTensor, *memories: str) -> None:
    """The operand must be in one of these memories."""
    if view.storage.memory not in memories:
        raise refusal(f"{what} {role}", repr(view), " or ".join(memories), _MOVE[memories[0]])


_MOVE = {
    "sbuf": "copy it to SBUF first (tensor_copy from PSUM, dma_copy from HBM)",
    "psum": "allocate it with buffer=nl.psum, and copy it to SBUF after",
    "hbm": "store it to HBM first with dma_copy",
}


def same_shape(what: str, dst: NkiTensor, **operands: NkiTensor) -> None:
    """Equal partitions and equal elements per partition; dims may be arranged differently."""
    rows, free = dst.shape[0], dst.free_size
    for role, view in operands.items():
        if view.shape[0] != rows or view.free_size != free:
            raise refusal(
                f"{what} {role}",
                f"shape {view.shape}",
                f"dst's shape {dst.shape}",
                "slice one to the other's shape, or broadcast it; free dims may be arranged freely",
            )


def require(condition: bool, what: str, got: str, expected: str, do: str = "") -> None:
    """Raise a KernelError in the house form unless `condition` holds."""
    if not condition:
        raise refusal(what, got, expected, do)


def require_ints(what: str, *views: NkiTensor) -> None:
    """Bit operations see integers only."""
    for view in views:
        require(
            not view.dtype.is_float,
            what,
            f"{view.dtype} with a bit operation",
            "integer types",
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
    if found not in allowed:
        names = ", ".join(e.name for e in allowed)
        raise refusal(what, f"engine {found.name}", f"one of {names}")
    if found is engine.gpsimd and any(v.storage.memory == "psum" for v in views):
        raise refusal(
            what,
            "a PSUM operand on gpsimd",
            "SBUF operands",
            "GpSimd cannot access PSUM; use the vector engine",
        )
    return found


def scalar_or_column(
    what: str, role: str, operand: Any, rows: int, kind: str = ""
) -> tuple[NkiTensor, ...]:
    """An operand that is a number, or a (P, 1) tile (of dtype `kind`); returns the tile if any."""
    if isinstance(operand, NkiTensor):
        on_chip(what, **{role: operand})
        if operand.shape[0] != rows or operand.free_size != 1:
            raise refusal(f"{what} {role}", f"shape {operand.shape}", f"({rows}, 1)")
        if kind and operand.dtype.name != kind:
            raise refusal(f"{what} {role}", str(operand.dtype), kind, "convert the column first")
        return (operand,)
    if not isinstance(operand, (int, float, np.number)):
        raise refusal(f"{what} {role}", type(operand).__name__, "a number or a (P, 1) tile")
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
    sbuf = psum = 0
    for view in views:
        memory = view.storage.memory
        if memory == "sbuf":
            sbuf += view.shape[0] * view.free_size * view.dtype.itemsize
        elif memory == "psum":
            psum += view.shape[0] * view.free_size * view.dtype.itemsize
    return Traffic(sbuf, psum)


def contiguous(view: NkiTensor) -> bool:
    """True when the innermost dim has unit stride."""
    return view.shape[-1] == 1 or view.steps[-1] == 1
