"""Scalar engine: activation functions of `data * scale + bias`, with an optional running sum.

Sources: aws-neuron-sdk nki/api/nki/isa/__init__.py; cost: git tag v2.26.1 of the same file.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glia.isa.alu import reduction
from glia.isa.builder import current, instruction
from glia.isa.engines import engine as Engine
from glia.isa.engines import reduce_cmd as ReduceCmd
from glia.isa.functions import function
from glia.isa.rules import (
    column,
    f32,
    on_chip,
    refusal,
    require,
    same_shape,
    scalar_or_column,
    store,
    traffic,
)
from glia.isa.stream import Instruction, Work
from glia.isa.tensor import NkiTensor


@instruction
def activation(
    dst: NkiTensor,
    op: Any,
    data: NkiTensor,
    bias: Any = None,
    scale: Any = 1.0,
    reduce_op: Any = None,
    reduce_res: NkiTensor | None = None,
    reduce_cmd: ReduceCmd = ReduceCmd.idle,
    name: str | None = None,
) -> Instruction:
    """`dst = op(data * scale + bias)`; with reduce_res also its sum over the free dims.

    scale and bias are numbers or (P, 1) tiles; a constant bias needs the chip's capability.
    """
    what, b = "activation", current()
    on_chip(what, dst=dst, data=data)
    same_shape(what, dst, data=data)
    fn = function(op, what)
    rows = dst.num_partitions
    columns = scalar_or_column(what, "scale", scale, rows, "float32")
    if bias is not None:
        constant = not isinstance(bias, NkiTensor) and float(bias) != 0.0
        require(
            not constant or b.target.can.activation_bias_constant,
            f"{what} bias",
            f"the constant {bias}",
            "a (P, 1) tile on this chip",
            "memset a tile and pass it",
        )
        columns += scalar_or_column(what, "bias", bias, rows)
    outs: tuple[NkiTensor, ...] = (dst,)
    if reduce_res is not None:
        _check_reduction(what, reduce_op, reduce_res, reduce_cmd, rows)
        outs = (dst, reduce_res)
    elif reduce_cmd is not ReduceCmd.idle:
        raise refusal(
            f"{what} reduce_cmd",
            f"{reduce_cmd.name} without reduce_res",
            "idle, or a tile that takes the sum",
            "glia does not carry the accumulator between instructions yet",
        )
    work = Work(
        cycles=_cycles(dst, data, 2 if reduce_res is not None else 1),
        elements=rows * dst.free_size,
        table=fn.table,
        sram=traffic(*outs, data),
    )

    def meaning(out: np.ndarray, *arrays: np.ndarray) -> None:
        operands = list(arrays)
        total = operands.pop(0) if reduce_res is not None else None
        value = f32(operands.pop(0))
        if not (isinstance(scale, (int, float)) and scale == 1.0):
            value = value * column(scale, operands, value.ndim)
        if bias is not None:
            value = value + column(bias, operands, value.ndim)
        value = fn(value)
        store(out, value)
        if total is not None:
            store(total, value.reshape(rows, -1).sum(axis=1, dtype=np.float32))

    return b.emit(what, Engine.scalar, outs, (data, *columns), work, meaning)


def _cycles(dst: NkiTensor, data: NkiTensor, reads_out: int) -> float:
    """One element per cycle; reading the accumulator out is a second, minimal instruction."""
    target = current().target
    narrow = all(v.dtype.itemsize <= 2 for v in (dst, data))
    rate = target.scalar_rate_2byte if narrow else 1.0
    extra = (reads_out - 1) * target.scalar_min
    return max(dst.free_size / rate, target.scalar_min) + extra


def _check_reduction(what: str, op: Any, result: NkiTensor, command: ReduceCmd, rows: int) -> None:
    on_chip(what, reduce_res=result)
    require(
        reduction(op, what).name == "add",
        f"{what} reduce_op",
        f"{op!r}",
        "nl.add",
    )
    require(
        command is ReduceCmd.reset_reduce,
        f"{what} reduce_cmd",
        command.name,
        "reset_reduce",
        "glia does not carry the accumulator between instructions yet",
    )
    require(
        result.num_partitions == rows and result.free_size == 1,
        f"{what} reduce_res",
        f"shape {result.shape}",
        f"({rows}, 1)",
    )


@instruction
def activation_reduce(
    dst: NkiTensor,
    op: Any,
    data: NkiTensor,
    reduce_op: Any,
    reduce_res: NkiTensor,
    bias: Any = None,
    scale: Any = 1.0,
    name: str | None = None,
) -> Instruction:
    """`activation` with a mandatory sum: kept by the public API for older kernels."""
    plain = activation.__wrapped__  # type: ignore[attr-defined]
    return plain(dst, op, data, bias, scale, reduce_op, reduce_res, ReduceCmd.reset_reduce)
