"""Vector engine: elementwise work, reductions along the free dims, statistics, scans.

float32 inside; conversion on write is free. Sources: aws-neuron-sdk nki/api/nki/isa/__init__.py;
costs: git tag v2.26.1 of the same file, and the performance modes of
nki/guides/architecture/trainium2_arch.rst; chip constants in `chips/data`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glia.isa.alu import alu, arithmetic, reduction
from glia.isa.builder import current, instruction
from glia.isa.engines import engine as Engine
from glia.isa.rules import (
    column,
    contiguous,
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
from glia.isa.target import QUADRANT, Target
from glia.isa.tensor import NkiTensor


def vector_cycles(target: Target, elements: float) -> float:
    """Cycles of a Vector instruction that streams `elements` per partition at one per cycle."""
    return max(elements, target.vector_min)


def copy_rate(target: Target, *views: NkiTensor) -> float:
    """Elements per cycle of the copy class (copy, tensor_scalar, memset) in performance mode."""
    narrow = all(v.dtype.is_float and v.dtype.itemsize == 2 for v in views)
    in_sbuf = all(v.buffer == "sbuf" for v in views)
    if narrow:
        fast = in_sbuf and all(contiguous(v) for v in views)
        return target.copy_rate_2byte if fast else target.copy_rate_2byte_mixed
    fp32 = all(v.dtype.name == "float32" for v in views)
    return target.copy_rate_fp32 if fp32 and in_sbuf else 1.0


def pair_cycles(target: Target, n: int, *views: NkiTensor) -> float:
    """Cycles of a two-tile instruction: full rate with one operand in PSUM or 2-byte floats."""
    if any(v.buffer == "psum" for v in views[1:]):
        return vector_cycles(target, n)
    narrow = all(v.dtype.is_float and v.dtype.itemsize == 2 for v in views)
    if narrow and all(v.buffer == "sbuf" for v in views):
        return vector_cycles(target, n / target.tensor_tensor_rate_2byte)
    return vector_cycles(target, 2 * n)


def engine_work(target: Target, on: Engine, n: float, dst: NkiTensor, *reads: NkiTensor) -> Work:
    """Work of an elementwise instruction of `n` element-cycles on Vector, Scalar or GpSimd."""
    if on is Engine.gpsimd:
        cycles = max(n, target.gpsimd_min)
    elif on is Engine.scalar:
        cycles = max(n, target.scalar_min)
    else:
        cycles = vector_cycles(target, n)
    size = max(v.num_partitions * v.free_size for v in (dst, *reads))
    return Work(cycles=cycles, elements=size, sram=traffic(dst, *reads))


@instruction
def tensor_copy(
    dst: NkiTensor, src: NkiTensor, engine: Engine = Engine.unknown, name: str | None = None
) -> Instruction:
    """`dst = src` inside SBUF and PSUM; bit-exact for equal dtypes, else through float32."""
    what, b = "tensor_copy", current()
    on_chip(what, dst=dst, src=src)
    same_shape(what, dst, src=src)
    allowed: tuple[Engine, ...] = (Engine.vector, Engine.gpsimd)
    allowed = (*allowed, Engine.scalar) if b.target.can.scalar_tensor_copy else allowed
    on = pick_engine(what, engine, allowed, dst, src)
    rate = copy_rate(b.target, dst, src) if on is Engine.vector else 1.0
    work = engine_work(b.target, on, dst.free_size / rate, dst, src)
    same = dst.dtype == src.dtype
    return b.emit(what, on, (dst,), (src,), work, _copy_bits if same else _copy_through_fp32)


def _copy_bits(dst: np.ndarray, src: np.ndarray) -> None:
    dst[...] = src if src.shape == dst.shape else src.reshape(dst.shape)


def _copy_through_fp32(dst: np.ndarray, src: np.ndarray) -> None:
    store(dst, f32(src))


@instruction
def memset(
    dst: NkiTensor, value: float, engine: Engine = Engine.unknown, name: str | None = None
) -> Instruction:
    """Fill dst with a constant."""
    what, b = "memset", current()
    on_chip(what, dst=dst)
    filled = _fill_value(what, value, dst)
    on = pick_engine(what, engine, (Engine.vector, Engine.gpsimd), dst)
    rate = copy_rate(b.target, dst) if on is Engine.vector else 1.0
    work = engine_work(b.target, on, dst.free_size / rate, dst)

    def meaning(out: np.ndarray) -> None:
        out[...] = filled

    return b.emit(what, on, (dst,), (), work, meaning)


def _fill_value(what: str, value: float, dst: NkiTensor) -> np.ndarray:
    """The value in dst's dtype, which must be able to hold it."""
    kind = dst.dtype.numpy
    if dst.dtype.is_integer:
        limits = np.iinfo(kind)
        if value != int(value) or not limits.min <= value <= limits.max:
            expected = f"a whole number in {limits.min}..{limits.max}"
            raise refusal(f"{what} value", f"{value!r} for {dst.dtype}", expected)
    with np.errstate(over="ignore"):
        return np.asarray(value).astype(kind)


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
def tensor_reduce(
    dst: NkiTensor,
    op: Any,
    data: NkiTensor,
    axis: int | tuple[int, ...] | list[int],
    negate: bool = False,
    keepdims: bool = False,
    name: str | None = None,
) -> Instruction:
    """Reduce the last free dims of data; dst has one element per remaining position."""
    what, b = "tensor_reduce", current()
    on_chip(what, dst=dst, data=data)
    token = reduction(op, what)
    axes = tuple(a % data.ndim for a in ((axis,) if isinstance(axis, int) else axis))
    trailing = tuple(range(data.ndim - len(axes), data.ndim))
    require(
        tuple(sorted(axes)) == trailing and 0 not in axes,
        f"{what} axis",
        str(axes),
        f"the last dims, such as {trailing}",
        "reorder the view",
    )
    kept = int(np.prod(data.shape[1 : data.ndim - len(axes)], dtype=np.int64))
    require(
        dst.num_partitions == data.num_partitions and dst.free_size == kept,
        f"{what} dst",
        f"shape {dst.shape}",
        f"({data.num_partitions}, {kept})",
    )
    if token.kind == "bitvec":
        require_ints(what, dst, data)
        require(not negate, f"{what} negate", "a bit operation", "an arithmetic one")
    narrow = all(v.dtype.is_float and v.dtype.itemsize == 2 for v in (dst, data))
    fast = narrow and token.name in ("add", "maximum")
    cycles = vector_cycles(b.target, data.free_size / (2 if fast else 1))
    size = data.num_partitions * data.free_size
    work = Work(cycles, elements=size, sram=traffic(dst, data))

    def meaning(out: np.ndarray, x: np.ndarray) -> None:
        assert token.reduce is not None
        result = token.reduce(x if token.kind == "bitvec" else f32(x), axis=trailing)
        store(out, -result if negate else result)

    return b.emit(what, Engine.vector, (dst,), (data,), work, meaning)


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


