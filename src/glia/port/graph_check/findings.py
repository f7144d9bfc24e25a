"""What a study of a model gives under the rules about graphs: one finding per rule and line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from glia.core.records import SourceLine
from glia.frontends.operations import Break, Sync
from glia.port.graph_check.control import (
    ARRAY,
    CHANGED,
    CUT,
    HOST_RANDOM,
    NUMBER,
    SYNC_RULES,
    UNCAPTURED,
)
from glia.port.graph_check.decided import decided
from glia.port.graph_check.operators import OUTSIDE
from glia.port.graph_check.rule import Spoken, base_name, place
from glia.port.graph_check.table import GRAPH_RULES
from glia.port.graph_check.undocumented import DOCUMENTED_CALLS, UNDOCUMENTED, is_listed

if TYPE_CHECKING:  # it imports PyTorch, which may not be installed
    from glia.frontends.torch.study import Study

_OUT_OF_TABLE = re.compile(r"out of (range|bounds)", re.IGNORECASE)
_UNTRANSLATED = ("unsupported-op",)
_READING = ("item", "_local_scalar_dense")  # operations that read a value
_LEAVING = ("number", "list")  # waits that leave such an operation in a captured graph


def spoken(found: Study) -> list[Spoken]:
    """Everything that the rules say, in the order of their identifiers, then of the code."""
    every = [
        *_control(found),
        *_operations(found),
    ]
    every += _undocumented(found, {place(s.source) for s in every})
    every += _captures(found, every)
    return in_order(_merged(every))


def in_order(said: Iterable[Spoken]) -> list[Spoken]:
    """By identifier of the rule, then by place in the code."""
    return sorted(said, key=lambda s: (s.rule.id, place(s.source)))


def from_error(error: BaseException, source: SourceLine | None) -> Spoken | None:
    """What an error of the model on the CPU itself predicts; None when it predicts nothing."""
    if isinstance(error, IndexError | RuntimeError) and _OUT_OF_TABLE.search(str(error)):
        return Spoken(OUTSIDE, source, f"{type(error).__name__}: {' '.join(str(error).split())}")
    return None


def _control(found: Study) -> Iterator[Spoken]:
    taken = _taken(found)
    for sync in taken:
        yield Spoken(SYNC_RULES[sync.kind], sync.source, _times(sync.count))
    if found.failure is not None:
        yield from decided(taken, found.failure)
    for source in found.observation.host_random:
        yield Spoken(HOST_RANDOM, source, "")
    if not found.observation.host_random:  # a number of the host explains a change already
        for source in found.observation.changed:
            yield Spoken(CHANGED, source, "")


def _taken(found: Study) -> list[Sync]:
    """The waits that captures meet too: libraries decide by values only where nothing captures.

    A graph that was captured whole has read a value only where it has the operation for that, or
    torch.compile cuts it; copies and prints leave no trace, and libraries have none without need.
    """
    if found.failure is not None:
        return list(found.observation.syncs)
    read = {place(o.source) for o in found.operations if o.name in _READING}
    cut = {place(b.source) for b in found.cuts.breaks}
    return [
        sync
        for sync in found.observation.syncs
        if sync.kind in ("copy", "text")
        or place(sync.source) in (read if sync.kind in _LEAVING else cut)
    ]


def num_untaken(found: Study) -> int:
    """How many waits were seen in a plain call that captures do without."""
    visible = [s for s in found.observation.syncs if s.kind != "hidden"]
    return len(visible) - len([s for s in _taken(found) if s.kind != "hidden"])


def _times(count: int) -> str:
    return f"{count} times in one call" if count > 1 else "once in one call"


def _operations(found: Study) -> Iterator[Spoken]:
    """Rules look at the graph; those about values also at the numbers that a call showed."""
    is_captured = found.failure is None
    both = (*found.observation.operations, *found.operations) if is_captured else found.operations
    for rule in GRAPH_RULES.values():
        if rule.look_at_all is not None and is_captured:
            for operation, detail in rule.look_at_all(found.operations):
                yield Spoken(rule, operation.source, detail)
        if rule.look is None or (rule.needs_capture and not is_captured):
            continue
        for operation in both if rule.reads_values else found.operations:
            detail = rule.look(operation)
            if detail:
                yield Spoken(rule, operation.source, detail)


def _captures(found: Study, said: Sequence[Spoken]) -> list[Spoken]:
    """Why captures stop, at lines that no other finding explains already.

    That a value is read says that the host waits; that the graph is cut there is told besides.
    """
    known = {place(s.source) for s in said}
    told = {place(s.source) for s in said if s.rule not in (NUMBER, ARRAY)}
    stops = []
    if found.failure is not None and not _explained(found.failure, known):
        stops.append(Spoken(UNCAPTURED, found.failure.source, found.failure.reason))
    for cut in found.cuts.breaks:
        if not _explained(cut, told):
            stops.append(Spoken(CUT, cut.source, cut.reason))
    return stops


def _explained(stop: Break, known: set[tuple[str, int]]) -> bool:
    return stop.source is not None and place(stop.source) in known


def _undocumented(found: Study, known: set[tuple[str, int]]) -> Iterator[Spoken]:
    """Operations that stand on no list and have no translation, where no rule speaks."""
    if found.failure is not None:
        return
    untranslated = {f.what.split()[0] for f in found.blocked if f.rule in _UNTRANSLATED}
    for operation in found.operations:
        overload = f"{operation}.{operation.overload}"
        if overload not in untranslated or is_listed(operation):
            continue
        if base_name(operation) in DOCUMENTED_CALLS or place(operation.source) in known:
            continue
        yield Spoken(UNDOCUMENTED, operation.source, str(operation))


def _merged(every: Iterable[Spoken]) -> list[Spoken]:
    """One per rule and line: the first detail, and how many more there are."""
    groups: dict[tuple[str, tuple[str, int]], list[Spoken]] = {}
    for one in every:
        groups.setdefault((one.rule.id, place(one.source)), []).append(one)
    return [_joined(group) for group in groups.values()]


def _joined(group: list[Spoken]) -> Spoken:
    details = list(dict.fromkeys(s.detail for s in group if s.detail))
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return Spoken(group[0].rule, group[0].source, (details[0] if details else "") + more)
