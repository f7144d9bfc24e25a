"""Looks at a model in a process apart, so that its code can neither end glia nor stop it.

The process has no input, its output goes nowhere, and time and memory are limited. What ends it
becomes a finding with the user's line, as far as the process could say it.
"""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from glia.core.errors import UsageError
from glia.core.machine import available_bytes
from glia.core.records import SourceLine
from glia.port.graph_check.look import Look, Once, unseen
from glia.port.graph_check.rule import Spoken
from glia.port.graph_check.table import GRAPH_RULES

TIME_LIMIT_S = 600.0
_SHARE = 0.9  # of the memory that is left, what the model may take
_LAST_WORDS_S = 5.0
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+) in ')
_LIBRARIES = tuple({sysconfig.get_paths()[key] for key in ("purelib", "platlib", "stdlib")})
_HERE = str(Path(__file__).parents[2])


def within(time_limit_s: float) -> Once:
    """As `look_apart`, with another limit of time."""
    return lambda spec, stand_in: look_apart(spec, stand_in, time_limit_s)


def look_apart(spec: str, stand_in: bool, time_limit_s: float = TIME_LIMIT_S) -> Look:
    """As `look_once`, in a process apart.

    Raises:
        UsageError: no such file, folder or function.
    """
    with tempfile.TemporaryDirectory(prefix="glia-look-") as folder:
        answer, trace = Path(folder, "answer"), Path(folder, "trace")
        memory = available_bytes()
        limit = 0 if memory is None or Path(spec).is_dir() else int(_SHARE * memory)
        words = (spec, "1" if stand_in else "", str(answer), str(trace), str(limit))
        with _started(words) as process:
            try:
                process.wait(time_limit_s)
            except subprocess.TimeoutExpired:
                _ask_where(process)
                return unseen(
                    spec,
                    f"the model came to no end within {time_limit_s:g} s; look for a loop without "
                    "end, take smaller inputs, or raise --time-limit",
                    _where(trace),
                )
        if not answer.is_file():
            return unseen(spec, _ended(process.returncode), _where(trace))
        return _told(answer.read_bytes())


@contextmanager
def _started(words: tuple[str, ...]) -> Iterator[subprocess.Popen[bytes]]:
    """The process; afterwards it is gone, and so are those that it started."""
    start = "from glia.port.graph_check.worker import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", start, *words],  # -P: no file here shadows a library
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # its own group, see start_new_session
    process.kill()
    process.wait()


def _ask_where(process: subprocess.Popen[bytes]) -> None:
    """Let it write down which line is under way, which faulthandler does when it is aborted."""
    process.send_signal(signal.SIGABRT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_LAST_WORDS_S)


def _where(trace: Path) -> SourceLine | None:
    """The innermost line of the user's own code in a trace of faulthandler."""
    text = trace.read_text(encoding="utf-8", errors="replace") if trace.is_file() else ""
    for frame in _FRAME.finditer(text):
        if not frame["file"].startswith((*_LIBRARIES, _HERE, "<")):
            return SourceLine(frame["file"], int(frame["line"]))
    return None


def _ended(status: int) -> str:
    if status >= 0:
        return (
            f"the model's code ended the process with status {status}; take that out of what makes "
            "and calls the model"
        )
    name = signal.Signals(-status).name if -status in list(signal.Signals) else f"signal {-status}"
    return f"the model's process was ended by {name}: {_CAUSES.get(name, 'see what sends it')}"


_CAUSES = {
    "SIGKILL": "the system does so when memory runs out; take a smaller model or inputs",
    "SIGSEGV": "native code reads memory that it may not; see which library does, at this line",
    "SIGABRT": "native code gave up; see which library does, at this line",
    "SIGFPE": "native code divides by zero; see which library does, at this line",
}


def _told(answer: bytes) -> Look:
    """What the process wrote: `worker.answer` made it."""
    kind, *rest = pickle.loads(answer)
    if kind == "usage":
        raise UsageError(rest[0])
    said, reading = rest
    return Look(tuple(Spoken(GRAPH_RULES[i], source, text) for i, source, text in said), reading)
