"""Softmax of rows: graph ops `softmax` and `log_softmax` over the last dim of [T, N].

Rows on partitions; one exponential per tile also gives the row sums. Accepts fp32 and bf16 while
a row fits in SBUF in fp32 beside its input and output.
"""

from __future__ import annotations

from typing import Any

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.kernels._tiles import P, hbm, one_late, sbuf, spans

DTYPES = ("float32", "bfloat16")


def accepts(num_columns: int, element_bytes: int, sbuf: int) -> bool:
    """True when inputs and exponentials of two rows and one result fit in `sbuf` bytes."""
    return num_columns * (3 * element_bytes + 2 * 4) <= sbuf


@nki.jit
def softmax(x: Any) -> Any:
    """exp(x - max) / sum(exp(x - max)) over the last dim of x [T, N]."""
    out = hbm(*x.shape, dtype=x.dtype)
    tiles = ((place, *_exponentials(x[place])) for place in _places(x.shape[0]))
    for place, value, _, powers, total in one_late(tiles):
        result = sbuf(*value.shape, dtype=x.dtype)
        nisa.reciprocal(dst=total, data=total)
        nisa.tensor_scalar(dst=result, data=powers, op0=nl.multiply, operand0=total)
        nisa.dma_copy(dst=out[place], src=result)
    return out


@nki.jit
def log_softmax(x: Any) -> Any:
    """x - max - log(sum(exp(x - max))) over the last dim of x [T, N]."""
    out = hbm(*x.shape, dtype=x.dtype)
    tiles = ((place, *_exponentials(x[place])) for place in _places(x.shape[0]))
    for place, value, lowered, _, total in one_late(tiles):
        result = sbuf(*value.shape, dtype=x.dtype)
        nisa.activation(dst=total, op=nl.log, data=total)
        nisa.tensor_scalar(
            dst=result,
            data=value,
            op0=nl.add,
            operand0=lowered,
            op1=nl.subtract,
            operand1=total,
        )
        nisa.dma_copy(dst=out[place], src=result)
    return out


def _places(num_rows: int) -> list[slice]:
    return [slice(start, start + size) for start, size in spans(num_rows, P)]


def _exponentials(x: Any) -> tuple[Any, Any, Any, Any]:
    """Tiles: x, -max of each row, exp(x - max) in fp32, and its sum."""
    rows = x.shape[0]
    value, powers = sbuf(*x.shape, dtype=x.dtype), sbuf(*x.shape)
    lowered, total = sbuf(rows, 1), sbuf(rows, 1)
    nisa.dma_copy(dst=value, src=x)
    nisa.tensor_reduce(dst=lowered, op=nl.maximum, data=value, axis=1, negate=True)
    nisa.activation(
        dst=powers,
        op=nl.exp,
        data=value,
        bias=lowered,
        reduce_op=nl.add,
        reduce_res=total,
        reduce_cmd=nisa.reduce_cmd.reset_reduce,
    )
    return value, lowered, powers, total
