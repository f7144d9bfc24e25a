"""Memory regions by their public names, and the tests that tell them apart."""

from __future__ import annotations

from typing import Any

from glia.core.errors import KernelError
from glia.isa.tensors.storage import MemoryRegion

sbuf = MemoryRegion.sbuf
psum = MemoryRegion.psum
hbm = private_hbm = MemoryRegion.private_hbm
shared_hbm = MemoryRegion.shared_hbm

_OLDER = {"hbm": MemoryRegion.private_hbm}  # strings were accepted before NKI 0.3


def region(buffer: Any, what: str) -> MemoryRegion:
    """The region meant by a `buffer` argument.

    Raises:
        KernelError: for anything that is no region; lists them.
    """
    try:
        return _OLDER.get(buffer) or MemoryRegion(buffer)
    except (ValueError, TypeError):
        raise KernelError(
            f"{what}: got buffer {buffer!r}, expected one of nl.sbuf, nl.psum, nl.private_hbm, "
            "nl.shared_hbm"
        ) from None


def is_sbuf(buffer: Any) -> bool:
    """True for SBUF."""
    return buffer == sbuf


def is_psum(buffer: Any) -> bool:
    """True for PSUM."""
    return buffer == psum


def is_hbm(buffer: Any) -> bool:
    """True for private and shared HBM."""
    return buffer in (private_hbm, shared_hbm, *_OLDER)


def is_on_chip(buffer: Any) -> bool:
    """True for SBUF and PSUM."""
    return buffer in (sbuf, psum)
