"""ALU operators: the tokens that instructions take as `op`, and what each means.

Arithmetic runs in float32 on the engines; bit operations see integers as bits.
Source: aws-neuron-sdk nki/api/nki.api.shared.rst (supported math operators for NKI ISA).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from glia.core.errors import KernelError
from glia.isa.launch.builder import current


@dataclass(frozen=True, slots=True, eq=False)
class AluOp:
    """One operator. `kind` is `arithmetic` or `bitvec`.

    `apply(x, y)` is its meaning, also where `unary` (y is then ignored); `reduce(x, axis)` folds
    trailing dims, absent where the engine has no such reduction. `needs` names the capability
    without which a chip lacks it.
    """

    name: str
    kind: str
    apply: Callable[..., Any]
    reduce: Callable[..., Any] | None = None
    unary: bool = False
    needs: str = ""

    def __repr__(self) -> str:
        return f"nl.{self.name}"


def _truth(function: Callable[..., Any]) -> Callable[..., Any]:
    def apply(x: Any, y: Any) -> Any:
        return function(x, y).astype(np.float32)

    return apply


def _larger_magnitude(x: Any, y: Any) -> Any:
    return np.where(np.abs(x) > np.abs(y), x, y)


def _smaller_magnitude(x: Any, y: Any) -> Any:
    return np.where(np.abs(x) < np.abs(y), x, y)


def _power(x: Any, y: Any) -> Any:
    """Rounded once from float64; of integers it stays float64 until it is stored."""
    x, y = np.asarray(x), np.asarray(y)
    wide = np.power(x.astype(np.float64), y)
    return wide.astype(np.float32) if x.dtype.kind == "f" else wide


def _logical_right_shift(x: np.ndarray, y: Any) -> np.ndarray:
    """Zeros come in from the left, whatever the sign: the engine has no arithmetic shift."""
    bits = np.dtype(f"u{x.dtype.itemsize}")
    amount = np.asarray(y).astype(bits)
    return np.right_shift(x.view(bits), amount).view(x.dtype)


# -- reductions --------------------------------------------------------------------------------

_BLOCK = 128  # columns folded at once: the work arrays stay in the caches
_PAD = 4


def sequential(function: np.ufunc, rows: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
    """Fold each row of float32 [P, n] from left to right, from `start` [P] where given: [P].

    The Vector engine's fp32 sum was seen to run in this order (a third party's comparison with a
    trn1); NumPy's own sum adds in pairs.
    """
    if start is None:
        start, rows = rows[:, 0].copy(), rows[:, 1:]
    if len(rows) == 1:  # one row is contiguous along the sum, which NumPy would pair up
        line = np.concatenate((start, rows[0]))
        return function.accumulate(line)[-1:]
    total = start.astype(np.float32)
    # Rows whose pitch is a power of two would evict one another while they are transposed.
    block = np.empty((len(rows), _BLOCK + _PAD), np.float32)
    work = np.empty((_BLOCK + 1, len(rows)), np.float32)
    for at in range(0, rows.shape[1], _BLOCK):
        size = min(_BLOCK, rows.shape[1] - at)
        block[:, :size] = rows[:, at : at + size]
        work[0], work[1 : size + 1] = total, block[:, :size].T
        function.reduce(work[: size + 1], axis=0, out=total)
    return total


def fold(op: AluOp, rows: np.ndarray, start: np.ndarray) -> np.ndarray:
    """An accumulator [P] that starts at `start` after taking in float32 [P, n] by `op`."""
    assert op.reduce is not None
    if isinstance(op.apply, np.ufunc) and op.name in ("add", "subtract", "multiply"):
        return sequential(op.apply, rows, start)
    found: np.ndarray = op.apply(start, op.reduce(rows, axis=(1,)))
    return found  # the order makes no difference


def _left_to_right(function: np.ufunc) -> Callable[..., Any]:
    """A reduction over `axis` (trailing dims) in the engine's order."""

    def reduce(x: np.ndarray, axis: tuple[int, ...]) -> np.ndarray:
        kept = x.shape[: x.ndim - len(axis)]
        return sequential(function, x.reshape(int(np.prod(kept)), -1)).reshape(kept)

    return reduce


def _truth_reduction(function: np.ufunc) -> Callable[..., Any]:
    def reduce(x: np.ndarray, axis: tuple[int, ...]) -> np.ndarray:
        return function.reduce(x != 0, axis=axis).astype(np.float32)

    return reduce


