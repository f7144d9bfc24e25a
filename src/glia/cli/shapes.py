"""`glia shapes`: what the user's loader yields, how many graphs that makes, and buckets for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from glia.cli.options import Json, Model
from glia.cli.output import print_json, result_console, say
from glia.cli.progress import progress_for
from glia.core.errors import UsageError


def shapes_verb(
    model: Model,
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="FILE.py:LOADER",
            help="A function that returns batches, or the batches themselves.",
            show_default=False,
        ),
    ],
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", help="Batches that are read at most.")
    ] = 1000,
    max_graphs: Annotated[
        int | None,
        typer.Option("--max-graphs", metavar="N", help="Buckets that the plan has at most."),
    ] = None,
    max_waste: Annotated[
        float,
        typer.Option("--max-waste", metavar="FRACTION", help="Padding that is small enough."),
    ] = 0.1,
    multiple: Annotated[
        int,
        typer.Option("--multiple", metavar="N", help="Lengths of buckets are multiples of N."),
    ] = 1,
    compile_minutes: Annotated[
        float | None,
        typer.Option("--compile-minutes", metavar="M", help="Minutes that one graph compiles."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write a page.")
    ] = None,
    json: Json = False,
) -> None:
    """Count the shapes that a loader yields, plan buckets, list host syncs, repeat a step.

    The model and the loader run on this machine's CPU. Exit code 1: the second step does not
    repeat the first.
    """
    most = 1 if max_graphs is None else max_graphs
    _check_counts({"--limit": limit, "--multiple": multiple, "--max-graphs": most})
    _check_fractions(max_waste, compile_minutes)
    if html is not None and html.is_dir():
        raise UsageError(f"--html: got {html}, which is a folder; name a file in it")
    from glia.port.shapes.job import Wishes, check_shapes

    wishes = Wishes(limit, max_waste, max_graphs, multiple, compile_minutes)
    report = check_shapes(model, data, wishes, progress_for(json))
    if html is not None:
        from glia.report.files import write_text_atomic
        from glia.report.shapes_page import render_shapes

        say(f"wrote {write_text_atomic(html, render_shapes(report))}")
    if json:
        print_json(report)
    else:
        from glia.report.shapes_console import shapes_view

        result_console().print(shapes_view(report))
    if not report.ok:
        raise typer.Exit(1)


def _check_counts(counts: dict[str, int]) -> None:
    for option, value in counts.items():
        if value < 1:
            raise UsageError(f"{option}: got {value}, expected 1 or more; give another number")


def _check_fractions(max_waste: float, compile_minutes: float | None) -> None:
    if not 0 <= max_waste < 1:
        raise UsageError(f"--max-waste: got {max_waste:g}, expected 0 to below 1; 0.1 is 10 %")
    if compile_minutes is not None and not 0 < compile_minutes < 1e6:
        raise UsageError(f"--compile-minutes: got {compile_minutes:g}, expected minutes above 0")
