"""The engines of a NeuronCore and the closed sets of instruction options, by their public names.

Source: aws-neuron-sdk nki/api/nki/isa/__init__.py (names and values of the public enums).
"""

from __future__ import annotations

from enum import Enum, IntEnum


class engine(Enum):
    """Where an instruction runs; `unknown` leaves the choice to the compiler."""

    unknown = 0
    tensor = 1
    scalar = 2
    gpsimd = 3
    dma = 4
    vector = 5
    sync = 6


class reduce_cmd(Enum):
    """What an instruction does with its engine's accumulator."""

    idle = 0
    reset = 1
    reduce = 2
    reset_reduce = 3
    load_reduce = 4


class dge_mode(Enum):
    """Who generates DMA descriptors."""

    unknown = 0
    swdge = 1
    hwdge = 2
    none = 3


class oob_mode(Enum):
    """What an indirect DMA does with an index out of bounds."""

    error = 0
    skip = 1


class matmul_perf_mode(Enum):
    """Performance modes of the Tensor engine."""

    none = "none"
    double_row = "double_row"


class dma_engine(Enum):
    """Which DMA engines carry a transfer between the cores of a logical core."""

    dma = 1
    gpsimd_dma = 2


class nc_version(IntEnum):
    """Generations of the NeuronCore that NKI targets; kernels compare them."""

    gen2 = 2
    gen3 = 3
    gen4 = 4
