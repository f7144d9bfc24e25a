"""`glia check`: what ties a project to CUDA, per target; `glia explain`: the page of one rule."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glia.cli.options import Json, targets_of
from glia.cli.output import print_json, result_console, say
from glia.cli.progress import progress_for
from glia.core.check_records import EFFECTS
from glia.core.errors import UsageError, choose

if TYPE_CHECKING:
    from glia.core.check_records import CheckReport
    from glia.core.progress import Progress
    from glia.port.rules.rule import Rule
    from glia.port.targets import Target

# How many of the effects, worst first, fail the command.
_FAIL_ON = {"silent": 1, "raises": 2, "any": len(EFFECTS), "never": 0}

_TimeLimit = Annotated[
    float,
    typer.Option("--time-limit", metavar="S", min=1, help="Of a model, how long a look may take."),
]
_SourceOnly = Annotated[
    bool, typer.Option("--source-only", help="Of a model, read the source; run nothing.")
]
_Sarif = Annotated[
    Path | None,
    typer.Option("--sarif", metavar="FILE", help="Also write SARIF 2.1.0 for code review."),
]
_Html = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help="Also write one self-contained HTML page."),
]


def check_verb(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Python files, notebooks, folders, checked as one project; or a model: "
            "FILE.py:FUNCTION that returns (module, inputs), a Hugging Face folder.",
            show_default=False,
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
    fail_on: Annotated[
        str,
        typer.Option(
            "--fail-on",
            metavar="silent|raises|any|never",
            help="Exit with 1 when such findings weigh, or code could not be read; raises includes "
            "silent.",
        ),
    ] = "raises",
    sarif: _Sarif = None,
    source_only: _SourceOnly = False,
    time_limit: _TimeLimit = 600.0,
    html: _Html = None,
    show_all: Annotated[bool, typer.Option("--all", help="Show every place.")] = False,
    json: Json = False,
) -> None:
    """What ties code to CUDA, and what that means on other chips; nothing is changed.

    Source is only read. A model is also run on this machine's CPU, in a process apart, to see its
    graph.
    """
    level = _FAIL_ON[choose("--fail-on", fail_on, _FAIL_ON)]
    targets = targets_of(to)
    for option, file in (("--sarif", sarif), ("--html", html)):
        if file is not None:
            _check_file(option, file)
    report = _report(paths, targets, source_only, time_limit, progress_for(json))
    if sarif is not None:
        _write_sarif(report, sarif)
    if html is not None:
        _write_html(report, html)
    if json:
        print_json(report)
    else:
        from glia.report.check_console import check_view

        result_console().print(check_view(report, show_all))
    is_unseen = report.graph is not None and report.graph.basis == "none"
    is_hidden = any(unread.hides for unread in report.unread)  # what may be in it is not known
    is_failed = any(t.counts[e] for t in report.targets for e in _failing(level))
    if is_failed or (level > 0 and (is_unseen or is_hidden)):
        raise typer.Exit(1)


def _report(
    paths: list[str],
    targets: list[Target],
    source_only: bool,
    time_limit_s: float,
    progress: Progress,
) -> CheckReport:
    """Of a model the graph is looked at too, which runs it on this machine's CPU."""
    from glia.port.project_check import check_projects, is_model

    models = [path for path in paths if is_model(Path(path))]
    if source_only or not models:
        return check_projects([Path(path) for path in paths], targets, progress)
    if len(paths) > 1:
        raise UsageError(
            f"checking {', '.join(paths)}: got the model {models[0]} among others, expected a "
            "model by itself; check it alone, or the source of all with --source-only"
        )
    from glia.port.graph_check.apart import within
    from glia.port.graph_check.job import check_model

    return check_model(paths[0], targets, progress, within(time_limit_s))


def _failing(level: int) -> tuple[str, ...]:
    """The effects that fail the command; what works never does."""
    return tuple(effect for effect in EFFECTS[:level] if effect != "works")


def _check_file(option: str, path: Path) -> None:
    """Refuse a place that cannot be written, before any work is done."""
    folder = path.absolute().parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{option}: got {path}, expected a file in a folder that can be written")


def _write_sarif(report: CheckReport, path: Path) -> None:
    import json

    import glia
    from glia.report.files import write_text_atomic
    from glia.report.sarif import sarif_log

    log = sarif_log(report, glia.__version__, Path.cwd())
    write_text_atomic(path, json.dumps(log, indent=2) + "\n")
    say(f"wrote {path}")


def _write_html(report: CheckReport, path: Path) -> None:
    import shlex
    import sys
    from datetime import UTC, datetime

    import glia
    from glia.report.check_page import render_check
    from glia.report.files import write_text_atomic

    facts = {
        "Made with": f"glia {glia.__version__}",
        "Command": shlex.join(["glia", *sys.argv[1:]]),
        "Date": datetime.now(UTC).isoformat(timespec="seconds"),
        "Wall time, measured": f"{report.wall_s:.1f} s",
    }
    write_text_atomic(path, render_check(report, _lines_of, facts))
    say(f"wrote {path}")


@cache
def _lines_of(file: str) -> list[str]:
    """The lines of a file that was checked, for excerpts; none when it cannot be read any more."""
    from glia.port.source.files.project import MAX_BYTES
    from glia.port.source.files.text import read_text

    try:
        return read_text(Path(file), MAX_BYTES).splitlines()
    except (OSError, ValueError):
        return []


def explain_verb(
    rule: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="A rule, as C016; without one, all are listed.", show_default=False
        ),
    ] = "",
    json: Json = False,
) -> None:
    """The page of one rule: why it matters, what to do on each family of chips, an example.

    Without a rule: the list of all, by category.
    """
    from glia.port.project_check import rule_summary
    from glia.port.rule_ids import all_rules, rule_id
    from glia.port.rules.rule import FAMILIES
    from glia.port.targets import target_named

    rules = all_rules()
    if not rule:
        _list_rules(list(rules.values()), json)
        return
    found = rules[rule_id("glia explain", rule)]
    summary = rule_summary(found, [target_named(family) for family in FAMILIES])
    if json:
        print_json({"rule": summary, "bad": found.bad, "good": found.good})
        return
    from glia.report.check_console import rule_view

    result_console().print(rule_view(summary, found.bad, found.good))


def _list_rules(rules: list[Rule], json: bool) -> None:
    if json:
        found = [{"id": r.id, "category": r.category, "title": r.title} for r in rules]
        print_json({"rules": found})
        return
    from glia.report.check_console import rules_view

    result_console().print(rules_view([(r.id, r.category, r.title) for r in rules]))
