"""A kernel of a file with its arguments, traced for one chip: what run, profile and check share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from glia.core.errors import KernelError, UsageError
from glia.isa.stream import Stream
from glia.isa.target import Target
from glia.nki import Kernel
from glia.nki.target import current_target
from glia.nki.tools.arguments import Arguments, read_arguments
from glia.nki.tools.files import load_kernels, split_name


@dataclass(frozen=True, slots=True)
class Launch:
    """One kernel, its arguments, the chip and the number of cores that run it together."""

    name: str
    path: Path
    kernel: Kernel
    arguments: Arguments
    target: Target
    num_cores: int

    def streams(self) -> tuple[Stream, ...]:
        """The traced program of every core; needs no values.

        Raises:
            KernelError: for whatever the chip refuses, with the kernel's file and line.
        """
        return trace(self.kernel, self.arguments, self.target, self.num_cores)


def prepare(
    text: str, words: Sequence[str], chip: str = "", num_cores: int = 1, seed: int = 0
) -> Launch:
    """The kernel that `FILE.py[:KERNEL]` names with the arguments of `NAME=SPEC` words.

    Raises:
        UsageError, ModelError: for a bad name, file or argument.
    """
    path, name = split_name(text)
    found = load_kernels(path)
    if name:
        kernel = found.kernel(name)
    else:
        name, kernel = found.only_kernel()
    target = current_target(chip or None)
    check_cores(target, num_cores)
    module: ModuleType = found.module
    return Launch(
        name, path, kernel, read_arguments(kernel, module, words, seed), target, num_cores
    )


def check_cores(target: Target, num_cores: int) -> None:
    """Refuse a number of cores that the chip does not join to a logical core.

    Raises:
        UsageError: unless it is 1, or 2 where the chip has such a mode.
    """
    allowed = (1, 2) if target.can.lnc2 else (1,)
    if num_cores not in allowed:
        raise UsageError(
            f"--lnc: got {num_cores}, expected {' or '.join(map(str, allowed))} on {target.chip}"
        )


def trace(
    kernel: Kernel, arguments: Arguments, target: Target, num_cores: int
) -> tuple[Stream, ...]:
    """Trace without values, and with them only when the kernel's control flow asks for data."""
    launched = kernel[num_cores] if num_cores > 1 else kernel
    try:
        return (launched.trace(target=target, **arguments.specs()),)
    except KernelError:
        raise
