"""A check on the console and as a page: worst first, noise last, nothing lost or unescaped."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from glia.core.check_records import (
    CheckReport,
    CodeFinding,
    Consequence,
    Effect,
    RuleSummary,
    TargetVerdict,
    Unread,
)
from glia.core.figures import Estimate
from glia.report.check_console import check_view
from glia.report.check_order import by_consequence
from glia.report.check_page import render_check

EFFORT = Estimate(1.0, 2.0, 30.0, "h", "judged")


def rule(name: str, effect: Effect, effort: str = "minutes") -> RuleSummary:
    on = {"trn2": Consequence(effect, f"mend {name}", effort)}
    sources = ("https://example.org/a",)
    return RuleSummary(name, f"title {name}", "device", "it <breaks>", "seen", sources, "yes", on)


def finding(name: str, file: str, line: int, **more: str) -> CodeFinding:
    return CodeFinding(
        name, file, line, 5, f'x = "<u>{name}</u>"', more.pop("role", "code"), **more
    )


def report(findings: list[CodeFinding], *rules: RuleSummary) -> CheckReport:
    counts = {"silent": 1, "raises": 2}
    verdict = TargetVerdict(
        "trn2",
        "AWS <Trainium2>",
        "neuron",
        "runs after fixes",
        "a reason",
        counts,
        EFFORT,
        0.5,
        0.0,
    )
    return CheckReport(
        path="pro<ject>",
        targets=(verdict,),
        rules={r.id: r for r in rules},
        findings=tuple(findings),
        unread=(Unread("broken.py", "not Python: line 2"),),
        skipped=(Unread("package-lock.json", "data, not settings"),),
        notes=("a remark",),
        num_files=3,
        num_parsed=2,
        num_other=1,
    )


@pytest.fixture
def large() -> CheckReport:
    noise = [finding("C045", f"f{i % 9}.py", i + 1) for i in range(300)]
    findings = [
        *noise,
        finding("C005", "a.py", 3),
        finding("C059", "k.py", 4),
        finding("C001", "a.py", 9),
        finding("C001", "t.py", 1, role="test"),
        finding("C005", "b.py", 2, accepted="only <here>", accepted_by="comment"),
    ]
    rules = (
        rule("C045", "silent"), rule("C005", "silent"), rule("C001", "raises"),
        rule("C059", "raises", "days"),
    )  # fmt: skip
    return report(findings, *rules)


def shown(found: CheckReport, show_all: bool = False) -> str:
    console = Console(file=io.StringIO(), width=110)
    console.print(check_view(found, show_all))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


class Balanced(HTMLParser):
    """Refuses tags that do not close in order, and gathers what is linked."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.fetched: list[str] = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.open.append(tag)
        self.anchors |= {values["id"]} if "id" in values else set()
        if values.get("href", "").startswith("#"):
            self.links.add(values["href"][1:])
        self.fetched += [v for k, v in values.items() if k == "src" or tag == "link"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_worst_first_then_most_work_and_noise_last(large: CheckReport):
    order = [(effect, [g[0].rule for g in groups]) for effect, groups in by_consequence(large)]
    assert order == [("silent", ["C005", "C045"]), ("raises", ["C059", "C001"])]


def test_the_console_groups_many_places_by_file(large: CheckReport):
    text = shown(large)
    assert "300 places in 9 files" in text and "6 more files" in text
    assert text.index("title C005") < text.index("title C045") < text.index("title C059")
    assert len(text.splitlines()) < 70
    assert "f8.py:297:5" in shown(large, show_all=True)


def test_the_console_shows_every_place_when_they_are_few():
    text = shown(report([finding("C001", "a.py", n) for n in (1, 2)], rule("C001", "raises")))
    assert "a.py:1:5" in text and "a.py:2:5" in text and "test code" not in text


def test_the_page_is_whole_and_fetches_nothing(large: CheckReport):
    page = render_check(
        large, lambda file: [f"line {n} of {file}" for n in range(1, 400)], {"a": "b"}
    )
    parser = Balanced()
    parser.feed(page.split("\n", 1)[1])
    assert parser.open == [] and parser.fetched == []
    assert parser.links <= parser.anchors
    assert "url(" not in page and "<script" not in page


def test_the_page_says_everything_once_escaped(large: CheckReport):
    page = render_check(large, lambda file: [], {})
    assert "<u>C059</u>" not in page and "&lt;u&gt;C059&lt;/u&gt;" in page
    assert "pro&lt;ject&gt;" in page and "AWS &lt;Trainium2&gt;" in page
    for words in ("runs after fixes", "1.0 to 30 h", "only &lt;here&gt;", "test code", "broken.py",
                  "package-lock.json", "a remark", "https://example.org/a"):  # fmt: skip
        assert words in page, words
    assert "100 more; --json has them all" in page  # of 300 places 200 are listed


def test_an_excerpt_is_the_place_among_its_neighbours(large: CheckReport):
    page = render_check(large, lambda file: [f"{file} {n}" for n in range(1, 9)], {})
    hit = re.search(r'<span class="hit"><i> +4 </i>k\.py 4\n</span>', page)
    assert hit and "k.py 2\n" in page and "k.py 6\n" in page and "k.py 7\n" not in page


def test_a_clean_project_has_a_page():
    page = render_check(report([]), lambda file: [], {})
    assert "0 findings of weight" in page and "Silent: it goes on" not in page
