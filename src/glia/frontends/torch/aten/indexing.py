"""Parts of tensors: slices, splits, and reading at computed positions.

A position is checked against the graph's gather, which clamps; negative positions, which PyTorch
counts from the end, are rewritten, unless the index is known and has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glia.frontends.torch.aten.shape import join
from glia.frontends.torch.aten.table import rule
from glia.frontends.torch.emitter import ArgumentUnsupported, Emitter
from glia.graph.ir import Value


def bounds(size: int, start: int | None, stop: int | None) -> tuple[int, int]:
    """Python's slice bounds, as PyTorch clamps them."""
    low, high, _ = slice(start, stop).indices(size)
    return low, max(high, low)


@rule("slice", "slice_copy")
def slice_(
    e: Emitter,
    x: Value,
    dim: int = 0,
    start: int | None = None,
    stop: int | None = None,
    step: int = 1,
) -> Value:
    """`x[..., start:stop:step, ...]`."""
    axis = dim % x.type.rank
    low, high = bounds(x.type.shape[axis], start, stop)
    return e.slice(x, axis, low, high, step)


@rule("narrow")
def narrow(e: Emitter, x: Value, dim: int, start: int, length: int) -> Value:
    """`length` elements from `start`."""
    axis = dim % x.type.rank
    first = start % x.type.shape[axis] if start < 0 else start
    return e.slice(x, axis, first, first + length)


@rule("select.int", "select_copy")
def select(e: Emitter, x: Value, dim: int, index: int) -> Value:
    """One position of a dim, without the dim."""
    axis = dim % x.type.rank
    at = index % x.type.shape[axis]
    return e.reshape(e.slice(x, axis, at, at + 1), e.out.shape)


@rule("unbind")
def unbind(e: Emitter, x: Value, dim: int = 0) -> tuple[Value, ...]:
    """All positions of a dim, without the dim."""
    axis = dim % x.type.rank
    shape = x.type.shape[:axis] + x.type.shape[axis + 1 :]
    parts = [e.slice(x, axis, i, i + 1) for i in range(x.type.shape[axis])]
    return tuple(e.reshape(part, shape) for part in parts)


def cut(e: Emitter, x: Value, sizes: Sequence[int], axis: int) -> tuple[Value, ...]:
    """Consecutive parts of these sizes."""
    ends = np.cumsum(sizes)
    return tuple(
        e.slice(x, axis, int(end) - n, int(end)) for n, end in zip(sizes, ends, strict=True)
    )


@rule("split.Tensor")
def split(e: Emitter, x: Value, size: int, dim: int = 0) -> tuple[Value, ...]:
    """Parts of `size`; the last may be smaller."""
    axis = dim % x.type.rank
    total = x.type.shape[axis]
    return cut(e, x, [min(size, total - at) for at in range(0, total, size)], axis)


@rule("split_with_sizes", "split.sizes")
def split_with_sizes(e: Emitter, x: Value, sizes: Sequence[int], dim: int = 0) -> tuple:
    """Parts of the given sizes."""
    return cut(e, x, sizes, dim % x.type.rank)


