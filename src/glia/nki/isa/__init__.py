"""`nki.isa`: the instructions, under their public names, and their options.

Every instruction that `glia.isa` declares is here by itself.
"""

from typing import Any

import glia.isa  # noqa: F401  (declares the instructions)
from glia.core.errors import KernelError as NkiValidationError
from glia.isa.engines import (
    dge_mode,
    dma_engine,
    engine,
    matmul_perf_mode,
    nc_version,
    oob_mode,
    reduce_cmd,
)
from glia.isa.launch.builder import INSTRUCTIONS
from glia.isa.sequencers.registers import (
    VirtualRegister,
    register_alloc,
    register_load,
    register_move,
)
from glia.isa.sequencers.scalars import NkiScalar, scalar_load, scalar_store
from glia.isa.stream import Instruction as NkiInstruction
from glia.nki import names as _names
from glia.nki.target import ambient_target as _ambient_target

# Deprecated since the enum `engine`.
tensor_engine = engine.tensor
vector_engine = engine.vector
scalar_engine = engine.scalar
gpsimd_engine = engine.gpsimd
unknown_engine = engine.unknown


def get_nc_version() -> nc_version:
    """The generation of the target, inside a kernel or of the environment."""
    return nc_version[_ambient_target().generation]


def get_nc_sub_version() -> int:
    """The silicon revision within the generation: always the first."""
    return 0


def __getattr__(name: str) -> Any:
    try:
        return INSTRUCTIONS[name]
    except KeyError:
        raise _names.unknown("nki.isa", name, __dir__(), _names.ISA) from None


def __dir__() -> list[str]:
    return sorted({*__all__, *INSTRUCTIONS})


__all__ = [
    "NkiInstruction",
    "NkiScalar",
    "NkiValidationError",
    "VirtualRegister",
    "dge_mode",
    "dma_engine",
    "engine",
    "get_nc_sub_version",
    "get_nc_version",
    "gpsimd_engine",
    "matmul_perf_mode",
    "nc_version",
    "oob_mode",
    "reduce_cmd",
    "register_alloc",
    "register_load",
    "register_move",
    "scalar_engine",
    "scalar_load",
    "scalar_store",
    "tensor_engine",
    "unknown_engine",
    "vector_engine",
]
