"""The Scalar engine's accumulator: one float32 register per lane, shared by its instructions.

A lane is the partition that the data comes from. The registers are a register file of the builder:
going on with a reduction that nothing reset is an uninitialised read. Sums run from left to right,
on the float32 results before they are converted to the destination's dtype. (The order on hardware
is not public.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glia.isa.engines import reduce_cmd as ReduceCmd
from glia.isa.launch.builder import current
from glia.isa.operators.alu import AluOp, fold, reduction
from glia.isa.rules import on_chip, refusal, store
from glia.isa.tensors.tensor import NkiTensor

_IDENTITY = {"add": 0.0, "maximum": -np.inf, "minimum": np.inf, "abs_max": 0.0, "abs_min": np.inf}
_COMMANDS = (ReduceCmd.idle, ReduceCmd.reset, ReduceCmd.reduce, ReduceCmd.reset_reduce)


@dataclass(frozen=True, slots=True)
class Accumulation:
    """What one instruction does with the registers of its lanes.

    `writes` are the registers where they change, then the tile that they are read out to; `reads`
    the registers where the reduction goes on, or where they are only read out. `op` may be None
    where nothing is reduced.
    """

    command: ReduceCmd = ReduceCmd.idle
    op: AluOp | None = None
    result: NkiTensor | None = None
    writes: tuple[NkiTensor, ...] = ()
    reads: tuple[NkiTensor, ...] = ()

    def carry_out(
        self, value: np.ndarray, written: Sequence[np.ndarray], read: Sequence[np.ndarray]
    ) -> None:
        """Take in float32 [P, ...] and read the registers out, as the command says."""
        if not self.writes:
            return
        rows = value.reshape(len(value), -1)
        if read:
            total = read[0].reshape(len(rows)).copy()
        else:
            name = "add" if self.op is None else self.op.name
            total = np.full(len(rows), _IDENTITY[name], np.float32)
        if self.command in (ReduceCmd.reduce, ReduceCmd.reset_reduce):
            assert self.op is not None
            total = fold(self.op, rows, total)
        if self.command is not ReduceCmd.idle:
            written[0][...] = total[:, None]
        if self.result is not None:
            store(written[-1], total)


def accumulation(
    what: str,
    data: NkiTensor,
    op: Any,
    operators: tuple[str, ...],
    command: ReduceCmd,
    result: NkiTensor | None,
) -> Accumulation:
    """Check and bundle the reduction of an instruction on `data`.

    Raises:
        KernelError: for an operator or a command that the instruction lacks, a reduction without an
            operator, or a result that is not [P, 1].
    """
    if command is ReduceCmd.idle and result is None and op is None:
        return NOTHING
    if command not in _COMMANDS:
        names = ", ".join(c.name for c in _COMMANDS)
        raise refusal(f"{what} reduce_cmd", getattr(command, "name", repr(command)), names)
    found = None if op is None else reduction(op, f"{what} reduce_op")
    if found is not None and found.name not in operators:
        names = ", ".join(f"nl.{name}" for name in operators)
        raise refusal(f"{what} reduce_op", f"{found!r}", names)
    if found is None and command in (ReduceCmd.reduce, ReduceCmd.reset_reduce):
        got = f"{command.name} without reduce_op"
        raise refusal(f"{what} reduce_cmd", got, "the operator", "pass reduce_op=nl.add")
    rows, start = data.num_partitions, data.start_partition
    if result is not None:
        on_chip(what, reduce_res=result)
        if result.num_partitions != rows or result.free_size != 1:
            raise refusal(f"{what} reduce_res", f"shape {result.shape}", f"({rows}, 1)")
    lanes = (current().register_file("scalar accumulator")[start : start + rows],)
    idle = command is ReduceCmd.idle
    writes = () if idle else lanes
    goes_on = command is ReduceCmd.reduce or (idle and result is not None)
    return Accumulation(
        command,
        found,
        result,
        writes if result is None else (*writes, result),
        lanes if goes_on else (),
    )


NOTHING = Accumulation()
