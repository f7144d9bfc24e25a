"""Vector engine: choosing between values, by a predicate or by the position in a range.

Source: aws-neuron-sdk nki/api/nki/isa/__init__.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glia.isa.engines import engine as Engine
from glia.isa.engines import reduce_cmd as ReduceCmd
from glia.isa.launch.builder import current, instruction
from glia.isa.operators.alu import ALU, AluOp, alu
from glia.isa.rules import column, f32, not_both_psum, refusal, require, same_shape, store
from glia.isa.stream import Instruction
from glia.isa.tensors.tensor import NkiTensor
from glia.isa.vector_engine.accumulator import accumulation
from glia.isa.vector_engine.costs import vector_work
from glia.isa.vector_engine.operands import index, numeric, one_of, per_partition

_FP32_MIN = float(np.finfo(np.float32).min)
_COMPARISONS = ("equal", "less", "less_equal", "greater", "greater_equal")
_SELECT_COMMANDS = (ReduceCmd.idle, ReduceCmd.reset_reduce, ReduceCmd.reduce)
_RANGE_COMMANDS = (ReduceCmd.idle, ReduceCmd.reset, ReduceCmd.reduce, ReduceCmd.reset_reduce)
_EXACT_INDEX = 1 << 24  # float32 counts exactly up to here


@instruction
def range_select(
    dst: NkiTensor,
    on_true_tile: NkiTensor,
    comp_op0: Any,
    comp_op1: Any,
    bound0: NkiTensor,
    bound1: NkiTensor,
    reduce_cmd: ReduceCmd = ReduceCmd.reset_reduce,
    reduce_res: NkiTensor | None = None,
    reduce_op: Any = ALU["maximum"],
    range_start: int = 0,
    on_false_value: float = _FP32_MIN,
    name: str | None = None,
) -> Instruction:
    """Keep on_true_tile[i] where `i + range_start` passes both comparisons, else -FLT_MAX.

    `bound0` and `bound1` are float32 (P, 1) tiles; the index is compared in float32. The maximum of
    the float32 results goes to the accumulator and, with `reduce_res` (P, 1), to that tile. In a
    dst of fewer bits -FLT_MAX becomes -inf.

    Raises:
        KernelError: on a chip without it, for other fill values or reductions, bounds that are not
            float32 columns, indices beyond 2^24.
    """
    what, b = "range_select", current()
    if not b.target.can.range_select:
        raise refusal(what, b.target.chip, "a chip that has it", "use affine_select")
    numeric(what, dst=dst, on_true_tile=on_true_tile, bound0=bound0, bound1=bound1)
    same_shape(what, dst, on_true_tile=on_true_tile)
    if not on_true_tile.dtype.is_float:
        raise refusal(f"{what} on_true_tile", str(on_true_tile.dtype), "a floating-point type")
    for role, bound in (("bound0", bound0), ("bound1", bound1)):
        per_partition(what, role, bound, dst.num_partitions)
        one_of(what, role, bound, "float32")
    first, second = _comparison(what, "comp_op0", comp_op0), _comparison(what, "comp_op1", comp_op1)
    require(
        np.float32(on_false_value) == np.float32(_FP32_MIN),
        f"{what} on_false_value",
        f"{on_false_value!r}",
        f"{_FP32_MIN!r}, the least float32",
    )
    positions = _positions(what, range_start, dst.free_size)
    reduced = accumulation(
        what, on_true_tile, reduce_op, ("maximum",), reduce_cmd, _RANGE_COMMANDS, reduce_res
    )
    work = vector_work(b.target, dst.free_size, dst, on_true_tile)
    side = len(reduced.writes)

    def meaning(out: np.ndarray, *arrays: np.ndarray) -> None:
        written, (data, low, high, *read) = arrays[:side], arrays[side:]
        keep = first.apply(positions, low.reshape(-1, 1)) != 0
        keep &= second.apply(positions, high.reshape(-1, 1)) != 0
        rows = f32(data).reshape(len(data), -1)
        value = np.where(keep, rows, np.float32(_FP32_MIN))
        reduced.fold(value, written, read)
        store(out, value)

    reads = (on_true_tile, bound0, bound1, *reduced.reads)
    made = b.emit(what, Engine.vector, (dst, *reduced.writes), reads, work, meaning)
    reduced.forget()
    return made


def _comparison(what: str, role: str, op: Any) -> AluOp:
    token = alu(op, what)
    names = ", ".join(f"nl.{name}" for name in _COMPARISONS)
    require(token.name in _COMPARISONS, f"{what} {role}", f"{token!r}", f"one of {names}")
    return token


def _positions(what: str, start: Any, size: int) -> np.ndarray:
    """float32 [1, size]: the index of each element, exact."""
    first = index(f"{what} range_start", start)
    if max(abs(first), abs(first + size - 1)) > _EXACT_INDEX:
        raise refusal(
            f"{what} range_start",
            f"indices {first}..{first + size - 1}",
            f"at most {_EXACT_INDEX} in magnitude",
            "float32 does not tell larger ones apart",
        )
    return np.arange(first, first + size, dtype=np.float32)[None]


@instruction
def select_reduce(
    dst: NkiTensor,
    predicate: NkiTensor,
    on_true: NkiTensor,
    on_false: Any,
    reduce_res: NkiTensor | None = None,
    reduce_cmd: ReduceCmd = ReduceCmd.idle,
    reduce_op: Any = ALU["maximum"],
    reverse_pred: bool = False,
    name: str | None = None,
) -> Instruction:
    """`dst = on_true` where predicate is nonzero (zero with reverse_pred), else `on_false`.

    `on_false` is a number or a (P, 1) tile. Unless idle, the maximum of the float32 results goes to
    the accumulator and, with `reduce_res` (P, 1, a float type), to that tile. Cost unpublished: one
    element per cycle with an input in PSUM, else that of other instructions of two tiles.

    Raises:
        KernelError: for on_true and predicate both in PSUM, dtypes it lacks, another reduction.
    """
    what, b = "select_reduce", current()
    numeric(what, dst=dst, predicate=predicate, on_true=on_true)
    same_shape(what, dst, predicate=predicate, on_true=on_true)
    not_both_psum(what, on_true, predicate)
    one_of(what, "predicate", predicate, "int8", "uint8", "int16", "uint16", "bool")
    if on_true.dtype.name in ("tfloat32", "int32", "uint32"):
        raise refusal(f"{what} on_true", str(on_true.dtype), "no tfloat32, int32 or uint32")
    columns = _on_false(what, on_false, dst.num_partitions)
    if reduce_res is not None and not reduce_res.dtype.is_float:
        raise refusal(f"{what} reduce_res", str(reduce_res.dtype), "a floating-point type")
    reduced = accumulation(
        what, on_true, reduce_op, ("maximum",), reduce_cmd, _SELECT_COMMANDS, reduce_res
    )
    one_in_psum = any(v.buffer == "psum" for v in (predicate, on_true))
    n = dst.free_size * (1 if one_in_psum else b.target.select_reduce_cycles)
    work = vector_work(b.target, n, dst, predicate, on_true)
    side = len(reduced.writes)

    def meaning(out: np.ndarray, *arrays: np.ndarray) -> None:
        written, (pred, data, *rest) = arrays[:side], arrays[side:]
        rows = f32(data).reshape(len(data), -1)
        chosen = (pred.reshape(rows.shape) != 0) ^ bool(reverse_pred)
        value = np.where(chosen, rows, column(on_false, rest[: len(columns)], 2))
        reduced.fold(value, written, rest[len(columns) :])
        store(out, value)

    reads = (predicate, on_true, *columns, *reduced.reads)
    made = b.emit(what, Engine.vector, (dst, *reduced.writes), reads, work, meaning)
    reduced.forget()
    return made


def _on_false(what: str, value: Any, rows: int) -> tuple[NkiTensor, ...]:
    """A number, or a (P, 1) tile of any numbers; returns the tile if it is one."""
    if isinstance(value, NkiTensor):
        numeric(what, on_false=value)
        per_partition(what, "on_false", value, rows)
        return (value,)
    if not isinstance(value, (int, float, np.number)):
        raise refusal(f"{what} on_false", type(value).__name__, "a number or a (P, 1) tile")
    return ()
