"""What a device is, and how one is found by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from glia.core.errors import UsageError, choose
from glia.core.records import RunResult
from glia.frontends.captured import Captured


class Loaded(Protocol):
    """A model ready on a device."""

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by the name of the graph's output value."""
        ...

    def measured(self) -> RunResult:
        """What the last run took, or is predicted to take; run first."""
        ...


class Device(Protocol):
    """A place to run."""

    name: str

    def load(self, captured: Captured, precision: str) -> Loaded:
        """Prepare a model. Raises UnsupportedError when this device cannot run it."""
        ...


KINDS = ("cpu", "reference", "virtual")


def find_device(name: str) -> Device:
    """`reference`, `cpu`, or `virtual:CHIP`.

    Raises:
        UsageError: for another name, or a missing chip.
    """
    kind, _, chip = name.partition(":")
    choose("device", kind, KINDS)
    if kind == "virtual":
        from glia.devices.virtual import VirtualDevice

        if not chip:
            raise UsageError("device 'virtual': got no chip, expected one, as in virtual:trn2")
        return VirtualDevice(chip)
    if kind == "cpu":
        from glia.devices.cpu import CpuDevice

        return CpuDevice()
    from glia.devices.reference import ReferenceDevice

    return ReferenceDevice()
