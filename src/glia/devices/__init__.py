"""One file per place to run: reference, virtual, cpu.

`find_device("virtual:trn2")` gives a Device; `load` prepares a captured model on it, `run` gives
values and `measured` says what the run took.
"""

from glia.devices.base import Device, Loaded, find_device

__all__ = ["Device", "Loaded", "find_device"]
