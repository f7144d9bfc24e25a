"""Power and energy of a run: from the TDP, or, where none is known, from energy per operation.

A run comes as three readings (best, usual, worst), each with its own time, bytes and utilisation.
Every reading is combined with the low, likely and high figure; extremes of different readings never
mix, so a fast run is not charged the bytes of a slow one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from glia.chips import Chip, Energy
from glia.core.figures import Estimate, Figure, merge_sources
from glia.cost.assumptions import assumptions
from glia.cost.work import Triple

TDP_REASON = "between idle and full load of the TDP, by the share of the time the chip is busy"
ENERGY_REASON = "no TDP is known: energy per operation and byte, and static power"
_FLOP_ENERGY = {"fp32": "fp32", "tf32": "bf16", "bf16": "bf16", "fp16": "bf16", "fp8": "fp8"}

# Watts at a level of the figures (0 low, 1 likely, 2 high) in one reading of the run.
_Watts = Callable[[int, int], float]


@dataclass(frozen=True, slots=True)
class Load:
    """What a run does to a chip: operations; bytes, time and busy share as readings."""

    rate_format: str
    flops: float
    bytes: Triple
    time_s: Triple
    utilisation: Triple


def power_and_energy(chip: Chip, load: Load) -> tuple[Estimate | None, Estimate | None]:
    """Mean power in W and energy in J; (None, None) when neither TDP nor energies are known."""
    if chip.power.tdp is not None:
        return _from_tdp(chip, chip.power.tdp, load)
    if chip.silicon is not None:
        return _from_energies(chip.silicon.energy, load)
    return None, None


def _from_tdp(chip: Chip, tdp: Figure, load: Load) -> tuple[Estimate, Estimate]:
    bands = assumptions().kinds[chip.kind]
    figures = (tdp, chip.power.idle or bands.idle, chip.power.typical or bands.load)
    top, idle, full = (levels(figure) for figure in figures)

    def watts(level: int, reading: int) -> float:
        busy = load.utilisation[reading]
        return top[level] * (idle[level] + (full[level] - idle[level]) * busy)

    return _combined(watts, load, TDP_REASON, figures)


def _from_energies(energy: Energy, load: Load) -> tuple[Estimate, Estimate]:
    flop: Figure = getattr(energy, f"tensor_flop_{_FLOP_ENERGY[load.rate_format]}")
    figures = (flop, energy.hbm_byte, energy.static_power)
    per_flop, per_byte, static = (levels(figure) for figure in figures)

    def watts(level: int, reading: int) -> float:
        joules = load.flops * per_flop[level] + load.bytes[reading] * per_byte[level]
        return static[level] + joules / load.time_s[reading]

    return _combined(watts, load, ENERGY_REASON, figures)


def _combined(
    watts: _Watts, load: Load, reason: str, figures: tuple[Figure, ...]
) -> tuple[Estimate, Estimate]:
    sources = merge_sources(tuple(figure.source for figure in figures))
    power = [[watts(level, reading) for reading in range(3)] for level in range(3)]
    joules = [[p * t for p, t in zip(row, load.time_s, strict=True)] for row in power]
    return (
        Estimate(min(power[0]), power[1][1], max(power[2]), "W", reason, sources),
        Estimate(min(joules[0]), joules[1][1], max(joules[2]), "J", reason, sources),
    )


def levels(figure: Figure) -> Triple:
    """A figure as (low, likely, high)."""
    estimate = figure.estimate()
    return estimate.low, estimate.likely, estimate.high
