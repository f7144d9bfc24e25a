"""Quotes: every target by virtual chip and by roofline, and every chip that it is set against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from glia.chips import Chip, load_chip
from glia.chips.catalogue import assumption, assumptions
from glia.core.errors import UnsupportedError
from glia.core.figures import Figure
from glia.core.records import Assumption, Quote, RunResult, TargetReport
from glia.cost import assumptions as cost_assumptions
from glia.cost import estimate, quote, quote_roofline
from glia.frontends.captured import Captured


def quote_all(
    captured: Captured, targets: Sequence[TargetReport], against: Sequence[str], precision: str
) -> tuple[tuple[Quote, ...], tuple[str, ...]]:
    """Quotes in the order: each target virtual, then its roofline, then the others; and what is
    unknown, in words."""
    quotes: list[Quote] = []
    notes: list[str] = []
    for target in targets:
        chip = load_chip(target.compiled.chip)
        quotes.append(_virtual(chip, target))
        _append_roofline(quotes, notes, captured, chip, precision, target.run.num_cores)
    for name in against:
        _append_roofline(quotes, notes, captured, load_chip(name), precision, None)
        if quotes and quotes[-1].chip == name:
            quotes[-1] = replace(quotes[-1], notes=(*quotes[-1].notes, _in_flight(targets)))
    return tuple(quotes), tuple(notes)


def _in_flight(targets: Sequence[TargetReport]) -> str:
    """The comparison is not at equal work: say so beside it."""
    runs = [target.run for target in targets]
    sizes = "; ".join(f"{_batches(run)} on {load_chip(run.chip).title}" for run in runs)
    return (
        f"estimated with one batch of {runs[0].num_sequences} in flight, against {sizes} (one per "
        "core): larger batches raise the throughput of a chip that runs one at a time, so compare "
        "at the batch that you will serve"
    )


def _batches(run: RunResult) -> str:
    silicon = load_chip(run.chip).silicon
    count = silicon.num_cores if silicon is not None else 1
    return f"{count} batches" if count > 1 else "1 batch"


def _virtual(chip: Chip, target: TargetReport) -> Quote:
    run = target.run
    return quote(
        chip,
        basis="virtual",
        precision=run.precision,
        num_sequences=run.num_sequences,
        latency=run.latency,
        throughput=run.throughput,
        power=run.power,
        energy=run.energy,
        notes=run.assumptions,
    )


def _append_roofline(
    quotes: list[Quote],
    notes: list[str],
    captured: Captured,
    chip: Chip,
    precision: str,
    num_cores: int | None,
) -> None:
    roofline = estimate(
        captured.graph,
        chip,
        precision,
        num_sequences=captured.summary.num_sequences,
        num_cores=num_cores,
    )
    try:
        quotes.append(quote_roofline(chip, roofline))
    except UnsupportedError as error:
        notes.append(str(error))


def assumptions_of(targets: Iterable[str], against: Iterable[str]) -> tuple[Assumption, ...]:
    """Every figure that the result rests on, with its source."""
    found: list[Assumption] = []
    for name in targets:
        found += assumptions(load_chip(name))
    for name in against:
        found += assumptions(load_chip(name))
    kinds = {load_chip(name).kind for name in (*targets, *against)}
    bands = cost_assumptions()
    for kind, band in bands.kinds.items():
        if kind in kinds:
            found += [
                assumption(f"roofline, {kind}", field, figure)
                for field, figure in band
                if isinstance(figure, Figure)
            ]
    return tuple(found)
