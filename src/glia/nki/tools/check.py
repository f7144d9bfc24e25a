"""`glia nki check`: what the real compiler would refuse, and legality on every generation.

The source is read without being run. When the arguments of a kernel are known (given, or by the
file's own example), it is also traced, without values, for one chip of each generation.
"""

from __future__ import annotations

import linecache
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from glia.chips import list_chips, load_chip
from glia.core.errors import GliaError, KernelError, UsageError
from glia.core.kernel_records import FileCheck, GenerationResult, KernelCheck, SubsetFinding
from glia.core.progress import Progress
from glia.isa.stream import Stream
from glia.isa.target import target_of
from glia.nki import Kernel
from glia.nki.subset import check_source
from glia.nki.subset.walk import SourceKernel
from glia.nki.target import current_target
from glia.nki.tools.arguments import EXAMPLE_SUFFIX, Arguments, has_arguments, read_arguments
from glia.nki.tools.deadline import DEFAULT_S, DeadlineError, deadline
from glia.nki.tools.files import KernelFile, load_kernels, nearest, split_name
from glia.nki.tools.launch import trace
from glia.silicon.profile.unfollowed import unfollowed
from glia.silicon.profile.unread import RETURN_IT, Unread, unread


@cache
def generations() -> tuple[tuple[str, str], ...]:
    """(generation, chip) of every generation that glia executes, oldest first.

    The chip is the one that the public tools mean by the generation's name.
    """
    found = {s.generation for name in list_chips() if (s := load_chip(name).silicon) is not None}
    return tuple((name, current_target(name).chip) for name in sorted(found))


@dataclass(frozen=True, slots=True)
class _How:
    """What was asked for beside the file: arguments, cores, one kernel by name, patience."""

    words: tuple[str, ...]
    num_cores: int
    is_named: bool
    time_limit_s: float


def check(
    text: str,
    words: Sequence[str],
    num_cores: int,
    progress: Progress,
    time_limit_s: float = DEFAULT_S,
    source_only: bool = False,
) -> FileCheck:
    """Check every kernel of `FILE.py`, or the one of `FILE.py:KERNEL`.

    `source_only` leaves legality out: nothing of the file is run.

    Raises:
        UsageError, ModelError: for a bad name, a file that does not parse, or no kernels in it.
    """
    path, name = split_name(text)
    with progress.step("source") as step:
        sources = _chosen(path, name, check_source(path, path.name))
        step.note(", ".join(kernel.name for kernel in sources))
    if source_only:
        read = (KernelCheck(one.name, one.signature, one.findings) for one in sources)
        return FileCheck(str(path), tuple(read), source_only=True)
    with progress.step("legality"):
        loaded = _loaded(path, time_limit_s)
        how = _How(tuple(words), num_cores, bool(name), time_limit_s)
        around = nullcontext() if isinstance(loaded, GliaError) else loaded.surroundings.at_hand()
        with around:
            kernels = tuple(_kernel(source, loaded, how) for source in sources)
    return FileCheck(str(path), kernels)


def _chosen(path: Path, name: str, found: tuple[SourceKernel, ...]) -> tuple[SourceKernel, ...]:
    if not found:
        raise UsageError(
            f"{path}: got a file without kernels, expected a function under @nki.jit; add one"
        )
    names = [kernel.name for kernel in found]
    chosen = tuple(kernel for kernel in found if not name or kernel.name == name)
    if not chosen:
        raise UsageError(
            f"{path}:{name}: got no kernel {name!r} in the file; {nearest(name, names)}"
        )
    return chosen


def _loaded(path: Path, time_limit_s: float) -> KernelFile | GliaError:
    """The imported file, or why it cannot be imported."""
    try:
        with deadline(time_limit_s):
            return load_kernels(path)
    except GliaError as error:
        return error


def _kernel(source: SourceKernel, loaded: KernelFile | GliaError, how: _How) -> KernelCheck:
    def result(note: str, problem: str = "") -> KernelCheck:
        return KernelCheck(source.name, source.signature, source.findings, (), note, problem)

    if isinstance(loaded, GliaError):
        return result("", str(loaded))
    kernel = loaded.kernel(source.name)
    if not has_arguments(kernel, loaded.module, how.words):
        return result(
            "legality was not checked: no shapes are known; give --arg NAME=SHAPE:DTYPE, or define "
            f"{source.name}{EXAMPLE_SUFFIX}() in the file"
        )
    try:
        arguments = read_arguments(kernel, loaded.module, how.words)
    except UsageError as error:
        if how.is_named:
            raise
        return result(f"legality was not checked: {error}")
    shown = f"arguments: {', '.join(arguments.shown()) or 'none'}"
    try:
        tried = [_generation(g, chip, kernel, arguments, how) for g, chip in generations()]
    except DeadlineError as error:
        return result(shown, str(error))
    written = next((streams for _, streams in tried if streams), ())
    findings = (*source.findings, *(_unread(source, found) for found in unread(written)))
    results = tuple(found for found, _ in tried)
    shown = "; ".join((shown, *unfollowed(written)))
    return KernelCheck(source.name, source.signature, findings, results, shown)


def _unread(source: SourceKernel, found: Unread) -> SubsetFinding:
    """A finding that no reading of the source can make: the kernel's trace shows it."""
    code = linecache.getline(found.file, found.line).strip()
    file = Path(found.file).name
    return SubsetFinding(
        "missing-return", "warning", file, found.line, 1, source.name, f"got {found.text}",
        RETURN_IT, code,
    )  # fmt: skip


def _generation(
    generation: str, chip: str, kernel: Kernel, arguments: Arguments, how: _How
) -> tuple[GenerationResult, tuple[Stream, ...]]:
    """The verdict, and the streams of a legal kernel.

    Raises:
        DeadlineError: for a kernel that does not come to an end, which no other chip would change.
    """
    target = target_of(chip)
    if how.num_cores > 1 and not target.can.lnc2:
        problem = f"got {how.num_cores} cores, expected 1: this generation joins no cores"
        return GenerationResult(generation, chip, problem), ()
    try:
        with deadline(how.time_limit_s):
            streams = trace(kernel, arguments, target, how.num_cores)
    except DeadlineError:
        raise
    except KernelError as error:
        return GenerationResult(generation, chip, str(error)), ()
    num = sum(len(stream.instructions) for stream in streams)
    return GenerationResult(generation, chip, "", num), streams
