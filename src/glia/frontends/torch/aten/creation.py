"""Tensors made from nothing: filled, counted, triangular; and copies that change the format."""

from __future__ import annotations

from typing import Any

from glia.frontends.torch.aten.table import rule
from glia.frontends.torch.emitter import ArgumentUnsupported, Emitter, Operand
from glia.graph.ir import Value


@rule("zeros", "zeros_like", "new_zeros", "zero", "empty", "empty_like", "new_empty")
def zeros(e: Emitter, *_: Any, **__: Any) -> Value:
    """All zero; memory that PyTorch leaves unset is zero as well."""
    return e.full(0, e.out.shape, e.out.dtype)


@rule("ones", "ones_like", "new_ones")
def ones(e: Emitter, *_: Any, **__: Any) -> Value:
    """All one."""
    return e.full(1, e.out.shape, e.out.dtype)


@rule("full", "full_like", "fill")
def full(e: Emitter, _: Any, number: Operand, **__: Any) -> Value:
    """All the same number."""
    return e.operand(number, e.out.dtype, e.out.shape)


@rule("new_full")
def new_full(e: Emitter, _: Value, size: Any, number: Operand, **__: Any) -> Value:
    """All the same number, in the format of another tensor."""
    return e.operand(number, e.out.dtype, e.out.shape)


@rule("scalar_tensor")
def scalar_tensor(e: Emitter, number: float, **_: Any) -> Value:
    """One number, without dims."""
    return e.full(number, (), e.out.dtype)


@rule("arange.default")
def arange_end(e: Emitter, end: float, **_: Any) -> Value:
    """0, 1, 2, ... below `end`."""
    return e.iota(e.out.shape, 0, e.out.dtype)


@rule("arange.start", "arange.start_step")
def arange(e: Emitter, start: float, end: float, step: float = 1, **_: Any) -> Value:
    """`start`, `start + step`, ... before `end`."""
    counts = e.iota(e.out.shape, 0, e.out.dtype)
    scaled = counts if step == 1 else e.binary("multiply", counts, step, e.out.dtype)
    return scaled if start == 0 else e.binary("add", scaled, start, e.out.dtype)


def band(e: Emitter, x: Value, direction: str, diagonal: int) -> Value:
    """Keep `x` where `column - row` stands in `direction` to `diagonal`, zero elsewhere."""
    shape = x.type.shape[-2:]
    offset = e.emit("subtract", e.iota(shape, 1), e.iota(shape, 0))
    return e.select(e.compare(direction, offset, diagonal), x, 0, x.type.dtype)


@rule("tril")
def tril(e: Emitter, x: Value, diagonal: int = 0) -> Value:
    """Zero above the diagonal."""
    return band(e, x, "LE", diagonal)


@rule("triu")
def triu(e: Emitter, x: Value, diagonal: int = 0) -> Value:
    """Zero below the diagonal."""
    return band(e, x, "GE", diagonal)


@rule("to", "_to_copy", "type_as")
def convert(e: Emitter, x: Value, *_: Any, **__: Any) -> Value:
    """The same values in the result's format."""
    return e.convert(x, e.out.dtype)


@rule("copy")
def copy(e: Emitter, x: Value, source: Value) -> Value:
    """The values of `source` in the shape and format of `x`."""
    return e.operand(source, e.out.dtype, x.type.shape)


@rule(
    "detach",
    "contiguous",
    "clone",
    "alias",
    "lift_fresh",
    "lift_fresh_copy",
    "positive",
    "resolve_conj",
    "resolve_neg",
)
def identity(e: Emitter, x: Value, **_: Any) -> Value:
    """The same values."""
    return x


@rule("dropout", "feature_dropout", "alpha_dropout")
def dropout(e: Emitter, x: Value, p: float, train: bool) -> Value:
    """Nothing, when a model is evaluated."""
    if train and p > 0:
        raise ArgumentUnsupported("pass training=self.training, so that evaluation drops nothing")
    return x
