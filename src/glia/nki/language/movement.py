"""Tiles in and out of memory, and between layouts: load, store, copy, transpose, matmul, views."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from glia.core.dtypes import DType
from glia.core.errors import KernelError
from glia.isa.dma_engine import dma_copy, dma_transpose
from glia.isa.engines import engine as Engine
from glia.isa.gpsimd_engine import nc_n_gather
from glia.isa.launch.builder import StreamBuilder, current
from glia.isa.operators.functions import FUNCTIONS
from glia.isa.scalar_engine import activation
from glia.isa.tensor_engine import nc_matmul, nc_transpose
from glia.isa.tensors.tensor import DynamicSlice, NkiTensor
from glia.isa.vector_engine import memset
from glia.nki.language.buffers import psum, sbuf
from glia.nki.language.dtypes import float32
from glia.nki.language.memory import ndarray, tile_like
from glia.nki.language.tile_size import tile_size

_ones: WeakKeyDictionary[StreamBuilder, dict[tuple[int, DType], NkiTensor]] = WeakKeyDictionary()
_TRANSPOSED_BYTES = (2, 4)  # of an element that a DMA transpose takes


def load(src: NkiTensor, dtype: Any = None) -> NkiTensor:
    """HBM to a new SBUF tile of the same shape; a single row becomes one partition."""
    _in_hbm("nl.load", "src", src)
    made = tile_like(src, dtype, src.shape if src.ndim > 1 else (1, *src.shape))
    dma_copy(made, src if src.ndim > 1 else src.expand_dim(0))
    return made


def store(dst: NkiTensor, value: NkiTensor) -> None:
    """SBUF to HBM."""
    _in_hbm("nl.store", "dst", dst)
    if value.buffer != sbuf:
        raise KernelError(
            f"nl.store value: got {value!r}, expected a tile in SBUF; copy it there with nl.copy"
        )
    dma_copy(dst if dst.ndim > 1 else dst.expand_dim(0), value)


def load_transpose2d(src: NkiTensor, dtype: Any = None) -> NkiTensor:
    """HBM [rows, columns] to a new SBUF tile [columns, rows].

    By a DMA transpose where the chip has one for the dtype (trainium2_arch.rst), else element by
    element, which is slow (nki_perf_guide.rst, "Minimize use of DMA transposes").
    """
    what = "nl.load_transpose2d"
    _in_hbm(what, "src", src)
    if src.ndim != 2:
        raise KernelError(f"{what} src: got shape {src.shape}, expected 2 dims; index the others")
    made = tile_like(src, dtype, (src.shape[1], src.shape[0]))
    plain = made.dtype == src.dtype and not src.is_indirect()
    if plain and src.dtype.itemsize in _TRANSPOSED_BYTES and current(what).target.can.dma_transpose:
        dma_transpose(made, src)
    else:
        dma_copy(made, src.permute((1, 0)))
    return made


def _in_hbm(what: str, role: str, view: NkiTensor) -> None:
    if not isinstance(view, NkiTensor) or view.on_chip:
        raise KernelError(f"{what} {role}: got {view!r}, expected a tensor in HBM")


def copy(x: NkiTensor, dtype: Any = None) -> NkiTensor:
    """A new SBUF tile with x's values, by the Scalar engine: through float32."""
    made = tile_like(x, dtype)
    activation(made, FUNCTIONS["copy"], x)
    return made


def transpose(x: NkiTensor, dtype: Any = None) -> NkiTensor:
    """x [P, F] as [F, P] in PSUM, by the Tensor engine; in SBUF where `dtype` is another."""
    if x.ndim != 2:
        raise KernelError(f"nl.transpose: got shape {x.shape}, expected 2 dims")
    made = ndarray((x.shape[1], x.shape[0]), x.dtype, psum)
    nc_transpose(made, x)
    return made if dtype in (None, x.dtype) else copy(made, dtype)


def matmul(x: NkiTensor, y: NkiTensor, transpose_x: bool = False) -> NkiTensor:
    """x @ y in PSUM as float32; with `transpose_x` x is [K, M] and comes transposed already.

    Raises:
        KernelError: for tiles beyond the Tensor engine's limits.
    """
    stationary = x
    if not transpose_x:
        stationary = ndarray((x.shape[1], x.shape[0]), x.dtype, sbuf)
        activation(stationary, FUNCTIONS["copy"], transpose(x))
    made = ndarray((stationary.shape[1], math.prod(y.shape[1:])), float32, psum)
    nc_matmul(made, stationary, y)
    return made


