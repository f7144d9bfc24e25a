"""Vector engine: reductions along the free dims, alone or beside an elementwise operation.

Sums run in float32 from left to right, as a third party saw them run on a trn1; NaN goes through.
Source: aws-neuron-sdk nki/api/nki/isa/__init__.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glia.isa.engines import engine as Engine
from glia.isa.engines import reduce_cmd as ReduceCmd
from glia.isa.launch.builder import current, instruction
from glia.isa.operators.alu import ALU, AluOp, alu, reduction
from glia.isa.rules import column, f32, refusal, require, require_ints, same_shape, store
from glia.isa.stream import Instruction, Work
from glia.isa.target import Target
from glia.isa.tensors.tensor import NkiTensor
from glia.isa.undefined import reduced
from glia.isa.vector_engine.accumulator import SIDE_COMMANDS, SIDE_OPS, accumulation
from glia.isa.vector_engine.costs import all_2byte_floats, vector_cycles, vector_work
from glia.isa.vector_engine.elementwise import vector_operator
from glia.isa.vector_engine.operands import (
    fp32_operand,
    free_dims,
    index,
    numeric,
    one_of,
    unary_operand,
)

_EXP_RESULTS = (
    "float8_e4m3", "float8_e5m2", "float16", "bfloat16", "float32", "tfloat32",
)  # fmt: skip
_SMALL_INTS = ("int8", "int16", "int32", "uint8", "uint16")
_EXP_COMMANDS = (
    ReduceCmd.idle, ReduceCmd.reset_reduce, ReduceCmd.reduce, ReduceCmd.load_reduce,
)  # fmt: skip


@instruction
def tensor_reduce(
    dst: NkiTensor,
    op: Any,
    data: NkiTensor,
    axis: int | tuple[int, ...] | list[int],
    negate: bool = False,
    keepdims: bool = False,
    name: str | None = None,
) -> Instruction:
    """Reduce the last free dims of data; dst has one element per remaining position.

    `axis` is one dim or several, counted from either end. `subtract` takes the others from the
    first element. Where a partition has one result, dst may be a part of data: it is written when
    all of the partition was read (nki-library 2.29, attention_tkg).

    Raises:
        KernelError: for dims that are not the last ones, an operator without a reduction, a dst of
            another size, bit operations on floats or negated.
    """
    what, b = "tensor_reduce", current()
    numeric(what, dst=dst, data=data)
    token = _reduction(what, op)
    axes = _trailing_axes(what, axis, data.ndim)
    kept = int(np.prod(data.shape[1 : data.ndim - len(axes)], dtype=np.int64))
    require(
        dst.num_partitions == data.num_partitions and dst.free_size == kept,
        f"{what} dst",
        f"shape {dst.shape}",
        f"({data.num_partitions}, {kept})",
    )
    bits = token.kind == "bitvec"
    if bits:
        require_ints(what, dst, data)
        require(not negate, f"{what} negate", "a bit operation", "an arithmetic one")
    fast = all_2byte_floats(dst, data) and token.name in ("add", "maximum")
    rate = b.target.reduce_rate_2byte if fast else 1.0
    work = vector_work(b.target, data.free_size / rate, dst, data)

    def meaning(out: np.ndarray, x: np.ndarray) -> None:
        assert token.reduce is not None
        result = token.reduce(x if bits else f32(x), axis=axes)
        store(out, -result if negate else result)

    inside = kept == 1
    # Padding of a tile that took over old bytes is reduced beside the rest (attention_tkg, too).
    carries = reduced(len(axes)) if b.is_stale(data) else None
    return b.emit(
        what, Engine.vector, (dst,), (data,), work, meaning, overlap_ok=inside, carries=carries
    )


def _reduction(what: str, op: Any) -> AluOp:
    """The public table of operators gives magnitudes no reduction; only activate2 has them."""
    token = reduction(op, what)
    if token.name in ("abs_max", "abs_min"):
        raise refusal(what, f"reduction {token!r}", "a legal reduction operator")
    return token


def _trailing_axes(what: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """The dims to reduce, ascending: the last ones, never the partition dim."""
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = tuple(index(f"{what} axis", a) for a in given)
    found = tuple(sorted(a + ndim if a < 0 else a for a in axes))
    trailing = tuple(range(ndim - len(found), ndim))
    require(
        bool(found) and found == trailing and found[0] > 0,
        f"{what} axis",
        str(axes),
        f"the last free dims of {ndim}, such as {tuple(range(1, ndim))}",
        "reorder the view",
    )
    return found


@instruction
def tensor_scalar_reduce(
    dst: NkiTensor,
    data: NkiTensor,
    op0: Any,
    operand0: Any,
    reduce_op: Any,
    reduce_res: NkiTensor | None = None,
    reverse0: bool = False,
    reduce_cmd: ReduceCmd = ReduceCmd.reset_reduce,
    reduce_init: Any = None,
    reduce_res_negate: bool = False,
    name: str | None = None,
) -> Instruction:
    """`dst = data op0 operand0`, and its reduction over all free dims into the accumulator.

    `reduce_res` (P, 1) takes the accumulator, negated with `reduce_res_negate`; None leaves it for
    a later instruction. `reduce_init` is loaded by load_reduce.

    Raises:
        KernelError: for bit operators, reverse0 (not supported yet), a reduction other than add,
            multiply, maximum and minimum, or a command that does not reduce.
    """
    what, b = "tensor_scalar_reduce", current()
    numeric(what, dst=dst, data=data)
    same_shape(what, dst, data=data)
    require(not reverse0, f"{what} reverse0", "True", "False", "the public API has not got it yet")
    token = alu(op0, what)
    columns: tuple[NkiTensor, ...] = ()
    if token.unary and token.kind == "arithmetic" and token.name != "rsqrt":
        unary_operand(what, "operand0", operand0, token)
    else:
        token = vector_operator(what, op0)
        columns = fp32_operand(what, "operand0", operand0, dst.num_partitions)
    reduced = accumulation(
        what, data, reduce_op, SIDE_OPS, reduce_cmd,
        SIDE_COMMANDS, reduce_res, reduce_init, reduce_res_negate,
    )  # fmt: skip
    work = _with_read_out(b.target, data.free_size, dst, data)
    side = len(reduced.writes)

    def meaning(out: np.ndarray, *arrays: np.ndarray) -> None:
        written, (x, *rest) = arrays[:side], arrays[side:]
        other = None if token.unary else column(operand0, rest[: len(columns)], x.ndim)
        value = token.apply(f32(x), other)
        reduced.fold(value, written, rest[len(columns) :])
        store(out, value)

    reads = (data, *columns, *reduced.reads)
    return b.emit(what, Engine.vector, (dst, *reduced.writes), reads, work, meaning)


def _with_read_out(target: Target, elements: float, dst: NkiTensor, data: NkiTensor) -> Work:
    """Streaming, and one minimal instruction that ends the reduction."""
    work = vector_work(target, elements, dst, data)
    cycles = vector_cycles(target, elements) + target.vector_min
    return Work(cycles, elements=work.elements, sram=work.sram)


@instruction
def exponential(
    dst: NkiTensor,
    src: NkiTensor,
    max_value: Any = 0.0,
    reduce_res: NkiTensor | None = None,
    reduce_cmd: ReduceCmd = ReduceCmd.idle,
    reduce_init: Any = 0.0,
    name: str | None = None,
) -> Instruction:
    """`dst = exp(src - max_value)`, optionally with a running sum in the accumulator.

    The exponential is the correctly rounded one; the hardware's approximation is unpublished. The
    sum adds the float32 values before conversion to dst's dtype. With `reduce_res` (P, 1) one
    minimal instruction is added for the read-out, as for tensor_scalar_reduce (inferred).

    Raises:
        KernelError: on a chip without it, for dtypes and commands that it lacks.
    """
    what, b = "exponential", current()
    if not b.target.can.vector_exponential:
        raise refusal(what, b.target.chip, "a chip whose Vector engine has it", "use activation")
    numeric(what, dst=dst, src=src)
    same_shape(what, dst, src=src)
    one_of(what, "dst", dst, *_EXP_RESULTS, *_SMALL_INTS)
    one_of(what, "src", src, *_EXP_RESULTS[:-1], *_SMALL_INTS, "uint32")
    free_dims(what, "src", src, 3)
    if reduce_res is not None:
        one_of(what, "reduce_res", reduce_res, *_EXP_RESULTS)
    columns = fp32_operand(what, "max_value", max_value, dst.num_partitions)
    summed = accumulation(
        what, src, ALU["add"], ("add",), reduce_cmd, _EXP_COMMANDS, reduce_res, reduce_init
    )
    elements = src.free_size / b.target.exponential_rate
    plain = reduce_res is None
    work = vector_work(b.target, elements, dst, src)
    work = work if plain else _with_read_out(b.target, elements, dst, src)
    side = len(summed.writes)

    def meaning(out: np.ndarray, *arrays: np.ndarray) -> None:
        written, (x, *rest) = arrays[:side], arrays[side:]
        shifted = f32(x) - column(max_value, rest[: len(columns)], x.ndim)
        value = np.exp(shifted.astype(np.float64)).astype(np.float32)
        summed.fold(value, written, rest[len(columns) :])
        store(out, value)

    reads = (src, *columns, *summed.reads)
    made = b.emit(what, Engine.vector, (dst, *summed.writes), reads, work, meaning)
    summed.forget()
    return made
