"""Random tiles and their seed. The streams are glia's own: the chip's are not published."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from glia.core.errors import KernelError
from glia.isa.launch.context import current
from glia.isa.tensors.storage import MemoryRegion
from glia.isa.tensors.tensor import NkiTensor
from glia.isa.vector_engine import rng, set_rng_seed, tensor_scalar
from glia.nki.language.buffers import is_on_chip, sbuf
from glia.nki.language.dtypes import uint32
from glia.nki.language.memory import ndarray
from glia.nki.language.operators import token

_BITS = 32


def rand(
    shape: Sequence[int], dtype: Any, buffer: MemoryRegion | str = sbuf, name: str = ""
) -> NkiTensor:
    """Uniform numbers in [0, 1) in SBUF or PSUM.

    Raises:
        KernelError: for HBM, or an integer dtype.
    """
    made = ndarray(shape, dtype, buffer, name)
    if not is_on_chip(made.buffer) or not made.dtype.is_float:
        raise KernelError(f"nl.rand: got {made!r}, expected a float dtype in SBUF or PSUM")
    # As many bits as the format holds, so that nothing rounds up to 1.
    kept = -round(math.log2(made.dtype.unit_roundoff))
    words = ndarray(shape, uint32, sbuf)
    rng(words)
    tensor_scalar(words, words, token("right_shift"), _BITS - kept)
    tensor_scalar(made, words, token("multiply"), 2.0**-kept)
    return made


def random_seed(seed: NkiTensor) -> None:
    """Seed the Vector engine's generator from a [1, 1] tile of 32 bits.

    Raises:
        KernelError: for a Python number: the seed must be on the chip.
    """
    if not isinstance(seed, NkiTensor):
        raise KernelError(
            f"nl.random_seed: got {seed!r}, expected a (1, 1) tile; make one with "
            "nl.full((1, 1), 42, nl.int32)"
        )
    current("nl.random_seed")
    set_rng_seed(seed)
