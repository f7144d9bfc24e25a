"""Options that several verbs share, and how their texts are read.

Closed sets suggest the nearest name; a list is separated by commas and never silently shortened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from glia.core.errors import UsageError, choose

if TYPE_CHECKING:
    from glia.port.targets import Target

PRECISIONS = ("bf16", "fp32")

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="FILE.py:FUNCTION that returns (module, inputs), or a Hugging Face model folder.",
        show_default=False,
    ),
]
Precision = Annotated[
    str, typer.Option("--precision", metavar="bf16|fp32", help="Number format on the chips.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


def read_precision(text: str) -> str:
    """The precision, or a UsageError that lists the valid ones."""
    return choose("--precision", text, PRECISIONS)


def read_list(option: str, text: str) -> list[str]:
    """The names in a comma-separated list; spaces around them do not count.

    Raises:
        UsageError: for an empty list, an empty item, a name given twice.
    """
    names = [part.strip() for part in text.split(",")]
    if not all(names):
        do = "remove the empty name" if any(names) else "name one"
        raise UsageError(f"{option}: got {text!r}, expected names separated by commas; {do}")
    return distinct(option, names)


def distinct(option: str, names: list[str]) -> list[str]:
    """`names`, or a UsageError when one of them appears twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"{option}: got {', '.join(twice)} twice, expected each once; remove one")
    return names


def read_chips(option: str, text: str) -> list[str]:
    """The chips of a comma-separated list, by their catalogue names.

    Raises:
        UsageError: as `read_list`, and for a chip that is not in the catalogue.
    """
    from glia.chips import load_chip

    return distinct(option, [load_chip(name).name for name in read_list(option, text)])


def read_targets(option: str, text: str) -> list[str]:
    """As `read_chips`, for chips that glia can execute.

    Raises:
        UsageError: also for a chip that is known from its data sheet only.
    """
    from glia.chips import list_chips, load_chip

    names = read_chips(option, text)
    unfit = [name for name in names if load_chip(name).silicon is None]
    if unfit:
        fit = [name for name in list_chips() if load_chip(name).silicon is not None]
        raise UsageError(
            f"{option}: got {', '.join(unfit)}, which glia cannot execute, expected some of "
            f"{', '.join(fit)}; compare with it instead: glia port ... --against {','.join(unfit)}"
        )
    return names


def read_target(option: str, text: str) -> str:
    """The one chip that `text` names; glia can execute it.

    Raises:
        UsageError: as `read_targets`, and for several chips.
    """
    names = read_targets(option, text)
    if len(names) > 1:
        raise UsageError(f"{option}: got {len(names)} chips, expected one; run once per chip")
    return names[0]


def targets_of(text: str) -> list[Target]:
    """The targets of `--to`: chips, or families of them.

    Raises:
        UsageError: for a name that is unknown or given twice.
    """
    from glia.port.targets import target_named

    targets = [target_named(name) for name in read_list("--to", text)]
    distinct("--to", [target.name for target in targets])
    return targets