def _extreme_magnitude(pick: Callable[..., Any]) -> Callable[..., Any]:
    """The signed value of extreme magnitude; of equal ones the last, as a fold leaves it."""

    def reduce(x: np.ndarray, axis: tuple[int, ...]) -> np.ndarray:
        kept = x.shape[: x.ndim - len(axis)]
        backwards = x.reshape(*kept, -1)[..., ::-1]
        at = pick(np.abs(backwards), axis=-1)[..., None]
        return np.take_along_axis(backwards, at, -1)[..., 0]

    return reduce


def _arithmetic() -> tuple[AluOp, ...]:
    def op(name: str, apply: Callable[..., Any], reduce: Any = None, needs: str = "") -> AluOp:
        return AluOp(name, "arithmetic", apply, reduce, needs=needs)

    return (
        op("add", np.add, _left_to_right(np.add)),
        op("subtract", np.subtract, _left_to_right(np.subtract)),
        op("multiply", np.multiply, _left_to_right(np.multiply)),
        op("maximum", np.maximum, np.maximum.reduce),
        op("minimum", np.minimum, np.minimum.reduce),
        op("power", _power),
        op("equal", _truth(np.equal)),
        op("not_equal", _truth(np.not_equal)),
        op("greater", _truth(np.greater)),
        op("greater_equal", _truth(np.greater_equal)),
        op("less", _truth(np.less)),
        op("less_equal", _truth(np.less_equal)),
        op("logical_and", _truth(np.logical_and), _truth_reduction(np.logical_and)),
        op("logical_or", _truth(np.logical_or), _truth_reduction(np.logical_or)),
        op("logical_xor", _truth(np.logical_xor), _truth_reduction(np.logical_xor)),
        op("abs_max", _larger_magnitude, _extreme_magnitude(np.argmax), needs="alu_abs_extrema"),
        op("abs_min", _smaller_magnitude, _extreme_magnitude(np.argmin), needs="alu_abs_extrema"),
    )


def _unary() -> tuple[AluOp, ...]:
    def op(name: str, apply: Callable[[Any], Any]) -> AluOp:
        return AluOp(name, "arithmetic", lambda x, _: apply(x), unary=True)

    return (
        op("bypass", lambda x: x),
        op("abs", np.abs),
        op("square", np.square),
        op("relu", lambda x: np.maximum(x, np.float32(0))),
        op("rsqrt", lambda x: (1 / np.sqrt(x.astype(np.float64))).astype(np.float32)),
        op("reciprocal", lambda x: np.float32(1) / x),
    )


ALU: dict[str, AluOp] = {
    op.name: op
    for op in (
        *_arithmetic(),
        *_unary(),
        AluOp("bitwise_and", "bitvec", np.bitwise_and, np.bitwise_and.reduce),
        AluOp("bitwise_or", "bitvec", np.bitwise_or, np.bitwise_or.reduce),
        AluOp("bitwise_xor", "bitvec", np.bitwise_xor, np.bitwise_xor.reduce),
        AluOp("left_shift", "bitvec", np.left_shift),
        AluOp("right_shift", "bitvec", _logical_right_shift),
        AluOp("invert", "bitvec", lambda x, _: np.invert(x), unary=True),
    )
}


def alu(op: Any, what: str) -> AluOp:
    """The operator behind a token."""
    found = getattr(op, "alu", op)
    if not isinstance(found, AluOp):
        raise KernelError(
            f"{what}: got op {op!r}, expected an ALU operator such as nl.add; choose one of: "
            + ", ".join(sorted(ALU))
        )
    if found.needs and not getattr(current().target.can, found.needs):
        raise KernelError(
            f"{what}: got op {found!r}, expected an operator that {current().target.chip} has; "
            "build it from abs, maximum and a predicated copy"
        )
    return found


def arithmetic(op: Any, what: str) -> AluOp:
    """The operator behind a token, which must be a binary arithmetic one."""
    found = alu(op, what)
    if found.unary or found.kind != "arithmetic":
        names = ", ".join(sorted(a.name for a in ALU.values() if _is_plain(a)))
        raise KernelError(
            f"{what}: got op {found!r}, expected a binary arithmetic one; choose one of: {names}"
        )
    return found


def _is_plain(op: AluOp) -> bool:
    return op.kind == "arithmetic" and not op.unary


def reduction(op: Any, what: str) -> AluOp:
    """The operator behind a token, which must be usable as a reduction."""
    found = alu(op, what)
    if found.reduce is None:
        names = ", ".join(sorted(a.name for a in ALU.values() if a.reduce is not None))
        raise KernelError(f"{what}: got reduction {found!r}, expected one of: {names}")
    return found