@instruction
def bn_stats(dst: NkiTensor, data: NkiTensor, name: str | None = None) -> Instruction:
    """Per partition: count, mean, variance*count of the even, then of the odd elements."""
    what, b = "bn_stats", current()
    on_chip(what, dst=dst, data=data)
    require(data.free_size <= 512, f"{what} data", f"{data.free_size} elements", "at most 512")
    require(dst.free_size == 6, f"{what} dst", f"shape {dst.shape}", "6 elements per partition")
    work = Work(
        vector_cycles(b.target, data.free_size),
        elements=data.num_partitions * data.free_size,
        sram=traffic(dst, data),
    )
    return b.emit(what, Engine.vector, (dst,), (data,), work, _bn_stats)


def _bn_stats(out: np.ndarray, x: np.ndarray) -> None:
    flat = f32(x).reshape(x.shape[0], -1)
    rows = []
    for half in (flat[:, 0::2], flat[:, 1::2]):
        count = half.shape[1]
        mean = half.mean(axis=1) if count else np.zeros(len(flat), np.float32)
        spread = np.square(half - mean[:, None]).sum(axis=1)
        rows += [np.full(len(flat), count, np.float32), mean, spread]
    store(out, np.stack(rows, axis=1))


@instruction
def bn_aggr(dst: NkiTensor, data: NkiTensor, name: str | None = None) -> Instruction:
    """Combine (count, mean, variance*count) triples into the mean and the variance."""
    what, b = "bn_aggr", current()
    on_chip(what, dst=dst, data=data)
    require(
        data.free_size % 3 == 0,
        f"{what} data",
        f"{data.free_size} elements",
        "a multiple of 3",
    )
    require(dst.free_size == 2, f"{what} dst", f"shape {dst.shape}", "2 elements per partition")
    cycles = vector_cycles(b.target, 13 * data.free_size / 3)
    work = Work(cycles, elements=data.num_partitions * data.free_size, sram=traffic(dst, data))
    return b.emit(what, Engine.vector, (dst,), (data,), work, _bn_aggr)


