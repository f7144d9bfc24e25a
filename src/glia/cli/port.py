"""`glia port`: check, compile, run, prove and price a model, and write the report."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glia.cli.options import Json, Model, Precision, read_chips, read_precision, read_targets
from glia.cli.output import check_folder, print_json, result_console, say
from glia.cli.progress import progress_for
from glia.core.errors import ProofError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from glia.core.check_records import CheckReport
    from glia.core.records import PortReport


def port_verb(
    model: Model,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="A,B",
            help="Chips to carry the model to; glia executes these.",
            show_default=False,
        ),
    ],
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="C,D", help="Chips to compare with, by their data."),
    ] = None,
    precision: Precision = "bf16",
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the report goes.")
    ] = Path("glia-report"),
    json: Json = False,
) -> None:
    """Carry a PyTorch model to other chips: check, compile, run, prove, price, report."""
    number_format = read_precision(precision)
    targets = read_targets("--to", to)
    rivals = _read_rivals(against, targets)
    check_folder("--out", out)
    from glia.port.job import port_model

    command = shlex.join(["glia", *sys.argv[1:]])
    report = port_model(
        model, targets, rivals, number_format, progress_for(json), command, _show(json)
    )
    page = _write(report, out)
    if json:
        print_json(report)
    else:
        from glia.report.console import port_view

        result_console().print(port_view(report))
        say(f"wrote {page}")
    _require_proof(report)


def _show(json: bool) -> Callable[[CheckReport], None]:
    """What is shown of the check of a model that cannot be captured: the check as it is."""

    def show(check: CheckReport) -> None:
        if json:
            print_json(check)
            return
        if {f.rule for f in check.findings} <= {"G012"}:
            return  # nothing was found but that it cannot be looked at, which the error says
        from glia.report.check_console import check_view

        result_console().print(check_view(check, False))

    return show


def _read_rivals(text: str | None, targets: list[str]) -> list[str]:
    rivals = [] if text is None else read_chips("--against", text)
    both = [name for name in rivals if name in targets]
    if both:
        raise UsageError(
            f"--against: got {', '.join(both)}, which --to names as well; a target is compared "
            "with its own roofline anyway, so remove it here"
        )
    return rivals


def _write(report: PortReport, out: Path) -> Path:
    """`report.html`, `report.json` for programs, and a trace of one layer per target.

    Returns the page's path. Traces open in Perfetto or chrome://tracing.
    """
    from glia.report.files import write_json, write_text_atomic
    from glia.report.html import render_port
    from glia.report.trace import trace_json

    page = render_port(report)
    write_json(out / "report.json", report)
    for target in report.targets:
        trace = trace_json(target.run.timeline, target.run.timeline_title)
        write_text_atomic(out / f"trace-{target.run.chip}.json", trace)
    return write_text_atomic(out / "report.html", page)


def _require_proof(report: PortReport) -> None:
    """Fail the command when a target's numbers are not proved.

    Raises:
        ProofError: naming, for each such target, the first value over its budget.
    """
    from glia.report.compare import proof_sentence

    wrong = [t for t in report.targets if not t.parity.ok]
    if wrong or not report.ok:
        raise ProofError("\n".join(proof_sentence(t, t.compiled.chip) for t in wrong))
