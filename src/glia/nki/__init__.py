"""The drop-in public kernel language: `nki`, `nki.language`, `nki.isa`.

Names, signatures and meaning follow the public API (NKI 0.6); the implementation is `glia.isa`.
"""

from glia.nki.kernel import Kernel, jit, simulate

__all__ = ["Kernel", "jit", "simulate"]
