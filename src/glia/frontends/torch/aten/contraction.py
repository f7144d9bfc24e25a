"""Matrix products and convolutions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from glia.frontends.torch.aten.arithmetic import add
from glia.frontends.torch.aten.shape import constant_pad
from glia.frontends.torch.aten.table import rule
from glia.frontends.torch.emitter import Emitter
from glia.graph.ir import Value


def contract(
    e: Emitter,
    x: Value,
    y: Value,
    dims: tuple[Sequence[int], Sequence[int]],
    batch: tuple[Sequence[int], Sequence[int]] = ((), ()),
) -> Value:
    """dot_general over `dims` of (x, y) with `batch` dims of each."""
    return e.emit(
        "dot_general",
        x,
        y,
        lhs_batching_dimensions=tuple(batch[0]),
        rhs_batching_dimensions=tuple(batch[1]),
        lhs_contracting_dimensions=tuple(dims[0]),
        rhs_contracting_dimensions=tuple(dims[1]),
    )


@rule("linear")
def linear(e: Emitter, x: Value, weight: Value, bias: Value | None = None) -> Value:
    """The composite linear."""
    rows = e.reshape(x, (1, -1)) if x.type.rank == 1 else x
    operands = [rows, weight] if bias is None else [rows, weight, bias]
    return e.reshape(e.emit("linear", *operands, activation=None), e.out.shape)


@rule("matmul", "mm", "bmm", "mv", "dot")
def matmul(e: Emitter, x: Value, y: Value) -> Value:
    """The matrix product of the last two dims, the others broadcast; vectors are promoted."""
    left = e.reshape(x, (1, -1)) if x.type.rank == 1 else x
    right = e.reshape(y, (-1, 1)) if y.type.rank == 1 else y
    return e.reshape(product(e, left, right), e.out.shape)


def product(e: Emitter, x: Value, y: Value) -> Value:
    """The matrix product of tensors of rank 2 or more."""
    if y.type.rank == 2:
        return contract(e, x, y, ((x.type.rank - 1,), (0,)))
    outer = np.broadcast_shapes(x.type.shape[:-2], y.type.shape[:-2])
    left = e.broadcast(x, (*outer, *x.type.shape[-2:]))
    right = e.broadcast(y, (*outer, *y.type.shape[-2:]))
    batch, last = tuple(range(len(outer))), len(outer)
    return contract(e, left, right, ((last + 1,), (last,)), (batch, batch))


@rule("addmm", "baddbmm", "addbmm", "addmv")
def addmm(
    e: Emitter, bias: Value, x: Value, y: Value, *, beta: float = 1, alpha: float = 1
) -> Value:
    """`beta * bias + alpha * (x @ y)`."""
    scaled = matmul(e, x, y) if y.type.rank > 1 else e.reshape(matmul(e, x, y), e.out.shape)
    scaled = scaled if alpha == 1 else e.binary("multiply", scaled, alpha)
    return scaled if beta == 0 else add(e, scaled, bias, alpha=beta)


@rule("outer", "ger")
def outer(e: Emitter, x: Value, y: Value) -> Value:
    """All products of two vectors' elements."""
    return e.binary("multiply", e.reshape(x, (-1, 1)), e.reshape(y, (1, -1)), e.out.dtype)


@rule("conv1d.default", "conv2d.default", "conv3d.default")
def convolution(
    e: Emitter,
    x: Value,
    weight: Value,
    bias: Value | None = None,
    stride: Sequence[int] = (1,),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    groups: int = 1,
) -> Value:
    """A convolution as one matrix product per tap of the kernel, summed.

    x[N,C,*size], weight[K,C/groups,*taps]; the result is [N,K,*size'].
    """
    rank = weight.type.rank - 2
    stride, padding, dilation = (_each(v, rank) for v in (stride, padding, dilation))
    padded = constant_pad(e, x, [p for width in reversed(padding) for p in (width, width)])
    total: Value | None = None
    for tap in itertools.product(*(range(n) for n in weight.type.shape[2:])):
        window = _window(e, padded, tap, stride, dilation)
        term = _grouped(e, window, _tap_weight(e, weight, tap), groups)
        total = term if total is None else e.emit("add", total, term)
    assert total is not None
    if bias is None:
        return total
    return e.emit("add", total, e.broadcast(e.reshape(bias, (-1, *(1,) * rank)), total.type.shape))


