"""Time per line of the kernel's source.

The time of a program in order is one chain of instructions, each waiting for the one before it: for
its data, or for its engine. While the engine that works most works, its lines have the time; the
rest goes to the lines of that chain (`parts`), and all parts sum to the whole. Beside it stands the
active time of each line on each engine.
"""

from __future__ import annotations

import ast
import linecache
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from glia.core.kernel_records import LineUse
from glia.isa.stream import Instruction, Stream
from glia.silicon.hazards import Dependences, track
from glia.silicon.profile.parts import parts_s
from glia.silicon.time.cost import dma_cost
from glia.silicon.time.timeline import DMA, Timeline
from glia.silicon.time.timing import Timing

_SLACK_S = 1e-15  # ends and starts are sums of floats


def critical_path(
    stream: Stream, deps: Dependences, timeline: Timeline
) -> Iterator[tuple[int, float]]:
    """(instruction, seconds) of the chain that makes the kernel as long as it is, last first."""
    ends = timeline.ends_s
    if not ends:
        return
    previous = _previous_on_track(stream)
    here = max(range(len(ends)), key=ends.__getitem__)
    until = ends[here]
    while True:
        before, release = _released_by(here, deps, previous, stream, timeline)
        if before is None:
            yield here, until
            return
        yield here, until - release
        until = release
        here = before


def _previous_on_track(stream: Stream) -> list[int | None]:
    last: dict[str, int] = {}
    found: list[int | None] = []
    for one in stream.instructions:
        where = track(one)
        found.append(last.get(where))
        last[where] = one.index
    return found


def _released_by(
    here: int,
    deps: Dependences,
    previous: Sequence[int | None],
    stream: Stream,
    timeline: Timeline,
) -> tuple[int | None, float]:
    """The instruction that this one waited for last, and when that let it go."""
    start = timeline.starts_s[here] + _SLACK_S
    best: tuple[float, int] | None = None
    for other in (*deps.needs[here], *deps.after[here]):
        end = timeline.ends_s[other]
        if end <= start and (best is None or (end, other) > best):
            best = (end, other)
    queued = previous[here]
    if queued is not None:
        # A queue goes on once it has issued, an engine once it has finished, except where both
        # instructions run at once on parts of the engine.
        issued = stream.instructions[here].work.dma is not None or timeline.ends_s[queued] > start
        free = timeline.starts_s[queued] if issued else timeline.ends_s[queued]
        if free <= start and (best is None or free > best[0]):
            best = (free, queued)
    return (None, 0.0) if best is None else (best[1], best[0])


def line_uses(
    stream: Stream, deps: Dependences, timeline: Timeline, timing: Timing, limit: int = 200
) -> tuple[LineUse, ...]:
    """All lines that issued instructions, the longest part of the time first."""
    critical: dict[tuple[str, int], float] = defaultdict(float)
    chain = critical_path(stream, deps, timeline)
    for one, seconds in zip(
        stream.instructions, parts_s(stream, chain, timeline, timing), strict=True
    ):
        critical[_key(one)] += seconds
    groups: dict[tuple[str, int], list[Instruction]] = defaultdict(list)
    for one in stream.instructions:
        groups[_key(one)].append(one)
    found = [_line(key, group, critical[key], timeline, timing) for key, group in groups.items()]
    found.sort(key=lambda use: (-use.critical_s, -max(use.busy_s.values(), default=0.0), use.line))
    return tuple(found[:limit])


def _key(one: Instruction) -> tuple[str, int]:
    return (one.file, one.line)


def _line(
    key: tuple[str, int],
    group: list[Instruction],
    critical_s: float,
    timeline: Timeline,
    timing: Timing,
) -> LineUse:
    busy: dict[str, float] = defaultdict(float)
    num_bytes, flops = 0, 0.0
    for one in group:
        dma = one.work.dma
        if dma is None:
            busy[one.engine.name] += timeline.ends_s[one.index] - timeline.starts_s[one.index]
        else:
            # Not from issue to last byte: transfers wait for each other, and those times overlap.
            cost = dma_cost(dma, timing)
            busy[DMA] += cost.seconds * cost.share
        num_bytes += 0 if dma is None else dma.num_bytes
        flops += one.work.flops if one.work.useful else 0.0
    return LineUse(
        file=Path(key[0]).name,
        line=key[1],
        code=statement_at(*key),
        num_instructions=len(group),
        critical_s=critical_s,
        busy_s=dict(busy),
        num_bytes=num_bytes,
        flops=flops,
    )


def statement_at(file: str, line: int) -> str:
    """The statement around a line of a source file, on one line; empty when there is no file."""
    lines = linecache.getlines(file)
    around = [s for s in _statements("".join(lines)) if s[0] <= line <= s[1]]
    if not around:
        return linecache.getline(file, line).strip()
    first, last = min(around, key=lambda s: s[1] - s[0])
    return " ".join(text.strip() for text in lines[first - 1 : last])


@lru_cache(maxsize=8)
def _statements(source: str) -> tuple[tuple[int, int], ...]:
    """First and last line of every simple statement."""
    simple = (ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.Assert)
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ()
    found = (node for node in ast.walk(tree) if isinstance(node, simple))
    return tuple((node.lineno, node.end_lineno or node.lineno) for node in found)
