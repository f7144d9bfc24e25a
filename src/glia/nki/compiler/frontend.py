"""`nki.compiler.frontend`: what test suites of kernels call to compile without running.

Compiling, here, is tracing: every rule of the chip is checked for the given shapes; no binary comes
of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from glia.isa.stream import Stream
from glia.nki.arguments import HostArray, is_array, map_leaves
from glia.nki.kernel import Kernel
from glia.nki.target import current_target


@dataclass(frozen=True, slots=True)
class Compiled:
    """A kernel that the chip accepts for these shapes: the stream of each core."""

    streams: tuple[Stream, ...]


class NKIFrontend:
    """Base of the front ends of the public compiler, which differ in how they read Python."""

    def compile(
        self,
        kernel: Kernel | Callable[..., Any],
        *,
        inputs: Mapping[str, Any],
        target: str | None = None,
        lnc: int = 1,
        **_: Any,
    ) -> Compiled:
        """Trace the kernel for the shapes and dtypes of `inputs`, arguments by name.

        Raises:
            KernelError: for whatever the chip refuses, with the kernel's file and line.
        """
        found = kernel if isinstance(kernel, Kernel) else Kernel(kernel)
        specs = {name: map_leaves(value, _spec, name) for name, value in inputs.items()}
        return Compiled(found[lnc].trace_cores(target=current_target(target), **specs))


def _spec(value: Any, _: str) -> Any:
    return HostArray.of(value).spec if is_array(value) else value


class ParserFrontend(NKIFrontend):
    """The front end of before NKI 0.7."""


class TracerFrontend(NKIFrontend):
    """The front end since NKI 0.7."""
