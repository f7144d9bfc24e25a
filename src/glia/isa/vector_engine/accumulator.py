"""The Vector engine's accumulator: one float32 register per lane, shared by the instructions that
reduce on the side.

A lane is the partition that the data comes from. The register is a register file of the builder, so
that continuing a reduction that nothing started is an uninitialised read. After `idle` its content
is undefined: the public text says that it may be clobbered. Sums and products run from left to
right, on the float32 results before they are converted to the destination's dtype.
Source: aws-neuron-sdk nki/api/nki/isa/__init__.py (accumulator behaviour).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glia.isa.engines import reduce_cmd as ReduceCmd
from glia.isa.launch.builder import current
from glia.isa.operators.alu import AluOp, reduction, sequential
from glia.isa.rules import column, refusal, require, store
from glia.isa.tensors.tensor import NkiTensor
from glia.isa.vector_engine.operands import fp32_operand, numeric, per_partition

_IDENTITY = {
    "add": 0.0, "subtract": 0.0, "multiply": 1.0, "maximum": -np.inf, "minimum": np.inf,
}  # fmt: skip
SIDE_OPS = ("add", "multiply", "maximum", "minimum")
SIDE_COMMANDS = (ReduceCmd.reset_reduce, ReduceCmd.reduce, ReduceCmd.load_reduce)


def lanes_of(data: NkiTensor) -> NkiTensor:
    """The accumulator registers [P, 1] of the partitions that `data` lies on."""
    start = data.start_partition
    return current().register_file("vector accumulator")[start : start + data.num_partitions]


def identity(op: AluOp) -> np.float32:
    """What a reset leaves in the accumulator for this operator."""
    return np.float32(_IDENTITY[op.name])


@dataclass(frozen=True, slots=True)
class Accumulation:
    """What one instruction does with the accumulator; operands first, then values."""

    command: ReduceCmd
    op: AluOp
    lanes: NkiTensor
    result: NkiTensor | None
    initial: Any
    negate: bool

    @property
    def writes(self) -> tuple[NkiTensor, ...]:
        """The registers, then the tile that they are read out to, if any."""
        return (self.lanes,) if self.result is None else (self.lanes, self.result)

    @property
    def reads(self) -> tuple[NkiTensor, ...]:
        """The registers where the reduction goes on, or the tile that they are loaded from."""
        if self.command is ReduceCmd.reduce:
            return (self.lanes,)
        loads = self.command is ReduceCmd.load_reduce and isinstance(self.initial, NkiTensor)
        return (self.initial,) if loads else ()

    def forget(self) -> None:
        """After emit: `idle` leaves the registers undefined."""
        if self.command is ReduceCmd.idle:
            current().shadow(self.lanes).forget(self.lanes)

    def start(self, read: Sequence[np.ndarray], rows: int) -> np.ndarray:
        """The registers' float32 [P] before the first element."""
        if self.command is ReduceCmd.reduce:
            return read[0].reshape(rows).copy()
        if self.command is ReduceCmd.load_reduce:
            value = column(self.initial, list(read), 1)
            return np.array(np.broadcast_to(value, (rows,)), np.float32)
        return np.full(rows, identity(self.op))

    def fold(
        self, value: np.ndarray, written: Sequence[np.ndarray], read: Sequence[np.ndarray]
    ) -> None:
        """Reduce float32 [P, ...] into the registers, and read them out."""
        if self.command is ReduceCmd.idle:
            return
        rows = value.reshape(len(value), -1)
        total = self.start(read, len(rows))
        if self.command in SIDE_COMMANDS:
            total = _folded(self.op, rows, total)
        written[0][...] = total[:, None]
        if self.result is not None:
            store(written[1], -total if self.negate else total)


def _folded(op: AluOp, rows: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Extremes do not depend on the order, and NumPy finds them faster."""
    if op.name in ("maximum", "minimum"):
        assert op.reduce is not None
        return op.apply(start, op.reduce(rows, axis=(1,)))
    return sequential(op.apply, rows, start)  # type: ignore[arg-type]


def accumulation(
    what: str,
    data: NkiTensor,
    op: Any,
    operators: tuple[str, ...],
    command: ReduceCmd,
    commands: tuple[ReduceCmd, ...],
    result: NkiTensor | None = None,
    initial: Any = None,
    negate: bool = False,
) -> Accumulation:
    """Check and bundle the reduction of an instruction on `data`.

    Raises:
        KernelError: for an operator or a command that the instruction lacks, a result without a
            reduction, or an initial value where none is loaded.
    """
    token = reduction(op, what)
    if token.name not in operators:
        names = ", ".join(f"nl.{o}" for o in operators)
        raise refusal(f"{what} reduce_op", f"{token!r}", f"one of {names}")
    if command not in commands:
        shown = getattr(command, "name", repr(command))
        raise refusal(f"{what} reduce_cmd", shown, "one of " + ", ".join(c.name for c in commands))
    _check_initial(what, command, initial, data.num_partitions)
    if result is not None:
        numeric(what, reduce_res=result)
        per_partition(what, "reduce_res", result, data.num_partitions)
        require(
            command is not ReduceCmd.idle,
            f"{what} reduce_res",
            "a tile with reduce_cmd idle",
            "a command that reduces",
            "pass reduce_cmd.reset_reduce",
        )
    return Accumulation(command, token, lanes_of(data), result, initial, negate)


def _check_initial(what: str, command: ReduceCmd, initial: Any, rows: int) -> None:
    loads = command is ReduceCmd.load_reduce
    if not loads:
        given = isinstance(initial, NkiTensor) or initial not in (None, 0)
        require(
            not given,
            f"{what} initial value",
            f"{initial!r} with reduce_cmd {command.name}",
            "none",
            "pass reduce_cmd.load_reduce to load it",
        )
        return
    require(initial is not None, f"{what} initial value", "None", "a number or a (P, 1) tile")
    fp32_operand(what, "initial value", initial, rows)
