"""The public NKI instruction set: one function per instruction, one file per engine.

An instruction function has its operands as parameters, its legality as checks, its meaning as a
function on NumPy arrays and its cycles as a formula over the chip's figures.
"""

from glia.isa import (
    dma_engine,
    gpsimd_engine,
    scalar_engine,
    tensor_engine,
    vector_engine,
)
from glia.isa.meetings import synchronisation
from glia.isa.sequencers import sequencer

# Importing every engine's file declares all instructions: see `builder.INSTRUCTIONS`.
__all__ = [
    "dma_engine",
    "gpsimd_engine",
    "scalar_engine",
    "sequencer",
    "synchronisation",
    "tensor_engine",
    "vector_engine",
]
