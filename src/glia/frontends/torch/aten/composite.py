"""What stays whole: attention, normalisations, softmax, embedding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from glia.core.dtypes import DType
from glia.frontends.torch.aten.table import rule
from glia.frontends.torch.emitter import ArgumentUnsupported, Emitter
from glia.graph.ir import Value


@rule("embedding")
def embedding(e: Emitter, table: Value, ids: Value, *_: Any) -> Value:
    """The composite embedding."""
    return e.emit("embedding", table, ids)


@rule("softmax.int", "_softmax", "special_softmax")
def softmax(e: Emitter, x: Value, dim: int, *_: Any, **__: Any) -> Value:
    """The composite softmax, in the result's format."""
    return e.emit("softmax", e.convert(x, e.out.dtype), axis=dim % max(x.type.rank, 1))


@rule("log_softmax.int", "_log_softmax", "special_log_softmax")
def log_softmax(e: Emitter, x: Value, dim: int, *_: Any, **__: Any) -> Value:
    """The composite log_softmax, in the result's format."""
    return e.emit("log_softmax", e.convert(x, e.out.dtype), axis=dim % max(x.type.rank, 1))


def filled(e: Emitter, role: str, number: float, size: int, format: DType) -> Value:
    """A weight that the module does not have: all ones, or all zeros."""
    return e.constant(role, np.full((size,), number, format.numpy))


@rule("layer_norm")
def layer_norm(
    e: Emitter,
    x: Value,
    shape: Sequence[int],
    weight: Value | None = None,
    bias: Value | None = None,
    epsilon: float = 1e-5,
) -> Value:
    """The composite layer_norm, the normalised dims as one."""
    size = math.prod(shape)
    rows = e.reshape(x, (*x.type.shape[: x.type.rank - len(shape)], size))
    gain = filled(e, "weight", 1, size, x.type.dtype) if weight is None else weight
    shift = filled(e, "bias", 0, size, x.type.dtype) if bias is None else bias
    flat = [e.reshape(v, (size,)) for v in (gain, shift)]
    return e.reshape(e.emit("layer_norm", rows, *flat, epsilon=float(epsilon)), x.type.shape)


@rule("rms_norm")
def rms_norm(
    e: Emitter,
    x: Value,
    shape: Sequence[int],
    weight: Value | None = None,
    epsilon: float | None = None,
) -> Value:
    """The composite rms_norm, the normalised dims as one."""
    size = math.prod(shape)
    rows = e.reshape(x, (*x.type.shape[: x.type.rank - len(shape)], size))
    gain = filled(e, "weight", 1, size, x.type.dtype) if weight is None else weight
    small = 2 * x.type.dtype.unit_roundoff if epsilon is None else epsilon
    scaled = e.emit("rms_norm", rows, e.reshape(gain, (size,)), epsilon=float(small))
    return e.reshape(scaled, x.type.shape)


@rule("group_norm")
def group_norm(
    e: Emitter,
    x: Value,
    groups: int,
    weight: Value | None = None,
    bias: Value | None = None,
    epsilon: float = 1e-5,
) -> Value:
    """Each group of channels of x[N,C,*size] as one row of a layer norm, then scale and shift."""
    num, channels, *size = x.type.shape
    row = channels // groups * math.prod(size)
    rows = e.reshape(x, (num, groups, row))
    gain, shift = (filled(e, r, v, row, x.type.dtype) for r, v in (("weight", 1), ("bias", 0)))
    normal = e.emit("layer_norm", rows, gain, shift, epsilon=float(epsilon))
    return affine(e, e.reshape(normal, x.type.shape), weight, bias, len(size))


def affine(
    e: Emitter, x: Value, weight: Value | None, bias: Value | None, num_trailing: int
) -> Value:
    """Scale and shift each channel."""
    shape = (-1, *(1,) * num_trailing)
    scaled = x if weight is None else e.binary("multiply", x, e.reshape(weight, shape))
    return scaled if bias is None else e.binary("add", scaled, e.reshape(bias, shape))


@rule("batch_norm")
def batch_norm(
    e: Emitter,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    mean: Value | None,
    variance: Value | None,
    training: bool,
    _momentum: float,
    epsilon: float,
) -> Value:
    """Normalise each channel by its running mean and variance."""
    if training or mean is None or variance is None:
        raise ArgumentUnsupported("evaluate batch norm with running statistics")
    shape = (-1, *(1,) * (x.type.rank - 2))
    scale = e.emit("rsqrt", e.binary("add", variance, epsilon))
    centered = e.binary("subtract", x, e.reshape(mean, shape))
    normal = e.binary("multiply", centered, e.reshape(scale, shape))
    return affine(e, normal, weight, bias, x.type.rank - 2)


@rule("instance_norm")
def instance_norm(
    e: Emitter,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    mean: Value | None,
    variance: Value | None,
    use_input_stats: bool,
    momentum: float,
    epsilon: float,
) -> Value:
    """Each channel of each sequence as a group of its own, or by its running statistics."""
    if not use_input_stats:
        return batch_norm(e, x, weight, bias, mean, variance, False, momentum, epsilon)
    return group_norm(e, x, x.type.shape[1], weight, bias, epsilon)


@rule("scaled_dot_product_attention")
def attention(
    e: Emitter,
    q: Value,
    k: Value,
    v: Value,
    mask: Value | None = None,
    dropout: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Value:
    """The composite attention; q, k, v as [B,h,S,d] whatever number of leading dims they have."""
    if dropout > 0:
        raise ArgumentUnsupported("pass dropout_p=0.0 unless self.training")
    if enable_gqa:
        k, v = (_shared_heads(e, part, q.type.shape[-3]) for part in (k, v))
    factor = 1 / math.sqrt(q.type.shape[-1]) if scale is None else scale
    outer = np.broadcast_shapes(*(part.type.shape[:-2] for part in (q, k, v)))
    parts = [_four_dims(e, e.broadcast(p, (*outer, *p.type.shape[-2:]))) for p in (q, k, v)]
    if mask is not None and not _lets_all_pass(e, mask):
        parts.append(_mask(e, mask, q, outer))
    result = e.emit("attention", *parts, scale=float(factor), causal=is_causal)
    return e.reshape(result, e.out.shape)


def _lets_all_pass(e: Emitter, mask: Value) -> bool:
    """Whether the mask is known to change nothing, as when the model is called without one."""
    data = e.known(mask)
    if data is None:
        return False
    return bool(data.all() if mask.type.dtype.name == "bool" else (data == 0).all())


def _shared_heads(e: Emitter, x: Value, num_heads: int) -> Value:
    """Repeat each key/value head for the query heads that share it."""
    *outer, heads, length, size = x.type.shape
    spread = e.reshape(x, (*outer, heads, 1, length, size))
    wide = e.broadcast(spread, (*outer, heads, num_heads // heads, length, size))
    return e.reshape(wide, (*outer, num_heads, length, size))


def _four_dims(e: Emitter, x: Value) -> Value:
    """[..., h, S, d] as [B, h, S, d]."""
    shape = (1,) * (4 - x.type.rank) + x.type.shape
    return e.reshape(x, (math.prod(shape[:-3]), *shape[-3:]))


def _mask(e: Emitter, mask: Value, q: Value, outer: Sequence[int]) -> Value:
    """The mask with four dims, broadcast only where several leading dims become one."""
    if mask.type.dtype.name != "bool":
        mask = e.convert(mask, q.type.dtype)
    if len(outer) > 2 and mask.type.rank > 2:
        mask = e.broadcast(mask, (*outer, *mask.type.shape[-2:]))
    return _four_dims(e, mask)
