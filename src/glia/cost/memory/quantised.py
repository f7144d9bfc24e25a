"""Weights that a config says are quantised: bits per element, and what their scales add.

Known methods give a narrow range; any other gives one from four bits to no saving at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Quantised:
    """Bytes per element of the layers' linear maps: least, likely, most; and in which of them."""

    method: str
    least: float
    likely: float
    most: float
    only_experts: bool = False
    is_known: bool = True


def quantised(config: Mapping[str, Any], itemsize: int) -> Quantised | None:
    """What `quantization_config` says; None when there is none. `itemsize` is the unquantised."""
    method = config.get("quant_method")
    if not isinstance(method, str) or not method:
        return None
    group = config.get("group_size")
    size = group if isinstance(group, int) and group > 0 else 128
    bits = config.get("bits")
    if method in ("gptq", "awq") and bits in (2, 3, 4, 8):
        each = bits / 8
        # A scale of two bytes and a zero point of `bits` per group; GPTQ may add an index per row.
        return Quantised(method, each, each + (2 + each) / size, each + (4 + each) / size + 0.01)
    if method == "fp8":
        return Quantised(method, 1.0, 1.0 + 4 / 128**2, 1.0 + 4 / 128)
    if method == "mxfp4":
        return Quantised(method, 0.5, 0.5 + 1 / 32, 0.5 + 1 / 32, only_experts=True)
    if method == "bitsandbytes" and config.get("load_in_8bit"):
        return Quantised(method, 1.0, 1.01, 1.05)
    if method == "bitsandbytes" and config.get("load_in_4bit"):
        return Quantised(method, 0.5, 0.5 + 0.5 / 16, 0.5 + 1 / 16)
    return Quantised(method, min(0.5, itemsize), itemsize, itemsize, is_known=False)
