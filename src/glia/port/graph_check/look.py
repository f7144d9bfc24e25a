"""One look at a model in this process: loaded, called and captured, and what the rules say of it.

Where it asks for a CUDA device it is looked at again with the CPU in that place.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from glia.core.errors import GliaError, ModelError
from glia.core.graph_records import GraphReading
from glia.core.records import SourceLine
from glia.frontends.user_code import asks_for_cuda
from glia.port.graph_check.control import CUT, STOOD_IN, UNSEEN
from glia.port.graph_check.findings import from_error, in_order, spoken
from glia.port.graph_check.rule import Spoken, place
from glia.port.graph_check.summary import reading_of

if TYPE_CHECKING:
    from glia.frontends.torch.stand_in import StandIn


@dataclass(frozen=True, slots=True)
class Look:
    """What the rules say of a model's graph, and how it was looked at."""

    said: tuple[Spoken, ...]
    reading: GraphReading

    @property
    def failed(self) -> bool:
        """True when nobody saw the graph."""
        return self.reading.basis == "none"


# Looks once: at `file.py:function` or a folder, with a stand-in for CUDA or without.
Once = Callable[[str, bool], Look]


def look_at(spec: str, once: Once | None = None) -> Look:
    """Look at the model; where it fails for want of CUDA, again on a stand-in.

    Raises:
        UsageError: no such file, folder or function.
    """
    once = once or look_once
    plain = once(spec, False)
    if not plain.failed or not (asks_for_cuda(plain.reading.note) or _mentions_cuda(spec)):
        return plain
    second = once(spec, True)
    return second if not second.failed or asks_for_cuda(plain.reading.note) else plain


def _mentions_cuda(spec: str) -> bool:
    """True when the model's own file has the word: its failure may say nothing of CUDA."""
    file = Path(spec.rpartition(":")[0])
    try:
        return "cuda" in file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def unseen(model: str, what: str, source: SourceLine | None = None) -> Look:
    """A graph that nobody saw, and why: a finding and a note."""
    said = Spoken(UNSEEN, source, what)
    note = f"{what}; nothing else of the graph was looked at"
    return Look((said,), GraphReading(model, "none", note, 0, (), None, (), (), {}))


def look_once(spec: str, stand_in: bool) -> Look:
    """Look at the model as it is, or with the CPU in the place of a CUDA device.

    Raises:
        UsageError: no such file, folder or function.
    """
    with _machine(stand_in) as machine:
        found = _look(spec)
    if machine is None or not machine.asked:
        return found
    first = next(iter(machine.asked))
    lines = {(line.file, line.line) for line in machine.asked}
    # What torch.compile makes of the stand-in itself is no matter of the model.
    aside = {*lines, place(None)}
    own = [s for s in found.said if s.rule is not CUT or place(s.source) not in aside]
    said = in_order([*own, Spoken(STOOD_IN, first, _asked(lines))])
    return Look(tuple(said), found.reading)


@contextmanager
def _machine(stand_in: bool) -> Iterator[StandIn | None]:
    """Inside, what the user's code prints is no part of the report; CUDA may be stood in for."""
    with redirect_stdout(io.StringIO()):
        if not stand_in:
            yield None
            return
        from glia.frontends.torch.stand_in import standing_in

        with standing_in() as machine:
            yield machine


def _asked(lines: set[tuple[str, int]]) -> str:
    where = "1 line asks" if len(lines) == 1 else f"{len(lines)} lines ask"
    return f"{where} for a device of CUDA"


def _look(spec: str) -> Look:
    from glia.frontends.load import load_model

    start = time.perf_counter()
    try:
        found = load_model(spec, may_shrink=True)
    except ModelError as error:  # the source is read all the same
        from glia.frontends.torch.sources import source_of_error  # load_model asked for PyTorch

        asks = (
            "asks for CUDA before it can be looked at"
            if asks_for_cuda(str(error))
            else "cannot be made"
        )
        return unseen(
            spec, f"the model {asks} ({error})", source_of_error(error.__cause__ or error)
        )
    from glia.frontends.torch.sources import source_of_error
    from glia.frontends.torch.study import study

    try:
        learnt = study(found.name, found.module, found.args, found.kwargs)
    except GliaError as error:
        return unseen(found.name, str(error))
    except (Exception, SystemExit) as error:  # the user's model fails on the user's inputs
        where = source_of_error(error)
        predicted = from_error(error, where)
        failed = unseen(found.name, _failed(error, where), where)
        return Look((predicted,), failed.reading) if predicted else failed
    reading = reading_of(found, learnt, time.perf_counter() - start)
    return Look(tuple(spoken(learnt)), reading)


def _failed(error: BaseException, where: SourceLine | None) -> str:
    text = " ".join(str(error).split()) or "no message"
    why = "asks for CUDA" if asks_for_cuda(text) else "fails on its own example inputs"
    at = f" at {where}" if where else ""
    return f"the model {why}: {type(error).__name__}: {text}{at}; mend that first"
