"""activation and activation_reduce: `op(data * scale + bias)` and its sum."""

from __future__ import annotations

from typing import Any

import numpy as np

from glia.isa.engines import engine as Engine
from glia.isa.engines import reduce_cmd as ReduceCmd
from glia.isa.launch.builder import current, instruction
from glia.isa.operators.functions import Activation, function
from glia.isa.rules import column, on_chip, refusal, same_shape, scalar_or_column
from glia.isa.scalar_engine.accumulator import accumulation
from glia.isa.scalar_engine.issue import emit, telling
from glia.isa.stream import Instruction
from glia.isa.target import Target
from glia.isa.tensors.tensor import NkiTensor


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
    engine: Engine = Engine.scalar,
) -> Instruction:
    """`dst = op(data * scale + bias)`; reduce_cmd sums the results over the free dims.

    scale and bias are numbers or (P, 1) tiles; a constant bias needs the chip's capability. The sum
    stays in the engine's accumulator; `reduce_res` (P, 1) takes what it holds after. `engine` is
    that of NKI 0.7 (by keyword): gpsimd where the chip can, without a sum.
    """
    return _activation(
        "activation", dst, op, data, bias, scale, reduce_op, reduce_res, reduce_cmd, engine
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
    """`activation` with `reset_reduce`: kept by the public API for older kernels."""
    what = "activation_reduce"
    return _activation(
        what, dst, op, data, bias, scale, reduce_op, reduce_res, ReduceCmd.reset_reduce
    )


def _activation(
    what: str,
    dst: NkiTensor,
    op: Any,
    data: NkiTensor,
    bias: Any,
    scale: Any,
    reduce_op: Any,
    reduce_res: NkiTensor | None,
    reduce_cmd: ReduceCmd,
    engine: Engine = Engine.scalar,
) -> Instruction:
    on_chip(what, dst=dst, data=data)
    same_shape(what, dst, data=data)
    fn = function(op, what)
    rows = dst.num_partitions
    columns = scalar_or_column(what, "scale", scale, rows, "float32")
    if bias is not None:
        _check_bias(what, fn, bias, current().target)
        columns += scalar_or_column(what, "bias", bias, rows)
    narrow = fn.narrow if dst.dtype.itemsize <= 2 else None
    apply = narrow or telling(what, fn)
    accumulator = accumulation(what, data, reduce_op, ("add",), reduce_cmd, reduce_res)

    def function_of(value: np.ndarray, tiles: list[np.ndarray]) -> np.ndarray:
        if not (isinstance(scale, (int, float)) and scale == 1.0):
            value = value * column(scale, tiles, value.ndim)
        if bias is not None:
            value = value + column(bias, tiles, value.ndim)
        return apply(value)

    return emit(what, fn, dst, data, columns, function_of, accumulator, engine)


def _check_bias(what: str, fn: Activation, bias: Any, target: Target) -> None:
    tile = isinstance(bias, NkiTensor)
    zero = not tile and isinstance(bias, (int, float)) and float(bias) == 0.0
    if tile and bias.dtype == "tfloat32":
        raise refusal(f"{what} bias", "tfloat32", "any other kind", "use float32")
    if not (tile or zero or target.can.activation_bias_constant):
        raise refusal(
            f"{what} bias",
            f"the constant {bias}",
            f"a (P, 1) tile on {target.chip}",
            "memset a tile and pass it",
        )
    if fn.name == "reciprocal" and not zero and not target.can.activation_reciprocal_bias:
        got = "a bias with reciprocal"
        raise refusal(f"{what} bias", got, f"none on {target.chip}", "add it before")