@rule("chunk")
def chunk(e: Emitter, x: Value, chunks: int, dim: int = 0) -> tuple[Value, ...]:
    """At most `chunks` equal parts; the last may be smaller."""
    return split(e, x, -(-x.type.shape[dim] // chunks), dim)


@rule("slice_scatter")
def slice_scatter(
    e: Emitter,
    x: Value,
    source: Value,
    dim: int = 0,
    start: int | None = None,
    stop: int | None = None,
    step: int = 1,
) -> Value:
    """`x` with a slice replaced."""
    if step != 1:
        raise ArgumentUnsupported("assign to slices of step 1 only")
    axis = dim % x.type.rank
    size = x.type.shape[axis]
    low, high = bounds(size, start, stop)
    shape = tuple(high - low if d == axis else n for d, n in enumerate(x.type.shape))
    middle = e.operand(source, x.type.dtype, shape)
    return join(e, [e.slice(x, axis, 0, low), middle, e.slice(x, axis, high, size)], axis)


@rule("select_scatter")
def select_scatter(e: Emitter, x: Value, source: Value, dim: int, index: int) -> Value:
    """`x` with one position of a dim replaced."""
    axis = dim % x.type.rank
    at = index % x.type.shape[axis]
    shape = source.type.shape
    part = e.reshape(source, (*shape[:axis], 1, *shape[axis:]))
    return slice_scatter(e, x, part, axis, at, at + 1)


def wrapped(e: Emitter, ids: Value, size: int) -> Value:
    """Positions with the negative ones counted from the end."""
    data = e.known(ids)
    if not ids.type.dtype.is_integer:
        raise ArgumentUnsupported("index with integers; use torch.where(mask, x, y) for masks")
    if ids.type.dtype.kind == "uint" or (data is not None and (data.size == 0 or data.min() >= 0)):
        return ids
    from_end = e.binary("add", ids, size, ids.type.dtype)
    return e.select(e.compare("LT", ids, 0), from_end, ids, ids.type.dtype)


def take(e: Emitter, x: Value, axis: int, ids: Value) -> Value:
    """Whole slices of `x` at positions `ids` of one dim; the dims of `ids` replace that dim."""
    shape = x.type.shape
    before, after = range(axis), range(axis + ids.type.rank, len(shape) - 1 + ids.type.rank)
    return e.emit(
        "gather",
        x,
        ids,
        offset_dims=(*before, *after),
        collapsed_slice_dims=(axis,),
        start_index_map=(axis,),
        index_vector_dim=ids.type.rank,
        slice_sizes=tuple(1 if d == axis else n for d, n in enumerate(shape)),
    )


@rule("index_select")
def index_select(e: Emitter, x: Value, dim: int, ids: Value) -> Value:
    """Slices at positions of a dim."""
    axis = dim % x.type.rank
    return take(e, x, axis, wrapped(e, ids, x.type.shape[axis]))


@rule("gather")
def gather(e: Emitter, x: Value, dim: int, ids: Value, *, sparse_grad: bool = False) -> Value:
    """`out[i, j] = x[ids[i, j], j]` for `dim` 0, and so on."""
    axis = dim % x.type.rank
    shape = ids.type.shape
    positions = [e.iota(shape, d, ids.type.dtype) for d in range(x.type.rank)]
    positions[axis] = wrapped(e, ids, x.type.shape[axis])
    return at_points(e, x, positions, tuple(range(x.type.rank)))


def at_points(e: Emitter, x: Value, positions: Sequence[Value], dims: Sequence[int]) -> Value:
    """Read `x` at positions of equal shape along `dims`, whole along the others.

    The dims of the positions come first in the result, then the other dims of `x`.
    """
    shape = positions[0].type.shape
    columns = [e.reshape(p, (*shape, 1)) for p in positions]
    starts = join(e, columns, len(shape))
    others = [n for d, n in enumerate(x.type.shape) if d not in dims]
    return e.emit(
        "gather",
        x,
        starts,
        offset_dims=tuple(range(len(shape), len(shape) + len(others))),
        collapsed_slice_dims=tuple(sorted(dims)),
        start_index_map=tuple(dims),
        index_vector_dim=len(shape),
        slice_sizes=tuple(1 if d in dims else n for d, n in enumerate(x.type.shape)),
    )


@rule("index.Tensor", "_unsafe_index")
def index(e: Emitter, x: Value, indices: Sequence[Value | None]) -> Value:
    """`x[i, :, j]` with index tensors that broadcast together, None where a dim is whole."""
    dims = [d for d, ids in enumerate(indices) if ids is not None]
    given = [ids for ids in indices if ids is not None]
    positions = [wrapped(e, ids, x.type.shape[d]) for d, ids in zip(dims, given, strict=True)]
    if len(dims) == 1:
        return take(e, x, dims[0], positions[0])
    regular = _as_slices(e, x, dims, positions)
    if regular is not None:
        return regular
    shape = np.broadcast_shapes(*(p.type.shape for p in positions))
    first = at_points(e, x, [e.broadcast(p, shape) for p in positions], dims)
    return _place(e, first, dims, len(shape))


def _place(e: Emitter, x: Value, dims: Sequence[int], num_index_dims: int) -> Value:
    """Move the leading index dims to the first indexed dim, when the indexed dims are adjacent."""
    if list(dims) != list(range(dims[0], dims[0] + len(dims))):
        return x
    start = num_index_dims
    before = range(start, start + dims[0])
    after = range(start + dims[0], x.type.rank)
    return e.transpose(x, (*before, *range(start), *after))


def _as_slices(
    e: Emitter, x: Value, dims: Sequence[int], positions: Sequence[Value]
) -> Value | None:
    """Known indices that count along one dim each, in order, over all of `x`: a broadcast slice.

    This is how mask code reads a padding mask at all (batch, key) pairs.
    """
    if list(dims) != list(range(x.type.rank)):
        return None
    spans = [_span(e.known(p)) for p in positions]
    shape = np.broadcast_shapes(*(p.type.shape for p in positions))
    result, places = x, []
    for axis, (span, p) in enumerate(zip(spans, positions, strict=True)):
        if span is None or span.first + span.count > x.type.shape[axis]:
            return None
        result = e.slice(result, axis, span.first, span.first + span.count)
        places += [span.dim + len(shape) - p.type.rank] if span.count > 1 else []
    if sorted(set(places)) != places:
        return None
    wide = e.reshape(result, [n for n in result.type.shape if n > 1])
    if wide.type.shape == shape:
        return wide
    return e.emit("broadcast_in_dim", wide, shape=shape, broadcast_dimensions=tuple(places))


@dataclass(frozen=True, slots=True)
class _Span:
    dim: int
    first: int
    count: int


def _span(data: np.ndarray | None) -> _Span | None:
    """Known data that counts up by one along one dim and is 1 wide elsewhere."""
    if data is None or data.size == 0:
        return None
    wide = [d for d, n in enumerate(data.shape) if n > 1]
    flat = data.reshape(-1)
    if len(wide) > 1 or not np.array_equal(flat, flat[0] + np.arange(flat.size)):
        return None
    return _Span(wide[0] if wide else 0, int(flat[0]), flat.size)
