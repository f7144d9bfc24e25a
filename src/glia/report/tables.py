"""The small parts that pages are made of: cells, tables, marks and references to sources."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from glia.core.figures import Estimate
from glia.core.records import SourceLine
from glia.report.markup import Markup, join, tag
from glia.report.sources import SourceIndex, runs
from glia.report.wording import likely_text, mark_of, range_text


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[object]],
    numeric: Iterable[int] = (),
    kind: str = "",
) -> Markup:
    """A table; the columns whose index is in `numeric` are aligned right."""
    right = frozenset(numeric)
    head = tag("tr", *(_cell("th", h, i in right, scope="col") for i, h in enumerate(heads)))
    body = [tag("tr", *(_cell("td", c, i in right) for i, c in enumerate(row))) for row in rows]
    inner = tag("table", tag("thead", head), tag("tbody", *body), class_=kind or None)
    return tag("div", inner, class_="scroll")


def _cell(name: str, content: object, right: bool, scope: str | None = None) -> Markup:
    return tag(name, content, class_="num" if right else None, scope=scope)


def stacked(first: object, second: object) -> Markup:
    """A cell of two lines, the second one quieter."""
    return tag("span", first, tag("small", second) if second else "", class_="two")


def value_cell(estimate: Estimate | None) -> Markup:
    """The likely value over its range; `unknown` alone."""
    return stacked(likely_text(estimate), range_text(estimate))


def mark_tag(mark: str) -> Markup:
    """The mark of a number as a small label."""
    return tag("span", mark, class_=f"mark mark-{mark if mark.isalpha() else 'other'}")


def references(index: SourceIndex, sources: Iterable[str]) -> Markup:
    """Links to entries of the list of sources, such as `1-3, 7`; a dash when there are none."""
    parts = []
    for first, last in runs(index.numbers(sources)):
        words = str(first) if first == last else f"{first}\u2013{last}"
        parts.append(tag("a", words, href=f"#source-{first}"))
    return tag("span", join(parts, ", ") if parts else "\u2013", class_="refs")


def chip_name(title: str, colour: int) -> Markup:
    """A chip's title behind a dot of its accent colour."""
    dot = tag("i", class_="chipdot", aria_hidden="true")
    return tag("span", dot, title, class_=f"chipname chip-{colour}")


def place(source: SourceLine | None) -> Markup:
    """`file:line` over the line of code, or a dash."""
    if source is None:
        return Markup("\u2013")
    return stacked(tag("code", str(source)), tag("code", source.code) if source.code else "")


def folded(summary: str, *content: object, kind: str | None = None) -> Markup:
    """Details that a first reader skips; those of kind `paper` are printed in full."""
    return tag("details", tag("summary", summary), *content, class_=kind)


def full_rows(
    named: Iterable[tuple[str, Estimate | None]], basis: str, index: SourceIndex
) -> list[list[object]]:
    """Rows of (quantity, likely, range, mark, why this wide, sources) for the full list."""
    rows: list[list[object]] = []
    for name, e in named:
        if e is None:
            rows.append(
                [name, likely_text(e), "", "", "Nothing measured or published gives it.", ""]
            )
            continue
        mark, refs = mark_tag(mark_of(e, basis)), references(index, e.sources)
        rows.append([name, likely_text(e), range_text(e), mark, e.reason or "\u2013", refs])
    return rows


FULL_HEADS = ("Quantity", "Likely", "Range", "Mark", "Why the range is this wide", "Sources")
