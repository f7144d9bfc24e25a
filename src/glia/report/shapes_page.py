"""A census of shapes as one self-contained HTML page, with the trade-off and the sizes drawn."""

from __future__ import annotations

from importlib.resources import files

import glia
from glia.core.shape_records import BucketPlan, ShapeReport, VaryingDim
from glia.core.units import counted
from glia.report.markup import Markup, linked, tag
from glia.report.scales import linear_scale
from glia.report.shapes_wording import (
    buckets_text,
    compile_text,
    second_step_lines,
    shapes_shown,
    sizes_text,
    waste_text,
)
from glia.report.tables import table

_WIDTH_PX, _HEIGHT_PX = 960, 290
_LEFT_PX, _RIGHT_PX, _TOP_PX, _BOTTOM_PX = 58, 940, 16, 240
_MAX_ROWS = 100


def render_shapes(report: ShapeReport) -> str:
    """The whole page as text, ready to be written to a file."""
    sections = [_section("todo", "What to do", _todo(report))]
    if report.plans:
        sections += [
            _section("buckets", "Buckets: padding against compilations", *_buckets(report)),
            _section("sizes", "Sizes that vary", *map(_histogram, report.varying)),
        ]
    sections += [
        _section("inputs", "Inputs", _inputs(report)),
        _section("graphs", "Distinct graphs", _graphs(report)),
        _section("syncs", "Host syncs", _syncs(report)),
        _section("second", "The second step", _second(report)),
    ]
    body = tag("body", _header(report), tag("main", *sections), _footer(report))
    return "<!doctype html>\n" + tag("html", _head(report), body, lang="en") + "\n"


def _section(anchor: str, title: str, *content: object) -> Markup:
    return tag("section", tag("h2", title), *content, id=anchor)


def _head(report: ShapeReport) -> Markup:
    style = Markup(files("glia.report").joinpath("style.css").read_text(encoding="utf-8"))
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{report.model}: shapes"),
        tag("style", style),
    )


def _header(report: ShapeReport) -> Markup:
    whole = "all of them" if report.is_complete else "up to the limit"
    return tag(
        "header",
        tag("p", tag("b", "glia"), " census of shapes", class_="brand"),
        tag("h1", report.model),
        tag(
            "p",
            f"{counted(len(report.graphs), 'distinct graph')} in "
            f"{counted(report.num_batches, 'batch', 'batches')}, {whole}",
        ),
        tag("p", f"{report.data}; a batch is given as {report.call}", class_="muted"),
    )


def _footer(report: ShapeReport) -> Markup:
    made = tag("div", tag("dt", "Made with"), tag("dd", f"glia {glia.__version__}"))
    return tag("footer", tag("dl", made))


def _todo(report: ShapeReport) -> Markup:
    lines = [] if report.plan is None else [_plan_line(report.plan, report.why)]
    lines += [report.why] if report.plan is None else []
    return tag("ul", *(tag("li", line) for line in (*lines, *report.advice)))


def _plan_line(plan: BucketPlan, why: str) -> str:
    return f"Pad to {buckets_text(plan, 100)}: {waste_text(plan)} padding; {why}"


# -- the trade-off ---------------------------------------------------------------------------------


def _buckets(report: ShapeReport) -> list[Markup]:
    names = " x ".join(dim.name for dim in report.varying)
    rows = [
        [
            tag("b", str(p.num_graphs)) if i == report.chosen else str(p.num_graphs),
            waste_text(p),
            compile_text(report, p.num_graphs),
            buckets_text(p, 100),
        ]
        for i, p in enumerate(report.plans)
    ]
    notes = [report.compile_note] if report.compile_note else []
    if not all(p.is_exact for p in report.plans):
        notes.append("~ found by a search; a better plan may exist")
    return [
        trade_off(report),
        table(("Graphs", "Padding", "Compile time", f"Buckets ({names})"), rows, numeric=(0, 1, 2)),
        *(tag("p", linked(note), class_="muted") for note in notes),
    ]


