"""A port report as one self-contained HTML page: no network, no fonts to load, readable as paper.

`page.py` and `verdict.py` make the sections; this file is the frame around them.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from glia.core.records import PortReport
from glia.core.units import format_quantity
from glia.report import page
from glia.report.markup import Markup, join, tag
from glia.report.sources import SourceIndex
from glia.report.verdict import verdict
from glia.report.wording import chip_titles

# A printed page cannot be unfolded by its reader.
_OPEN_FOR_PRINT = Markup(
    "addEventListener('beforeprint',function(){document.querySelectorAll('details.paper')"
    ".forEach(function(d){d.open=true})})"
)


def render_port(report: PortReport) -> str:
    """The whole page as text, ready to be written to a file."""
    index = SourceIndex()
    sections = [
        verdict(report, index),
        page.comparison(report, index),
        page.proof(report),
        page.time_spent(report, index),
        page.compiled(report),
        page.findings(report),
        page.full_numbers(report, index),
        page.assumptions(report, index),
        page.sources(index),
    ]
    body = tag("body", _header(report), tag("main", *sections), _footer(report))
    return "<!doctype html>\n" + tag("html", _head(report), body, lang="en") + "\n"


def _head(report: PortReport) -> Markup:
    style = Markup(files("glia.report").joinpath("style.css").read_text(encoding="utf-8"))
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{report.model.name}: port report"),
        tag("style", style),
        tag("script", _OPEN_FOR_PRINT),
    )


def _header(report: PortReport) -> Markup:
    targets = {t.compiled.chip for t in report.targets}
    titles = chip_titles(report)
    to = _listed(title for chip, title in titles.items() if chip in targets)
    beside = _listed(title for chip, title in titles.items() if chip not in targets)
    words = f"To {to or 'no target'}" + (f", beside {beside}" if beside else "")
    return tag(
        "header",
        tag("p", tag("b", "glia"), " port report", class_="brand"),
        tag("h1", report.model.name),
        tag("p", words, class_="lead"),
        tag("p", join([*report.model.inputs, report.created], " \u00b7 "), class_="muted"),
    )


def _listed(names: Iterable[str]) -> str:
    *first, last = [*names] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _footer(report: PortReport) -> Markup:
    steps = ", ".join(f"{k} {format_quantity(v, 's')}" for k, v in report.wall_s.items())
    rows = [
        ("Made with", f"glia {report.glia_version}"),
        ("Command", tag("code", report.command)),
        ("Date", report.created),
        ("Hash of the inputs", tag("code", report.model.input_hash or "-")),
        ("Wall time of this report, measured", steps or "-"),
    ]
    return tag("footer", tag("dl", *(tag("div", tag("dt", k), tag("dd", v)) for k, v in rows)))
