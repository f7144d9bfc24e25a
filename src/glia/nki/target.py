"""The chip that a kernel is traced for: the argument, else the environment of the public tools."""

from __future__ import annotations

import os
import re
from dataclasses import replace

from glia.core.errors import UsageError, choose
from glia.isa.launch.context import CURRENT
from glia.isa.target import Target, target_of

API_VERSION = "GLIA_NKI_API"
"""Environment variable: the version of NKI whose rules hold where versions differ (0.3 to 0.7)."""

_NEW_MX_SCALES = (0, 5)  # release notes of NKI 0.5: scales twice as large
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
    if name is not None and not isinstance(name, str):
        raise UsageError(f"target: got {name!r}, expected a name such as 'trn2'")
    found = name or next((v for key in ENVIRONMENT if (v := os.environ.get(key))), _DEFAULT)
    target = target_of(_CHIP_OF[choose("target", found, _CHIP_OF)])
    return target if api_version() >= _NEW_MX_SCALES else replace(target, mx_scale_margin=0)


def api_version() -> tuple[int, int]:
    """The version of NKI to follow: that of the environment, else the newest.

    Raises:
        UsageError: for what is no version.
    """
    text = os.environ.get(API_VERSION, "0.7")
    found = re.fullmatch(r"(\d+)\.(\d+)(\.\d+)?", text)
    if found is None:
        raise UsageError(f"{API_VERSION}: got {text!r}, expected a version of NKI such as 0.4")
    return int(found[1]), int(found[2])


def ambient_target() -> Target:
    """The target of the kernel being traced; outside a kernel that of the environment."""
    builder = CURRENT.get()
    return builder.target if builder is not None else current_target()
