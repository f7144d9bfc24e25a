"""A kernel's profile as one self-contained HTML page with a timeline to look into.

The same numbers as on the console; the timeline is drawn by `kernel_timeline.js` from the spans,
and once more as a still picture for paper and readers without scripts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import glia
from glia.core.figures import Estimate
from glia.core.kernel_records import KernelProfile, LineUse
from glia.core.records import Span
from glia.core.units import format_quantity
from glia.report.kernel_wording import engines_note, no_advice_text
from glia.report.markup import Markup, join, tag
from glia.report.sources import SourceIndex
from glia.report.tables import FULL_HEADS, full_rows, stacked, table, value_cell
from glia.report.timeline import timeline
from glia.report.wording import likely_text, range_text

MAX_SPANS = 100_000


def render_profile(profile: KernelProfile, spans: Sequence[Span]) -> str:
    """The whole page as text, ready to be written to a file."""
    index = SourceIndex()
    places = _places(spans, profile.lines)
    sections = [
        _section("summary", "Where the time goes", _tiles(profile), _bounds(profile)),
        _section("timeline", "Timeline", *_timeline(profile, spans, places)),
        _section("lines", "Lines of the kernel", *_lines(profile, places)),
        _section("advice", "What to try", _advice(profile)),
        _section("movement", "Data movement", *_movement(profile)),
        _section("numbers", "All numbers", _numbers(profile, index)),
        _section("sources", "Sources", _sources(index)),
    ]
    body = tag("body", _header(profile), tag("main", *sections), _footer())
    return "<!doctype html>\n" + tag("html", _head(profile), body, lang="en") + "\n"


def _section(anchor: str, title: str, *content: object) -> Markup:
    return tag("section", tag("h2", title), *content, id=anchor)


def _asset(name: str) -> Markup:
    return Markup(files("glia.report").joinpath(name).read_text(encoding="utf-8"))


def _head(profile: KernelProfile) -> Markup:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{profile.kernel} on {profile.chip}: profile"),
        tag("style", _asset("style.css")),
    )


def _header(p: KernelProfile) -> Markup:
    cores = f", {p.num_cores} cores" if p.num_cores > 1 else ""
    return tag(
        "header",
        tag("p", tag("b", "glia"), " kernel profile, predicted", class_="brand"),
        tag("h1", p.kernel),
        tag("p", f"On {p.chip} ({p.generation}){cores}, {p.num_instructions:,} instructions"),
        tag("p", join([p.file, *p.arguments], " \u00b7 "), class_="muted"),
        *(tag("p", note, class_="bad") for note in p.notes),
    )


def _footer() -> Markup:
    words = f"Made with glia {glia.__version__}. Nothing here was measured on a chip."
    return tag("footer", tag("p", words))


def _tiles(p: KernelProfile) -> Markup:
    named = [
        ("Time", p.time),
        ("MFU", p.mfu),
        ("MBU", p.mbu),
        ("Energy", p.energy),
        ("Average power", p.power),
    ]
    shown = (_tile(name, e) for name, e in named if e.high or e.unit != "fraction")
    return tag("dl", *shown, class_="tiles")


def _tile(name: str, estimate: Estimate) -> Markup:
    big = tag("dd", likely_text(estimate), class_="big")
    return tag("div", tag("dt", name), big, tag("dd", range_text(estimate)))


def _bounds(p: KernelProfile) -> Markup:
    rows: list[list[object]] = [
        ["as written", value_cell(p.as_written), "program order on every engine"],
        ["dataflow bound", value_cell(p.dataflow), "true dependences and busy engines only"],
    ]
    rows += [
        [name, format_quantity(seconds, "s"), "what this alone would take"]
        for name, seconds in p.bounds_s.items()
        if seconds
    ]
    engines = [
        [use.name, value_cell(use.activity), format_quantity(use.busy_s, "s"), use.num_instructions]
        for use in p.engines
    ]
    return join(
        [
            table(("Limit", "Time", ""), rows, numeric=(1,)),
            table(("Engine", "Active", "Time active", "Instructions"), engines, numeric=(1, 2, 3)),
            tag("p", engines_note(p), class_="muted") if p.num_cores > 1 else "",
        ]
    )


# -- timeline ------------------------------------------------------------------------------------


def _places(spans: Sequence[Span], lines: Sequence[LineUse]) -> dict[str, int]:
    """Numbers of the source lines, as `file.py:12`."""
    names = [*(f"{use.file}:{use.line}" for use in lines), *(_short(s.detail) for s in spans)]
    return {name: i for i, name in enumerate(dict.fromkeys(names))}


def _short(detail: str) -> str:
    file, colon, line = detail.rpartition(":")
    return f"{Path(file).name}{colon}{line}"


def _timeline(p: KernelProfile, spans: Sequence[Span], places: Mapping[str, int]) -> list[Markup]:
    shown = spans[:MAX_SPANS]
    code = {str(places[f"{u.file}:{u.line}"]): u.code for u in p.lines}
    hint = (
        "Drag to move, turn the wheel to zoom, double-click for all of it, click an instruction to "
        "mark its line. Queues show a DMA from its issue to its last byte."
    )
    if len(shown) < len(spans):
        hint += f" The first {len(shown):,} of {len(spans):,} instructions are here."
    still = timeline(shown, f"{p.kernel} on {p.chip}", 0)
    data = Markup(_json(encoded(shown, places, code)))
    return [
        tag("p", hint, class_="muted"),
        tag("canvas", "", id="timeline-canvas", tabindex=0, role="img", aria_label="Timeline"),
        tag("pre", "", id="timeline-tip", hidden="hidden"),
        tag("details", tag("summary", "As a still picture"), still, class_="paper"),
        tag("script", data, id="timeline-data", type="application/json"),
        tag("script", _asset("kernel_timeline.js")),
    ]


def encoded(
    spans: Sequence[Span], places: Mapping[str, int], code: Mapping[str, str]
) -> dict[str, Any]:
    """Spans with their words in tables, times in nanoseconds: what the script reads."""
    tracks = {name: i for i, name in enumerate(dict.fromkeys(s.track for s in spans))}
    ops = {name: i for i, name in enumerate(dict.fromkeys(s.name for s in spans))}
    rows = [
        [
            tracks[s.track],
            ops[s.name],
            places[_short(s.detail)],
            round(s.start_s * 1e9, 1),
            round((s.end_s - s.start_s) * 1e9, 1),
        ]
        for s in sorted(spans, key=lambda s: s.start_s)
    ]
    return {
        "tracks": list(tracks),
        "ops": list(ops),
        "places": list(places),
        "code": dict(code),
        "spans": rows,
    }


def _json(value: Any) -> str:
    """JSON that can stand inside a script element: no `<` in it."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


