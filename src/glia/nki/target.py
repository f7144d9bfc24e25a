"""The chip that a kernel is traced for: the argument, else the environment of the public tools."""

from __future__ import annotations

import os

from glia.core.errors import choose
from glia.isa.context import CURRENT
from glia.isa.target import Target, target_of

ENVIRONMENT = ("NEURON_PLATFORM_TARGET_OVERRIDE", "NKI_NC_VERSION")
_CHIP_OF = {
    "gen2": "trn1", "gen3": "trn2", "gen4": "trn3",
    "trn1": "trn1", "inf2": "inf2", "trn2": "trn2", "trn3": "trn3",
}  # fmt: skip
_DEFAULT = "trn3"  # what the public simulator takes where there is no chip


def current_target(name: str | None = None) -> Target:
    """The target of this name or generation, else of the environment, else the default.

    Raises:
        UsageError: for a name that is neither; lists them.
    """
    found = name or next((v for key in ENVIRONMENT if (v := os.environ.get(key))), _DEFAULT)
    return target_of(_CHIP_OF[choose("target", found, _CHIP_OF)])


def ambient_target() -> Target:
    """The target of the kernel being traced; outside a kernel that of the environment."""
    builder = CURRENT.get()
    return builder.target if builder is not None else current_target()
