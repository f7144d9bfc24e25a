"""Allocation and views: `nl.ndarray` and its relatives, buffers, slices, tile sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glia.core.dtypes import dtype as find_dtype
from glia.core.errors import KernelError
from glia.isa.builder import current
from glia.isa.dma_engine import dma_copy
from glia.isa.target import PARTITIONS
from glia.isa.tensor import DynamicSlice, NkiTensor
from glia.isa.vector_engine import memset

sbuf = "sbuf"
psum = "psum"
hbm = private_hbm = "hbm"
shared_hbm = "shared_hbm"

_MEMORY = {"sbuf": "sbuf", "psum": "psum", "hbm": "hbm", "shared_hbm": "hbm"}


def ndarray(
    shape: Sequence[int],
    dtype: Any,
    buffer: str = sbuf,
    name: str = "",
    address: tuple[int, int] | None = None,
) -> NkiTensor:
    """Uninitialised memory. `address=(partition, byte)` pins an on-chip tensor."""
    if buffer not in _MEMORY:
        raise KernelError(
            f"nl.ndarray: got buffer {buffer!r}, expected one of nl.sbuf, nl.psum, nl.hbm, "
            "nl.shared_hbm"
        )
    role = "scratch"
    return current("nl.ndarray").storage(
        shape, find_dtype(dtype), _MEMORY[buffer], name, role, address
    )


def full(shape: Sequence[int], value: float, dtype: Any, buffer: str = sbuf) -> NkiTensor:
    """Memory filled with a constant."""
    made = ndarray(shape, dtype, buffer)
    memset(made, value)
    return made


def zeros(shape: Sequence[int], dtype: Any, buffer: str = sbuf) -> NkiTensor:
    """Memory filled with zeros."""
    return full(shape, 0, dtype, buffer)


def ones(shape: Sequence[int], dtype: Any, buffer: str = sbuf) -> NkiTensor:
    """Memory filled with ones."""
    return full(shape, 1, dtype, buffer)


def shared_constant(array: np.ndarray) -> NkiTensor:
    """A constant that is part of the program, in HBM."""
    data = np.ascontiguousarray(array)
    return current("nl.shared_constant").storage(
        data.shape, find_dtype(data.dtype), "hbm", role="constant", data=data
    )


def load(src: NkiTensor) -> NkiTensor:
    """HBM to a new SBUF tile of the same shape."""
    made = ndarray(src.shape, src.dtype, sbuf)
    dma_copy(made, src)
    return made


def store(dst: NkiTensor, value: NkiTensor) -> None:
    """SBUF to HBM."""
    dma_copy(dst, value)


def ds(start: int, size: int) -> DynamicSlice:
    """A slice by start and size."""
    return DynamicSlice(int(start), int(size))


def is_sbuf(buffer: Any) -> bool:
    """True for SBUF."""
    return buffer == sbuf


def is_psum(buffer: Any) -> bool:
    """True for PSUM."""
    return buffer == psum


def is_hbm(buffer: Any) -> bool:
    """True for HBM."""
    return _MEMORY.get(buffer) == "hbm"


def is_on_chip(buffer: Any) -> bool:
    """True for SBUF and PSUM."""
    return buffer in (sbuf, psum)


class _TileSize:
    """Limits of the target being traced for; source: nki/api/nki.language.tile_size.rst."""

    pmax = PARTITIONS
    bn_stats_fmax = 512

    @property
    def psum_bank_fmax(self) -> int:
        """float32 elements of one PSUM bank per partition."""
        return current("nl.tile_size").target.psum_bank_bytes // 4

    psum_fmax = psum_bank_fmax

    @property
    def psum_num_banks(self) -> int:
        """PSUM banks."""
        return current("nl.tile_size").target.psum_banks

    @property
    def gemm_stationary_fmax(self) -> int:
        """Columns of a stationary tile."""
        return current("nl.tile_size").target.max_stationary

    @property
    def gemm_moving_fmax(self) -> int:
        """Columns of a moving tile."""
        return current("nl.tile_size").target.max_moving

    @property
    def sbuf_fmax_bytes(self) -> int:
        """Usable SBUF bytes per partition."""
        return current("nl.tile_size").target.sbuf_bytes

    sbuf_size_bytes = total_available_sbuf_size = sbuf_fmax_bytes


tile_size = _TileSize()
