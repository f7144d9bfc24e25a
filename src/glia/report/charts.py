"""Bar charts with interval whiskers, as plain SVG.

One row per chip and method: a pale bar to the likely value, a whisker over the range, the numbers
in words at the right. A roofline row is hollow, so that the method shows without colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from glia.core.figures import Estimate
from glia.core.records import PortReport, Quote
from glia.report.compare import colour_of
from glia.report.markup import Markup, tag
from glia.report.scales import Scale, scale_for
from glia.report.wording import (
    BASIS_MARK,
    UNKNOWN,
    chip_titles,
    likely_text,
    quantity,
    range_text,
)

WIDTH_PX = 960
_LABEL_PX, _PLOT_END_PX = 196, 770
_TOP_PX, _ROW_PX, _BAR_PX = 8, 34, 14


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: who, by which method, and the estimate (None is unknown)."""

    label: str
    mark: str
    colour: int
    estimate: Estimate | None


def report_charts(report: PortReport) -> Markup:
    """Throughput, cost and energy of every quote, each with its intervals."""
    charts = (
        ("Throughput of one chip", "higher is better", lambda q: q.throughput),
        ("Cost per million sequences", "lower is better", lambda q: q.usd_per_million),
        ("Energy per 1,000 sequences", "lower is better", lambda q: q.energy_per_thousand),
    )
    figures = [bar_chart(t, hint, _bars(report, pick)) for t, hint, pick in charts]
    return tag("div", *figures, class_="charts")


def _bars(report: PortReport, pick: Callable[[Quote], Estimate | None]) -> list[Bar]:
    titles = chip_titles(report)
    colours = colour_of(titles)
    return [
        Bar(titles[q.chip], BASIS_MARK[q.basis], colours[q.chip], pick(q)) for q in report.quotes
    ]


def bar_chart(title: str, hint: str, bars: Sequence[Bar]) -> Markup:
    """A figure with one bar per row; the axis is logarithmic when ratios exceed 20."""
    known = [b.estimate for b in bars if b.estimate is not None]
    scale = scale_for(
        [v for e in known for v in (e.low, e.likely, e.high)], _LABEL_PX, _PLOT_END_PX
    )
    caption = f"{hint}, log scale" if scale.is_log else hint
    height = _TOP_PX + _ROW_PX * len(bars) + 26
    rows = [_row(bar, scale, _TOP_PX + _ROW_PX * i) for i, bar in enumerate(bars)]
    unit = known[0].unit if known else ""
    drawing = tag(
        "svg",
        tag("title", f"{title}: {'; '.join(_spoken(b) for b in bars) or 'nothing to show'}"),
        _grid(scale, unit, height - 24) if known else "",
        *rows,
        viewBox=f"0 0 {WIDTH_PX} {height}",
        role="img",
        xmlns="http://www.w3.org/2000/svg",
    )
    heading = tag("figcaption", tag("b", title), " ", tag("span", caption))
    return tag("figure", heading, drawing, class_="bars")


def _spoken(bar: Bar) -> str:
    return f"{bar.label} ({bar.mark}) {likely_text(bar.estimate)} {range_text(bar.estimate)}"


def _grid(scale: Scale, unit: str, bottom_px: float) -> Markup:
    parts = []
    for tick in scale.ticks:
        x = scale.px(tick)
        parts.append(tag("line", x1=x, x2=x, y1=2, y2=bottom_px, class_="grid"))
        label = quantity(tick, unit) if tick else "0"
        parts.append(tag("text", label, x=x, y=bottom_px + 16, class_="tick mid"))
    return tag("g", *parts)


def _row(bar: Bar, scale: Scale, top_px: float) -> Markup:
    middle = top_px + _ROW_PX / 2
    label = tag(
        "text",
        tag("tspan", _shortened(bar.label), class_="name"),
        tag("tspan", bar.mark, x=0, dy="1.2em", class_="tick"),
        x=0,
        y=middle - 3,
    )
    if bar.estimate is None:
        body = tag("text", UNKNOWN, x=_LABEL_PX + 6, y=middle + 4, class_="tick")
    else:
        body = tag("g", _interval(bar.estimate, bar.mark, scale, middle), _value(bar, middle))
    return tag("g", label, body, class_=f"chip-{bar.colour}")


def _shortened(label: str, limit: int = 24) -> str:
    return label if len(label) <= limit else label[: limit - 1] + "\u2026"


def _interval(e: Estimate, mark: str, scale: Scale, middle: float) -> Markup:
    likely, low, high = scale.px(e.likely), scale.px(e.low), scale.px(e.high)
    bar = tag(
        "rect",
        x=scale.start_px,
        y=middle - _BAR_PX / 2,
        width=max(0.0, likely - scale.start_px),
        height=_BAR_PX,
        class_="bar hollow" if mark == "estimated" else "bar",
    )
    caps = [
        tag("line", x1=x, x2=x, y1=middle - 4, y2=middle + 4, class_="whisker") for x in (low, high)
    ]
    whisker = tag("line", x1=low, x2=high, y1=middle, y2=middle, class_="whisker")
    return tag("g", bar, whisker, *caps, tag("circle", cx=likely, cy=middle, r=3.2, class_="dot"))


def _value(bar: Bar, middle: float) -> Markup:
    finite = bar.estimate is not None and math.isfinite(bar.estimate.likely)
    words = likely_text(bar.estimate) if finite else UNKNOWN
    return tag(
        "text",
        tag("tspan", words, class_="name"),
        tag("tspan", range_text(bar.estimate), x=WIDTH_PX, dy="1.2em", class_="tick"),
        x=WIDTH_PX,
        y=middle - 3,
        class_="end",
    )
