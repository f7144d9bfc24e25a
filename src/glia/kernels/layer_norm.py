"""Normalisation of rows: graph ops `layer_norm`, `add_layer_norm`, `rms_norm`.

Rows on partitions. The Vector engine gathers the moments, the Scalar engine applies them as
`x * scale + bias` with one scale and bias per row, Vector the weight and GpSimd the bias of the
columns, which are loaded once. All in fp32; fp32 inputs are worked on in place. Accepts [T, H]
in fp32 or bf16 for H while weight, bias and two tiles of rows fit in SBUF (8192 everywhere).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.kernels._tiles import (
    ceil_div,
    hbm,
    load_broadcast,
    one_late,
    row_groups,
    rows_of,
    sbuf,
    spans,
)

DTYPES = ("float32", "bfloat16")
_STATS_COLUMNS = 512  # most columns of one bn_stats
_NARROW_COLUMNS = 1024  # rows up to this wide go two to a partition, three groups in flight


def accepts(num_columns: int, element_bytes: int, sbuf: int) -> bool:
    """True when weight, bias, x, residual, the fp32 working tile and the result fit in SBUF."""
    working = 0 if element_bytes == 4 else 4 + element_bytes
    return num_columns * (4 * element_bytes + working) <= sbuf


@nki.jit
def layer_norm(x: Any, weight: Any, bias: Any, epsilon: float) -> Any:
    """(x - mean) / sqrt(variance + epsilon) * weight + bias over the last dim of x [T, H]."""
    return _normalise(x, None, weight, bias, epsilon)


@nki.jit
def add_layer_norm(x: Any, residual: Any, weight: Any, bias: Any, epsilon: float) -> Any:
    """`layer_norm(x + residual, ...)`; the sum stays in fp32 and on chip."""
    return _normalise(x, residual, weight, bias, epsilon)


@nki.jit
def rms_norm(x: Any, weight: Any, epsilon: float) -> Any:
    """x / sqrt(mean(x^2) + epsilon) * weight over the last dim of x [T, H]."""
    return _normalise(x, None, weight, None, epsilon)


def _normalise(x: Any, residual: Any, weight: Any, bias: Any, epsilon: float) -> Any:
    """Without a bias it is rms_norm, which does not subtract the mean either."""
    num_rows, num_columns = x.shape
    out = hbm(num_rows, num_columns, dtype=x.dtype)
    weight = load_broadcast(weight, 0, num_columns)
    bias = None if bias is None else load_broadcast(bias, 0, num_columns)
    narrow = num_columns <= _NARROW_COLUMNS
    late: Callable[[Any], Any] = one_late if narrow else iter

    def begin(group: tuple[int, int, int]) -> tuple[Any, ...]:
        other = None if residual is None else rows_of(residual, group)
        return group, _load_sum(rows_of(x, group), other)

    def measure(group: tuple[int, int, int], value: Any) -> tuple[Any, ...]:
        mean, variance = _moments(value)
        spread = variance if bias is not None else _mean_square(mean, variance)
        return group, value, mean, _reciprocal_root(spread, epsilon)

    begun = late(begin(group) for group in row_groups(num_rows, 2 if narrow else 1))
    for group, value, mean, scale in late(measure(*one) for one in begun):
        work = value if value.dtype == nl.float32 else sbuf(*value.shape)
        shift = None if bias is None else _shift(mean, scale)
        for j in range(group[2]):
            at = slice(j, j + 1)
            nisa.activation(
                dst=work[:, j],
                op=nl.copy,
                data=value[:, j],
                scale=scale[:, at],
                bias=None if shift is None else shift[:, at],
            )
        nisa.dma_copy(dst=rows_of(out, group), src=_affine(work, weight, bias, x.dtype))
    return out


def _load_sum(x: Any, residual: Any) -> Any:
    """x, or x + residual in fp32, as a tile."""
    value = sbuf(*x.shape, dtype=x.dtype)
    nisa.dma_copy(dst=value, src=x)
    if residual is None:
        return value
    other = sbuf(*x.shape, dtype=residual.dtype)
    nisa.dma_copy(dst=other, src=residual)
    total = value if x.dtype == nl.float32 else sbuf(*x.shape)
    _on_gpsimd(total, value, other, nl.add)
    return total


def _moments(value: Any) -> tuple[Any, Any]:
    """Mean and variance of each row of [rows, count, H] as views [rows, count]."""
    rows, count, num_columns = value.shape
    moments = sbuf(rows, count, 2)
    for j in range(count):
        stats = sbuf(rows, ceil_div(num_columns, _STATS_COLUMNS), 6)
        for start, size in spans(num_columns, _STATS_COLUMNS):
            nisa.bn_stats(
                dst=stats[:, start // _STATS_COLUMNS], data=value[:, j, start : start + size]
            )
        nisa.bn_aggr(dst=moments[:, j], data=stats)
    return moments[:, :, 0], moments[:, :, 1]


def _mean_square(mean: Any, variance: Any) -> Any:
    """mean^2 + variance: the mean of the squares."""
    result = sbuf(*mean.shape)
    nisa.tensor_tensor(dst=result, data1=mean, data2=mean, op=nl.multiply)
    nisa.tensor_tensor(dst=result, data1=result, data2=variance, op=nl.add)
    return result


def _reciprocal_root(variance: Any, epsilon: float) -> Any:
    """1 / sqrt(variance + epsilon), on GpSimd, whose rsqrt is the more accurate one."""
    result = sbuf(*variance.shape)
    nisa.tensor_scalar(
        dst=result,
        data=variance,
        op0=nl.add,
        operand0=epsilon,
        op1=nl.rsqrt,
        operand1=None,
        engine=nisa.engine.gpsimd,
    )
    return result


def _shift(mean: Any, scale: Any) -> Any:
    """-mean * scale."""
    result = sbuf(*mean.shape)
    nisa.scalar_tensor_tensor(
        dst=result, data=mean, op0=nl.multiply, operand0=-1.0, op1=nl.multiply, operand1=scale
    )
    return result


def _affine(work: Any, weight: Any, bias: Any, dtype: Any) -> Any:
    """work * weight + bias in the output's dtype; each engine does one of two operations."""
    rows, count, _ = work.shape
    result = work if work.dtype == dtype else sbuf(*work.shape, dtype=dtype)
    weight = weight[0:rows].expand_dim(1).broadcast(1, count)
    if bias is None:
        _on_gpsimd(result, work, weight, nl.multiply)
        return result
    nisa.tensor_tensor(
        dst=work, data1=work, data2=weight, op=nl.multiply, engine=nisa.engine.vector
    )
    _on_gpsimd(result, work, bias[0:rows].expand_dim(1).broadcast(1, count), nl.add)
    return result


def _on_gpsimd(result: Any, one: Any, other: Any, op: Any) -> None:
    """Of two tiles GpSimd is nearly as fast as Vector, which has the moments to gather."""
    nisa.tensor_tensor(dst=result, data1=one, data2=other, op=op, engine=nisa.engine.gpsimd)
