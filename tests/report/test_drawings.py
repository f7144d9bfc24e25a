"""Drawings never fail and stay inside their frame, whatever the numbers are."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glia.core.figures import Estimate
from glia.core.records import LayerError, Parity, Span
from glia.report.charts import WIDTH_PX, Bar, bar_chart
from glia.report.errors_plot import error_plot
from glia.report.scales import linear_scale, scale_for
from glia.report.timeline import build_tracks, timeline

UNITS = ("sequences/s", "USD", "J", "s")
values = st.one_of(
    st.just(0.0), st.just(math.inf), st.floats(min_value=0, max_value=1.7e308, allow_nan=False)
)
errors = st.one_of(st.just(math.nan), values)
labels = st.text(max_size=40)
quick = settings(deadline=None, max_examples=40)


def svg_of(markup: str) -> ET.Element:
    """Parse a figure; check that every x of the drawing is a number inside the frame."""
    root = ET.fromstring(markup)
    for node in root.iter():
        for name in ("x", "x1", "x2", "cx"):
            if name in node.attrib:
                assert -1 <= float(node.attrib[name]) <= WIDTH_PX + 1
        assert float(node.attrib.get("width", 0)) >= 0
    return root


@st.composite
def bars(draw: st.DrawFn) -> list[Bar]:
    found = []
    for _ in range(draw(st.integers(0, 6))):
        low, likely, high = sorted(draw(st.tuples(values, values, values)))
        estimate = Estimate(low, likely, high, draw(st.sampled_from(UNITS)), "why")
        mark = draw(st.sampled_from(("predicted", "estimated")))
        known = draw(st.booleans())
        found.append(Bar(draw(labels), mark, draw(st.integers(0, 9)), estimate if known else None))
    return found


@quick
@given(bars())
def test_bar_chart_of_anything(rows: list[Bar]) -> None:
    svg_of(bar_chart("Cost <&>", "lower is better", rows))


@pytest.mark.parametrize("likely", [1e-9, 1.0, 12345.0, 1e12])
def test_single_bar_without_width(likely: float) -> None:
    drawing = bar_chart(
        "t", "h", [Bar("a", "predicted", 0, Estimate(likely, likely, likely, "J", ""))]
    )
    assert len(list(svg_of(drawing).iter("{http://www.w3.org/2000/svg}circle"))) == 1
    assert "log scale" not in drawing


@pytest.mark.parametrize(
    ("ratio", "is_log"), [(19.0, False), (21.0, True), (1e12, True), (1e299, True)]
)
def test_log_scale_when_ratios_exceed_20(ratio: float, is_log: bool) -> None:
    scale = scale_for([1.0, ratio], 0.0, 100.0)
    assert scale.is_log == is_log
    assert 0 <= scale.px(1.0) < scale.px(ratio) <= 100.0
    assert len(scale.ticks) <= 9


def test_log_axis_over_more_than_float64_can_divide() -> None:
    scale = scale_for([2e-300, 1.0, 5e299], 0.0, 100.0)
    assert scale.px(1.0) == pytest.approx(50.0, abs=0.5)


@quick
@given(st.floats(min_value=1e-290, max_value=1e290))
def test_linear_ticks_are_few_round_and_cover(high: float) -> None:
    scale = linear_scale(high, 0.0, 1.0)
    assert scale.ticks[0] == 0 and scale.high >= high * (1 - 1e-9)
    assert 2 <= len(scale.ticks) <= 6


@st.composite
def layer_errors(draw: st.DrawFn) -> tuple[LayerError, ...]:
    found = []
    for i in range(draw(st.integers(0, 8))):
        local = draw(st.one_of(st.none(), errors))
        found.append(
            LayerError(
                draw(labels), draw(labels), "linear", i, 0.0, draw(errors), 1.0, draw(values),
                local, None if local is None else draw(st.one_of(st.none(), values)),
            )
        )  # fmt: skip
    return tuple(found)


@quick
@given(layer_errors())
def test_error_plot_of_anything(layers: tuple[LayerError, ...]) -> None:
    parity = Parity("virtual:trn2", "PyTorch", "rule", layers, ())
    drawing = error_plot(parity, 1)
    svg_of(drawing)
    assert ("first over budget" in drawing) == (parity.first_failure is not None)


@st.composite
def any_spans(draw: st.DrawFn) -> list[Span]:
    found = []
    for _ in range(draw(st.integers(0, 12))):
        start = draw(st.floats(0, 1e-3))
        length = draw(st.one_of(st.just(0.0), st.floats(0, 1e-3)))
        found.append(Span(draw(st.sampled_from("abc")), draw(labels), start, start + length))
    return found


@quick
@given(any_spans())
def test_timeline_of_anything(spans: list[Span]) -> None:
    svg_of(timeline(spans, "layer <1>", 0))


def test_timeline_size_does_not_grow_with_the_number_of_spans() -> None:
    def drawing(num: int) -> str:
        spans = [Span("tensor", f"op{i % 3}", i * 1e-8, i * 1e-8 + 7e-9) for i in range(num)]
        return timeline(spans, "t", 0)

    assert len(drawing(50_000)) < 40_000
    assert len(drawing(50_000)) < 2 * len(drawing(5_000))


def test_busy_share_is_the_covered_time() -> None:
    # 10 spans of 30 ns every 100 ns, then silence up to 2000 ns: 300 of 2000 ns.
    spans = [Span("v", "add", i * 1e-7, i * 1e-7 + 3e-8) for i in range(10)]
    (track,) = build_tracks(spans, 0.0, 2e-6)
    assert track.busy == pytest.approx(0.15, rel=1e-9)
    assert max(b.last for b in track.blocks) < 363  # nothing in the silent half


def test_adjacent_spans_of_one_kind_become_one_block() -> None:
    spans = [Span("t", "mm", i * 1e-9, (i + 1) * 1e-9) for i in range(3000)]
    (track,) = build_tracks(spans, 0.0, 3e-6)
    assert len(track.blocks) == 1 and track.busy == pytest.approx(1.0)
