"""Normalisation of rows: graph ops `layer_norm`, `add_layer_norm`, `rms_norm`.

Rows on partitions. The Vector engine gathers the moments, the Scalar engine applies them as
`x * scale + bias` with one scale and bias per row, GpSimd applies the weight and bias of the
columns, which are loaded once. All in fp32; fp32 inputs are worked on in place. Accepts [T, H]
in fp32 or bf16 for H while weight, bias and two tiles of rows fit in SBUF (8192 everywhere).
"""

from __future__ import annotations

from typing import Any

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.kernels._tiles import P, ceil_div, hbm, load_broadcast, sbuf, spans

DTYPES = ("float32", "bfloat16")
_STATS_COLUMNS = 512  # most columns of one bn_stats


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
    for start, rows in spans(num_rows, P):
        place = slice(start, start + rows)
        value = _load_sum(x[place], None if residual is None else residual[place])
        work = value if value.dtype == nl.float32 else sbuf(rows, num_columns)
        moments = _moments(value)
        if bias is None:
            scale = _reciprocal_root(_mean_square(moments), epsilon)
            nisa.activation(dst=work, op=nl.copy, data=value, scale=scale)
        else:
            scale = _reciprocal_root(moments[:, 1:2], epsilon)
            shift = _shift(moments[:, 0:1], scale)
            nisa.activation(dst=work, op=nl.copy, data=value, scale=scale, bias=shift)
        nisa.dma_copy(dst=out[place], src=_affine(work, weight, bias, x.dtype))
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
    nisa.tensor_tensor(dst=total, data1=value, data2=other, op=nl.add, engine=nisa.engine.gpsimd)
    return total


def _moments(value: Any) -> Any:
    """Mean and variance of each row as a tile [rows, 2]."""
    rows, num_columns = value.shape
    stats = sbuf(rows, ceil_div(num_columns, _STATS_COLUMNS), 6)
    for start, size in spans(num_columns, _STATS_COLUMNS):
        nisa.bn_stats(dst=stats[:, start // _STATS_COLUMNS], data=value[:, start : start + size])
    moments = sbuf(rows, 2)
    nisa.bn_aggr(dst=moments, data=stats)
    return moments


def _mean_square(moments: Any) -> Any:
    """mean^2 + variance: the mean of the squares."""
    mean, result = moments[:, 0:1], sbuf(moments.shape[0], 1)
    nisa.scalar_tensor_tensor(
        dst=result,
        data=mean,
        op0=nl.multiply,
        operand0=mean,
        op1=nl.add,
        operand1=moments[:, 1:2],
    )
    return result


def _reciprocal_root(variance: Any, epsilon: float) -> Any:
    """1 / sqrt(variance + epsilon), on GpSimd, whose rsqrt is the more accurate one."""
    result = sbuf(variance.shape[0], 1)
    nisa.tensor_scalar(
        dst=result,
        data=variance,
        op0=nl.add,
        operand0=epsilon,
        op1=nl.rsqrt,
        engine=nisa.engine.gpsimd,
    )
    return result


def _shift(mean: Any, scale: Any) -> Any:
    """-mean * scale."""
    result = sbuf(mean.shape[0], 1)
    nisa.tensor_scalar(
        dst=result, data=mean, op0=nl.multiply, operand0=-1.0, op1=nl.multiply, operand1=scale
    )
    return result


def _affine(work: Any, weight: Any, bias: Any, dtype: Any) -> Any:
    """work * weight + bias in the output's dtype."""
    rows = work.shape[0]
    result = work if work.dtype == dtype else sbuf(*work.shape, dtype=dtype)
    product = work if bias is not None else result
    on = nisa.engine.gpsimd
    nisa.tensor_tensor(dst=product, data1=work, data2=weight[0:rows], op=nl.multiply, engine=on)
    if bias is not None:
        nisa.tensor_tensor(dst=result, data1=product, data2=bias[0:rows], op=nl.add, engine=on)
    return result
