"""The command `glia`: its verbs, and what becomes of errors.

A GliaError is one message on stderr and its class's exit code. Anything else that escapes is a bug
of glia and says so in one line; GLIA_DEBUG=1 shows the traceback. Verbs import what they need when
they run, so that help is quick.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import glia
from glia.cli.check import check_verb, explain_verb
from glia.cli.chips import chips_app
from glia.cli.compile import compile_verb
from glia.cli.fit import fit_verb
from glia.cli.fix import fix_verb
from glia.cli.nki import nki_app
from glia.cli.port import port_verb
from glia.cli.run import run_verb
from glia.cli.shapes import shapes_verb
from glia.core.errors import GliaError


class _Verbs(TyperGroup):
    """The group of verbs; turns user errors into a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen verb."""
        try:
            return super().invoke(ctx)
        except GliaError as error:
            typer.secho("error: ", fg="red", bold=True, err=True, nl=False)
            typer.echo(str(error), err=True)
            if _is_debugging():
                traceback.print_exc()
            raise typer.Exit(error.exit_code) from None


app = typer.Typer(
    name="glia",
    cls=_Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Take an AI workload off one vendor's chips: check, port, prove, price and run it.",
)
app.add_typer(chips_app, name="chips")
app.command("check")(check_verb)
app.command("explain")(explain_verb)
app.command("fit")(fit_verb)
app.command("fix")(fix_verb)
app.command("shapes")(shapes_verb)
app.command("port")(port_verb)
app.command("compile")(compile_verb)
app.command("run")(run_verb)
app.add_typer(nki_app, name="nki")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"glia {glia.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Options of `glia` itself."""


def main() -> None:
    """Entry point of the command `glia`."""
    try:
        typer.main.get_command(app)()
    except MemoryError:
        typer.echo(
            "error: running the model: got more than this machine's memory holds, expected a "
            "smaller one; use a smaller batch, or a machine with more memory",
            err=True,
        )
        sys.exit(1)
    except Exception as error:
        if _is_debugging():
            traceback.print_exc()
        text = " ".join(str(error).split())
        typer.echo(f"error: {type(error).__name__}: {text}", err=True)
        hint = "" if _is_debugging() else " with what GLIA_DEBUG=1 shows"
        typer.echo(f"this is a bug in glia, please report it{hint}", err=True)
        sys.exit(1)


def _is_debugging() -> bool:
    return os.environ.get("GLIA_DEBUG", "") not in ("", "0")
