"""The catalogue as plain rows, for whoever prints it: all chips, one chip, several side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from glia.chips.loader import list_chips, load_chip
from glia.chips.schema import Chip, Rental
from glia.core.figures import Figure
from glia.core.records import Assumption


@dataclass(frozen=True, slots=True)
class ChipRow:
    """One line of `glia chips`; None where nothing is known. `peak_format` names the peak shown."""

    name: str
    title: str
    kind: str
    is_virtual: bool
    year: Figure | None
    capacity: Figure | None
    bandwidth: Figure | None
    peak_format: str
    peak: Figure | None
    tdp: Figure | None
    rental: Rental | None


@dataclass(frozen=True, slots=True)
class CompareRow:
    """One figure of several chips, in the order asked for; None where a chip has none."""

    path: str
    cells: tuple[Figure | None, ...]


def catalogue() -> tuple[ChipRow, ...]:
    """One row per chip: by vendor, then name."""
    chips = sorted(map(load_chip, list_chips()), key=lambda c: (c.vendor, c.name))
    return tuple(_row(chip) for chip in chips)


def compare(names: Iterable[str]) -> tuple[CompareRow, ...]:
    """Every figure that at least one of the chips has, outside rentals and `silicon`.

    Raises:
        UsageError: for an unknown chip.
    """
    tables = [dict(_headline(load_chip(name))) for name in names]
    paths = dict.fromkeys(path for table in tables for path in table)
    return tuple(CompareRow(path, tuple(t.get(path) for t in tables)) for path in paths)


def assumptions(chip: Chip, prefix: str = "") -> tuple[Assumption, ...]:
    """The chip's figures as records for a report: those whose path starts with `prefix`."""
    found = ((path, figure) for path, figure in chip.figures() if path.startswith(prefix))
    return tuple(assumption(chip.name, path, figure) for path, figure in found)


def assumption(subject: str, name: str, figure: Figure) -> Assumption:
    """One figure as a record: value with its range, and source with date and note."""
    source = "; ".join(part for part in (figure.source, figure.date, figure.note) if part)
    return Assumption(subject, name, str(figure.estimate()), figure.mark, source)


def cheapest(rentals: Iterable[Rental]) -> Rental | None:
    """The rental with the lowest price; on equal price the first listed."""
    return min(rentals, key=lambda rental: rental.price.value, default=None)


def uncommitted(chip: Chip) -> tuple[Rental, ...]:
    """Rentals that nobody interrupts and that need no year's commitment."""
    return tuple(r for r in chip.rentals if r.kind in ("on_demand", "capacity_block"))


def _row(chip: Chip) -> ChipRow:
    peak_format = next((f for f in ("bf16", "fp16", "fp32") if f in chip.peak), "")
    return ChipRow(
        name=chip.name,
        title=chip.title,
        kind=chip.kind,
        is_virtual=chip.silicon is not None,
        year=chip.year,
        capacity=chip.memory.capacity,
        bandwidth=chip.memory.bandwidth,
        peak_format=peak_format,
        peak=chip.peak.get(peak_format),
        tdp=chip.power.tdp,
        rental=cheapest(uncommitted(chip)) or cheapest(chip.rentals),
    )


def _headline(chip: Chip) -> Iterable[tuple[str, Figure]]:
    skip = ("rentals", "silicon")
    return ((path, figure) for path, figure in chip.figures() if not path.startswith(skip))
