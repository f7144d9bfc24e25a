"""The drop-in public kernel language: `nki`, `nki.language`, `nki.isa`, `nki.collectives`.

Names, signatures and meaning follow the public API (NKI 0.6); the implementation is `glia.isa`.
"""

from typing import Any

from glia.isa.objects import NKIObject
from glia.isa.tensors.tensor import NkiTensor
from glia.isa.unspecified import UnspecifiedWarning
from glia.nki import dtype
from glia.nki import names as _names
from glia.nki.kernel import Kernel, jit
from glia.nki.simulation import simulate, simulate_ranks

cpu_simulate = simulate  # its name in the simulator of NKI 0.3


def __getattr__(name: str) -> Any:
    raise _names.unknown("nki", name, __all__, _names.NKI)


__all__ = [
    "Kernel",
    "NKIObject",
    "NkiTensor",
    "UnspecifiedWarning",
    "cpu_simulate",
    "dtype",
    "jit",
    "simulate",
    "simulate_ranks",
]
