"""The format that a `dtype` argument means, and which chips have it.

float8_e8m0fnu and the other formats of single numbers are documented without a generation; the
packed ones belong to nc_matmul_mx (aws-neuron-sdk nki/api/nki/language/__init__.py).
"""

from __future__ import annotations

from typing import Any

from glia.core.dtypes import DType
from glia.core.dtypes import dtype as find_dtype
from glia.core.errors import KernelError, UsageError
from glia.isa.launch.context import CURRENT


def named(what: str, dtype: Any) -> DType:
    """The format of this name, which the chip of the kernel being traced must have.

    Raises:
        KernelError: for what is no format, and for a packed one on a chip without MX.
    """
    try:
        found = find_dtype(dtype)
    except (UsageError, TypeError) as error:
        raise KernelError(f"{what}: {error}") from None
    refuse_packed(what, found)
    return found


def refuse_packed(what: str, kind: DType) -> None:
    """Refuse a packed format where the chip cannot multiply it."""
    builder = CURRENT.get()
    if kind.is_packed and builder is not None and not builder.target.can.matmul_mx:
        raise KernelError(
            f"{what}: got {kind} on {builder.target.chip}, expected a chip that multiplies "
            "matrices of shared scales (NeuronCore-v4); use float8 or bfloat16 numbers"
        )
