"""Vector engine: recurrences along the free dims, one column after another.

Source: aws-neuron-sdk nki/api/nki/isa/__init__.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glia.isa.engines import engine as Engine
from glia.isa.engines import reduce_cmd as ReduceCmd
from glia.isa.launch.builder import current, instruction
from glia.isa.operators.alu import AluOp
from glia.isa.rules import column, f32, not_both_psum, same_shape, store
from glia.isa.stream import Instruction
from glia.isa.tensors.tensor import NkiTensor
from glia.isa.vector_engine.accumulator import SIDE_COMMANDS, accumulation
from glia.isa.vector_engine.costs import vector_work
from glia.isa.vector_engine.elementwise import vector_operator
from glia.isa.vector_engine.operands import fp32_operand, numeric, one_of

_CUMULATIVE_TYPES = (
    "bfloat16", "float16", "float32", "float8_e4m3", "float8_e4m3fn", "float8_e5m2",
    "uint8", "uint16", "int8", "int16",
)  # fmt: skip
_CUMULATIVE_OPS = ("add", "subtract", "multiply", "maximum", "minimum")
_PAD = 4


def _columns(array: np.ndarray) -> np.ndarray:
    """float32 [N, P], one contiguous row for each free position."""
    rows = f32(array).reshape(len(array), -1)
    # Rows whose pitch is a power of two would evict one another while they are transposed.
    padded = np.empty((len(rows), rows.shape[1] + _PAD), np.float32)[:, : rows.shape[1]]
    padded[...] = rows
    return np.ascontiguousarray(padded.T)


@instruction
def tensor_tensor_scan(
    dst: NkiTensor,
    data0: NkiTensor,
    data1: NkiTensor,
    initial: Any,
    op0: Any,
    op1: Any,
    reverse0: bool = False,
    reverse1: bool = False,
    name: str | None = None,
) -> Instruction:
    """`r[i] = (data0[i] op0 r[i-1]) op1 data1[i]` along the free dims, from `initial`.

    `initial` is a number or a (P, 1) tile. The state stays float32 from one column to the next,
    whatever dst's dtype.

    Raises:
        KernelError: for both inputs in PSUM, unequal sizes, or operators other than binary
            arithmetic of the Vector engine.
    """
    what, b = "tensor_tensor_scan", current()
    numeric(what, dst=dst, data0=data0, data1=data1)
    same_shape(what, dst, data0=data0, data1=data1)
    not_both_psum(what, data0, data1)
    columns = fp32_operand(what, "initial", initial, dst.num_partitions)
    first, second = vector_operator(what, op0), vector_operator(what, op1)
    n = dst.free_size * b.target.two_operand_cycles
    work = vector_work(b.target, n, dst, data0, data1)

    def meaning(out: np.ndarray, x: np.ndarray, y: np.ndarray, *cols: np.ndarray) -> None:
        a, c = _columns(x), _columns(y)
        state = np.broadcast_to(column(initial, list(cols), 1), a.shape[1:]).astype(np.float32)
        result = np.empty_like(c)
        for i, (left, right) in enumerate(zip(a, c, strict=True)):
            inner = first.apply(state, left) if reverse0 else first.apply(left, state)
            state = second.apply(right, inner) if reverse1 else second.apply(inner, right)
            result[i] = state
        store(out, result.T)

    return b.emit(what, Engine.vector, (dst,), (data0, data1, *columns), work, meaning)


@instruction
def tensor_scalar_cumulative(
    dst: NkiTensor,
    src: NkiTensor,
    op0: Any,
    op1: Any,
    imm0: Any,
    imm1: Any = None,
    reduce_cmd: ReduceCmd = ReduceCmd.reset_reduce,
    name: str | None = None,
) -> Instruction:
    """`dst[i] = acc = (src[i] op0 imm0) op1 acc` along the free dims, through the accumulator.

    The accumulator starts from the identity of op1 (0 for subtract) with reset_reduce, from `imm1`
    with load_reduce, and goes on with reduce. Cost unpublished: taken as tensor_tensor_scan's.

    Raises:
        KernelError: for 32-bit integers and other dtypes that it lacks, an op1 other than add,
            subtract, multiply, maximum and minimum, or a command that does not reduce.
    """
    what, b = "tensor_scalar_cumulative", current()
    numeric(what, dst=dst, src=src)
    same_shape(what, dst, src=src)
    one_of(what, "dst", dst, *_CUMULATIVE_TYPES)
    one_of(what, "src", src, *_CUMULATIVE_TYPES)
    token = vector_operator(what, op0)
    columns = fp32_operand(what, "imm0", imm0, dst.num_partitions)
    running = accumulation(what, src, op1, _CUMULATIVE_OPS, reduce_cmd, SIDE_COMMANDS, initial=imm1)
    work = vector_work(b.target, dst.free_size * b.target.cumulative_cycles, dst, src)

    def meaning(out: np.ndarray, acc: np.ndarray, x: np.ndarray, *rest: np.ndarray) -> None:
        cols, read = list(rest[: len(columns)]), rest[len(columns) :]
        value = token.apply(_columns(x), _row(column(imm0, cols, 1)))
        result = _running(running.op, value, running.start(read, len(acc)))
        acc[...] = result[-1][:, None]
        store(out, result.T)

    reads = (src, *columns, *running.reads)
    return b.emit(what, Engine.vector, (dst, *running.writes), reads, work, meaning)


def _row(value: Any) -> Any:
    """A column [P] as it meets [N, P]; a number as it is."""
    return value if np.ndim(value) == 0 else value.reshape(1, -1)


def _running(op: AluOp, value: np.ndarray, start: np.ndarray) -> np.ndarray:
    """`acc = value[i] op acc` for each row of float32 [N, P], from `start` [P]: all of them."""
    if op.name == "subtract":  # the accumulator is on the right: not what accumulate computes
        result = np.empty_like(value)
        for i, row in enumerate(value):
            start = result[i] = row - start
        return result
    work = np.concatenate((start[None], value))
    return op.apply.accumulate(work, axis=0)[1:]  # type: ignore[attr-defined]
