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


@rule("bilinear")
def bilinear(e: Emitter, x: Value, y: Value, weight: Value, bias: Value | None = None) -> Value:
    """`x[..., i] weight[o, i, j] y[..., j]`, summed over i and j, plus bias[o]."""
    num_out, num_left, num_right = weight.type.shape
    left = contract(e, x, weight, ((x.type.rank - 1,), (1,)))
    right = e.reshape(y, (*y.type.shape[:-1], 1, num_right))
    total = e.reduce("add", e.binary("multiply", left, right), (-1,))
    assert total.type.shape[-1] == num_out and x.type.shape[-1] == num_left
    return total if bias is None else e.binary("add", total, bias)


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
    sides = [(width, width) for width in _each(padding, rank)]
    return _convolved(e, x, weight, bias, stride, sides, dilation, groups)


@rule("conv1d.padding", "conv2d.padding", "conv3d.padding")
def named_convolution(
    e: Emitter,
    x: Value,
    weight: Value,
    bias: Value | None = None,
    stride: Sequence[int] = (1,),
    padding: str = "valid",
    dilation: Sequence[int] = (1,),
    groups: int = 1,
) -> Value:
    """A convolution whose padding is `valid` (none) or `same` (the result is as large as `x`)."""
    rank = weight.type.rank - 2
    reach = [
        d * (n - 1) if padding == "same" else 0
        for d, n in zip(_each(dilation, rank), weight.type.shape[2:], strict=True)
    ]
    sides = [(total // 2, total - total // 2) for total in reach]
    return _convolved(e, x, weight, bias, stride, sides, dilation, groups)


def _convolved(
    e: Emitter,
    x: Value,
    weight: Value,
    bias: Value | None,
    stride: Sequence[int],
    sides: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    groups: int,
) -> Value:
    rank = weight.type.rank - 2
    size = e.out.shape[-rank:]
    batch = x if x.type.rank == rank + 2 else e.reshape(x, (1, *x.type.shape))
    padded = constant_pad(e, batch, [width for pair in reversed(sides) for width in pair])
    stride, dilation = _each(stride, rank), _each(dilation, rank)
    total: Value | None = None
    for tap in itertools.product(*(range(n) for n in weight.type.shape[2:])):
        window = _window(e, padded, size, tap, stride, dilation)
        term = _grouped(e, window, _tap_weight(e, weight, tap), groups)
        total = term if total is None else e.emit("add", total, term)
    assert total is not None
    if bias is not None:
        shift = e.reshape(bias, (-1, *(1,) * rank))
        total = e.emit("add", total, e.broadcast(shift, total.type.shape))
    return e.reshape(total, e.out.shape)


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
        window = _window(e, x, e.out.shape[-len(kernel) :], tap, stride, (1,) * len(kernel))
        total = window if total is None else e.emit("add", total, window)
    assert total is not None
    return total


def _each(numbers: Sequence[int], rank: int) -> tuple[int, ...]:
    return tuple(numbers) * rank if len(numbers) == 1 else tuple(numbers)


def _window(
    e: Emitter,
    x: Value,
    size: Sequence[int],
    tap: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> Value:
    """What one tap of the kernel sees: `x` from its offset at the stride, `size` elements."""
    result, first = x, x.type.rank - len(tap)
    for axis, (n, k, s, d) in enumerate(zip(size, tap, stride, dilation, strict=True), start=first):
        result = e.slice(result, axis, k * d, k * d + (n - 1) * s + 1, s)
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
