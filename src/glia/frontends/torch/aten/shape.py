"""The same elements in another arrangement: views, permutations, joins, repeats, padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from glia.frontends.torch.aten.table import rule
from glia.frontends.torch.emitter import ArgumentUnsupported, Emitter
from glia.graph.ir import Value


@rule(
    "view.default",
    "reshape",
    "_unsafe_view",
    "view_copy",
    "flatten",
    "unflatten",
    "unsqueeze",
    "squeeze",
    "view_as",
    "reshape_as",
    "_reshape_alias",
    "ravel",
)
def reshape(e: Emitter, x: Value, *_: Any) -> Value:
    """Row-major order is kept, so the result's shape says it all."""
    return e.reshape(x, e.out.shape)


@rule("view.dtype")
def view_as_format(e: Emitter, x: Value, *_: Any) -> Value:
    """The same bits as another format."""
    if x.type.dtype != e.out.dtype:
        raise ArgumentUnsupported("use .to(dtype); reading bits as another format does not move")
    return x


@rule("expand", "expand_as", "expand_copy", "broadcast_to")
def expand(e: Emitter, x: Value, *_: Any, **__: Any) -> Value:
    """Repeat dims of size 1, and add dims in front."""
    return e.broadcast(x, e.out.shape)


@rule("permute")
def permute(e: Emitter, x: Value, order: Sequence[int]) -> Value:
    """Reorder the dims."""
    return e.transpose(x, order)


@rule("transpose", "swapaxes", "swapdims")
def transpose(e: Emitter, x: Value, first: int, second: int) -> Value:
    """Exchange two dims."""
    order = list(range(x.type.rank))
    if order:
        order[first], order[second] = order[second], order[first]
    return e.transpose(x, order)


@rule("t", "numpy_T", "mT")
def t(e: Emitter, x: Value) -> Value:
    """Exchange the last two dims (there are at most two, or many for `mT`)."""
    return x if x.type.rank < 2 else transpose(e, x, -2, -1)


@rule("movedim")
def movedim(e: Emitter, x: Value, source: Any, destination: Any) -> Value:
    """Move dims to other places; the rest keep their order."""
    rank = x.type.rank
    origins = [d % rank for d in ([source] if isinstance(source, int) else source)]
    places = [d % rank for d in ([destination] if isinstance(destination, int) else destination)]
    rest = iter(d for d in range(rank) if d not in origins)
    moved = dict(zip(places, origins, strict=True))
    return e.transpose(x, [moved[d] if d in moved else next(rest) for d in range(rank)])


@rule("cat", "concat", "concatenate")
def cat(e: Emitter, xs: Sequence[Value], dim: int = 0) -> Value:
    """Join along a dim."""
    parts = [e.convert(x, e.out.dtype) for x in xs]
    return join(e, [x for x in parts if x.type.shape != (0,)] or parts[:1], dim)


def join(e: Emitter, xs: Sequence[Value], dim: int) -> Value:
    """Concatenate what is not empty."""
    axis = dim % xs[0].type.rank
    parts = [x for x in xs if x.type.shape[axis] > 0] or [xs[0]]
    return parts[0] if len(parts) == 1 else e.emit("concatenate", *parts, dimension=axis)


@rule("stack")
def stack(e: Emitter, xs: Sequence[Value], dim: int = 0) -> Value:
    """Join along a new dim."""
    axis = dim % e.out.rank
    shape = tuple(1 if d == axis else n for d, n in enumerate(e.out.shape))
    return join(e, [e.reshape(e.convert(x, e.out.dtype), shape) for x in xs], axis)


@rule("repeat")
def repeat(e: Emitter, x: Value, repeats: Sequence[int]) -> Value:
    """Tile the whole tensor along each dim."""
    shape = (1,) * (len(repeats) - x.type.rank) + x.type.shape
    paired = [size for n in shape for size in (1, n)]
    tiled = [size for r, n in zip(repeats, shape, strict=True) for size in (r, n)]
    return e.reshape(e.broadcast(e.reshape(x, paired), tiled), e.out.shape)


@rule("tile")
def tile(e: Emitter, x: Value, repeats: Sequence[int]) -> Value:
    """`repeat` that adds missing leading ones."""
    return repeat(e, x, (1,) * (x.type.rank - len(repeats)) + tuple(repeats))


@rule("repeat_interleave.self_int")
def repeat_interleave(
    e: Emitter, x: Value, repeats: int, dim: int | None = None, **_: Any
) -> Value:
    """Repeat each element in place."""
    flat, axis = (e.reshape(x, (-1,)), 0) if dim is None else (x, dim % x.type.rank)
    shape = flat.type.shape
    spread = e.reshape(flat, (*shape[: axis + 1], 1, *shape[axis + 1 :]))
    wide = e.broadcast(spread, (*shape[: axis + 1], repeats, *shape[axis + 1 :]))
    return e.reshape(wide, e.out.shape)


@rule("flip")
def flip(e: Emitter, x: Value, dims: Sequence[int]) -> Value:
    """Reverse the order along dims."""
    return e.emit("reverse", x, dimensions=tuple(d % x.type.rank for d in dims))


@rule("roll")
def roll(e: Emitter, x: Value, shifts: Sequence[int], dims: Sequence[int] = ()) -> Value:
    """Shift along dims; what leaves at the end comes in at the start."""
    result = x if dims else e.reshape(x, (-1,))
    for shift, dim in zip(shifts, dims or (0,), strict=True):
        axis = dim % result.type.rank
        size = result.type.shape[axis]
        cut = -shift % size if size else 0
        tail, head = e.slice(result, axis, cut, size), e.slice(result, axis, 0, cut)
        result = join(e, [tail, head], axis)
    return e.reshape(result, x.type.shape)


@rule("pad")
def pad(
    e: Emitter, x: Value, widths: Sequence[int], mode: str = "constant", value: Any = None
) -> Value:
    """Add the number around; negative widths cut off."""
    if mode != "constant":
        raise ArgumentUnsupported(f"pad with mode='constant' instead of {mode!r}")
    return constant_pad(e, x, widths, 0 if value is None else value)


@rule("constant_pad_nd")
def constant_pad(e: Emitter, x: Value, widths: Sequence[int], value: Any = 0) -> Value:
    """Add the number around; `widths` are (low, high) pairs from the last dim."""
    pairs = [(widths[i], widths[i + 1]) for i in range(0, len(widths), 2)]
    pairs = ([(0, 0)] * (x.type.rank - len(pairs))) + pairs[::-1]
    result = x
    for dim, (low, high) in enumerate(pairs):
        size = x.type.shape[dim]
        result = e.slice(result, dim, max(-low, 0), size - max(-high, 0))
    lows, highs = (tuple(max(p[side], 0) for p in pairs) for side in (0, 1))
    if not any(lows + highs):
        return result
    number = e.shelf.scalar(value, x.type.dtype)
    return e.emit(
        "pad",
        result,
        number,
        edge_padding_low=lows,
        edge_padding_high=highs,
        interior_padding=(0,) * x.type.rank,
    )


@rule("unfold")
def unfold(e: Emitter, x: Value, dim: int, size: int, step: int) -> Value:
    """Sliding windows of `size` every `step` along `dim`, as a new last dim."""
    axis = dim % x.type.rank
    count = e.out.shape[axis]
    stop = (count - 1) * step + 1
    taps = [e.slice(x, axis, k, k + stop, step) for k in range(size)]
    return join(e, [e.reshape(tap, (*tap.type.shape, 1)) for tap in taps], x.type.rank)