def _bn_aggr(out: np.ndarray, x: np.ndarray) -> None:
    triples = f32(x).reshape(x.shape[0], -1, 3)
    count, mean, spread = triples[..., 0], triples[..., 1], triples[..., 2]
    total = count.sum(axis=1)
    whole = (count * mean).sum(axis=1) / total
    between = count * np.square(mean - whole[:, None])
    store(out, np.stack([whole, (spread + between).sum(axis=1) / total], axis=1))


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
    """`r[i] = (data0[i] op0 r[i-1]) op1 data1[i]` along the free dim, from `initial`."""
    what, b = "tensor_tensor_scan", current()
    on_chip(what, dst=dst, data0=data0, data1=data1)
    same_shape(what, dst, data0=data0, data1=data1)
    not_both_psum(what, data0, data1)
    columns = scalar_or_column(what, "initial", initial, dst.num_partitions)
    first, second = arithmetic(op0, what), arithmetic(op1, what)
    size = dst.num_partitions * dst.free_size
    work = Work(
        vector_cycles(b.target, 2 * dst.free_size), elements=size, sram=traffic(dst, data0, data1)
    )

    def meaning(out: np.ndarray, x: np.ndarray, y: np.ndarray, *cols: np.ndarray) -> None:
        a, c = (f32(v).reshape(len(v), -1) for v in (x, y))
        state = np.broadcast_to(column(initial, list(cols), 1), (len(a),)).astype(np.float32)
        result = np.empty_like(c)
        for i in range(a.shape[1]):
            inner = first.apply(state, a[:, i]) if reverse0 else first.apply(a[:, i], state)
            state = second.apply(c[:, i], inner) if reverse1 else second.apply(inner, c[:, i])
            result[:, i] = state
        store(out, result)

    return b.emit(what, Engine.vector, (dst,), (data0, data1, *columns), work, meaning)


@instruction
def tensor_copy_predicated(
    dst: NkiTensor,
    src: Any,
    predicate: NkiTensor,
    reverse_pred: bool = False,
    name: str | None = None,
) -> Instruction:
    """Where predicate (uint) is nonzero, `dst = src` (a tile or a number); elsewhere dst stays."""
    what, b = "tensor_copy_predicated", current()
    on_chip(what, dst=dst, predicate=predicate)
    same_shape(what, dst, predicate=predicate)
    require(
        predicate.dtype.kind == "uint",
        f"{what} predicate",
        str(predicate.dtype),
        "uint8, uint16 or uint32",
    )
    tiles: tuple[NkiTensor, ...] = ()
    if isinstance(src, NkiTensor):
        on_chip(what, src=src)
        same_shape(what, dst, src=src)
        not_both_psum(what, src, predicate)
        require(src.dtype == dst.dtype, f"{what} src", str(src.dtype), f"dst's {dst.dtype}")
        tiles = (src,)
    n = dst.free_size * (1 if any(v.buffer == "psum" for v in (*tiles, predicate)) else 2)
    work = Work(
        vector_cycles(b.target, n),
        elements=dst.num_partitions * dst.free_size,
        sram=traffic(dst, predicate, *tiles),
    )

    def meaning(out: np.ndarray, _: np.ndarray, pred: np.ndarray, *sources: np.ndarray) -> None:
        mask = (pred.reshape(out.shape) == 0) if reverse_pred else (pred.reshape(out.shape) != 0)
        value = sources[0].reshape(out.shape) if sources else np.asarray(src).astype(out.dtype)
        np.copyto(out, value, where=mask)

    return b.emit(what, Engine.vector, (dst,), (dst, predicate, *tiles), work, meaning)


def transpose_on_vector(dst: NkiTensor, data: NkiTensor) -> Instruction:
    """The Vector engine's form of nc_transpose: up to 32 x 32."""
    b = current()
    require(
        data.free_size <= QUADRANT,
        "nc_transpose data",
        f"shape {data.shape}",
        "at most 32 x 32",
    )
    work = engine_work(b.target, Engine.vector, data.free_size, dst, data)

    def meaning(out: np.ndarray, x: np.ndarray) -> None:
        out[...] = x.reshape(x.shape[0], -1).T.reshape(out.shape)

    return b.emit("nc_transpose", Engine.vector, (dst,), (data,), work, meaning)
