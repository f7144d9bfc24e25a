"""The first screen: per target one clear sentence, its key numbers, and what may be claimed."""

from __future__ import annotations

from collections.abc import Iterable

from glia.core.figures import Estimate
from glia.core.records import PortReport, Quote, TargetReport
from glia.report.compare import (
    Claim,
    colour_of,
    cost_claim,
    energy_claim,
    proof_detail,
    proof_sentence,
    rivals,
    target_quote,
)
from glia.report.markup import Markup, join, tag
from glia.report.sources import SourceIndex
from glia.report.tables import chip_name, mark_tag, references, stacked, table
from glia.report.wording import (
    BASIS_MARK,
    BASIS_METHOD,
    MARK_MEANING,
    chip_titles,
    likely_text,
    mark_of,
    range_text,
)


def verdict(report: PortReport, index: SourceIndex) -> Markup:
    """All targets, then how to read the marks."""
    cards = [_target(report, target, index) for target in report.targets]
    if not cards:
        cards = [tag("p", "No target was compiled, so there is no verdict.", class_="empty")]
    return tag("section", tag("h2", "Verdict"), *cards, _legend(), id="verdict")


def _target(report: PortReport, target: TargetReport, index: SourceIndex) -> Markup:
    titles = chip_titles(report)
    chip = target.compiled.chip
    quote = target_quote(report, target)
    badge = ("proved", "Proved") if target.parity.ok else ("failed", "Not proved")
    return tag(
        "article",
        tag("p", tag("span", badge[1], class_=f"badge {badge[0]}"), " ", titles[chip]),
        tag("h3", proof_sentence(target, titles[chip])),
        tag("p", proof_detail(target.parity), class_="muted"),
        _tiles(target, quote, index),
        _claims(report, target, quote),
        class_=f"target chip-{colour_of(titles)[chip]}",
    )


def _tiles(target: TargetReport, quote: Quote | None, index: SourceIndex) -> Markup:
    run = target.run
    tiles = [
        ("Throughput of one chip", quote.throughput if quote else run.throughput),
        (f"Latency, batch of {run.num_sequences}", quote.latency if quote else run.latency),
        ("Cost per million sequences", quote.usd_per_million if quote else None),
        ("Energy per 1,000 sequences", quote.energy_per_thousand if quote else None),
        ("Peak FLOP/s in use (MFU)", run.mfu),
    ]
    return tag("dl", *(_tile(n, e, run.basis, index) for n, e in tiles), class_="tiles")


def _tile(name: str, e: Estimate | None, basis: str, index: SourceIndex) -> Markup:
    origin: Iterable[object] = ()
    if e is not None:
        word = " source " if len(set(e.sources)) == 1 else " sources "
        origin = (mark_tag(mark_of(e, basis)), word, references(index, e.sources))
    return tag(
        "div",
        tag("dt", name),
        tag("dd", likely_text(e), class_="big"),
        tag("dd", range_text(e) or "no public figure"),
        tag("dd", *origin, class_="origin"),
    )


def _claims(report: PortReport, target: TargetReport, quote: Quote | None) -> Markup:
    others = rivals(report)
    if not others:
        return Markup("")
    if not target.parity.ok:
        words = "No comparison is claimed for a result that is not proved."
        return tag("p", words, class_="withheld")
    if quote is None:
        return tag("p", "This target was not priced, so nothing is compared.", class_="withheld")
    colours = colour_of(chip_titles(report))
    rows = [
        [
            stacked(chip_name(q.title, colours[q.chip]), _method(q)),
            _claim(cost_claim(quote, q)),
            _claim(energy_claim(quote, q)),
        ]
        for q in others
    ]
    heads = ("Beside", "Cost per million sequences", "Energy per 1,000 sequences")
    return table(heads, rows, kind="claims")


def _method(q: Quote) -> Markup:
    return join([mark_tag(BASIS_MARK[q.basis]), " ", BASIS_METHOD[q.basis]])


def _claim(claim: Claim) -> Markup:
    words = claim.words[:1].upper() + claim.words[1:]
    ratio = claim.ratio
    if claim.outcome in ("lower", "higher"):
        ratio = f"range {ratio}"
    return tag("span", stacked(words, ratio), class_=f"claim {claim.outcome}")


def _legend() -> Markup:
    rows = [tag("div", tag("dt", mark_tag(m)), tag("dd", t)) for m, t in MARK_MEANING.items()]
    words = (
        "Likely value first, then its range. A difference is claimed only where two ranges do not "
        "overlap. Numbers behind a mark point to the list of sources."
    )
    return tag("div", tag("p", words), tag("dl", *rows), class_="legend")
