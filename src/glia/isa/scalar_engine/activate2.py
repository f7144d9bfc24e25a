"""activate2: two operators before the function, a choice of reductions after it."""

from __future__ import annotations

from typing import Any

import numpy as np

from glia.isa.engines import engine as Engine
from glia.isa.engines import reduce_cmd as ReduceCmd
from glia.isa.launch.builder import current, instruction
from glia.isa.operators.alu import AluOp, alu
from glia.isa.operators.functions import function
from glia.isa.rules import column, on_chip, refusal, require, same_shape, scalar_or_column
from glia.isa.scalar_engine.accumulator import accumulation
from glia.isa.scalar_engine.issue import emit, telling
from glia.isa.stream import Instruction
from glia.isa.tensors.tensor import NkiTensor

_PAIRS = (
    ("multiply", "add"),
    ("multiply", "subtract"),
    ("multiply", "bypass"),
    ("add", "bypass"),
    ("subtract", "bypass"),
    ("bypass", "bypass"),
)
_REDUCTIONS = ("add", "maximum", "minimum", "abs_max", "abs_min")


@instruction
def activate2(
    dst: NkiTensor,
    op: Any,
    data: NkiTensor,
    imm0: Any,
    imm1: Any,
    op0: Any,
    op1: Any,
    relu_param: Any = 0.0,
    reverse0: bool = False,
    reverse1: bool = False,
    reduce_op: Any = None,
    reduce_res: NkiTensor | None = None,
    reduce_cmd: ReduceCmd = ReduceCmd.idle,
    name: str | None = None,
    engine: Engine = Engine.scalar,
) -> Instruction:
    """`dst = op((data op0 imm0) op1 imm1)`, then reduced over the free dims as reduce_cmd says.

    imm0, imm1 and relu_param (the slope of prelu) are numbers or (P, 1) tiles; an operator
    nl.bypass leaves its step out. `reverse` swaps an operator's sides. `engine` is that of NKI 0.7
    (by keyword): gpsimd, without a reduction.
    """
    what, b = "activate2", current()
    require(b.target.can.activate2, what, b.target.chip, "a chip that has it", "use activation")
    on_chip(what, dst=dst, data=data)
    same_shape(what, dst, data=data)
    fn, rows = function(op, what), dst.num_partitions
    steps = _steps(what, (op0, op1), (imm0, imm1), (reverse0, reverse1))
    tiles: tuple[NkiTensor, ...] = ()
    for i, (token, operand, _) in enumerate(steps):
        if token.name != "bypass":
            tiles += scalar_or_column(what, f"imm{i}", operand, rows)
    if len({t.dtype for t in tiles}) > 1:
        raise refusal(f"{what} imm0, imm1", f"{tiles[0].dtype} and {tiles[1].dtype}", "one dtype")
    tiles += scalar_or_column(what, "relu_param", relu_param, rows)
    apply = telling(what, fn)
    accumulator = accumulation(what, data, reduce_op, _REDUCTIONS, reduce_cmd, reduce_res)

    def function_of(value: np.ndarray, columns: list[np.ndarray]) -> np.ndarray:
        for token, operand, reverse in steps:
            if token.name != "bypass":
                other = column(operand, columns, value.ndim)
                value = token.apply(other, value) if reverse else token.apply(value, other)
        return apply(value, column(relu_param, columns, value.ndim))

    return emit(what, fn, dst, data, tiles, function_of, accumulator, engine)


def _steps(
    what: str, ops: tuple[Any, Any], operands: tuple[Any, Any], reverses: tuple[bool, bool]
) -> list[tuple[AluOp, Any, bool]]:
    found = [alu(op, f"{what} op{i}") for i, op in enumerate(ops)]
    names = (found[0].name, found[1].name)
    if names not in _PAIRS:
        expected = ", ".join(f"({a}, {b})" for a, b in _PAIRS)
        raise refusal(f"{what} (op0, op1)", f"({names[0]}, {names[1]})", expected)
    for i, (token, reverse) in enumerate(zip(found, reverses, strict=True)):
        require(
            not (reverse and token.name == "bypass"),
            f"{what} reverse{i}",
            "True with nl.bypass",
            f"an operator op{i}",
        )
    return list(zip(found, operands, reverses, strict=True))
