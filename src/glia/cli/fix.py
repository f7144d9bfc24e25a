"""`glia fix`: a patch that takes CUDA out of code and puts a small device helper in its place."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glia.cli.options import Json, targets_of
from glia.cli.output import print_json, result_console
from glia.cli.progress import progress_for
from glia.core.errors import UsageError

if TYPE_CHECKING:
    from glia.core.fix_records import FixReport


def fix_verb(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH", help="A Python file, a notebook or a folder.", show_default=False
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="A,B",
            help="Chips of the catalogue, or neuron, tpu, rocm, cpu for all of a kind.",
            show_default=False,
        ),
    ],
    diff: Annotated[
        bool, typer.Option("--diff", help="Print the patch and change nothing (the default).")
    ] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Change the files; refuses a dirty git tree.")
    ] = False,
    allow_dirty: Annotated[
        bool,
        typer.Option("--allow-dirty", help="Write also where git cannot bring old files back."),
    ] = False,
    show_all: Annotated[bool, typer.Option("--all", help="Show every place.")] = False,
    json: Json = False,
) -> None:
    """Rewrite what ties code to CUDA, as a patch to read; on CUDA it goes on doing the same."""
    if diff and write:
        raise UsageError("glia fix: got both --diff and --write; give one of them")
    if allow_dirty and not write:
        raise UsageError("glia fix: got --allow-dirty without --write, which it belongs to")
    targets = targets_of(to)
    _require_libcst()
    from glia.port.fix.job import run_fix

    report, patch = run_fix(Path(path), targets, write, allow_dirty, progress_for(json))
    if json:
        print_json(report)
        return
    _show(report, patch, show_all)


def _require_libcst() -> None:
    from importlib.util import find_spec

    if find_spec("libcst") is None:
        raise UsageError(
            "glia fix: got no package libcst, which rewrites code without loss; "
            "run: pip install 'libcst>=1.8,<2', or in a checkout of glia: pip install -e '.[port]'"
        )


def _show(report: FixReport, patch: bytes, show_all: bool) -> None:
    """The patch alone on stdout, so that it can be piped to a file; the summary beside it."""
    from rich.console import Console

    from glia.report.fix_console import diff_view, fix_view

    if report.written:
        result_console().print(fix_view(report, show_all))
        return
    if sys.stdout.isatty():
        result_console().print(diff_view(report.diff))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(patch)
        sys.stdout.buffer.flush()
    Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 200).print(
        fix_view(report, show_all)
    )
