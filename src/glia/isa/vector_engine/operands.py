"""What Vector instructions ask of their operands beyond the rules that all engines share."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from glia.isa.operators.alu import AluOp
from glia.isa.rules import on_chip, refusal, require, scalar_or_column, store
from glia.isa.tensors.tensor import NkiTensor


def numeric(what: str, **operands: NkiTensor) -> None:
    """Operands must be legal tiles of numbers that the engine computes with: no packed format."""
    on_chip(what, **operands)
    for role, view in operands.items():
        if view.dtype.is_packed:
            raise refusal(
                f"{what} {role}",
                str(view.dtype),
                "a format of single numbers",
                "only copies, quantize_mx and nc_matmul_mx take packed formats",
            )


def one_of(what: str, role: str, view: NkiTensor, *names: str) -> None:
    """The operand's dtype must be one of these."""
    if view.dtype.name not in names:
        raise refusal(f"{what} {role}", str(view.dtype), "one of " + ", ".join(names))


def per_partition(what: str, role: str, view: NkiTensor, rows: int, size: int = 1) -> None:
    """The operand must have `rows` partitions and `size` elements in each."""
    require(
        view.num_partitions == rows and view.free_size == size,
        f"{what} {role}",
        f"shape {view.shape}",
        f"({rows}, {size})",
    )


def free_dims(what: str, role: str, view: NkiTensor, most: int) -> None:
    """The operand has at most `most` free dims; those of size 1 do not count."""
    found = sum(n > 1 for n in view.shape[1:])
    require(found <= most, f"{what} {role}", f"{found} free dims", f"at most {most}")


def unary_operand(what: str, role: str, operand: Any, token: AluOp) -> None:
    """A unary operator has no operand: None or 0 stand for it."""
    if isinstance(operand, NkiTensor) or operand not in (None, 0):
        raise refusal(f"{what} {role}", f"{operand!r}", f"None for the unary {token!r}")


def fp32_operand(what: str, role: str, operand: Any, rows: int) -> tuple[NkiTensor, ...]:
    """A number or a float32 (P, 1) tile; returns the tile if it is one."""
    return scalar_or_column(what, role, operand, rows, "float32")


def index(what: str, value: Any) -> int:
    """A whole number known while tracing."""
    try:
        return operator.index(value)
    except TypeError:
        raise refusal(what, f"{value!r}", "a whole number known at compile time") from None


def constant_of(what: str, value: Any, kind: NkiTensor) -> np.ndarray:
    """A number in the dtype of a tile, which must be able to hold it."""
    dtype = kind.dtype
    if not isinstance(value, (int, float, np.number, np.bool_)):
        raise refusal(f"{what} value", type(value).__name__, "a number")
    if dtype.is_packed or dtype.name == "float8_e8m0fnu":
        return _bits_of(what, value, kind)
    if dtype.is_integer:
        limits = np.iinfo(dtype.numpy)
        whole = bool(np.isfinite(value)) and value == int(value)
        if not whole or not limits.min <= value <= limits.max:
            expected = f"a whole number in {limits.min}..{limits.max}"
            raise refusal(f"{what} value", f"{value!r} for {dtype}", expected)
        return np.asarray(int(value)).astype(dtype.numpy)
    with np.errstate(over="ignore"):
        return np.asarray(value).astype(dtype.numpy)


def _bits_of(what: str, value: Any, kind: NkiTensor) -> np.ndarray:
    """Packed formats take 0 only; e8m0 has no zero, and its bits 0 stand for 2^-127."""
    made = np.zeros((), kind.dtype.numpy)
    if value == 0:
        return made
    if kind.dtype.is_packed:
        raise refusal(f"{what} value", f"{value!r} for {kind.dtype}", "0")
    store(made, np.asarray(value, np.float32))
    return made
