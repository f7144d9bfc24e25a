"""Scalars: integers of the device, since NKI 0.7 in the place of registers.

A scalar is a register that is never written again: arithmetic gives new ones, at the width of what
it was loaded from, and wraps.
Source: the public documentation of NKI 0.7 (nki/deep-dives/nki-scalar).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from glia.core.dtypes import DTYPES, DType
from glia.isa.rules import refusal, require
from glia.isa.sequencers.registers import VirtualRegister, register_load, register_number
from glia.isa.sequencers.sequencer import register_store
from glia.isa.tensors.tensor import NkiTensor

_INT32 = DTYPES["int32"]
_WRAP = 1 << 32


class NkiScalar(VirtualRegister):
    """One 32-bit signed integer; an operand of arithmetic, an offset, or the bound of a loop."""

    __slots__ = ("dtype",)

    def __init__(
        self, state: int | None, dtype: DType | None = None, is_comparison: bool = False
    ) -> None:
        super().__init__(None if state is None else _wrapped(state), frozen=True)
        self.unknown = state is None
        self.dtype = dtype or _INT32

    def __neg__(self) -> NkiScalar:
        return NkiScalar(-self.number(), self.dtype)

    def __pos__(self) -> NkiScalar:
        return self

    def __rsub__(self, other: Any) -> NkiScalar:
        return NkiScalar(register_number("scalar arithmetic", other) - self.number(), self.dtype)

    def _with(self, function: Callable[[int, int], int], other: Any) -> NkiScalar:
        require(
            function in (operator.add, operator.sub, operator.mul),
            "scalar arithmetic",
            function.__name__,
            "+, - or *",
            "compute the quotient in a tile",
        )
        right = register_number("scalar arithmetic", other)
        return NkiScalar(function(self.number(), right), self.dtype)

    def __bool__(self) -> bool:
        raise refusal(
            "branching on a scalar",
            "a value of the device",
            "a Python value",
            "use nl.fori_loop, nl.while_loop or predicated instructions",
        )

    def __repr__(self) -> str:
        return f"NkiScalar({'?' if self.state is None else self.state})"


def _wrapped(value: int) -> int:
    return (int(value) + _WRAP // 2) % _WRAP - _WRAP // 2


def _check_width(what: str, view: Any) -> None:
    kind = view.dtype if isinstance(view, NkiTensor) else type(view).__name__
    require(kind == _INT32, what, f"{kind}", "a (1, 1) tensor of nl.int32")


def scalar_load(src: NkiTensor) -> NkiScalar:
    """The one element of an int32 tensor in SBUF or HBM as a scalar.

    Raises:
        KernelError: for another dtype, or more than one element.
    """
    _check_width("scalar_load src", src)
    held = VirtualRegister()
    register_load(held, src)
    return NkiScalar(held.state, src.dtype)


def scalar_store(dst: NkiTensor, value: NkiScalar) -> None:
    """`dst`, one int32 element in SBUF or HBM, = a scalar.

    Raises:
        KernelError: for another dtype, or a Python number.
    """
    _check_width("scalar_store dst", dst)
    what = type(value).__name__
    require(
        isinstance(value, NkiScalar),
        "scalar_store value",
        what,
        "a scalar",
        "write a constant with memset",
    )
    register_store(dst, value)