def trade_off(report: ShapeReport) -> Markup:
    """The fraction of padding over the number of graphs; the chosen plan is filled."""
    plans = report.plans
    scale = linear_scale(max([p.waste for p in plans] + [0.01]), _BOTTOM_PX, _TOP_PX)
    step = (_RIGHT_PX - _LEFT_PX) / len(plans)
    xs = [_LEFT_PX + step * (i + 0.5) for i in range(len(plans))]
    ys = [scale.px(p.waste) for p in plans]
    path = "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in zip(xs, ys, strict=True))
    spoken = "; ".join(f"{p.num_graphs} graphs {waste_text(p)}" for p in plans)
    drawing = tag(
        "svg",
        tag("title", f"Padding by number of graphs: {spoken}"),
        *(_tick(value, scale.px(value)) for value in scale.ticks),
        tag("path", d=path, class_="budget"),
        *(_point(report, i, x, y) for i, (x, y) in enumerate(zip(xs, ys, strict=True))),
        tag("text", "graphs", x=_RIGHT_PX, y=_BOTTOM_PX + 40, class_="tick end"),
        viewBox=f"0 0 {_WIDTH_PX} {_HEIGHT_PX}",
        role="img",
        xmlns="http://www.w3.org/2000/svg",
    )
    return tag(
        "figure", tag("figcaption", "Fraction of computed positions that is padding"), drawing
    )


def _tick(value: float, y: float) -> Markup:
    line = tag("line", x1=_LEFT_PX, x2=_RIGHT_PX, y1=y, y2=y, class_="grid")
    return tag(
        "g", line, tag("text", f"{100 * value:g} %", x=_LEFT_PX - 8, y=y + 4, class_="tick end")
    )


def _point(report: ShapeReport, place: int, x: float, y: float) -> Markup:
    plan = report.plans[place]
    is_chosen = place == report.chosen
    dot = tag("circle", cx=x, cy=y, r=6.0 if is_chosen else 3.2, class_="dot")
    label = tag("text", str(plan.num_graphs), x=x, y=_BOTTOM_PX + 20, class_="tick mid")
    value = tag("text", waste_text(plan), x=x, y=y - 12, class_="name mid") if is_chosen else ""
    return tag("g", dot, label, value, class_="chip-0")


# -- tables ----------------------------------------------------------------------------------------


def _histogram(dim: VaryingDim) -> Markup:
    """How many batches have which size."""
    low, high = dim.sizes[0][0], dim.sizes[-1][0]
    scale = linear_scale(max(n for _, n in dim.sizes), _BOTTOM_PX, _TOP_PX)
    width = (_RIGHT_PX - _LEFT_PX) / (high - low + 1)
    bars = [
        tag(
            "rect",
            x=_LEFT_PX + width * (size - low),
            y=scale.px(number),
            width=max(1.5, width * 0.9),
            height=_BOTTOM_PX - scale.px(number),
            class_="shade-1",
        )
        for size, number in dim.sizes
    ]
    ends = [
        tag("text", str(low), x=_LEFT_PX, y=_BOTTOM_PX + 20, class_="tick start"),
        tag("text", str(high), x=_RIGHT_PX, y=_BOTTOM_PX + 20, class_="tick end"),
    ]
    drawing = tag(
        "svg",
        tag("title", f"{dim.name}: {sizes_text(dim)}"),
        tag("g", *bars, class_="chip-0"),
        *ends,
        viewBox=f"0 0 {_WIDTH_PX} {_HEIGHT_PX}",
        role="img",
        xmlns="http://www.w3.org/2000/svg",
    )
    words = f"batches by size; {sizes_text(dim)}; {', '.join(dim.places)}"
    return tag("figure", tag("figcaption", tag("b", dim.name), " ", words), drawing)


def _inputs(report: ShapeReport) -> Markup:
    rows = [[i.name, ", ".join(i.dtypes), shapes_shown(i.shapes)] for i in report.inputs]
    return table(("Input", "Format", "Shapes"), rows)


def _graphs(report: ShapeReport) -> Markup:
    rows = [
        [", ".join(g.inputs), f"{g.num_batches:,}", f"{g.first_batch:,}"]
        for g in report.graphs[:_MAX_ROWS]
    ]
    return table(("Inputs", "Batches", "First at"), rows, numeric=(1, 2))


def _syncs(report: ShapeReport) -> Markup:
    if not report.syncs:
        return tag("p", "None seen in a call, none in the source.", class_="empty")
    rows = [
        [f"{s.file}:{s.line}", s.kind, s.found_by, tag("code", s.code), str(s.count or "-")]
        for s in report.syncs
    ]
    return table(("Where", "What", "Known from", "Code", "Per call"), rows, numeric=(4,))


def _second(report: ShapeReport) -> Markup:
    return tag("ul", *(tag("li", line) for line in second_step_lines(report.second)))
