"""How many ranks there is room for: on a machine of the catalogue, or the largest with a chip."""

from __future__ import annotations

from glia.chips import load_chip
from glia.chips.instances import Instance, instances_of, list_instances, load_instance
from glia.core.errors import UsageError
from glia.isa.target import Target
from glia.report.wording import count_text


def chip_of(instance: str, chip: str) -> str:
    """The chip that a machine has, which must be the one asked for, if any; `chip` without one.

    Raises:
        UsageError: for an unknown machine, another chip, or a chip that glia does not execute.
    """
    if not instance:
        return chip
    own = load_instance(instance).chip
    if load_chip(own).silicon is None:
        known = [
            n for n in list_instances() if load_chip(load_instance(n).chip).silicon is not None
        ]
        raise UsageError(
            f"--instance: got {instance}, whose chip {own} glia does not execute, expected one of "
            f"{', '.join(known)}"
        )
    if chip and chip != own:
        raise UsageError(
            f"--instance: got {instance}, which has {own}, with --chip {chip}; leave --chip out"
        )
    return own


def check_ranks(target: Target, num_cores: int, num_ranks: int, instance: str) -> None:
    """Refuse more ranks than the machine has cores for.

    Raises:
        UsageError: says how many there is room for.
    """
    if num_ranks == 1:
        return
    machines = instances_of(target.chip)
    machine = load_instance(instance) if instance else machines[-1] if machines else None
    silicon = load_chip(target.chip).silicon
    assert silicon is not None
    chips = 1 if machine is None else int(machine.num_chips.value)
    room = chips * silicon.num_cores // num_cores
    if num_ranks > room:
        where = _where(machine, bool(instance), target.chip)
        cores = f", {num_cores} to a rank" if num_cores > 1 else ""
        raise UsageError(
            f"--ranks: got {num_ranks}, expected at most {room} on {where}: "
            f"{count_text(chips, 'chip')} of {silicon.num_cores} cores{cores}"
        )


def _where(machine: Instance | None, asked: bool, chip: str) -> str:
    if machine is None:
        return f"one {chip}"
    return machine.name if asked else f"{machine.name}, the largest machine with {chip}"
