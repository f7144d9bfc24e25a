"""Reads `assumptions.toml`: what the roofline and the energy bill assume, as Figures."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from glia.chips.loader import read_tree, validated
from glia.chips.quantity import Fraction, Ratio, Seconds, UsdPerKilowattHour
from glia.chips.schema import ChipKind
from glia.chips.silicon import Section

PATH = Path(__file__).with_name("assumptions.toml")


class Bands(Section):
    """What one kind of chip really reaches: shares of its peaks, and of its power at rest and load.

    `launch` is the gap that starting one kernel leaves.
    """

    compute: Fraction
    memory: Fraction
    launch: Seconds
    idle: Fraction
    load: Fraction


class Electricity(Section):
    """Price at the meter, and power usage effectiveness: what the building adds."""

    price: UsdPerKilowattHour
    pue: Ratio


class Assumptions(Section):
    """The whole file; every kind of chip has its bands."""

    kinds: Mapping[ChipKind, Bands]
    electricity: Electricity


@cache
def assumptions() -> Assumptions:
    """The assumptions, read once.

    Raises:
        FormatError: when the file breaks the schema.
    """
    return validated(Assumptions, read_tree(PATH), PATH)
