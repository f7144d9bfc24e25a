"""The page as a browser sees it: self-contained, balanced, escaped, complete and honest."""

from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from glia.core.figures import Estimate
from glia.core.records import PortReport
from glia.report.html import render_port
from glia.report.wording import quantity, range_text

VOID = {"meta", "br", "hr", "img", "input", "link", "col"}
LOADING = {"src", "srcset", "data", "poster", "background", "action", "xlink:href"}


class Page(HTMLParser):
    """Checks balance while it parses, and keeps the elements and the visible text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


@pytest.fixture(scope="module")
def source(report: PortReport) -> str:
    return render_port(report)


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return Page(source)


def estimates(record: Any) -> Iterator[Estimate]:
    """Every Estimate anywhere inside a record."""
    if isinstance(record, Estimate):
        yield record
    elif dataclasses.is_dataclass(record):
        for field in dataclasses.fields(record):
            yield from estimates(getattr(record, field.name))
    elif isinstance(record, dict):
        for value in record.values():
            yield from estimates(value)
    elif isinstance(record, tuple):
        for value in record:
            yield from estimates(value)


def test_nothing_is_loaded_from_elsewhere(source: str, page: Page) -> None:
    for tag, attributes in page.elements:
        assert tag not in ("link", "img", "iframe", "object", "embed", "image", "use", "base")
        assert not LOADING & attributes.keys(), (tag, attributes)
        if "href" in attributes:
            assert tag == "a"
            assert re.match(r"#source-\d+$|https?://", attributes["href"] or "")
    assert "url(" not in source and "@import" not in source and "javascript:" not in source


def test_links_are_visible_and_lead_somewhere(page: Page) -> None:
    anchors = {a["id"] for _, a in page.elements if "id" in a}
    hrefs = [a["href"] or "" for tag, a in page.elements if tag == "a"]
    assert hrefs
    for href in hrefs:
        assert href[1:] in anchors if href.startswith("#") else href in page.text


def test_user_text_is_escaped(source: str, page: Page, report: PortReport) -> None:
    assert report.model.name in page.text
    assert "examples/<b>minilm</b>.py:41" in page.text
    assert 'x = x.to("cuda") if a < b else x' in page.text
    assert "<script>alert" not in source
    assert [tag for tag, _ in page.elements].count("script") == 1


def test_ids_are_unique(page: Page) -> None:
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))


def test_every_estimate_appears_with_both_ends(report: PortReport, page: Page) -> None:
    found = list(estimates(report))
    assert len(found) > 100
    for e in found:
        for value in (e.low, e.likely, e.high):
            number = quantity(value, e.unit).partition(" ")[0].removesuffix("/h")
            assert number in page.text, (e, number)
        assert range_text(e) in page.text or e.low == e.high


def test_every_source_and_assumption_is_listed(report: PortReport, page: Page) -> None:
    listed = page.text[page.text.rindex("Sources") :]
    for e in estimates(report):
        for words in e.sources:
            assert re.sub(r"\s", "", words) in re.sub(r"\s", "", listed)
    for a in report.assumptions:
        assert a.name in page.text and a.value in page.text
    for t in report.targets:
        assert all(words in page.text for words in t.run.assumptions)


def test_absent_price_is_unknown_and_a_failed_proof_is_the_headline(page: Page) -> None:
    words = " ".join(page.text.split())
    assert "Unknown: no public price for Maia 100" in words
    assert "Not proved" in words and "first value over budget is encoder.layer.3.linear_28" in words
    assert "No comparison is claimed for a result that is not proved." in words
    assert "Overlapping ranges: no winner can be claimed" in words


def test_marks_say_how_each_number_was_obtained(page: Page) -> None:
    marks = {(a.get("class") or "") for _, a in page.elements}
    for mark in ("measured", "counted", "predicted", "estimated", "published", "disputed"):
        assert any(f"mark-{mark}" in m for m in marks)


def test_drawings_are_well_formed_and_small(source: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", source, re.S)
    assert len(drawings) == 3 + 2 + 2
    for drawing in drawings:
        ET.fromstring(drawing)
        assert len(drawing) < 120_000


def test_provenance_is_in_the_footer(report: PortReport, page: Page) -> None:
    for words in (report.glia_version, report.command, report.created, report.model.input_hash):
        assert words in page.text


def test_empty_reports_still_make_a_page(report: PortReport) -> None:
    bare = dataclasses.replace(
        report, findings=(), targets=(), quotes=(), assumptions=(), wall_s={}
    )
    assert "there is no verdict" in Page(render_port(bare)).text
    unpriced = dataclasses.replace(report, quotes=())
    assert "unknown" in Page(render_port(unpriced)).text
    alone = tuple(q for q in report.quotes if q.chip == "inf2")
    assert "Beside" not in Page(render_port(dataclasses.replace(report, quotes=alone))).text


def test_a_run_without_timeline_launches_or_engines(report: PortReport) -> None:
    first = report.targets[0]
    known = dataclasses.replace(first.run, mfu=None, hbm_bytes=None, power=None, energy=None)
    run = dataclasses.replace(known, timeline=(), launches=(), utilisation={}, assumptions=())
    parity = dataclasses.replace(first.parity, layers=(), outputs=())
    target = dataclasses.replace(first, run=run, parity=parity)
    words = Page(render_port(dataclasses.replace(report, targets=(target,)))).text
    assert "No timeline was recorded." in words and "nothing was compared" in words