# -- tables --------------------------------------------------------------------------------------


def _lines(p: KernelProfile, places: Mapping[str, int]) -> list[Markup]:
    whole = p.time.likely
    heads = ("Line", "Source", "Part of the time", "Active", "Instructions", "Bytes moved")
    head = tag("tr", *(tag("th", h, class_="num" if i > 1 else None) for i, h in enumerate(heads)))
    rows = [_line(use, whole, places) for use in p.lines]
    intro = (
        "Part of the time: while the engine that works most works, the time is its lines'; while "
        "it waits, that of the line it waits for; the shares sum to 100 %. Active: its time on its "
        "engine; for DMAs, as if all DMA engines moved its bytes, so that lines add up. Click a "
        "line to mark it in the timeline."
    )
    inner = tag("table", tag("thead", head), tag("tbody", *rows), class_="dense")
    return [tag("p", intro, class_="muted"), tag("div", inner, class_="scroll")]


def _line(use: LineUse, whole: float, places: Mapping[str, int]) -> Markup:
    place = f"{use.file}:{use.line}"
    part = use.critical_s / whole if whole else 0.0
    busy = [f"{name} {format_quantity(s, 's')}" for name, s in use.busy_s.items()]
    meter = tag("i", class_="meter", style=f"width:{100 * part:.1f}px")
    cells = [
        tag("td", tag("code", place)),
        tag("td", tag("code", use.code)),
        tag("td", meter, f" {part:.1%}", class_="num"),
        tag("td", ", ".join(busy), class_="num"),
        tag("td", f"{use.num_instructions:,}", class_="num"),
        tag("td", format_quantity(use.num_bytes, "B") if use.num_bytes else "", class_="num"),
    ]
    return tag("tr", *cells, data_place=places[place])


