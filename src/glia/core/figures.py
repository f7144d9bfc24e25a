"""Numbers that carry their origin: `Figure` is known, `Estimate` is predicted.

No number about a chip stands in code without a Figure, and nothing predicted is shown without an
Estimate: low, likely, high, and the reason for the width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from glia.core.units import format_quantity

Mark = Literal["published", "measured", "estimated", "disputed"]
MARKS: tuple[Mark, ...] = ("published", "measured", "estimated", "disputed")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number about the world: value, unit, mark and source; `low`/`high` when it is a range."""

    value: float
    unit: str
    mark: Mark
    source: str
    low: float | None = None
    high: float | None = None
    note: str = ""
    date: str = ""

    def __post_init__(self) -> None:
        if (
            self.low is not None
            and self.high is not None
            and not (self.low <= self.value <= self.high)
        ):
            raise ValueError(f"figure: got {self.low} <= {self.value} <= {self.high}; order them")

    def __str__(self) -> str:
        return format_quantity(self.value, self.unit)

    def estimate(self, reason: str = "") -> Estimate:
        """The same number as an Estimate; as wide as the Figure's own range."""
        low = self.value if self.low is None else self.low
        high = self.value if self.high is None else self.high
        return Estimate(low, self.value, high, self.unit, reason or self.note, (self.source,))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A predicted number: `low <= likely <= high` in `unit`, why it is that wide, and from what."""

    low: float
    likely: float
    high: float
    unit: str
    reason: str
    sources: tuple[str, ...] = ()
    mark: str = "predicted"

    def __post_init__(self) -> None:
        if not self.low <= self.likely <= self.high:
            raise ValueError(
                f"estimate: got {self.low} <= {self.likely} <= {self.high}; order them"
            )

    def __str__(self) -> str:
        likely = format_quantity(self.likely, self.unit)
        low, high = format_quantity(self.low, self.unit), format_quantity(self.high, self.unit)
        return likely if low == high else f"{likely} ({low} to {high})"

    def scaled(self, factor: float, unit: str | None = None) -> Estimate:
        """Multiply by a positive exact factor; optionally rename the unit."""
        return replace(
            self,
            low=self.low * factor,
            likely=self.likely * factor,
            high=self.high * factor,
            unit=self.unit if unit is None else unit,
        )

    def times(self, other: Estimate, unit: str) -> Estimate:
        """Product of two positive estimates: the extremes multiply."""
        return Estimate(
            self.low * other.low,
            self.likely * other.likely,
            self.high * other.high,
            unit,
            join_reasons(self.reason, other.reason),
            merge_sources(self.sources, other.sources),
        )

    def plus(self, other: Estimate) -> Estimate:
        """Sum of two estimates of the same unit."""
        if self.unit != other.unit:
            raise ValueError(f"adding estimates: got {self.unit} and {other.unit}; convert one")
        return Estimate(
            self.low + other.low,
            self.likely + other.likely,
            self.high + other.high,
            self.unit,
            join_reasons(self.reason, other.reason),
            merge_sources(self.sources, other.sources),
        )

    def per(self, numerator: float, unit: str) -> Estimate:
        """`numerator / self`, e.g. sequences per second from a latency (positive values)."""
        return replace(
            self,
            low=numerator / self.high,
            likely=numerator / self.likely,
            high=numerator / self.low,
            unit=unit,
        )


def exact(value: float, unit: str, reason: str, *sources: str) -> Estimate:
    """An Estimate of no width: a number counted, not predicted."""
    return Estimate(value, value, value, unit, reason, tuple(sources), mark="counted")


def join_reasons(*reasons: str) -> str:
    """The distinct non-empty reasons, in order, as one sentence list."""
    parts = (part for reason in reasons for part in reason.split("; "))
    return "; ".join(dict.fromkeys(part for part in parts if part))


def merge_sources(*groups: tuple[str, ...]) -> tuple[str, ...]:
    """The distinct sources of several groups, in order."""
    return tuple(dict.fromkeys(s for group in groups for s in group))
