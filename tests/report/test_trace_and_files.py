"""Traces follow the Trace Event Format; files appear whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glia.core.errors import UsageError
from glia.core.records import PortReport, Span
from glia.report.files import write_json, write_text_atomic
from glia.report.markup import linked, tag
from glia.report.trace import trace_json


def test_trace_holds_every_span_in_microseconds(report: PortReport) -> None:
    spans = report.targets[0].run.timeline
    trace = json.loads(trace_json(spans, "layer"))
    complete = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    assert len(complete) == len(spans)
    assert sum(e["dur"] for e in complete) == pytest.approx(
        1e6 * sum(s.end_s - s.start_s for s in spans)
    )
    names = {
        e["tid"]: e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"
    }
    assert all(names[e["tid"]] == e["cat"] for e in complete)
    assert complete[0]["args"] == {"detail": "step 0"}


def test_trace_of_nothing_and_of_one() -> None:
    assert json.loads(trace_json((), "t"))["traceEvents"][0]["args"] == {"name": "t"}
    (event,) = json.loads(trace_json((Span("a", "b", 1e-6, 3e-6),), "t"))["traceEvents"][2:]
    assert event["ts"] == pytest.approx(1.0) and event["dur"] == pytest.approx(2.0)
    assert "args" not in event


SPANS = st.lists(
    st.tuples(st.sampled_from(["queue a", "queue b"]), st.integers(0, 50), st.integers(1, 30)),
    max_size=40,
)


@settings(max_examples=50)
@given(SPANS)
def test_spans_of_one_thread_never_overlap(drawn: list[tuple[str, int, int]]) -> None:
    spans = [Span(track, "dma", 1e-9 * at, 1e-9 * (at + size)) for track, at, size in drawn]
    events = json.loads(trace_json(spans, "t"))["traceEvents"]
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    complete = sorted((e for e in events if e["ph"] == "X"), key=lambda e: e["ts"])
    assert len(complete) == len(spans) and len(set(names.values())) == len(names)
    free: dict[int, float] = {}
    for e in complete:
        assert e["ts"] >= free.get(e["tid"], 0.0) - 1e-5
        free[e["tid"]] = e["ts"] + e["dur"]
        assert names[e["tid"]].startswith(e["cat"])
    # No more threads than transfers under way at once.
    for track in {track for track, _, _ in drawn}:
        most = max(
            sum(t == track and a <= at < a + size for t, a, size in drawn) for at in range(81)
        )
        assert sum(name.startswith(track) for name in names.values()) == most


def test_write_replaces_whole_files_and_makes_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "report.html"
    write_text_atomic(path, "one\u00e9\n")
    assert write_text_atomic(path, "two\u00e9\n") == path
    assert path.read_bytes() == "two\u00e9\n".encode()
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    write_text_atomic(path, "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UsageError, match=r"report\.html: got 'No space left on device', expected"):
        write_text_atomic(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_a_text_that_cannot_be_encoded_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_text_atomic(tmp_path / "x", "\ud800")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match="choose another one"):
        write_text_atomic(tmp_path / "out" / "report.html", "x")


def test_json_of_a_report(tmp_path: Path, report: PortReport) -> None:
    path = write_json(tmp_path / "report.json", report)
    found = json.loads(path.read_text())
    assert found["ok"] is False
    assert found["quotes"][0]["throughput"]["low"] == report.quotes[0].throughput.low


def test_markup_escapes_and_closes() -> None:
    assert tag("p", "<b>", tag("b", "&"), title='"x"') == (
        '<p title="&quot;x&quot;">&lt;b&gt;<b>&amp;</b></p>'
    )
    assert tag("rect", x=1.0, y=0.3333, class_="a", stroke_width=None) == (
        '<rect x="1" y="0.33" class="a"/>'
    )
    assert linked("see https://a.b/c?d=1&e=2, <i>") == (
        'see <a href="https://a.b/c?d=1&amp;e=2" rel="noreferrer">https://a.b/c?d=1&amp;e=2</a>'
        ", &lt;i&gt;"
    )
    assert "<a" not in linked("javascript:alert(1) ftp://x")
    assert tag("text", "a\x00b") == "<text>a\ufffdb</text>"
