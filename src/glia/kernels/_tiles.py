"""What all kernels share: spans over ragged dims, tiles, stacked loads, and transposes.

Names: a *tile* is on chip and has at most 128 rows (partitions); rows of HBM go to partitions.
Tiles are allocated where they are first needed and die with their last use, so that memory of
one loop step is free again for the loads of a later step: that is what makes loads run ahead.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import glia.nki.isa as nisa
import glia.nki.language as nl

T = TypeVar("T")

P = 128  # partitions of SBUF and PSUM; also rows and columns of the systolic array
BANK_BYTES = 2048  # of one PSUM bank in each partition
_LOAD_BYTES = 8192  # per partition: enough for full DMA bandwidth, small enough to start soon


def spans(total: int, step: int) -> list[tuple[int, int]]:
    """Cut `range(total)` into (start, size) pieces of `step`; the last may be shorter."""
    return [(start, min(step, total - start)) for start in range(0, total, step)]


def row_groups(num_rows: int, most: int = 2) -> list[tuple[int, int, int]]:
    """Cut rows into groups (start, partitions, rows per partition) for `rows_of`.

    Consecutive rows share a partition, so that one DMA moves long pieces and one instruction
    works on several rows.
    """
    groups, start = [], 0
    while num_rows - start >= P:
        count = min(most, (num_rows - start) // P)
        groups.append((start, P, count))
        start += P * count
    return groups + ([(start, num_rows - start, 1)] if start < num_rows else [])


def rows_of(x: Any, group: tuple[int, int, int]) -> Any:
    """The rows of a group of x [R, N] as a view [partitions, rows per partition, N]."""
    start, partitions, count = group
    return x[start : start + partitions * count].reshape_dim(0, (partitions, count))


def one_late(results: Iterable[T]) -> Iterator[T]:
    """Yield each result after the next one was begun, so that engines need not wait in between."""
    waiting: list[T] = []
    for result in results:
        waiting.append(result)
        if len(waiting) == 2:
            yield waiting.pop(0)
    yield from waiting


def ceil_div(value: int, divisor: int) -> int:
    """`value / divisor`, rounded up."""
    return -(-value // divisor)


def itemsize(dtype: Any) -> int:
    """Bytes of one element."""
    if dtype in (nl.float32, nl.int32, nl.uint32):
        return 4
    return 2 if dtype in (nl.bfloat16, nl.float16, nl.int16, nl.uint16) else 1


def is_float(dtype: Any) -> bool:
    """True for the floating-point formats that kernels compute in."""
    return dtype in (nl.float32, nl.bfloat16, nl.float16)


def sbuf_bytes() -> int:
    """Usable bytes of one SBUF partition on the target."""
    return int(nl.tile_size.total_available_sbuf_size)


def sbuf(rows: int, *free: int, dtype: Any = nl.float32) -> Any:
    """An uninitialised SBUF tile."""
    return nl.ndarray((rows, *free), dtype=dtype, buffer=nl.sbuf)


def psum(rows: int, *free: int, dtype: Any = nl.float32) -> Any:
    """An uninitialised PSUM tile; it takes whole banks."""
    return nl.ndarray((rows, *free), dtype=dtype, buffer=nl.psum)


def hbm(*shape: int, dtype: Any) -> Any:
    """An uninitialised output in HBM."""
    return nl.ndarray(shape, dtype=dtype, buffer=nl.shared_hbm)


def load_stacked(dst: Any, src: Any) -> None:
    """Load src [R, ...] into dst [128, ceil(R / 128), ...]: row r to partition r % 128.

    One DMA for all whole groups of 128 rows, one for the rest.
    """
    num_rows, whole = src.shape[0], src.shape[0] // P
    if whole:
        order = (1, 0, *range(2, len(src.shape) + 1))
        nisa.dma_copy(
            dst=dst[:, 0:whole],
            src=src[0 : whole * P].reshape_dim(0, (whole, P)).permute(order),
        )
    if num_rows > whole * P:
        nisa.dma_copy(dst=dst[0 : num_rows - whole * P, whole], src=src[whole * P : num_rows])


def load_broadcast(vector: Any, start: int, size: int) -> Any:
    """A tile [128, size] whose every partition holds `vector[start : start + size]`."""
    tile = sbuf(P, size, dtype=vector.dtype)
    row = vector[start : start + size].expand_dim(0)
    nisa.dma_copy(dst=tile, src=row.broadcast(0, P))
    return tile


def transpose_all(dst: Any, sources: Sequence[Any], turns: Iterator[Any]) -> None:
    """dst[r, i, c] = sources[i][c, r] on the Tensor engine, for sources of equal shape.

    As many transposes as fit share one PSUM bank, and leave it in one copy; `turns` gives the
    engine of each copy.
    """
    rows, _, columns = dst.shape
    slots = BANK_BYTES // (columns * itemsize(dst.dtype))
    for first, count in spans(len(sources), slots):
        bank = psum(rows, count, columns, dtype=dst.dtype)
        for i in range(count):
            nisa.nc_transpose(dst=bank[:, i], data=sources[first + i], engine=nisa.engine.tensor)
        evacuate(dst[:, first : first + count], bank, next(turns))


def transpose_columns(dst: Any, src: Any, turns: Iterator[Any]) -> None:
    """dst[c, j, r] = src[r, j * 128 + c]; src [R <= 128, C], dst [<= 128, ceil(C / 128), R]."""
    whole, rest = divmod(src.shape[1], P)
    if whole:
        parts = [src[:, j * P : (j + 1) * P] for j in range(whole)]
        transpose_all(dst[:, 0:whole], parts, turns)
    if rest:
        transpose_all(dst[0:rest, whole : whole + 1], [src[:, whole * P :]], turns)


def take_turns(*engines: Any) -> Iterator[Any]:
    """The engines that empty PSUM, in turn and without end."""
    return itertools.cycle(engines)


def evacuate(dst: Any, src: Any, engine: Any) -> None:
    """Copy PSUM to SBUF on the Vector or the Scalar engine."""
    if engine == nisa.engine.vector:
        nisa.tensor_copy(dst=dst, src=src, engine=engine)
    else:
        nisa.activation(dst=dst, op=nl.copy, data=src)


def load_columns(src: Any, k0: int, k_size: int, start: int, size: int) -> Any:
    """Columns of src[K, C] as a tile [128, ceil(k / 128), size]: K already lies on rows."""
    tile = sbuf(min(P, k_size), ceil_div(k_size, P), size, dtype=src.dtype)
    step = max(1, _LOAD_BYTES // (size * itemsize(src.dtype))) * P
    for part, part_size in spans(k_size, step):
        rows = src[k0 + part : k0 + part + part_size, start : start + size]
        load_stacked(tile[:, part // P : ceil_div(part + part_size, P)], rows)
    return tile


def load_rows(src: Any, k0: int, k_size: int, start: int, size: int) -> list[Any]:
    """Rows of src[R, K] as tiles [rows, k], 128 rows each; several share a DMA."""
    step = max(1, _LOAD_BYTES // (k_size * itemsize(src.dtype))) * P
    tiles = []
    for part, part_size in spans(size, step):
        rows = sbuf(min(P, part_size), ceil_div(part_size, P), k_size, dtype=src.dtype)
        first = start + part
        load_stacked(rows, src[first : first + part_size, k0 : k0 + k_size])
        tiles += [rows[0:n, t // P] for t, n in spans(part_size, P)]
    return tiles


def turn_rows(tiles: Sequence[Any], turns: Iterator[Any]) -> Any:
    """Tiles [rows, k] of 128 rows each as one tile [128, ceil(k / 128), all rows]."""
    num_rows, k_size = sum(tile.shape[0] for tile in tiles), tiles[0].shape[1]
    turned = sbuf(min(P, k_size), ceil_div(k_size, P), num_rows, dtype=tiles[0].dtype)
    for i, tile in enumerate(tiles):
        transpose_columns(turned[:, :, i * P : i * P + tile.shape[0]], tile, turns)
    return turned
