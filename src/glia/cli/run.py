"""`glia run`: one execution of a model or a bundle on one device."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glia.cli.options import Json, read_precision
from glia.cli.output import print_json, result_console
from glia.cli.progress import progress_for
from glia.core.errors import UsageError, choose

if TYPE_CHECKING:
    from glia.core.records import RunResult


def run_verb(
    what: Annotated[
        str,
        typer.Argument(
            metavar="DIR_OR_MODEL",
            help="A bundle that `glia compile` wrote, FILE.py:FUNCTION, or a model folder.",
            show_default=False,
        ),
    ],
    on: Annotated[
        str,
        typer.Option(
            "--on",
            metavar="DEVICE",
            help="virtual:CHIP, cpu or reference; a bundle knows its own.",
            show_default=False,
        ),
    ] = "",
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            metavar="bf16|fp32",
            help="Number format of a model: bf16 unless said; a bundle has its own.",
            show_default=False,
        ),
    ] = "",
    json: Json = False,
) -> None:
    """Run a bundle, or a model, once; say what it took and what came out."""
    if is_bundle(what):
        _run_bundle(what, on, precision, json)
    else:
        _run_model(what, on, precision, json)


def is_bundle(what: str) -> bool:
    """True for a folder that `glia compile` wrote, whole or damaged."""
    folder = Path(what)
    parts = ("manifest.json", "weights.safetensors", "streams", "kernels")
    return folder.is_dir() and any((folder / part).exists() for part in parts)


def read_device(text: str) -> str:
    """The device that `--on` names, its chip by catalogue name.

    Raises:
        UsageError: for anything else, with the nearest device and all of them.
    """
    from glia.chips import list_chips, load_chip

    virtual = [name for name in list_chips() if load_chip(name).silicon is not None]
    kind, colon, chip = text.partition(":")
    known = f"{kind}:{_catalogue_name(chip)}" if colon else text
    return choose("--on", known, ["cpu", "reference", *(f"virtual:{name}" for name in virtual)])


def _catalogue_name(chip: str) -> str:
    from glia.chips import list_chips, load_chip

    aliases = {a: load_chip(n).name for n in list_chips() for a in load_chip(n).aliases}
    return aliases.get(chip.lower(), chip)


def _run_bundle(folder: str, on: str, precision: str, json: bool) -> None:
    if on or precision:
        raise UsageError(
            f"glia run {folder}: got --on or --precision with a bundle, which has its own chip and "
            "precision; leave them out, or compile the model again"
        )
    from glia.port.job import run_bundle

    result, checks = run_bundle(Path(folder), progress_for(json))
    _print(result, checks, json)


def _run_model(model: str, on: str, precision: str, json: bool) -> None:
    if ":" not in model and not Path(model).exists():
        raise UsageError(
            f"glia run {model}: got no file or folder of that name, expected a bundle, "
            "FILE.py:FUNCTION or a model folder; check the path"
        )
    if not on:
        raise UsageError(
            f"glia run {model}: got no device, expected --on virtual:CHIP, cpu or reference; say "
            "where to run (or give the folder of a bundle)"
        )
    device = read_device(on)
    number_format = read_precision(precision or "bf16")
    from glia.port.job import run_model

    result, outputs = run_model(model, device, number_format, progress_for(json))
    _print(result, outputs, json)


def _print(result: RunResult, outputs: Mapping[str, Any], json: bool) -> None:
    if json:
        print_json({"run": result, "outputs": outputs})
        return
    from rich.text import Text

    from glia.report.console import run_view

    console = result_console()
    console.print(run_view(result))
    console.print(Text("\n".join(output_lines(outputs))), soft_wrap=True)


def output_lines(outputs: Mapping[str, Any]) -> list[str]:
    """What came out: each tensor's shape and first values, and each fact about all of them."""
    lines = []
    for name, found in outputs.items():
        if isinstance(found, Mapping):
            first = ", ".join(f"{x:.6g}" for x in found["first"])
            lines.append(f"output {name} {found['shape']}: {first}, ... (mean {found['mean']:.6g})")
        else:
            lines.append(f"{name.replace('_', ' ')} as when compiled: {'yes' if found else 'NO'}")
    return lines
