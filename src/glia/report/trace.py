"""Spans as trace events: the JSON text that chrome://tracing and ui.perfetto.dev open.

Format: "Trace Event Format", complete events (`ph: X`) with times in microseconds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from glia.core.records import Span

_PROCESS = 1
_SLACK_S = 1e-12


def trace_json(spans: Sequence[Span], title: str) -> str:
    """The trace of one timeline: one process named `title`, one thread per engine or queue.

    Transfers of a queue that overlap go to further threads of it: readers of the format take spans
    of one thread as nested.
    """
    named = [lane_name(span.track, lane) for span, lane in zip(spans, lanes(spans), strict=True)]
    threads = {name: i for i, name in enumerate(_in_order(spans, named), start=1)}
    events = [_metadata("process_name", 0, title)]
    events += [_metadata("thread_name", thread, name) for name, thread in threads.items()]
    events += [_complete(span, threads[name]) for span, name in zip(spans, named, strict=True)]
    trace = {"traceEvents": events, "displayTimeUnit": "ns"}
    return json.dumps(trace, allow_nan=False, separators=(",", ":"))


def lanes(spans: Sequence[Span]) -> list[int]:
    """For each span the first lane of its track that is free when it starts."""
    ends: dict[str, list[float]] = {}
    found = [0] * len(spans)
    for i in sorted(range(len(spans)), key=lambda i: (spans[i].start_s, -spans[i].end_s)):
        span = spans[i]
        free = ends.setdefault(span.track, [])
        lane = next((n for n, end in enumerate(free) if end <= span.start_s + _SLACK_S), len(free))
        free[lane : lane + 1] = [span.end_s]
        found[i] = lane
    return found


def lane_name(track: str, lane: int) -> str:
    """The name of a track's thread."""
    return f"{track} ({lane + 1})" if lane else track


def _in_order(spans: Sequence[Span], named: Sequence[str]) -> list[str]:
    """Thread names: tracks as first seen, the lanes of each together."""
    by_track: dict[str, dict[str, None]] = {}
    for span, name in zip(spans, named, strict=True):
        by_track.setdefault(span.track, {})[name] = None
    return [name for names in by_track.values() for name in sorted(names, key=len)]


def _metadata(kind: str, thread: int, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": _PROCESS, "tid": thread, "args": {"name": name}}


def _complete(span: Span, thread: int) -> dict[str, Any]:
    event: dict[str, Any] = {
        "name": span.name,
        "cat": span.track,
        "ph": "X",
        "ts": span.start_s * 1e6,
        "dur": (span.end_s - span.start_s) * 1e6,
        "pid": _PROCESS,
        "tid": thread,
    }
    return event | ({"args": {"detail": span.detail}} if span.detail else {})
