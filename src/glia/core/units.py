"""Units, and how a quantity is written for people.

Unit names in data files come from the closed set `UNITS`; anything else is refused by the schema.
"""

from __future__ import annotations

import math

# unit -> how to print: SI prefixes by 1000, binary prefixes by 1024, money, percent, or plain.
UNITS: dict[str, str] = {
    "s": "si",
    "Hz": "si",
    "B": "binary",
    "B/s": "si",
    "FLOP": "si",
    "FLOP/s": "si",
    "OP/s": "si",
    "W": "si",
    "J": "si",
    "J/B": "si",
    "J/FLOP": "si",
    "J/element": "si",
    "sequences/s": "plain",
    "bit/s": "si",
    "USD": "money",
    "USD/h": "money",
    "USD/kWh": "money",
    "fraction": "percent",
    "cycles": "plain",
    "count": "plain",
    "ratio": "plain",
    "year": "year",
}

_SI = [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")]
_SI_SMALL = [(1e-3, "m"), (1e-6, "\u00b5"), (1e-9, "n"), (1e-12, "p"), (1e-15, "f")]
_BINARY = [(2.0**40, "Ti"), (2.0**30, "Gi"), (2.0**20, "Mi"), (2.0**10, "Ki"), (1.0, "")]


def format_quantity(value: float, unit: str) -> str:
    """Write `value` with three significant digits, e.g. `1.23 ms`, `667 TFLOP/s`, `$0.85/h`."""
    style = UNITS.get(unit, "plain")
    if not math.isfinite(value):
        return f"{value} {unit}"
    if style == "year":
        return f"{value:.0f}"
    if style == "money":
        return _money(value) + unit.removeprefix("USD")
    if style == "percent":
        return f"{100 * value:.3g} %"
    if style == "binary" and value >= 1e9 and value % 1e9 == 0:
        return f"{_digits(value / 1e9)} GB"  # a round decimal size is how its vendor prints it
    if style == "plain" or value == 0:
        return f"{_digits(value)} {unit}"
    return _prefixed(value, unit, _BINARY if style == "binary" else _SI + _SI_SMALL)


def _prefixed(value: float, unit: str, table: list[tuple[float, str]]) -> str:
    scale, prefix = next(((s, p) for s, p in table if abs(value) >= s * 0.9995), table[-1])
    return f"{_digits(value / scale)} {prefix}{unit}"


def _digits(value: float) -> str:
    if abs(value) >= 999.5:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _money(value: float) -> str:
    if abs(value) >= 100:
        return f"${value:,.0f}"
    return f"${value:.2f}" if abs(value) >= 0.1 or value == 0 else f"${value:.3g}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 graph`, `1,200 graphs`, `2 batches`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
