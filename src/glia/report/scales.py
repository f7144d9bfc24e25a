"""Axes of a drawing: a value to a position in pixels, linear or logarithmic, and the ticks.

A log axis is used when the largest value is more than `LOG_RATIO` times the smallest, so that the
smallest bar can still be read. Values outside the axis are clamped to its ends.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

LOG_RATIO = 20.0
_MAX_DECADE_TICKS = 8


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps [low, high] to [start_px, end_px]; `ticks` are the values to label."""

    low: float
    high: float
    start_px: float
    end_px: float
    ticks: tuple[float, ...]
    is_log: bool = False

    def px(self, value: float) -> float:
        """The position of `value`; values outside the axis sit on its end, NaN at the start."""
        if math.isnan(value):
            return self.start_px
        clamped = min(max(value, self.low), self.high)
        if self.is_log:
            # Differences of logarithms: the ratio itself can be beyond float64.
            decades = math.log10(self.high) - math.log10(self.low)
            part = (math.log10(clamped) - math.log10(self.low)) / decades
        else:
            part = (clamped - self.low) / (self.high - self.low)
        return self.start_px + part * (self.end_px - self.start_px)


def scale_for(values: Iterable[float], start_px: float, end_px: float) -> Scale:
    """A linear axis from 0, or a log axis over whole decades when the ratios are large."""
    positive = _drawable(values)
    if positive and max(positive) > LOG_RATIO * min(positive):
        return log_scale(positive, start_px, end_px)
    return linear_scale(max(positive, default=1.0), start_px, end_px)


def linear_scale(high: float, start_px: float, end_px: float) -> Scale:
    """An axis from 0 to a round number at or above `high` (positive), with 3 to 6 ticks."""
    step = _round_step(high / 4)
    num_steps = max(1, math.ceil(high / step - 1e-9))
    ticks = tuple(step * i for i in range(num_steps + 1))
    return Scale(0.0, step * num_steps, start_px, end_px, ticks)


def log_scale(values: Iterable[float], start_px: float, end_px: float) -> Scale:
    """An axis over the whole decades that hold `values`, the positive finite ones."""
    positive = _drawable(values) or [1.0]
    first = math.floor(math.log10(min(positive)) + 1e-9)
    last = max(first + 1, math.ceil(math.log10(max(positive)) - 1e-9))
    step = math.ceil((last - first) / _MAX_DECADE_TICKS)
    ticks = tuple(10.0**n for n in range(first, last + 1, step))
    return Scale(10.0**first, 10.0**last, start_px, end_px, ticks, is_log=True)


def _drawable(values: Iterable[float]) -> list[float]:
    # Clear of the ends of float64, where a product or a power of ten would be 0 or infinite.
    return [v for v in values if 1e-300 < v < 1e300]


def _round_step(raw: float) -> float:
    power = 10.0 ** math.floor(math.log10(raw))
    return next(m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * power >= raw * (1 - 1e-9))
