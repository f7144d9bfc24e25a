"""Console views: every number with its range and mark, plain when piped, markup never parsed."""

from __future__ import annotations

import dataclasses
import io

import pytest
from rich.console import Console, RenderableType

from glia.core.figures import Figure
from glia.core.records import PortReport
from glia.report.console import (
    figure_table,
    findings_table,
    parity_view,
    port_view,
    run_view,
)
from glia.report.wording import likely_text, quote_estimates, range_text, run_estimates


def piped(view: RenderableType, width: int = 200) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(view)
    return out.getvalue()


def test_port_view_has_every_number_range_mark_and_source(report: PortReport) -> None:
    words = piped(port_view(report))
    assert "\x1b" not in words
    named = [e for t in report.targets for _, e in run_estimates(t.run)]
    named += [e for q in report.quotes for _, e in quote_estimates(q)]
    for e in named:
        assert likely_text(e).removesuffix(" seq/s") in words
        assert range_text(e).removesuffix(" seq/s") in words
    for mark in ("predicted", "estimated", "counted", "unknown", "NOT PROVED"):
        assert mark in words
    assert "Computing's energy problem" in words.split("Sources")[-1]
    assert report.model.name in words


@pytest.mark.parametrize("width", [40, 80, 120])
def test_narrow_consoles_are_not_overrun(report: PortReport, width: int) -> None:
    words = piped(port_view(report), width)
    assert max(map(len, words.splitlines())) <= width
    if width >= 80:
        assert "$0.0222 to" in words and "[1-3]" in words


def test_brackets_of_users_are_text(report: PortReport) -> None:
    finding = dataclasses.replace(report.findings[0], what="[bold]x[/wrong] int64[8,128]")
    assert "[bold]x[/wrong] int64[8,128]" in piped(findings_table((finding,)))


def test_run_and_parity_alone(report: PortReport) -> None:
    words = piped(run_view(report.targets[0].run))
    assert "virtual:inf2" in words and "Every matmul starts with a cold PE array." in words
    assert "Sources" in words
    assert "values over budget" not in piped(parity_view(report.targets[0].parity))
    failed = piped(parity_view(report.targets[1].parity))
    assert "encoder.layer.3.linear_28" in failed and "examples/minilm.py:38" in failed
    assert report.targets[1].parity.budget_rule in failed


def test_what_a_device_does_not_measure_is_unknown(report: PortReport) -> None:
    run = dataclasses.replace(report.targets[0].run, energy=None, power=None, basis="measured")
    words = piped(run_view(run))
    assert words.count("unknown") == 2 and "measured" in words


def test_a_listed_price_is_published(report: PortReport) -> None:
    rental = dict(quote_estimates(report.quotes[0]))["Rental"]
    assert rental is not None and rental.mark == "published"
    fixed = dataclasses.replace(rental, low=rental.likely, high=rental.likely)
    assert range_text(fixed) == "as listed"


def test_figure_tables() -> None:
    hbm = Figure(2.9e12, "B/s", "published", "trainium2.rst [sic]", date="2026-01-01")
    watts = Figure(500, "W", "estimated", "third party", low=400, high=600)
    words = piped(figure_table("trn2", [("hbm", hbm), ("power", watts), ("fp4", None)]))
    for part in ("2.9 TB/s", "published", "trainium2.rst [sic] 2026-01-01", "400 to 600 W"):
        assert part in words
    assert "unknown" in words


def test_empty_report(report: PortReport) -> None:
    bare = dataclasses.replace(report, findings=(), targets=(), quotes=())
    assert piped(port_view(bare)).strip() == ""
