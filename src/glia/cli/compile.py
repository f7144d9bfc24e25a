"""`glia compile`: a model as a bundle that runs without PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from glia.cli.options import Json, Model, Precision, read_precision, read_target
from glia.cli.output import check_folder, print_json, result_console, say
from glia.cli.progress import progress_for


def compile_verb(
    model: Model,
    to: Annotated[
        str,
        typer.Option("--to", metavar="CHIP", help="The chip to compile for.", show_default=False),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Where the bundle goes.", show_default=False
        ),
    ],
    precision: Precision = "bf16",
    json: Json = False,
) -> None:
    """Compile a PyTorch model to a bundle: manifest, weights, streams, kernel sources."""
    number_format = read_precision(precision)
    chip = read_target("--to", to)
    check_folder("--out", out)
    from glia.port.job import compile_model

    summary = compile_model(model, chip, number_format, out, progress_for(json))
    if json:
        print_json(summary)
        return
    from glia.report.console import compile_table

    result_console().print(compile_table([summary]))
    say(f"wrote {out}; run it with: glia run {out}")
