"""Allocation: `nl.ndarray` and its relatives, and constants that are part of the program."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from glia.core.dtypes import DType
from glia.core.errors import KernelError
from glia.isa.dma_engine import dma_copy
from glia.isa.launch.builder import StreamBuilder
from glia.isa.launch.context import current
from glia.isa.target import PARTITIONS
from glia.isa.tensors.formats import refuse_packed
from glia.isa.tensors.storage import MemoryRegion
from glia.isa.tensors.tensor import NkiTensor
from glia.isa.vector_engine import memset
from glia.nki.language.buffers import region, sbuf, shared_hbm
from glia.nki.language.dtypes import find, uint8

_identities: WeakKeyDictionary[StreamBuilder, dict[tuple[int, str], NkiTensor]]
_identities = WeakKeyDictionary()


def ndarray(
    shape: Sequence[int],
    dtype: Any,
    buffer: MemoryRegion | str = sbuf,
    name: str = "",
    address: tuple[int, int] | None = None,
) -> NkiTensor:
    """Uninitialised memory. `address=(partition, byte)` pins an on-chip tensor.

    Raises:
        KernelError: for an unknown dtype or buffer, a packed format on a chip that cannot multiply
            it, or a shape that the memory cannot hold.
    """
    what = "nl.ndarray"
    found = region(buffer, what)
    kind = find(dtype, what)
    builder = current(what)
    refuse_packed(what, kind)
    builder.budget.spend()  # a loop that only allocates must end, too
    shared = found is shared_hbm
    return builder.storage(_sizes(shape, what), kind, found.memory, name or "", "scratch", address,
                           shared=shared)  # fmt: skip


def _sizes(shape: Any, what: str) -> tuple[int, ...]:
    try:
        return tuple(int(size.__index__()) for size in shape)
    except (TypeError, AttributeError):
        raise KernelError(
            f"{what}: got shape {shape!r}, expected a tuple of integers; read sizes from the "
            "shapes of the arguments"
        ) from None


def full(
    shape: Sequence[int],
    fill_value: float,
    dtype: Any,
    buffer: MemoryRegion | str = sbuf,
    name: str = "",
) -> NkiTensor:
    """Memory filled with a constant; HBM is filled through a tile in SBUF."""
    made = ndarray(shape, dtype, buffer, name)
    if made.on_chip:
        memset(made, fill_value)
        return made
    rows = made.reshape((made.shape[0], -1)) if made.ndim > 1 else made.reshape((1, -1))
    tile = ndarray((min(rows.shape[0], PARTITIONS), rows.shape[1]), made.dtype)
    memset(tile, fill_value)
    for start in range(0, rows.shape[0], PARTITIONS):
        size = min(PARTITIONS, rows.shape[0] - start)
        dma_copy(rows[start : start + size], tile[:size])
    return made


def zeros(
    shape: Sequence[int], dtype: Any, buffer: MemoryRegion | str = sbuf, name: str = ""
) -> NkiTensor:
    """Memory filled with zeros."""
    return full(shape, 0, dtype, buffer, name)


def ones(
    shape: Sequence[int], dtype: Any, buffer: MemoryRegion | str = sbuf, name: str = ""
) -> NkiTensor:
    """Memory filled with ones."""
    return full(shape, 1, dtype, buffer, name)


def empty_like(
    x: NkiTensor, dtype: Any = None, buffer: MemoryRegion | str | None = None, name: str = ""
) -> NkiTensor:
    """Uninitialised memory of x's shape, and of its dtype and region unless given."""
    return ndarray(x.shape, dtype or x.dtype, buffer or x.buffer, name)


def zeros_like(
    x: NkiTensor, dtype: Any = None, buffer: MemoryRegion | str | None = None, name: str = ""
) -> NkiTensor:
    """Zeros of x's shape, and of its dtype and region unless given."""
    return zeros(x.shape, dtype or x.dtype, buffer or x.buffer, name)


def tile_like(x: NkiTensor, dtype: Any = None, shape: Sequence[int] | None = None) -> NkiTensor:
    """A new SBUF tile for a result computed from x: x's shape and dtype unless given."""
    return ndarray(x.shape if shape is None else shape, dtype or x.dtype, sbuf)


def shared_constant(constant: Any) -> NkiTensor:
    """A constant of the program, in shared HBM: an array, or the path of a `.npy` file.

    Raises:
        KernelError: for a file that cannot be read, or a dtype that the chip does not have.
    """
    what = "nl.shared_constant"
    data = np.ascontiguousarray(_loaded(constant, what))
    kind = _packed_or(data.dtype) or find(data.dtype, what)
    return current(what).storage(data.shape, kind, "hbm", role="constant", data=data)


def _packed_or(kind: np.dtype) -> DType | None:
    """The packed format whose layout this is, if any."""
    if kind.names is None:
        return None
    return find(kind.names[0], "nl.shared_constant")


def _loaded(constant: Any, what: str) -> np.ndarray:
    if not isinstance(constant, (str, os.PathLike)):
        return np.asarray(constant)
    try:
        return np.load(Path(constant), allow_pickle=False)
    except (OSError, ValueError) as error:
        raise KernelError(
            f"{what}: got {str(constant)!r}, expected an array or the path of a .npy file: {error}"
        ) from None


def shared_identity_matrix(n: int, dtype: Any = uint8, dst: NkiTensor | None = None) -> NkiTensor:
    """The n x n identity in SBUF; all of one kernel and dtype come from one constant in HBM.

    Raises:
        KernelError: for more rows than there are partitions, or a dst of another shape.
    """
    what = "nl.shared_identity_matrix"
    if not 1 <= n <= PARTITIONS:
        raise KernelError(f"{what}: got n {n}, expected 1 to {PARTITIONS} rows")
    kind = find(dst.dtype if dst is not None else dtype, what)
    known = _identities.setdefault(current(what), {})
    if (n, kind.name) not in known:
        known[n, kind.name] = shared_constant(np.eye(n, dtype=kind.numpy))
    made = ndarray((n, n), kind) if dst is None else dst
    if made.shape != (n, n):
        raise KernelError(f"{what} dst: got shape {made.shape}, expected ({n}, {n})")
    dma_copy(made, known[n, kind.name])
    return made
