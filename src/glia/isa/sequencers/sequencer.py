"""Instructions of the engines' sequencers: what leaves a register for memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from glia.isa.engines import engine as Engine
from glia.isa.launch.builder import current, instruction
from glia.isa.rules import require, traffic
from glia.isa.sequencers.registers import one_element, register_number
from glia.isa.stream import Instruction, Work
from glia.isa.tensors.tensor import NkiTensor


@instruction
def register_store(dst: NkiTensor, src: Any, name: str | None = None) -> Instruction:
    """`dst`, one element in HBM or SBUF, = the register `src`; 4-byte types take its bits.

    Raises:
        KernelError: for a number that a narrower dst does not hold.
    """
    what = "register_store"
    one_element(f"{what} dst", dst)
    value = register_number(f"{what} src", src)
    bits = np.array([value & 0xFFFFFFFF], "<u4")
    kind = dst.dtype.numpy
    if kind.itemsize == 4:
        stored = bits.view(kind)
    else:
        require(
            dst.dtype.is_integer and np.iinfo(kind).min <= value <= np.iinfo(kind).max,
            what,
            f"{value} into {dst.dtype}",
            "a dst that holds it",
            "use an int32 tensor",
        )
        stored = np.array([value]).astype(kind)

    def meaning(out: np.ndarray) -> None:
        out[...] = stored.reshape(out.shape)

    work = Work(elements=1, sram=traffic(dst))
    return current().emit(what, Engine.sync, (dst,), (), work, meaning)
