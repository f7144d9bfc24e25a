"""Operators and functions by the names of `nki.language`: one token may be an ALU operator of the
Vector engine, an activation function of the Scalar engine, or both.
"""

from __future__ import annotations

from dataclasses import dataclass

from glia.isa.operators.alu import ALU, AluOp
from glia.isa.operators.angles import ANGLES
from glia.isa.operators.functions import FUNCTIONS, Activation


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """A public operator name, passed to instructions as `op`."""

    name: str
    alu: AluOp | None
    activation: Activation | None

    def __repr__(self) -> str:
        return f"nl.{self.name}"


_OTHER = ("average",)  # a reduction of tensor_partition_reduce only

TOKENS = {
    name: Token(name, ALU.get(name) or ANGLES.get(name), FUNCTIONS.get(name))
    for name in sorted({*ALU, *FUNCTIONS, *ANGLES, *_OTHER})
}
