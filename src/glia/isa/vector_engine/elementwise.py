"""Vector engine: elementwise arithmetic and bit operations.

Arithmetic runs in float32 and is rounded once, on write. NaN goes through every operator, maximum
and minimum included (nki/guides/nki_simulator.rst counts on it; what silicon does is unpublished).
Source: aws-neuron-sdk nki/api/nki/isa/__init__.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from glia.isa.engines import engine as Engine
from glia.isa.engines import reduce_cmd as ReduceCmd
from glia.isa.launch.builder import current, instruction
from glia.isa.operators.alu import AluOp, alu, arithmetic
from glia.isa.rules import (
    column,
    f32,
    not_both_psum,
    on_chip,
    pick_engine,
    refusal,
    require,
    require_ints,
    same_shape,
    scalar_or_column,
    store,
)
from glia.isa.stream import Instruction
from glia.isa.target import Target
from glia.isa.tensors.tensor import NkiTensor
from glia.isa.undefined import elementwise
from glia.isa.vector_engine.accumulator import (
    SIDE_COMMANDS,
    SIDE_OPS,
    Accumulation,
    accumulation,
)
from glia.isa.vector_engine.costs import (
    GPSIMD_FUNCTIONS,
    copy_rate,
    engine_work,
    pair_elements,
    vector_work,
)
from glia.isa.vector_engine.operands import (
    fp32_operand,
    numeric,
    per_partition,
    unary_operand,
)

_SCALAR_OPS = (("multiply", "add"), ("multiply",), ("add",))  # scale and bias of the Scalar engine


@instruction
def tensor_tensor(
    dst: NkiTensor,
    data1: NkiTensor,
    data2: NkiTensor,
    op: Any,
    engine: Engine = Engine.unknown,
    name: str | None = None,
) -> Instruction:
    """`dst = data1 op data2`, elementwise.

    All-int32 and uint32 tiles run on GpSimd, in native integers that wrap, unless one is in PSUM or
    the Vector engine is asked for: there they pass through float32 and lose bits above 2^24. Bit
    operations see bits, on Vector; `power` runs on GpSimd.

    Raises:
        KernelError: for both inputs in PSUM, unequal sizes, a unary operator, an engine that lacks
            the operator, or bit operations on floats.
    """
    what, b = "tensor_tensor", current()
    numeric(what, dst=dst, data1=data1, data2=data2)
    same_shape(what, dst, data1=data1, data2=data2)
    not_both_psum(what, data1, data2)
    token = alu(op, what)
    require(not token.unary, what, f"op {token!r}", "a binary operator")
    views = (dst, data1, data2)
    ints = all(v.dtype.name in ("int32", "uint32") for v in views)
    on = pick_engine(what, engine, _pair_engines(token, ints, views), *views)
    bits = token.kind == "bitvec"
    if bits:
        require_ints(what, *views)
    n = pair_elements(b.target, token.name, *views) if on is Engine.vector else dst.free_size
    work = engine_work(b.target, on, n, *views, ops=(token.name,))
    exact = bits or (ints and on is Engine.gpsimd)

    def meaning(out: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
        if x.shape != y.shape:
            y = y.reshape(x.shape)
        store(out, token.apply(x, y) if exact else token.apply(f32(x), f32(y)))

    return b.emit(what, on, (dst,), (data1, data2), work, meaning, carries=elementwise(2))


def _pair_engines(token: AluOp, ints: bool, views: tuple[NkiTensor, ...]) -> tuple[Engine, ...]:
    """Who can run this operator on two tiles; the first is the default."""
    if token.name in GPSIMD_FUNCTIONS:
        return (Engine.gpsimd,)
    if token.kind == "bitvec":
        return (Engine.vector,)
    if ints and all(v.buffer == "sbuf" for v in views):
        return (Engine.gpsimd, Engine.vector)
    return (Engine.vector, Engine.gpsimd)


@instruction
def tensor_scalar(
    dst: NkiTensor,
    data: NkiTensor,
    op0: Any,
    operand0: Any,
    reverse0: bool = False,
    op1: Any = None,
    operand1: Any = None,
    reverse1: bool = False,
    engine: Engine = Engine.unknown,
    name: str | None = None,
) -> Instruction:
    """`dst = (data op0 operand0) op1 operand1`; operands are numbers or (P, 1) tiles.

    The operand of a unary operator is None or 0. Bit operations run on Vector, `rsqrt` and `power`
    on GpSimd; the Scalar engine multiplies and adds, and where the chip says so does the rest.

    Raises:
        KernelError: for operators of two kinds, an engine that lacks them, operands that are not
            float32 (or, for bit operations, integers of data's size).
    """
    what, b = "tensor_scalar", current()
    numeric(what, dst=dst, data=data)
    same_shape(what, dst, data=data)
    steps = [(alu(op0, what), operand0, reverse0)]
    if op1 is not None:
        steps.append((alu(op1, what), operand1, reverse1))
    elif operand1 is not None:
        raise refusal(f"{what} operand1", f"{operand1!r} without op1", "None")
    kinds = {token.kind for token, _, _ in steps}
    require(len(kinds) == 1, what, "a bit and an arithmetic operator", "one kind")
    bits = kinds == {"bitvec"}
    if bits:
        require_ints(what, dst, data)
    columns: tuple[NkiTensor, ...] = ()
    for i, (token, operand, _) in enumerate(steps):
        columns += _operand(what, f"operand{i}", token, operand, data)
    names = tuple(token.name for token, _, _ in steps)
    allowed = (Engine.vector,) if bits else _tensor_scalar_engines(names, b.target)
    on = pick_engine(what, engine, allowed, dst, data, *columns)
    n = _step_elements(b.target, on, names, dst, data)
    work = engine_work(b.target, on, n, dst, data, ops=names)

    def meaning(out: np.ndarray, x: np.ndarray, *cols: np.ndarray) -> None:
        left = list(cols)
        value = x if bits else f32(x)
        for token, operand, reverse in steps:
            if token.unary:
                value = token.apply(value, None)
                continue
            other = _bits_value(operand, left, x) if bits else column(operand, left, x.ndim)
            value = token.apply(other, value) if reverse else token.apply(value, other)
        store(out, value)

    reads = (data, *columns)
    return b.emit(what, on, (dst,), reads, work, meaning, carries=elementwise(len(reads)))


def _operand(
    what: str, role: str, token: AluOp, operand: Any, data: NkiTensor
) -> tuple[NkiTensor, ...]:
    """Check the operand of one step; its tile, if it is one."""
    if token.unary:
        unary_operand(what, role, operand, token)
        return ()
    if token.kind != "bitvec":
        return fp32_operand(what, role, operand, data.num_partitions)
    if isinstance(operand, NkiTensor):
        on_chip(what, **{role: operand})
        per_partition(what, role, operand, data.num_partitions)
        fits = operand.dtype.is_integer and operand.dtype.itemsize == data.dtype.itemsize
        expected = f"an integer type of {data.dtype}'s size"
        require(fits, f"{what} {role}", str(operand.dtype), expected)
        return (operand,)
    size = 8 * data.dtype.itemsize
    whole = isinstance(operand, (int, float, np.number)) and operand == int(operand)
    if not whole or not -(1 << (size - 1)) <= operand < 1 << size:
        raise refusal(f"{what} {role}", f"{operand!r}", f"a whole number of {size} bits")
    return ()


def _tensor_scalar_engines(names: tuple[str, ...], target: Target) -> tuple[Engine, ...]:
    """Who can run these arithmetic operators; the first is the default."""
    if any(name in GPSIMD_FUNCTIONS for name in names):
        return (Engine.gpsimd,)
    on_scalar = names in _SCALAR_OPS and target.can.scalar_tensor_copy
    if on_scalar or target.can.scalar_tensor_scalar:
        return (Engine.vector, Engine.scalar)
    return (Engine.vector,)


def _step_elements(
    target: Target, on: Engine, names: tuple[str, ...], dst: NkiTensor, data: NkiTensor
) -> float:
    """Element-cycles; two operators cost as much as one."""
    if on is not Engine.vector:
        return dst.free_size
    if "reciprocal" in names:
        return dst.free_size * target.reciprocal_cycles
    return dst.free_size / copy_rate(target, dst, data)


def _bits_value(operand: Any, columns: list[np.ndarray], x: np.ndarray) -> np.ndarray:
    """The operand of a bit operation in the dtype of the data."""
    if isinstance(operand, NkiTensor):
        found = columns.pop(0).view(x.dtype)
        return found.reshape(found.shape[0], *(1,) * (x.ndim - 1))
    unsigned = np.asarray(int(operand) % (1 << (8 * x.dtype.itemsize)))
    return unsigned.astype(f"u{x.dtype.itemsize}").view(x.dtype)


@instruction
def scalar_tensor_tensor(
    dst: NkiTensor,
    data: NkiTensor,
    op0: Any,
    operand0: Any,
    op1: Any,
    operand1: NkiTensor,
    reverse0: bool = False,
    reverse1: bool = False,
    name: str | None = None,
    reduce_cmd: ReduceCmd = ReduceCmd.reset_reduce,
    reduce_op: Any = None,
    reduce_res: NkiTensor | None = None,
) -> Instruction:
    """`dst = (data op0 operand0) op1 operand1` with a number or (P, 1) tile, then a whole tile.

    The last three parameters are those of NKI 0.7 (by keyword): with a `reduce_op` the results are
    reduced over the free dims into the accumulator, as in tensor_scalar_reduce, and read out to
    `reduce_res` (P, 1) if that is given.

    Raises:
        KernelError: for data and operand1 both in PSUM, unequal sizes, an operator that is not
            binary arithmetic of the Vector engine, or a result without a reduction.
    """
    what, b = "scalar_tensor_tensor", current()
    numeric(what, dst=dst, data=data, operand1=operand1)
    same_shape(what, dst, data=data, operand1=operand1)
    not_both_psum(what, data, operand1)
    first, second = vector_operator(what, op0), vector_operator(what, op1)
    columns = scalar_or_column(what, "operand0", operand0, dst.num_partitions)
    reduced = _side_reduction(what, data, reduce_op, reduce_cmd, reduce_res)
    n = pair_elements(b.target, second.name, dst, data, operand1)
    work = vector_work(b.target, n, dst, data, operand1)
    if reduced is not None:
        work = replace(work, cycles=work.cycles + b.target.vector_min)
    side = () if reduced is None else reduced.writes

    def meaning(out: np.ndarray, *arrays: np.ndarray) -> None:
        written, (x, y, *rest) = arrays[: len(side)], arrays[len(side) :]
        scalar = column(operand0, rest[: len(columns)], x.ndim)
        inner = first.apply(scalar, f32(x)) if reverse0 else first.apply(f32(x), scalar)
        other = f32(y) if y.shape == x.shape else f32(y).reshape(x.shape)
        value = second.apply(other, inner) if reverse1 else second.apply(inner, other)
        if reduced is not None:
            reduced.fold(value, written, rest[len(columns) :])
        store(out, value)

    reads = (data, operand1, *columns, *(() if reduced is None else reduced.reads))
    carries = None if reduced is not None else elementwise(len(reads))
    return b.emit(what, Engine.vector, (dst, *side), reads, work, meaning, carries=carries)


def _side_reduction(
    what: str, data: NkiTensor, op: Any, command: ReduceCmd, result: NkiTensor | None
) -> Accumulation | None:
    """What the instruction reduces beside its result, if anything."""
    if op is None:
        asked = result is not None or command is not ReduceCmd.reset_reduce
        require(not asked, f"{what} reduce_op", "None", "the operator that reduces")
        return None
    return accumulation(what, data, op, SIDE_OPS, command, SIDE_COMMANDS[:2], result)


def vector_operator(what: str, op: Any) -> AluOp:
    """A binary arithmetic operator that the Vector engine has."""
    token = arithmetic(op, what)
    require(
        token.name not in GPSIMD_FUNCTIONS,
        what,
        f"op {token!r}",
        "an operator of the Vector engine",
        "only tensor_tensor and tensor_scalar run it, on GpSimd",
    )
    return token


@instruction
def reciprocal(dst: NkiTensor, data: NkiTensor, name: str | None = None) -> Instruction:
    """`dst = 1 / data`."""
    what, b = "reciprocal", current()
    numeric(what, dst=dst, data=data)
    same_shape(what, dst, data=data)
    work = vector_work(b.target, dst.free_size * b.target.reciprocal_cycles, dst, data)

    def meaning(out: np.ndarray, x: np.ndarray) -> None:
        store(out, np.float32(1) / f32(x))

    return b.emit(what, Engine.vector, (dst,), (data,), work, meaning, carries=elementwise(1))
