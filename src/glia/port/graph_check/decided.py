"""Where numbers that the host read from tensors decide what runs, or how long something is.

That a value was read is seen in a call; where it goes from there, in the source around that line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from glia.core.records import SourceLine
from glia.frontends.operations import Break, Sync
from glia.port.graph_check.control import CONTROL, SIZED_BY_VALUE
from glia.port.graph_check.rule import Spoken, place
from glia.port.scan import parse
from glia.port.source.dataflow.read_values import decided_at, is_cut_at, reads_at, uses
from glia.port.source.files.project import MAX_BYTES
from glia.port.source.files.text import read_text
from glia.port.source.module import Module

_RULES = {"decides": CONTROL, "sizes": SIZED_BY_VALUE}
_GUARD = "GuardOnDataDependentSymNode"  # how torch.export says that the host asks for a value


def decided(syncs: Iterable[Sync], failure: Break) -> Iterator[Spoken]:
    """What was decided by the values that `syncs` read, and by the one that ended the capture."""
    told: set[tuple[str, int]] = set()
    for sync in syncs:
        if sync.source is None:
            continue
        found = [] if sync.kind == "bool" else list(_followed(sync.source))
        told |= {place(one.source) for one in found}
        if found or sync.kind == "bool":
            told.add(place(sync.source))
        yield from found
    if (
        failure.source is not None
        and _GUARD in failure.reason
        and place(failure.source) not in told
    ):
        yield _stopped(failure, failure.source)


def _followed(source: SourceLine) -> Iterator[Spoken]:
    module = _module(source.file)
    if module is None:
        return
    reads = reads_at(module, source.line)
    for use in (use for read in reads for use in uses(module, read)):
        line = SourceLine(source.file, use.line, module.code(use.line))
        by = f"by the value that line {source.line} reads" if use.line != source.line else ""
        yield Spoken(_RULES[use.role], line, by)
    if reads:
        return
    if decided_at(module, source.line) is not None:  # for _ in range(t)
        yield Spoken(CONTROL, source, "")
    elif is_cut_at(module, source.line):  # x[:t]
        yield Spoken(SIZED_BY_VALUE, source, "")


def _stopped(failure: Break, source: SourceLine) -> Spoken:
    module = _module(source.file)
    is_plain = module is None or decided_at(module, source.line) is None
    return Spoken(SIZED_BY_VALUE if is_plain else CONTROL, source, failure.reason)


@cache
def _module(file: str) -> Module | None:
    try:
        return parse(file, read_text(Path(file), MAX_BYTES))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # code that was made at run time has no file
