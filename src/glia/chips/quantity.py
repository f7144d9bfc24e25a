"""How a figure is written in a chip file, and what makes it valid.

An inline table `{ value, unit, mark, source }`, with `low`, `high`, `note`, `date` optional. The
field says which units it takes; an estimated or disputed figure must carry its range.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from glia.core.figures import MARKS, Figure
from glia.core.units import UNITS

_REQUIRED = ("value", "unit", "mark", "source")
_OPTIONAL = ("low", "high", "note", "date")
_NEEDS_RANGE = ("estimated", "disputed")


def parse_figure(raw: object, units: tuple[str, ...]) -> Figure:
    """Read one inline table as a Figure in one of `units`.

    Raises:
        ValueError: for a missing or unknown key, a wrong unit or mark, an empty source, a missing
            or disordered range, a number that is not finite.
    """
    if isinstance(raw, Figure):
        return raw
    table = _check_keys(raw)
    _check_words(table, units)
    numbers = {key: _number(key, table[key]) for key in ("value", "low", "high") if key in table}
    _check_range(table["mark"], numbers)
    return Figure(
        **numbers,
        unit=table["unit"],
        mark=table["mark"],
        source=table["source"],
        note=str(table.get("note", "")),
        date=str(table.get("date", "")),
    )


def _check_keys(raw: object) -> Mapping[str, Any]:
    if not isinstance(raw, Mapping):
        raise ValueError(f"got {raw!r}, expected {{ value, unit, mark, source }}")
    missing = [key for key in _REQUIRED if key not in raw]
    unknown = [key for key in raw if key not in _REQUIRED + _OPTIONAL]
    if missing or unknown:
        allowed = ", ".join(_REQUIRED + _OPTIONAL)
        raise ValueError(f"missing keys {missing}, unknown keys {unknown}; a figure has {allowed}")
    return raw


def _check_words(table: Mapping[str, Any], units: tuple[str, ...]) -> None:
    if table["unit"] not in UNITS or table["unit"] not in units:
        raise ValueError(f"got unit {table['unit']!r}, expected {' or '.join(units)}")
    if table["mark"] not in MARKS:
        raise ValueError(f"got mark {table['mark']!r}, expected one of {', '.join(MARKS)}")
    if not isinstance(table["source"], str) or not table["source"].strip():
        raise ValueError("got an empty source; say where the number comes from")


def _number(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"got {key} = {value!r}, expected a finite number")
    return float(value)


def _check_range(mark: str, numbers: Mapping[str, float]) -> None:
    low, high = numbers.get("low"), numbers.get("high")
    if (low is None) != (high is None):
        raise ValueError("got one of low and high; give both or neither")
    if low is None and mark in _NEEDS_RANGE:
        raise ValueError(f"got mark {mark!r} without a range; add low and high")
    if low is not None and high is not None and not low <= numbers["value"] <= high:
        raise ValueError(f"got low {low}, value {numbers['value']}, high {high}; order them")


@dataclass(frozen=True)
class In:
    """Annotation that makes a Figure field accept these units only."""

    units: tuple[str, ...]

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Pydantic's hook: validate the raw table with `parse_figure`."""
        return core_schema.no_info_plain_validator_function(
            lambda raw: parse_figure(raw, self.units)
        )


Bytes = Annotated[Figure, In(("B",))]
BytesPerSecond = Annotated[Figure, In(("B/s",))]
Count = Annotated[Figure, In(("count",))]
Cycles = Annotated[Figure, In(("cycles",))]
Fraction = Annotated[Figure, In(("fraction",))]
Hertz = Annotated[Figure, In(("Hz",))]
JoulesPerByte = Annotated[Figure, In(("J/B",))]
JoulesPerElement = Annotated[Figure, In(("J/element",))]
JoulesPerFlop = Annotated[Figure, In(("J/FLOP",))]
Ratio = Annotated[Figure, In(("ratio",))]
Seconds = Annotated[Figure, In(("s",))]
UsdPerHour = Annotated[Figure, In(("USD/h",))]
UsdPerKilowattHour = Annotated[Figure, In(("USD/kWh",))]
Watts = Annotated[Figure, In(("W",))]
Year = Annotated[Figure, In(("year",))]
