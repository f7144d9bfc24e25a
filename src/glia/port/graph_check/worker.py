"""The process in which a model is looked at; `apart.py` starts it and reads what it writes."""

from __future__ import annotations

import faulthandler
import os
import pickle
import sys
from pathlib import Path

from glia.core.errors import UsageError
from glia.port.graph_check.look import Look, look_once, unseen


def main() -> None:
    """Look as the words on the command line say, write the answer, and end at once.

    Threads and clean-up of the user's code have no say in how the process ends.
    """
    spec, stand_in, answer, trace, limit = sys.argv[1:]
    me, end = os.getpid(), os._exit

    def refuse(status: int) -> None:
        if os.getpid() == me:  # a process that the user's code forked may end so
            sys.exit(status)
        end(status)

    os._exit = refuse  # type: ignore[assignment]
    with open(trace, "w", encoding="utf-8") as last_words:
        faulthandler.enable(last_words)
        _limit(int(limit))
        written = answered(spec, bool(stand_in))
        if os.getpid() == me:  # the user's code may have forked
            unfinished = Path(f"{answer}.part")
            unfinished.write_bytes(written)
            unfinished.replace(answer)
        end(0)


def answered(spec: str, stand_in: bool) -> bytes:
    """The look, or that the words were wrong, as bytes."""
    try:
        look = look_once(spec, stand_in)
    except UsageError as error:
        return pickle.dumps(("usage", str(error)))
    except BaseException as error:  # KeyboardInterrupt and the like, raised by the user's code
        look = _ended_by(spec, error)
    said = [(one.rule.id, one.source, one.detail) for one in look.said]
    return pickle.dumps(("look", said, look.reading))


def _ended_by(spec: str, error: BaseException) -> Look:
    from glia.frontends.torch.sources import source_of_error

    what = f"the model's code raised {type(error).__name__}; take that out"
    return unseen(spec, what, source_of_error(error))


def _limit(num_bytes: int) -> None:
    """No core files, and no more memory than that; 0: as much as there is."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if num_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (num_bytes, num_bytes))
