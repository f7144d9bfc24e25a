"""What time and energy cost in money: the cheapest listed rental, and the electricity bill.

Prices are listed figures with their date. Where none is public the answer is None: unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from glia.chips import Chip, Rental
from glia.chips.catalogue import cheapest, uncommitted
from glia.core.errors import UnsupportedError
from glia.core.figures import Estimate, merge_sources
from glia.core.records import Quote
from glia.cost.assumptions import assumptions
from glia.cost.roofline import Roofline

_S_PER_H = 3600.0
_J_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True)
class RentalPrice:
    """USD per chip and hour, and the rental that `price.likely` is taken from."""

    price: Estimate
    rental: Rental


def rental_price(chip: Chip) -> RentalPrice | None:
    """The cheapest rental that is neither interrupted nor bound to a year; None when none is known.

    Falls back to spot and reserved prices where a chip is listed with nothing else. The range goes
    from the lowest to the dearest price of any kind.
    """
    rental = cheapest(uncommitted(chip)) or cheapest(chip.rentals)
    if rental is None:
        return None
    kind = rental.kind.replace("_", " ")
    price = Estimate(
        min(r.price.estimate().low for r in chip.rentals),
        rental.price.value,
        max(r.price.estimate().high for r in chip.rentals),
        "USD/h",
        f"cheapest listed {kind} rental; from the lowest to the dearest of any kind",
        merge_sources((rental.price.source,), tuple(r.price.source for r in chip.rentals)),
    )
    return RentalPrice(price, rental)


def usd_per_million(rental: Estimate, throughput: Estimate) -> Estimate:
    """USD per million sequences: rental in USD/h over throughput in sequences/s."""
    hours = throughput.per(1e6 / _S_PER_H, "h")
    return rental.times(hours, "USD")


def electricity_usd(energy: Estimate) -> Estimate:
    """USD for `energy` in J at the meter: with the building's overhead, at the assumed tariff."""
    bill = assumptions().electricity
    kilowatt_hours = energy.scaled(1 / _J_PER_KWH, "kWh")
    at_the_meter = kilowatt_hours.times(bill.pue.estimate(), "kWh")
    return at_the_meter.times(bill.price.estimate(), "USD")


def quote(
    chip: Chip,
    *,
    basis: Literal["virtual", "roofline", "measured"],
    precision: str,
    num_sequences: int,
    latency: Estimate,
    throughput: Estimate,
    power: Estimate | None,
    energy: Estimate | None,
    notes: tuple[str, ...] = (),
) -> Quote:
    """The price of a workload on one chip; `energy` is in J for `num_sequences` sequences."""
    listed = rental_price(chip)
    if listed is None:
        notes += (f"price is unknown: no public rental of {chip.title} is listed",)
    return Quote(
        chip=chip.name,
        title=chip.title,
        basis=basis,
        precision=precision,
        throughput=throughput,
        latency=latency,
        power=power,
        energy_per_thousand=None if energy is None else energy.scaled(1000 / num_sequences),
        rental=None if listed is None else listed.price,
        usd_per_million=None if listed is None else usd_per_million(listed.price, throughput),
        price_source="" if listed is None else listed.rental.price.source,
        price_date="" if listed is None else listed.rental.price.date,
        price_instance="" if listed is None else _instance(listed.rental),
        notes=notes,
    )


def quote_roofline(chip: Chip, roofline: Roofline) -> Quote:
    """The price of a roofline estimate.

    Raises:
        UnsupportedError: when the chip's record gives no time for this precision.
    """
    if roofline.latency is None or roofline.throughput is None:
        why = "; ".join(roofline.notes)
        raise UnsupportedError(f"pricing {chip.name} by roofline: {why}; choose another precision")
    return quote(
        chip,
        basis="roofline",
        precision=roofline.precision,
        num_sequences=roofline.num_sequences,
        latency=roofline.latency,
        throughput=roofline.throughput,
        power=roofline.power,
        energy=roofline.energy,
        notes=roofline.notes,
    )


def _instance(rental: Rental) -> str:
    chips = "1 chip" if rental.num_chips == 1 else f"{rental.num_chips} chips"
    parts = (f"{rental.provider} {rental.instance}", chips, rental.region)
    return ", ".join(part for part in (*parts, rental.kind.replace("_", " ")) if part)