def _advice(p: KernelProfile) -> Markup:
    if not p.advice:
        return tag("p", no_advice_text(p), class_="empty")
    rows = [
        [
            stacked(f"{one.fraction:.1%}", format_quantity(one.gain_s, "s")),
            stacked(one.title, one.detail),
            ", ".join(one.lines),
            one.basis,
        ]
        for one in p.advice
    ]
    return table(("Gain, alone", "Change", "Where", "How it was computed"), rows, numeric=(0,))


def _movement(p: KernelProfile) -> list[Markup]:
    d = p.dma
    rows: list[list[object]] = [
        ["Read from HBM", format_quantity(d.hbm_read_bytes, "B")],
        ["Written to HBM", format_quantity(d.hbm_write_bytes, "B")],
        ["DMAs", f"{d.num_transfers:,}"],
        ["Contiguous pieces, on average", format_quantity(d.mean_piece_bytes, "B")],
        ["DMA efficiency", value_cell(d.efficiency)],
        ["SBUF peak of a partition", f"{p.memory.sbuf_peak_bytes:,} of {p.memory.sbuf_bytes:,} B"],
        ["PSUM peak", f"{p.memory.psum_peak_banks} of {p.memory.psum_banks} banks"],
    ]
    parts = [table(("", ""), rows, numeric=(1,))]
    if p.reloads:
        parts.append(tag("h3", "Loaded more than once"))
        again = [
            [r.tensor, format_quantity(r.loaded_bytes, "B"), format_quantity(r.distinct_bytes, "B"),
             ", ".join(r.lines)]
            for r in p.reloads
        ]  # fmt: skip
        parts.append(table(("Tensor", "Loaded", "Distinct", "Where"), again, numeric=(1, 2)))
    if p.spills:
        parts.append(tag("h3", "Spilled to HBM and back"))
        out = [
            [s.tensor, format_quantity(s.out_bytes, "B"), format_quantity(s.back_bytes, "B"),
             ", ".join(s.lines)]
            for s in p.spills
        ]  # fmt: skip
        parts.append(table(("Tensor", "Out", "Back", "Where"), out, numeric=(1, 2)))
    return parts


def _numbers(p: KernelProfile, index: SourceIndex) -> Markup:
    named: list[tuple[str, Estimate | None]] = [
        ("Time", p.time),
        ("As written", p.as_written),
        ("Dataflow bound", p.dataflow),
        ("MFU", p.mfu),
        ("MFU, adjusted", p.adjusted_mfu),
        ("HFU", p.hfu),
        ("MBU", p.mbu),
        ("DMA efficiency", p.dma.efficiency),
        ("Energy", p.energy),
        *((f"Energy: {name.replace('_', ' ')}", e) for name, e in p.energy_by_cause.items()),
        ("Average power", p.power),
        *((f"Active share of {use.name}", use.activity) for use in p.engines),
    ]
    return table(FULL_HEADS, full_rows(named, "virtual", index), numeric=(1, 2), kind="dense")


def _sources(index: SourceIndex) -> Markup:
    items = [tag("li", source, id=f"source-{number}") for number, source in index.items()]
    return tag("ol", *items)
