"""Spans as trace events: the JSON text that chrome://tracing and ui.perfetto.dev open.

Format: "Trace Event Format", complete events (`ph: X`) with times in microseconds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from glia.core.records import Span

_PROCESS = 1


def trace_json(spans: Sequence[Span], title: str) -> str:
    """The trace of one timeline: one process named `title`, one thread per engine or queue."""
    threads = {track: i for i, track in enumerate(dict.fromkeys(s.track for s in spans), start=1)}
    events = [_metadata("process_name", 0, title)]
    events += [_metadata("thread_name", thread, track) for track, thread in threads.items()]
    events += [_complete(span, threads[span.track]) for span in spans]
    trace = {"traceEvents": events, "displayTimeUnit": "ns"}
    return json.dumps(trace, allow_nan=False, separators=(",", ":"))


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