@rule("avg_pool1d", "avg_pool2d", "avg_pool3d")
def average_pool(
    e: Emitter,
    x: Value,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil_mode: bool = False,
    count_padding: bool = True,
    divisor: int | None = None,
) -> Value:
    """The mean of each window of x[..., *size]; windows that padding cuts short count it as zero,
    or leave it out of the mean."""
    rank = len(kernel)
    stride, padding = _each(stride or kernel, rank), _each(padding, rank)
    widths = _pool_widths(e, x, kernel, stride, padding)
    total = _window_sum(e, constant_pad(e, x, widths), kernel, stride)
    if divisor is not None:
        return e.binary("divide", total, divisor)
    if not any(widths) or (count_padding and not ceil_mode):
        return e.binary("divide", total, math.prod(kernel))
    ones = e.full(1, x.type.shape, x.type.dtype)
    sides = [p for width in reversed(padding) for p in (width, width)]
    within = constant_pad(e, ones, sides, 1 if count_padding else 0)
    rest = [w - s for w, s in zip(widths, sides, strict=True)]
    counts = _window_sum(e, constant_pad(e, within, rest), kernel, stride)
    return e.emit("divide", total, counts)


def _pool_widths(
    e: Emitter, x: Value, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int]
) -> list[int]:
    """(low, high) padding from the last dim, the high side as far as the last window reaches."""
    widths: list[int] = []
    for axis in range(-1, -len(kernel) - 1, -1):
        reach = (e.out.shape[axis] - 1) * stride[axis] + kernel[axis]
        low = padding[axis]
        widths += [low, max(reach - x.type.shape[axis] - low, low)]
    return widths


def _window_sum(e: Emitter, x: Value, kernel: Sequence[int], stride: Sequence[int]) -> Value:
    total: Value | None = None
    for tap in itertools.product(*(range(n) for n in kernel)):
        window = _window(e, x, tap, stride, (1,) * len(kernel))
        total = window if total is None else e.emit("add", total, window)
    assert total is not None
    return total


def _each(numbers: Sequence[int], rank: int) -> tuple[int, ...]:
    return tuple(numbers) * rank if len(numbers) == 1 else tuple(numbers)


def _window(
    e: Emitter, x: Value, tap: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Value:
    """What one tap of the kernel sees: `x` from its offset at the stride, in the result's size."""
    result = x
    first = x.type.rank - len(tap)
    for axis, (k, s, d) in enumerate(zip(tap, stride, dilation, strict=True), start=first):
        span = (e.out.shape[axis] - 1) * s + 1
        result = e.slice(result, axis, k * d, k * d + span, s)
    return result


def _tap_weight(e: Emitter, weight: Value, tap: Sequence[int]) -> Value:
    result = weight
    for axis, k in enumerate(tap, start=2):
        result = e.slice(result, axis, k, k + 1)
    return e.reshape(result, weight.type.shape[:2])


def _grouped(e: Emitter, x: Value, weight: Value, groups: int) -> Value:
    """x[N,C,*size] with weight[K,C/groups]: [N,K,*size]."""
    num, channels, *size = x.type.shape
    made = weight.type.shape[0]
    if groups == channels == made:
        scale = e.reshape(weight, (made, *(1,) * len(size)))
        return e.binary("multiply", x, scale)
    if groups == 1:
        mixed = contract(e, x, weight, ((1,), (1,)))
        return e.transpose(mixed, (0, len(size) + 1, *range(1, len(size) + 1)))
    parts = e.reshape(x, (num, groups, channels // groups, *size))
    kernels = e.reshape(weight, (groups, made // groups, channels // groups))
    mixed = contract(e, parts, kernels, ((2,), (2,)), ((1,), (0,)))
    rank = mixed.type.rank
    ordered = e.transpose(mixed, (1, 0, rank - 1, *range(2, rank - 1)))
    return e.reshape(ordered, (num, made, *size))
