"""Which family of chips a target belongs to: rules give advice per family, users name chips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from glia.chips import Chip, list_chips, load_chip
from glia.chips.instances import instances_of
from glia.core.errors import UsageError, choose
from glia.port.rules.rule import FAMILIES, Family

# What `kind` and, for GPUs, `vendor` in a chip's file say about the software that runs there.
# `cuda` is where the code comes from; a kind that is absent has no rules yet.
_BY_KIND: Mapping[str, Family] = {"neuron": "neuron", "tpu": "tpu", "cpu": "cpu"}
_GPU_VENDORS: Mapping[str, Family | Literal["cuda"]] = {"AMD": "rocm", "NVIDIA": "cuda"}
_FAMILY_TITLES: Mapping[Family, str] = {
    "neuron": "any AWS Neuron chip",
    "tpu": "any Google TPU",
    "rocm": "any AMD GPU with ROCm",
    "cpu": "any CPU",
}


@dataclass(frozen=True, slots=True)
class Target:
    """Where the code shall run: a chip of the catalogue, or a whole family."""

    name: str
    title: str
    family: Family | Literal["cuda", ""]


def target_named(name: str) -> Target:
    """The target: a chip of the catalogue by name or alias, or one of the families.

    Raises:
        UsageError: for another name, with the nearest.
    """
    if name in FAMILIES:
        return Target(name, _FAMILY_TITLES[name], name)
    try:
        chip = load_chip(name)
    except UsageError:
        choose("--to", name, (*list_chips(), *FAMILIES))
        raise
    return Target(chip.name, chip.title, family_of(chip))


def family_of(chip: Chip) -> Family | Literal["cuda", ""]:
    """The family that a chip's software belongs to; empty where there are no rules for it."""
    if chip.kind == "gpu":
        return _GPU_VENDORS.get(chip.vendor, "")
    return _BY_KIND.get(chip.kind, "")


def chips_with_machines(family: Family) -> list[str]:
    """The chips of a family that are rented or bought in machines of the catalogue."""
    chips = (name for name in list_chips() if family_of(load_chip(name)) == family)
    return [name for name in chips if instances_of(name)]
