"""Loops. Those with bounds known to Python are `range`; device loops unroll while tracing."""

from __future__ import annotations

from glia.isa.sequencers.registers import dynamic_range, fori_loop, while_loop


def static_range(start: int, stop: int | None = None, step: int = 1) -> range:
    """Python's range."""
    return range(start) if stop is None else range(start, stop, step)


def affine_range(start: int, stop: int | None = None, step: int = 1) -> range:
    """Python's range; kept for kernels of before NKI 0.7."""
    return static_range(start, stop, step)


def sequential_range(start: int, stop: int | None = None, step: int = 1) -> range:
    """Python's range; kept for kernels of before NKI 0.7."""
    return static_range(start, stop, step)


__all__ = [
    "affine_range",
    "dynamic_range",
    "fori_loop",
    "sequential_range",
    "static_range",
    "while_loop",
]
