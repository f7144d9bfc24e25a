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


@dataclass(frozen=True, slots=True, eq=False)
class AluOp:
    """One operator. `kind` is `arithmetic` or `bitvec`; `reduce` is its NumPy reduction."""

    name: str
    kind: str
    apply: Callable[..., Any]
    reduce: Callable[..., Any] | None = None
    unary: bool = False

    def __repr__(self) -> str:
        return f"nl.{self.name}"


def _truth(function: Callable[..., Any]) -> Callable[..., Any]:
    def apply(x: Any, y: Any) -> Any:
        return function(x, y).astype(np.float32)

    return apply


def _sequential_sum(x: np.ndarray, axis: tuple[int, ...]) -> np.ndarray:
    """float32 sum over trailing axes; NumPy's pairwise order, error at most that of sequential."""
    return np.add.reduce(x, axis=axis, dtype=np.float32)


def _logical_right_shift(x: np.ndarray, y: Any) -> np.ndarray:
    """Zeros come in from the left, whatever the sign: the engine has no arithmetic shift."""
    bits = np.dtype(f"u{x.dtype.itemsize}")
    amount = np.asarray(y).astype(bits)
    return np.right_shift(x.view(bits), amount).view(x.dtype)


ALU: dict[str, AluOp] = {
    op.name: op
    for op in (
        AluOp("add", "arithmetic", np.add, _sequential_sum),
        AluOp("subtract", "arithmetic", np.subtract),
        AluOp("multiply", "arithmetic", np.multiply, np.multiply.reduce),
        AluOp("maximum", "arithmetic", np.maximum, np.maximum.reduce),
        AluOp("minimum", "arithmetic", np.minimum, np.minimum.reduce),
        AluOp("power", "arithmetic", np.power),
        AluOp("equal", "arithmetic", _truth(np.equal)),
        AluOp("not_equal", "arithmetic", _truth(np.not_equal)),
        AluOp("greater", "arithmetic", _truth(np.greater)),
        AluOp("greater_equal", "arithmetic", _truth(np.greater_equal)),
        AluOp("less", "arithmetic", _truth(np.less)),
        AluOp("less_equal", "arithmetic", _truth(np.less_equal)),
        AluOp("logical_and", "arithmetic", _truth(np.logical_and)),
        AluOp("logical_or", "arithmetic", _truth(np.logical_or)),
        AluOp("logical_xor", "arithmetic", _truth(np.logical_xor)),
        AluOp("abs", "arithmetic", lambda x, _: np.abs(x), unary=True),
        AluOp("square", "arithmetic", lambda x, _: np.square(x), unary=True),
        AluOp("relu", "arithmetic", lambda x, _: np.maximum(x, np.float32(0)), unary=True),
        AluOp("rsqrt", "arithmetic", lambda x, _: 1 / np.sqrt(x), unary=True),
        AluOp("reciprocal", "arithmetic", lambda x, _: 1 / x, unary=True),
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
