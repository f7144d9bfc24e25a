"""What a chip file says: a `Chip` is made of Figures, each with unit, mark and source.

Absent means unknown: nothing is guessed to fill a field. `silicon` is there for chips that glia can
execute; the others are known from their data sheets only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, field_validator

from glia.chips.quantity import (
    Bytes,
    BytesPerSecond,
    Count,
    Fraction,
    JoulesPerByte,
    UsdPerHour,
    Watts,
    Year,
    parse_figure,
)
from glia.chips.silicon import Section, Silicon
from glia.core.figures import Figure

ChipKind = Literal["neuron", "gpu", "tpu", "custom", "cpu"]
RentalKind = Literal["on_demand", "spot", "reserved_1y", "capacity_block"]

# Formats with a published dense peak, widest first, and the unit of their rate.
PEAK_UNITS: Mapping[str, str] = {
    "fp32": "FLOP/s",
    "tf32": "FLOP/s",
    "bf16": "FLOP/s",
    "fp16": "FLOP/s",
    "fp8": "FLOP/s",
    "fp4": "FLOP/s",
    "int8": "OP/s",
}


def _parse_peaks(raw: object) -> dict[str, Figure]:
    if not isinstance(raw, Mapping):
        raise ValueError(f"got {raw!r}, expected a table of formats")
    unknown = [key for key in raw if key not in PEAK_UNITS]
    if unknown:
        raise ValueError(f"got formats {unknown}, expected some of {', '.join(PEAK_UNITS)}")
    return {key: parse_figure(value, (PEAK_UNITS[key],)) for key, value in raw.items()}


class Memory(Section):
    """Device memory of the whole chip; capacity as the vendor prints it."""

    capacity: Bytes | None = None
    bandwidth: BytesPerSecond | None = None


class Power(Section):
    """Power of the whole chip; `typical` and `idle` are fractions of `tdp`."""

    tdp: Watts | None = None
    typical: Fraction | None = None
    idle: Fraction | None = None


class Link(Section):
    """Chip-to-chip link inside a scale-up domain; bandwidth per chip, both directions summed.

    `energy` is that of one byte sent from chip to chip, both ends and what is between them.
    """

    name: str
    bandwidth: BytesPerSecond | None = None
    energy: JoulesPerByte | None = None
    domain: str = ""


class Rental(Section):
    """One dated public price per chip and hour, renting `num_chips`; empty region = unstated."""

    provider: str
    instance: str
    region: str
    num_chips: int
    kind: RentalKind
    price: UsdPerHour

    @field_validator("price")
    @classmethod
    def _dated(cls, price: Figure) -> Figure:
        if not price.date:
            raise ValueError("got a price without a date; say when it was listed")
        return price


class Chip(Section):
    """One chip, as far as public material knows it."""

    name: str
    title: str
    vendor: str
    kind: ChipKind
    summary: str
    aliases: tuple[str, ...] = ()
    year: Year | None = None
    num_cores: Count | None = None
    memory: Memory = Memory()
    peak: Annotated[Mapping[str, Figure], BeforeValidator(_parse_peaks)] = {}
    power: Power = Power()
    link: Link | None = None
    rentals: tuple[Rental, ...] = ()
    silicon: Silicon | None = None

    def figures(self) -> Iterator[tuple[str, Figure]]:
        """Every figure of the chip with its dotted path, in file order."""
        return _walk("", self)


def _walk(path: str, node: object) -> Iterator[tuple[str, Figure]]:
    if isinstance(node, Figure):
        yield path, node
    elif isinstance(node, Section):
        for name in type(node).model_fields:
            yield from _walk(f"{path}.{name}".lstrip("."), getattr(node, name))
    elif isinstance(node, Mapping):
        for name, child in node.items():
            yield from _walk(f"{path}.{name}", child)
    elif isinstance(node, tuple):
        for index, child in enumerate(node):
            yield from _walk(f"{path}[{index}]", child)
