"""A kernel of a file with its arguments, traced for one chip: what run, profile and check share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glia.core.errors import KernelError, UsageError
from glia.isa.launch.located import LocatedError
from glia.isa.launch.memory import WITHOUT_DATA
from glia.isa.stream import Stream
from glia.isa.target import Target
from glia.nki import Kernel, simulate, simulate_ranks
from glia.nki.simulation import Run
from glia.nki.target import ENVIRONMENT, current_target
from glia.nki.tools.arguments import Arguments, read_arguments
from glia.nki.tools.deadline import DEFAULT_S, deadline
from glia.nki.tools.files import load_kernels, split_name
from glia.nki.tools.machines import check_ranks, chip_of
from glia.nki.tools.surroundings import Surroundings

DEFAULT_CHIP = "trn2"  # the chip whose timing is checked against measurements


@dataclass(frozen=True, slots=True)
class Launch:
    """One kernel, its arguments, the chip and the number of cores that run it together."""

    name: str
    path: Path
    kernel: Kernel
    arguments: Arguments
    target: Target
    num_cores: int
    surroundings: Surroundings
    time_limit_s: float = DEFAULT_S
    others: tuple[Arguments, ...] = ()  # those of the ranks after the first

    @property
    def num_ranks(self) -> int:
        """Ranks that run it at once, and meet in its collectives."""
        return 1 + len(self.others)

    def shown(self) -> tuple[str, ...]:
        """The arguments as text, and how many ranks there are where there are several."""
        ranks = (f"{self.num_ranks} ranks",) if self.others else ()
        return (*self.arguments.shown(), *ranks)

    def streams(self) -> tuple[Stream, ...]:
        """The traced program of every core; needs no values unless the kernel's control flow does.

        Raises:
            KernelError: for whatever the chip refuses, with the kernel's file and line.
        """
        if self.others:
            runs = self.run_ranks([one.arrays() for one in (self.arguments, *self.others)])
            return tuple(stream for run in runs for stream in run.streams)
        with self._running():
            return trace(self.kernel, self.arguments, self.target, self.num_cores)

    def run(self, arrays: Mapping[str, Any]) -> Run:
        """The results for these arguments, and the streams that gave them.

        Arrays that the kernel writes are updated.
        """
        with self._running():
            return _run(self.kernel, arrays, self.target, self.num_cores)

    def run_ranks(self, arrays: Sequence[Mapping[str, Any]]) -> list[Run]:
        """As `run`, on all ranks at once: the arguments of each, and what each gave."""
        with self._running():
            kernel = self.kernel[self.num_cores]
            return simulate_ranks(kernel, self.num_ranks, self.target.chip).run(arrays)

    @contextmanager
    def _running(self) -> Iterator[None]:
        with (
            self.surroundings.at_hand(),
            deadline(self.time_limit_s),
            _saying_where_ranks_come_from(self),
        ):
            yield


@contextmanager
def _saying_where_ranks_come_from(launch: Launch) -> Iterator[None]:
    """Inside, an error about groups of ranks says how to start several."""
    try:
        yield
    except KernelError as error:
        if "replica_group" not in str(error) or launch.others:
            raise
        raise LocatedError(
            f"{error}; give --ranks 4, and --arg group=ranks where the kernel takes the group as "
            "an argument"
        ) from None


def prepare(
    text: str,
    words: Sequence[str],
    chip: str = "",
    num_cores: int = 1,
    seed: int = 0,
    time_limit_s: float = DEFAULT_S,
    num_ranks: int = 1,
    saved: Sequence[str] = (),
    instance: str = "",
) -> Launch:
    """The kernel that `FILE.py[:KERNEL]` names with the arguments of `NAME=SPEC` words.

    `saved` are the words of another launch, for parameters that `words` say nothing of. The ranks
    must fit on the machine `instance`, or on the largest that has the chip.

    Raises:
        UsageError, ModelError: for a bad name, file or argument.
    """
    path, name = split_name(text)
    target = chosen_target(chip_of(instance, chip))
    check_cores(target, num_cores)
    check_ranks(target, num_cores, num_ranks, instance)
    with deadline(time_limit_s):  # the file's own code runs in here
        found = load_kernels(path)
        if name:
            kernel = found.kernel(name)
        else:
            name, kernel = found.only_kernel()
        with found.surroundings.at_hand():
            first, *others = (
                read_arguments(kernel, found.module, words, seed, rank, num_ranks, saved)
                for rank in range(num_ranks)
            )
    around = found.surroundings
    return Launch(name, path, kernel, first, target, num_cores, around, time_limit_s, tuple(others))


def chosen_target(chip: str = "") -> Target:
    """The chip that was asked for, else that of the environment, else the default.

    Raises:
        UsageError: for an unknown chip; lists them.
    """
    is_set = chip or any(os.environ.get(name) for name in ENVIRONMENT)
    return current_target(chip or None) if is_set else current_target(DEFAULT_CHIP)


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
    try:
        return kernel[num_cores].trace_cores(target=target, **arguments.specs())
    except KernelError as error:
        if WITHOUT_DATA not in str(error):
            raise
    return _run(kernel, arguments.arrays(), target, num_cores).streams


def _run(kernel: Kernel, arrays: Mapping[str, Any], target: Target, num_cores: int) -> Run:
    return simulate(kernel[num_cores], target=target.chip).run(**arrays)
