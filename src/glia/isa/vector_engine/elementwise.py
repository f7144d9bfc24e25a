"""Vector engine: elementwise arithmetic and bit operations.

Source: aws-neuron-sdk nki/api/nki/isa/__init__.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glia.isa.alu import alu, arithmetic
from glia.isa.builder import current, instruction
from glia.isa.engines import engine as Engine
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
    traffic,
)
from glia.isa.stream import Instruction, Work
from glia.isa.target import Target
from glia.isa.tensor import NkiTensor
from glia.isa.vector_engine.costs import copy_rate, engine_work, pair_cycles, vector_cycles


@instruction
def tensor_tensor(
    dst: NkiTensor,
    data1: NkiTensor,
    data2: NkiTensor,
    op: Any,
    engine: Engine = Engine.unknown,
    name: str | None = None,
) -> Instruction:
    """`dst = data1 op data2`, elementwise; all-int32 operands run exactly, on GpSimd."""
    what, b = "tensor_tensor", current()
    on_chip(what, dst=dst, data1=data1, data2=data2)
    same_shape(what, dst, data1=data1, data2=data2)
    not_both_psum(what, data1, data2)
    token = alu(op, what)
    require(not token.unary, what, f"op {token!r}", "a binary operator")
    views = (dst, data1, data2)
    exact = all(v.dtype.name in ("int32", "uint32") for v in views)
    sbuf = all(v.buffer == "sbuf" for v in views)
    first = Engine.gpsimd if exact and sbuf else Engine.vector
    rest = Engine.vector if first is Engine.gpsimd else Engine.gpsimd
    allowed: tuple[Engine, ...] = (first, rest)
    if token.name == "power":
        allowed = (Engine.gpsimd,)
    elif token.kind == "bitvec":
        allowed = (Engine.vector,)
    on = pick_engine(what, engine, allowed, *views)
    if token.kind == "bitvec":
        require_ints(what, *views)
    as_ints = token.kind == "bitvec" or (exact and on is Engine.gpsimd)
    n = dst.free_size
    work = engine_work(b.target, on, n, *views)
    if on is Engine.vector:
        work = Work(pair_cycles(b.target, n, *views), elements=work.elements, sram=traffic(*views))

    def meaning(out: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
        if x.shape != y.shape:
            y = y.reshape(x.shape)
        if as_ints:
            store(out, token.apply(x, y))
        else:
            store(out, token.apply(f32(x), f32(y)))

    return b.emit(what, on, (dst,), (data1, data2), work, meaning)


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
    """`dst = (data op0 operand0) op1 operand1`; operands are numbers or (P, 1) tiles."""
    what, b = "tensor_scalar", current()
    on_chip(what, dst=dst, data=data)
    same_shape(what, dst, data=data)
    steps = [(alu(op0, what), operand0, reverse0)]
    if op1 is not None:
        steps.append((alu(op1, what), operand1, reverse1))
    require(
        len({s[0].kind for s in steps}) == 1,
        what,
        "a bit and an arithmetic operator",
        "one kind",
    )
    names = tuple(s[0].name for s in steps)
    on = pick_engine(what, engine, _tensor_scalar_engines(names, b.target), dst, data)
    bits = steps[0][0].kind == "bitvec"
    columns: tuple[NkiTensor, ...] = ()
    for i, (token, operand, _) in enumerate(steps):
        role, kind = f"operand{i}", data.dtype.name if bits else "float32"
        if not token.unary:
            columns += scalar_or_column(what, role, operand, dst.num_partitions, kind)
        elif isinstance(operand, NkiTensor) or operand not in (None, 0):
            raise refusal(f"{what} {role}", f"{operand!r}", f"None for the unary {token!r}")
    if bits:
        require_ints(what, dst, data)
    n = dst.free_size
    slow = any(s[0].name == "reciprocal" for s in steps)
    rate = 1.0 if on is not Engine.vector else copy_rate(b.target, dst, data)
    n_cycles = n * b.target.reciprocal_cycles if slow else n / rate
    work = engine_work(b.target, on, n_cycles, dst, data)

    def meaning(out: np.ndarray, x: np.ndarray, *cols: np.ndarray) -> None:
        left = list(cols)
        value = x if bits else f32(x)
        for token, operand, reverse in steps:
            other: Any = None
            if bits and not token.unary:
                other = _bits_operand(operand, left, x)
            elif not token.unary:
                other = column(operand, left, x.ndim)
            value = token.apply(other, value) if reverse else token.apply(value, other)
        store(out, value)

    return b.emit(what, on, (dst,), (data, *columns), work, meaning)


def _tensor_scalar_engines(names: tuple[str, ...], target: Target) -> tuple[Engine, ...]:
    """Who can run these operators; the first is the default."""
    if "rsqrt" in names:
        return (Engine.gpsimd,)
    scalar = names in (("multiply", "add"), ("multiply",), ("add",))
    if scalar and target.can.scalar_tensor_copy:
        return (Engine.vector, Engine.scalar)
    return (Engine.vector,)


def _bits_operand(operand: Any, columns: list[np.ndarray], x: np.ndarray) -> np.ndarray:
    if isinstance(operand, NkiTensor):
        found = columns.pop(0)
        return found.reshape(found.shape[0], *(1,) * (x.ndim - 1))
    return np.asarray(operand).astype(x.dtype)


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
) -> Instruction:
    """`dst = (data op0 operand0) op1 operand1` with a number or (P, 1) tile, then a whole tile."""
    what, b = "scalar_tensor_tensor", current()
    on_chip(what, dst=dst, data=data, operand1=operand1)
    same_shape(what, dst, data=data, operand1=operand1)
    not_both_psum(what, data, operand1)
    first, second = arithmetic(op0, what), arithmetic(op1, what)
    columns = scalar_or_column(what, "operand0", operand0, dst.num_partitions)
    views = (dst, data, operand1)
    work = Work(
        pair_cycles(b.target, dst.free_size, *views),
        elements=dst.num_partitions * dst.free_size,
        sram=traffic(*views),
    )

    def meaning(out: np.ndarray, x: np.ndarray, y: np.ndarray, *cols: np.ndarray) -> None:
        scalar = column(operand0, list(cols), x.ndim)
        inner = first.apply(scalar, f32(x)) if reverse0 else first.apply(f32(x), scalar)
        other = f32(y) if y.shape == x.shape else f32(y).reshape(x.shape)
        store(out, second.apply(other, inner) if reverse1 else second.apply(inner, other))

    return b.emit(what, Engine.vector, (dst,), (data, operand1, *columns), work, meaning)


@instruction
def reciprocal(dst: NkiTensor, data: NkiTensor, name: str | None = None) -> Instruction:
    """`dst = 1 / data`."""
    what, b = "reciprocal", current()
    on_chip(what, dst=dst, data=data)
    same_shape(what, dst, data=data)
    cycles = vector_cycles(b.target, dst.free_size * b.target.reciprocal_cycles)
    work = Work(cycles, elements=dst.num_partitions * dst.free_size, sram=traffic(dst, data))

    def meaning(out: np.ndarray, x: np.ndarray) -> None:
        store(out, np.float32(1) / f32(x))

    return b.emit(what, Engine.vector, (dst,), (data,), work, meaning)
