"""Grids: a tensor seen as tiles, or as blocks of tiles, indexed by their coordinates (NKI 0.7).

A grid is a view and moves nothing. Indexing gives a smaller grid; its `data` is the tensor that
instructions take. On chip a new grid lies tile after tile along the free dim, so that a grid may
have more rows than there are partitions.
Source: the public documentation of NKI 0.7 (nki.language.tiles, blocks, alloc_tiles, alloc_blocks).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from glia.core.errors import KernelError
from glia.isa.objects import NKIObject
from glia.isa.tensors.storage import MemoryRegion
from glia.isa.tensors.tensor import NkiTensor
from glia.nki.language.buffers import is_on_chip
from glia.nki.language.memory import ndarray

Span = tuple[int, int]


class NkiGrid(NKIObject):
    """Cells of a tensor; made by `nl.tiles`, `nl.blocks` and the `alloc` functions.

    `spans` are the elements selected in each dim of the logical tensor of `extent` elements; `kept`
    says which dims still are coordinates; `packed` that the storage holds tile after tile.
    """

    def __init__(
        self,
        source: NkiTensor,
        tile: tuple[int, ...],
        cell: tuple[int, ...],
        extent: tuple[int, ...],
        spans: tuple[Span, ...],
        kept: tuple[bool, ...],
        packed: bool,
    ) -> None:
        self._source = source
        self._tile, self._cell, self._extent = tile, cell, extent
        self._spans, self._kept, self._packed = spans, kept, packed

    @property
    def dtype(self) -> Any:
        """The element dtype."""
        return self._source.dtype

    @property
    def buffer(self) -> Any:
        """The memory region."""
        return self._source.buffer

    @property
    def tile_shape(self) -> tuple[int, ...]:
        """Elements of one whole tile, without the dims that are not tiled."""
        return self._tile[len(self._tile) - self._tiled :]

    @property
    def _tiled(self) -> int:
        return sum(size > 0 for size in self._tile)

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along each coordinate that is left."""
        return tuple(self._cells(dim) for dim in range(len(self._spans)) if self._kept[dim])

    def _cells(self, dim: int) -> int:
        low, high = self._spans[dim]
        return -(-(high - low) // self._step(dim))

    def _step(self, dim: int) -> int:
        return self._cell[dim] or 1

    @property
    def element_shape(self) -> tuple[int, ...]:
        """Elements selected along each dim; an indexed dim that is not tiled is gone."""
        return tuple(
            high - low
            for (low, high), cell, kept in zip(self._spans, self._cell, self._kept, strict=True)
            if cell or kept
        )

    @property
    def index_step_elements(self) -> tuple[int, ...]:
        """Elements from one coordinate to the next, per coordinate that is left."""
        return tuple(self._step(d) for d, kept in enumerate(self._kept) if kept)

    @property
    def is_remainder(self) -> bool:
        """True where the selection ends in a cell that the tensor's edge cuts."""
        return any((high - low) % self._step(d) for d, (low, high) in enumerate(self._spans))

    @property
    def is_data_representable(self) -> bool:
        """True when one tensor can show the selection: on chip, one row of tiles."""
        low, high = self._spans[-2]
        return not self._packed or high - low <= self._tile[-2]

    @property
    def data(self) -> NkiTensor:
        """The selection as one tensor.

        Raises:
            KernelError: on chip, for more than one row of tiles.
        """
        if not self.is_data_representable:
            raise KernelError(
                f"data of a grid of shape {self.shape}: got tiles of several rows of partitions, "
                "expected one row; index a row, or a tile, first"
            )
        if self._packed:
            return self._packed_data()
        keys = [
            slice(low, high) if cell or kept else low
            for (low, high), cell, kept in zip(self._spans, self._cell, self._kept, strict=True)
        ]
        return self._source[tuple(keys)]

    def _packed_data(self) -> NkiTensor:
        (low, high), (left, right) = self._spans[-2:]
        rows, columns = self._tile[-2:]
        per_row = -(-self._extent[-1] // columns)
        tile = (low // rows) * per_row + left // columns
        start = tile * columns + left % columns
        return self._source[low % rows : low % rows + high - low, start : start + right - left]

    def __getitem__(self, key: Any) -> Any:
        keys = list(key) if isinstance(key, tuple) else [key]
        dims = [d for d, kept in enumerate(self._kept) if kept]
        if Ellipsis in keys:
            at = keys.index(Ellipsis)
            keys[at : at + 1] = [slice(None)] * (len(dims) - len(keys) + 1)
        if len(keys) > len(dims):
            raise KernelError(
                f"indexing a grid of shape {self.shape}: got {len(keys)} coordinates, expected at "
                f"most {len(dims)}"
            )
        spans, left = list(self._spans), list(self._kept)
        for dim, item in zip(dims, keys, strict=False):
            spans[dim], left[dim] = self._picked(dim, item), not hasattr(item, "__index__")
        return type(self)(
            self._source, self._tile, self._cell, self._extent, tuple(spans), tuple(left),
            self._packed,
        )  # fmt: skip

    def _picked(self, dim: int, item: Any) -> Span:
        """The elements of one cell, or of a slice of cells."""
        count, step, (low, high) = self._cells(dim), self._step(dim), self._spans[dim]
        if isinstance(item, slice):
            start, stop, stride = item.indices(count)
            if stride != 1 or stop <= start:
                raise KernelError(
                    f"indexing a grid of shape {self.shape}: got {item}, expected a slice with "
                    "step 1 that holds a cell"
                )
        else:
            start = item.__index__()
            start += count if start < 0 else 0
            stop = start + 1
            if not 0 <= start < count:
                raise KernelError(
                    f"indexing a grid of shape {self.shape}: got cell {item} in dim {dim}, "
                    f"expected 0..{count - 1}"
                )
        return low + start * step, min(low + stop * step, high)


class NkiTileGrid(NkiGrid):
    """A grid whose cells are tiles."""


class NkiBlockGrid(NkiGrid):
    """A grid whose cells are blocks of tiles."""

    @property
    def block_shape(self) -> tuple[int, ...]:
        """Tiles of one whole block."""
        pairs = zip(self._cell, self._tile, strict=True)
        return tuple(cell // tile for cell, tile in pairs if tile)


def tiles(source: Any, *, tile_shape: Sequence[int] | None = None) -> NkiTileGrid:
    """The tensor as tiles of `tile_shape` along its last dims; a grid's selection keeps its tiles.

    Raises:
        KernelError: for a tile of more dims than the tensor, or sizes below 1.
    """
    what = "nl.tiles"
    if isinstance(source, NkiGrid):
        tile = _tile_of(what, source, tile_shape)
        return NkiTileGrid(
            source._source, tile, tile, source._extent, source._spans, _all_tiled(source, tile),
            source._packed,
        )  # fmt: skip
    tile = _padded(what, source.shape, tile_shape)
    return NkiTileGrid(source, tile, tile, source.shape, *_whole(source.shape), False)


def blocks(
    source: Any, *, tile_shape: Sequence[int] | None = None, block_shape: Sequence[int]
) -> NkiBlockGrid:
    """The tensor, or a grid, as blocks of `block_shape` tiles.

    Raises:
        KernelError: for a block of another number of dims than the tile.
    """
    base = tiles(source, tile_shape=tile_shape)
    counts = _sizes("nl.blocks block_shape", block_shape)
    tile = base._tile
    if len(counts) != base._tiled:
        raise KernelError(
            f"nl.blocks: got block_shape {counts}, expected one count per dim of the tile "
            f"{base.tile_shape}"
        )
    full = (0,) * (len(tile) - len(counts)) + counts
    cell = tuple(size * count for size, count in zip(tile, full, strict=True))
    return NkiBlockGrid(
        base._source, tile, cell, base._extent, base._spans, base._kept, base._packed
    )


def alloc_tiles(
    *,
    tile_shape: Sequence[int],
    element_shape: Sequence[int],
    buffer: MemoryRegion,
    dtype: Any,
    address: tuple[int, int] | None = None,
    name: str = "",
) -> NkiTileGrid:
    """New memory as a grid of tiles; on chip tile after tile in the free dim.

    Raises:
        KernelError: for on-chip grids of other than 2 dims.
    """
    what, extent = "nl.alloc_tiles", _sizes("nl.alloc_tiles element_shape", element_shape)
    tile = _padded(what, extent, tile_shape)
    if not is_on_chip(buffer):
        source = ndarray(extent, dtype, buffer, name, address)
        return NkiTileGrid(source, tile, tile, extent, *_whole(extent), False)
    if len(extent) != 2:
        raise KernelError(f"{what}: got element_shape {extent}, expected 2 dims on chip")
    count = math.prod(-(-n // t) for n, t in zip(extent, tile, strict=True))
    source = ndarray((min(tile[0], extent[0]), count * tile[1]), dtype, buffer, name, address)
    return NkiTileGrid(source, tile, tile, extent, *_whole(extent), True)


def alloc_blocks(
    *,
    tile_shape: Sequence[int],
    block_shape: Sequence[int],
    element_shape: Sequence[int],
    buffer: MemoryRegion,
    dtype: Any,
    address: tuple[int, int] | None = None,
    name: str = "",
) -> NkiBlockGrid:
    """New memory as a grid of blocks of tiles, laid out as by `alloc_tiles`."""
    made = alloc_tiles(
        tile_shape=tile_shape, element_shape=element_shape, buffer=buffer, dtype=dtype,
        address=address, name=name,
    )  # fmt: skip
    return blocks(made, block_shape=block_shape)


def _sizes(what: str, shape: Sequence[int]) -> tuple[int, ...]:
    if not isinstance(shape, tuple) or not all(type(n) is int and n > 0 for n in shape):
        raise KernelError(f"{what}: got {shape!r}, expected a tuple of integers above 0")
    return shape


def _padded(what: str, shape: Sequence[int], tile_shape: Any) -> tuple[int, ...]:
    """The tile with a 0 for every leading dim that is not tiled."""
    tile = _sizes(f"{what} tile_shape", tile_shape)
    if not 2 <= len(tile) <= len(shape):
        raise KernelError(
            f"{what}: got tile_shape {tile} for {len(shape)} dims, expected 2 to {len(shape)}"
        )
    return (0,) * (len(shape) - len(tile)) + tile


def _tile_of(what: str, source: NkiGrid, tile_shape: Any) -> tuple[int, ...]:
    if tile_shape is None:
        return source._tile
    tile = _padded(what, source._extent, tile_shape)
    if source._packed and tile != source._tile:
        raise KernelError(
            f"{what}: got tile_shape {tile_shape}, expected {source.tile_shape}, in which the "
            "grid's memory is laid out"
        )
    return tile


def _all_tiled(source: NkiGrid, tile: tuple[int, ...]) -> tuple[bool, ...]:
    """Tiled dims are coordinates again; indexed slabs stay indexed."""
    return tuple(bool(t) or kept for t, kept in zip(tile, source._kept, strict=True))


def _whole(shape: Sequence[int]) -> tuple[tuple[Span, ...], tuple[bool, ...]]:
    return tuple((0, n) for n in shape), (True,) * len(shape)
