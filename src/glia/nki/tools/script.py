"""`glia nki run|profile script.py`: a script as `python script.py` runs it, with `nki` in place."""

from __future__ import annotations

import os
import runpy
import sys
import sysconfig
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import glia
from glia.core.errors import GliaError, UsageError
from glia.core.kernel_records import ScriptLaunch, ScriptProfile
from glia.core.progress import Progress
from glia.core.records import Span
from glia.isa.stream import Stream
from glia.nki.simulation import RankSimulation, Run, Simulation
from glia.nki.target import ENVIRONMENT
from glia.nki.tools.arguments import Arguments
from glia.nki.tools.deadline import time_limit
from glia.nki.tools.files import ensure_nki, file_error
from glia.nki.tools.launch import chosen_target
from glia.nki.tools.surroundings import Surroundings, home_of, relative_imports
from glia.silicon.profile import build_profile

_PACKAGE = f"{Path(glia.__file__).parent}{os.sep}"
_PYTHON = sysconfig.get_path("stdlib")


def run_script(path: Path, words: Sequence[str], chip: str = "", time_limit_s: float = 0.0) -> int:
    """Run a script as `__main__` with `words` as its arguments; returns its exit code.

    Kernels that it calls run on the virtual chip. `chip` is what they are traced for, in the way
    of the public tools (an environment variable). After `time_limit_s` it is stopped; 0: never.

    Raises:
        KernelError: when it takes longer.
        ModelError: when the script does not parse, or an exception leaves it.
        UsageError: for an unknown chip.
    """
    ensure_nki()
    home = home_of(path)
    around = Surroundings(path, home).at_hand()
    with _as_main(path, words), _target(chosen_target(chip).chip), around:
        try:
            with time_limit(time_limit_s):
                if home.in_package and relative_imports(path):
                    runpy.run_module(home.name, run_name="__main__", alter_sys=True)
                else:
                    runpy.run_path(str(path), run_name="__main__")
        except SystemExit as stop:
            return _code(stop)
        except Exception as error:
            _show_frames(error)
            raise file_error(f"running {path}", error, path) from error
    return 0


def _show_frames(error: BaseException) -> None:
    """How the script came to the error, as Python says it; the frames of glia and runpy left out.

    The error itself follows as a message.
    """
    frames: dict[tuple[str, int | None], traceback.FrameSummary] = {}
    cause: BaseException | None = error
    while cause is not None:
        for frame in traceback.extract_tb(cause.__traceback__):
            if not frame.filename.startswith((_PACKAGE, "<frozen", f"{_PYTHON}/contextlib.py")):
                frames.setdefault((frame.filename, frame.lineno), frame)
        # An error that glia located was raised anew, outside the kernel's frames.
        cause = cause.__context__ if isinstance(cause, GliaError) else None
    if frames:
        text = "".join(traceback.format_list(list(frames.values())))
        print(f"Traceback (most recent call last):\n{text}", end="", file=sys.stderr)


def _code(stop: SystemExit) -> int:
    if stop.code is None or isinstance(stop.code, int):
        return stop.code or 0
    print(stop.code, file=sys.stderr)
    return 1


@contextmanager
def _as_main(path: Path, words: Sequence[str]) -> Iterator[None]:
    saved = sys.argv
    sys.argv = [str(path), *words]
    try:
        yield
    finally:
        sys.argv = saved


@contextmanager
def _target(chip: str) -> Iterator[None]:
    name = ENVIRONMENT[0]
    saved = os.environ.get(name)
    os.environ[name] = chip
    try:
        yield
    finally:
        if saved is None:
            del os.environ[name]
        else:
            os.environ[name] = saved


# -- profiling -----------------------------------------------------------------------------------

Key = tuple[str, str, tuple[str, ...]]
Launches = dict[Key, tuple[str, tuple[Stream, ...]]]


def profile_script(
    path: Path, words: Sequence[str], chip: str, progress: Progress, time_limit_s: float = 0.0
) -> tuple[ScriptProfile, list[tuple[Span, ...]]]:
    """Run a script and profile every kernel that it launches; spans in the order of the launches.

    Raises:
        ModelError: when the script does not parse, or an exception leaves it.
        UsageError: when it launches no kernel, unless it says by its exit code why.
    """
    counts: Counter[Key] = Counter()
    seen: Launches = {}
    with progress.step("script") as step:
        with _observed(counts, seen):
            code = run_script(path, words, chip, time_limit_s)
        step.note(f"{counts.total()} launches of {len(seen)} kinds")
    if not seen and not code:
        raise UsageError(
            f"profiling {path}: got a script that launched no kernel, expected at least one; name "
            f"a kernel, as {path}:KERNEL"
        )
    made = []
    with progress.step("time and advice") as step:
        for number, (key, (target, streams)) in enumerate(seen.items()):
            profile, spans = build_profile(streams, target, str(path), key[2])
            made.append((ScriptLaunch(counts[key], profile), spans))
            step.advance((number + 1) / len(seen))
    made.sort(key=lambda pair: -pair[0].total_s)
    launches = tuple(launch for launch, _ in made)
    return ScriptProfile(str(path), code, launches), [spans for _, spans in made]


@contextmanager
def _observed(counts: Counter[Key], seen: Launches) -> Iterator[None]:
    """Inside, every simulation notes its streams: all launches lead through `run`."""
    one, several = Simulation.run, RankSimulation.run

    def note(simulation: Simulation, runs: Sequence[Run], args: Any, kwargs: Any) -> None:
        kernel = simulation.kernel
        streams = tuple(stream for run in runs for stream in run.streams)
        chip = chosen_target(simulation.target or kernel.platform_target or "").chip
        shown = _shown(simulation, args, kwargs)
        key = (f"{kernel.name} on {len(streams)}", chip, shown)
        counts[key] += 1
        seen.setdefault(key, (chip, streams))

    def run(self: Simulation, *args: Any, **kwargs: Any) -> Run:
        found = one(self, *args, **kwargs)
        note(self, [found], args, kwargs)
        return found

    def run_ranks(self: RankSimulation, *args: Any, **kwargs: Any) -> list[Run]:
        found = several(self, *args, **kwargs)
        note(self, found, args, kwargs)
        return found

    Simulation.run, RankSimulation.run = run, run_ranks  # type: ignore[method-assign]
    try:
        yield
    finally:
        Simulation.run, RankSimulation.run = one, several  # type: ignore[method-assign]


def _shown(simulation: Simulation, args: Any, kwargs: Any) -> tuple[str, ...]:
    """The arguments as text: tensors by type and shape, anything else by value."""
    if isinstance(simulation, RankSimulation):
        return (f"{simulation.num_ranks} ranks",)
    bound = simulation.kernel.bound(args, kwargs)
    return Arguments(dict(bound.arguments)).shown()
