"""Money: the cheapest rental, dollars per million sequences, and the electricity bill."""

import pytest

from cost.graphs import encoder_layer
from glia.chips import list_chips, load_chip
from glia.core.errors import UnsupportedError
from glia.core.figures import Estimate
from glia.core.records import to_json
from glia.cost import (
    electricity_usd,
    estimate,
    quote,
    quote_roofline,
    rental_price,
    usd_per_million,
)

LAYER = encoder_layer()


def plain(value, unit):
    return Estimate(value, value, value, unit, "given")


def test_dollars_per_million_by_hand():
    """3.6 USD/h at 1000 sequences/s: a million takes 1000 s, so 1 USD."""
    usd = usd_per_million(plain(3.6, "USD/h"), plain(1000, "sequences/s"))
    assert usd.likely == pytest.approx(1.0, rel=1e-12) and usd.unit == "USD"


def test_cheap_and_fast_is_the_low_end():
    rental = Estimate(1, 2, 4, "USD/h", "")
    usd = usd_per_million(rental, Estimate(100, 200, 400, "sequences/s", ""))
    assert usd.low == pytest.approx(1 / 400 / 3600 * 1e6)
    assert usd.high == pytest.approx(4 / 100 / 3600 * 1e6)


def test_cheapest_rental_of_h100():
    """Nebius lists 23.60 USD/h for eight; spot goes down to 9.3722 for eight on AWS."""
    listed = rental_price(load_chip("h100"))
    assert listed.price.likely == pytest.approx(23.60 / 8)
    assert listed.price.low == pytest.approx(9.3722 / 8, rel=1e-3)
    assert listed.price.high == pytest.approx(6.88)
    assert listed.rental.provider == "Nebius" and listed.rental.price.date


@pytest.mark.parametrize("name", list_chips())
def test_prices_have_source_and_date_or_are_unknown(name):
    chip = load_chip(name)
    listed = rental_price(chip)
    if not chip.rentals:
        assert listed is None
        return
    assert listed.price.low <= listed.price.likely <= listed.price.high
    assert listed.rental.price.date and listed.rental.price.source in listed.price.sources
    assert listed.rental.kind in ("on_demand", "capacity_block")


def test_electricity_by_hand():
    """1000 kWh of chip energy, PUE 1.25, 8.95 cents per kWh."""
    bill = electricity_usd(plain(3.6e9, "J"))
    assert bill.likely == pytest.approx(1000 * 1.25 * 0.0895)
    assert bill.low == pytest.approx(1000 * 1.14 * 0.066)
    assert bill.unit == "USD"


def test_a_roofline_quote_carries_everything():
    chip = load_chip("l4")
    roofline = estimate(LAYER, chip, "bf16")
    priced = quote_roofline(chip, roofline)
    assert priced.basis == "roofline" and priced.title == "NVIDIA L4"
    assert priced.energy_per_thousand.likely == pytest.approx(roofline.energy.likely * 1000 / 2)
    assert priced.price_instance == "AWS g6.4xlarge, 1 chip, on demand"
    assert priced.price_date == "2026-04-14"
    assert to_json(priced)["usd_per_million"]["unit"] == "USD"


def test_an_unlisted_chip_has_no_price():
    chip = load_chip("graviton4")
    priced = quote_roofline(chip, estimate(LAYER, chip, "fp32"))
    assert priced.rental is None and priced.usd_per_million is None and priced.price_source == ""
    assert priced.notes[-1] == "price is unknown: no public rental of AWS Graviton4 is listed"


def test_an_unknown_time_has_no_quote():
    chip = load_chip("maia-100")
    with pytest.raises(UnsupportedError, match=r"pricing maia-100 by roofline: time is unknown"):
        quote_roofline(chip, estimate(LAYER, chip, "fp32"))


def test_a_measured_run_is_priced_the_same_way():
    priced = quote(
        load_chip("inf2"),
        basis="virtual",
        precision="bf16",
        num_sequences=8,
        latency=plain(1e-3, "s"),
        throughput=plain(8000, "sequences/s"),
        power=None,
        energy=None,
    )
    assert priced.usd_per_million.likely == pytest.approx(0.7582 / 8000 / 3600 * 1e6)
    assert priced.energy_per_thousand is None
