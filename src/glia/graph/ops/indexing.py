"""Primitives that read a tensor at computed positions."""

from __future__ import annotations

from typing import Any

import numpy as np

from glia.graph.builder import GraphBuilder
from glia.graph.ir import TensorType, Value
from glia.graph.op import composite, primitive, require
from glia.graph.ops.rules import require_dims, require_ints, require_kind

Array = np.ndarray[Any, Any]
Dims = tuple[int, ...]


def _gather_type(
    operand: TensorType,
    start_indices: TensorType,
    *,
    offset_dims: Dims,
    collapsed_slice_dims: Dims,
    start_index_map: Dims,
    index_vector_dim: int,
    slice_sizes: Dims,
) -> TensorType:
    require_kind(start_indices, ("int", "uint"))
    require_ints("slice_sizes", slice_sizes, operand.rank)
    require_dims("collapsed_slice_dims", collapsed_slice_dims, operand.rank)
    _require_slices(operand, slice_sizes, collapsed_slice_dims)
    _require_index_vectors(operand, start_indices, start_index_map, index_vector_dim)
    batch = _without(start_indices.shape, (index_vector_dim,))
    kept = _without(slice_sizes, collapsed_slice_dims)
    require_ints("offset_dims", offset_dims, len(kept))
    require_dims("offset_dims", offset_dims, len(batch) + len(kept))
    in_order = list(offset_dims) == sorted(offset_dims)
    require(in_order, f"offset_dims={offset_dims}", "ascending dims", "sort them")
    rest, sizes = iter(batch), iter(kept)
    shape = (next(sizes if d in offset_dims else rest) for d in range(len(batch) + len(kept)))
    return TensorType(tuple(shape), operand.dtype)


def _require_slices(operand: TensorType, sizes: Dims, collapsed: Dims) -> None:
    fits = all(0 <= s <= n for s, n in zip(sizes, operand.shape, strict=True))
    require(fits, f"slice_sizes={sizes}", f"at most {operand.shape}", "take smaller slices")
    single = all(sizes[d] == 1 for d in collapsed)
    require(single, f"slice_sizes={sizes}", f"1 in dims {collapsed}", "collapse only such dims")


def _require_index_vectors(
    operand: TensorType, start_indices: TensorType, index_map: Dims, vector_dim: int
) -> None:
    rank = start_indices.rank
    named = type(vector_dim) is int and 0 <= vector_dim <= rank
    require(named, f"index_vector_dim={vector_dim}", f"0 to {rank}", "name a dim of start_indices")
    length = (*start_indices.shape, 1)[vector_dim]
    require_ints("start_index_map", index_map, length)
    require_dims("start_index_map", index_map, operand.rank)


@primitive(_gather_type)
def gather(
    operand: Array,
    start_indices: Array,
    result_type: TensorType,
    *,
    offset_dims: Dims,
    collapsed_slice_dims: Dims,
    start_index_map: Dims,
    index_vector_dim: int,
    slice_sizes: Dims,
) -> Array:
    """Slices of `operand` (any shape) that start at the vectors in `start_indices` (integers).

    Vectors lie along `index_vector_dim` (the rank of start_indices: scalars); component i is for
    operand dim start_index_map[i]. A start outside is clamped so that its slice fits. The slice
    dims that are not collapsed become dims `offset_dims` of the result.
    """
    starts = _clamped_starts(operand, start_indices, start_index_map, index_vector_dim, slice_sizes)
    kept = [d for d in range(operand.ndim) if d not in collapsed_slice_dims]
    whole = all(slice_sizes[d] == operand.shape[d] for d in kept)
    if whole and len(start_index_map) == 1 and collapsed_slice_dims == start_index_map:
        slices = _rows(operand, starts[..., 0], start_index_map[0])
    else:
        slices = _slices(operand, starts, start_index_map, slice_sizes, kept)
    num_batch = starts.ndim - 1
    return np.moveaxis(slices, range(num_batch, slices.ndim), offset_dims)


def _clamped_starts(
    operand: Array, indices: Array, index_map: Dims, vector_dim: int, sizes: Dims
) -> Array:
    """Start vectors [*batch, len(index_map)], moved so that every slice lies inside."""
    scalars = vector_dim == indices.ndim
    vectors = indices[..., None] if scalars else np.moveaxis(indices, vector_dim, -1)
    last = np.array([operand.shape[d] - sizes[d] for d in index_map], dtype=np.int64)
    return np.clip(vectors.astype(np.int64), 0, last)


def _rows(table: Array, rows: Array, dim: int) -> Array:
    """[*batch, *table without dim]; the common case, much faster than index arrays."""
    taken = np.take(table, rows, axis=dim)
    return np.moveaxis(taken, range(dim, dim + rows.ndim), range(rows.ndim))


def _slices(operand: Array, starts: Array, index_map: Dims, sizes: Dims, kept: list[int]) -> Array:
    """[*batch, *kept slice dims], by one index array per operand dim."""
    indices = []
    for dim in range(operand.ndim):
        start = starts[..., index_map.index(dim)] if dim in index_map else np.zeros((), np.int64)
        column = [1] * len(kept)
        if dim in kept:
            column[kept.index(dim)] = sizes[dim]
        offsets = np.arange(sizes[dim]).reshape(column)
        indices.append(start.reshape(*start.shape, *[1] * len(kept)) + offsets)
    batch = starts.shape[:-1]
    picked = operand[tuple(indices)]
    return np.broadcast_to(picked, (*batch, *(sizes[d] for d in kept)))


def _embedding_type(table: TensorType, ids: TensorType) -> TensorType:
    require(table.rank == 2, f"table {table}", "rank 2", "reshape it to [num_rows, width]")
    require_kind(ids, ("int", "uint"))
    return TensorType((*ids.shape, table.shape[1]), table.dtype)


@composite(_embedding_type)
def embedding(builder: GraphBuilder, table: Value, ids: Value) -> Value:
    """Rows of table[V, D] at the integers ids[...]: [..., D]; ids outside are clamped."""
    rank = ids.type.rank
    return builder.emit(
        "gather",
        table,
        ids,
        offset_dims=(rank,),
        collapsed_slice_dims=(0,),
        start_index_map=(0,),
        index_vector_dim=rank,
        slice_sizes=(1, table.type.shape[1]),
    )


def _without(shape: Dims, dims: Dims) -> Dims:
    return tuple(size for d, size in enumerate(shape) if d not in dims)
