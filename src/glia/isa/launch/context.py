"""The ambient stream builder: one context variable, set while a kernel is traced."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from glia.core.errors import KernelError

if TYPE_CHECKING:
    from glia.isa.launch.builder import StreamBuilder

CURRENT: ContextVar[StreamBuilder | None] = ContextVar("glia_stream", default=None)


def current(what: str = "this call") -> StreamBuilder:
    """The builder of the kernel being traced.

    Raises:
        KernelError: outside a kernel.
    """
    builder = CURRENT.get()
    if builder is None:
        raise KernelError(
            f"calling {what}: got a call outside a kernel, expected it inside a function under "
            "@nki.jit; run the kernel with nki.simulate(kernel)(...)"
        )
    return builder
