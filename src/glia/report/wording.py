"""How numbers and their origin are put into words, the same on the console and on the page.

A predicted number is never written without its range; an absent one is written `unknown`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from glia.core.figures import Estimate
from glia.core.records import PortReport, Quote, RunResult
from glia.core.units import format_quantity

UNKNOWN = "unknown"

# How a time was obtained -> the mark that its numbers carry, and where it comes from.
BASIS_MARK: Mapping[str, str] = {
    "virtual": "predicted",
    "roofline": "estimated",
    "measured": "measured",
}
BASIS_METHOD: Mapping[str, str] = {
    "virtual": "virtual chip",
    "roofline": "roofline",
    "measured": "real device",
}
MARK_MEANING: Mapping[str, str] = {
    "measured": "A real clock, meter or invoice said so.",
    "counted": "Exact: counted by glia in the program or the values. It has no range.",
    "predicted": "The virtual chip: every instruction was executed; its time and energy come from "
    "a model of the chip and have a range.",
    "estimated": "A roofline: each operation is bounded by the peak rates of a data sheet. Nothing "
    "was executed on a model of that chip.",
}

_NO_WIDTH: Mapping[str, str] = {"counted": "exact", "published": "as listed"}


def quantity(value: float, unit: str) -> str:
    """One number for people, with the units of a sequence workload kept short."""
    return format_quantity(value, unit).replace("sequences/s", "seq/s")


def likely_text(estimate: Estimate | None) -> str:
    """The likely value, or `unknown`."""
    return UNKNOWN if estimate is None else quantity(estimate.likely, estimate.unit)


def range_text(estimate: Estimate | None) -> str:
    """`1 to 1.5 ms`; why there is none for a number of no width; empty for what is unknown."""
    if estimate is None:
        return ""
    if estimate.low == estimate.high:
        return _NO_WIDTH.get(estimate.mark, "no range given")
    low, high = quantity(estimate.low, estimate.unit), quantity(estimate.high, estimate.unit)
    per = estimate.unit.removeprefix("USD") if estimate.unit.startswith("USD/") else ""
    if per:
        return f"{low.removesuffix(per)} to {high}"
    number, space, unit = low.rpartition(" ")
    same_unit = space and high.endswith(f" {unit}")
    return f"{number if same_unit else low} to {high}"


def count_text(count: int, one: str, many: str | None = None) -> str:
    """`1 launch`, `12 launches`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def error_text(error: float) -> str:
    """A relative error, always in the same notation so that columns compare."""
    return f"{error:.1e}"


def mark_of(estimate: Estimate, basis: str) -> str:
    """The mark shown beside `estimate`: what is predicted takes the mark of the method."""
    if estimate.mark != "predicted":
        return estimate.mark
    return BASIS_MARK.get(basis, estimate.mark)


def run_estimates(run: RunResult) -> Iterator[tuple[str, Estimate | None]]:
    """Every Estimate of one run with its name, launches excepted; None is unknown."""
    yield f"Latency, batch of {run.num_sequences}", run.latency
    yield "Throughput of one chip", run.throughput
    yield "Energy of the batch", run.energy
    yield "Power of one chip", run.power
    yield "Work", run.flops
    yield "HBM traffic", run.hbm_bytes
    yield "MFU", run.mfu
    for engine, active in run.utilisation.items():
        yield f"Active share of {engine}", active


def quote_estimates(quote: Quote) -> Iterator[tuple[str, Estimate | None]]:
    """Every Estimate of one quote with its name; None is unknown."""
    yield "Throughput", quote.throughput
    yield "Latency", quote.latency
    yield "Power", quote.power
    yield "Energy per 1,000 sequences", quote.energy_per_thousand
    yield "Rental", listed_rental(quote)
    yield "Cost per million sequences", quote.usd_per_million


def listed_rental(quote: Quote) -> Estimate | None:
    """The rental; a price from a price list is published, not predicted."""
    if quote.rental is None or not quote.price_source:
        return quote.rental
    return replace(quote.rental, mark="published")


def quote_sources(quote: Quote) -> tuple[str, ...]:
    """The sources behind a row of the comparison, the price's included, each once."""
    found = [s for _, e in quote_estimates(quote) if e is not None for s in e.sources]
    if quote.price_source:
        found.append(quote.price_source)
    return tuple(dict.fromkeys(found))


def chip_titles(report: PortReport) -> dict[str, str]:
    """Chip name -> the title to show, targets first, then the chips that they are compared with."""
    titles = {q.chip: q.title for q in report.quotes}
    targets = [t.compiled.chip for t in report.targets]
    return {chip: titles.get(chip, chip) for chip in dict.fromkeys([*targets, *titles])}