def gather_flattened(data: NkiTensor, indices: NkiTensor, axis: int = 0, dtype: Any = None) -> Any:
    """Per partition data.flat[indices]: a new tile of indices' shape."""
    what = "nl.gather_flattened"
    if axis != 0:
        raise KernelError(f"{what}: got axis {axis}, expected 0: rows gather their own elements")
    made = tile_like(indices, data.dtype)
    nc_n_gather(made, data, indices)
    return made if dtype in (None, data.dtype) else copy(made, dtype)


def expand_dims(x: NkiTensor, axis: int) -> NkiTensor:
    """x with a dim of size 1 at `axis`; the partition dim stays first."""
    return x.expand_dim(axis + x.ndim + 1 if axis < 0 else axis)


def broadcast_to(x: NkiTensor, shape: Sequence[int], dtype: Any = None) -> NkiTensor:
    """x seen with `shape`: dims of size 1 repeat.

    One partition is brought to many by the Tensor engine, integers by DMA.

    Raises:
        KernelError: for another number of dims, or a dim that is neither equal nor 1.
    """
    target = tuple(shape)
    fits = len(target) == x.ndim
    if not fits or any(have not in (1, want) for have, want in zip(x.shape, target, strict=True)):
        raise KernelError(
            f"nl.broadcast_to of {x!r}: got shape {target}, expected {x.ndim} dims, each equal or "
            "repeating a dim of size 1"
        )
    view = x if x.shape[0] == target[0] else _on_partitions(x, target[0])
    for dim in range(1, x.ndim):
        if view.shape[dim] != target[dim]:
            view = view.broadcast(dim, target[dim])
    return view if dtype in (None, x.dtype) else copy(view, dtype)


def _on_partitions(x: NkiTensor, rows: int) -> NkiTensor:
    """x, one partition, on `rows` partitions of a new SBUF tile."""
    made = tile_like(x, None, (rows, *x.shape[1:]))
    row = copy(x) if x.buffer == psum else x
    exact = x.dtype.is_float and x.dtype.itemsize <= float32.itemsize
    if exact and (row.start_partition != 0 or not row.is_contiguous()):
        row = tile_like(x)
        dma_copy(row, x)
    spread = _multiplied if exact else _doubled
    spread(made.reshape((rows, -1)), row.reshape((1, -1)) if exact else row)
    return made


def _multiplied(made: NkiTensor, row: NkiTensor) -> None:
    """A column of ones times the row: each product is exact.

    A tile that fits one product stays in PSUM until something needs it in SBUF. GpSimd
    and Scalar help, so that nothing waits in the queue of the Vector engine.
    """
    ones, step = _column_of_ones(made.shape[0], row.dtype), tile_size.gemm_moving_fmax
    for start in range(0, made.shape[1], step):
        part = slice(start, min(start + step, made.shape[1]))
        product = ndarray((made.shape[0], part.stop - start), float32, psum)
        nc_matmul(product, ones, row[:, part])
        copied = partial(activation, made[:, part], FUNCTIONS["copy"], product)
        builder = current("nl.broadcast_to")
        alone = made.dtype == float32 and product.shape == made.storage.shape
        if alone and not (builder.repeats.frames or builder.schedule.loops):
            builder.deferred.add(made, product, copied, builder.at)
        else:
            copied()


def _column_of_ones(rows: int, kind: DType) -> NkiTensor:
    """Ones as a stationary tile [1, rows], made once in a kernel.

    Each time it would hold up the Vector engine where GpSimd uses the same port. Ones made in a
    device loop are of one iteration: they are not kept.
    """
    builder = current("nl.broadcast_to")
    known = _ones.setdefault(builder, {})
    if (rows, kind) in known:
        return known[rows, kind]
    made = ndarray((1, rows), kind, sbuf)
    memset(made, 1, engine=Engine.gpsimd)
    if not builder.repeats.frames:
        known[rows, kind] = made
    return made


def _doubled(made: NkiTensor, row: NkiTensor) -> None:
    """By DMA: what is there doubles."""
    dma_copy(made[:1], row.reshape((1, -1)) if row.is_contiguous() else row)
    done = 1
    while done < made.shape[0]:
        more = min(done, made.shape[0] - done)
        dma_copy(made[done : done + more], made[:more])
        done += more


def ds(start: Any, size: int) -> DynamicSlice:
    """A slice by start (a number or a register) and size."""
    return DynamicSlice(start, size)
