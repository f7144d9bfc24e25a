"""Machines with chips in them: `data/instances/<name>.toml`, one file each, read once and kept."""

from __future__ import annotations

from functools import cache

from glia.chips.loader import DATA, list_chips, read_tree, validated
from glia.chips.quantity import Bytes, Count
from glia.chips.silicon import Section
from glia.core.errors import FormatError, choose

INSTANCES = DATA / "instances"


class Instance(Section):
    """One machine that is rented or bought as a whole: its chips, and the memory of its hosts."""

    name: str
    provider: str
    chip: str
    num_chips: Count
    host_memory: Bytes | None = None


@cache
def list_instances() -> list[str]:
    """Names of all machines in the catalogue, sorted."""
    return sorted(path.name.removesuffix(".toml") for path in INSTANCES.glob("*.toml"))


@cache
def load_instance(name: str) -> Instance:
    """The machine of this name.

    Raises:
        UsageError: for an unknown name, with the nearest one and the whole list.
        FormatError: when its file breaks the schema, or names a chip that is not in the catalogue.
    """
    path = INSTANCES / f"{choose('machine', name, list_instances())}.toml"
    instance = validated(Instance, read_tree(path), path)
    if instance.chip not in list_chips() or instance.name != name:
        raise FormatError(
            f"reading {path.name}: got chip {instance.chip!r} and name {instance.name!r}, expected "
            f"a chip of the catalogue and the file's name; correct it"
        )
    return instance


def instances_of(chip: str) -> tuple[Instance, ...]:
    """The machines that hold this chip, fewest chips first, then the smallest host."""
    found = (load_instance(name) for name in list_instances())
    return tuple(sorted((i for i in found if i.chip == chip), key=_size))


def _size(instance: Instance) -> tuple[float, float, str]:
    host = instance.host_memory.value if instance.host_memory is not None else float("inf")
    return instance.num_chips.value, host, instance.name
