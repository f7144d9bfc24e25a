"""Records as Rich tables for the terminal; plain text when the output is piped.

Everything from outside is put into `Text`, never parsed as Rich markup. Colour repeats what the
words say. Sources are numbered in the tables and listed at the end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from glia.core.figures import Estimate, Figure
from glia.core.records import (
    CompileSummary,
    Finding,
    Parity,
    PortReport,
    Quote,
    RunResult,
    TargetReport,
)
from glia.core.units import format_quantity
from glia.report.compare import (
    cost_claim,
    energy_claim,
    proof_detail,
    proof_sentence,
    rivals,
    target_quote,
)
from glia.report.grid import columns, estimate_cell, titled_table, two_lines
from glia.report.sources import SourceIndex, runs_text
from glia.report.wording import (
    BASIS_MARK,
    BASIS_METHOD,
    UNKNOWN,
    chip_titles,
    error_text,
    likely_text,
    listed_rental,
    mark_of,
    quote_sources,
    range_text,
    run_estimates,
)

_SEVERITY_STYLE = {"blocks": "bold red", "warns": "yellow", "note": "dim"}
_MAX_WRONG = 12


def port_view(report: PortReport) -> RenderableType:
    """All of a port report; the verdict comes last, below the sources."""
    index = SourceIndex()
    titles = chip_titles(report)
    parts: list[RenderableType] = []
    if report.findings:
        parts.append(findings_table(report.findings))
    if report.targets:
        parts += [
            compile_table([t.compiled for t in report.targets]),
            _run_table([t.run for t in report.targets], index),
        ]
        parts.append(Text("\nProof", style="bold"))
        parts += [_proof_line(t.parity, titles[t.compiled.chip]) for t in report.targets]
    if report.quotes:
        parts.append(_price_table(report.quotes, index))
    verdicts = [_verdict(report, t, titles[t.compiled.chip]) for t in report.targets]
    return Group(*parts, _source_list(index), *verdicts)


def run_view(run: RunResult) -> RenderableType:
    """One run: every number with range and mark, the assumptions, the sources."""
    index = SourceIndex()
    table = _run_table([run], index)
    notes = [Text(a, style="dim") for a in run.assumptions]
    return Group(table, *notes, _source_list(index))


def parity_view(parity: Parity) -> RenderableType:
    """One proof: the verdict, the rule of the budget, then the first values over budget."""
    wrong = [e for e in parity.layers if not e.ok]
    first = f", the first {_MAX_WRONG}" if len(wrong) > _MAX_WRONG else ""
    table = titled_table(f"{len(wrong)} of {len(parity.layers)} values over budget{first}")
    columns(table, ("Value",), ("Error", "Budget", "Alone", "Budget"))
    for e in wrong[:_MAX_WRONG]:
        local = "-" if e.local is None else error_text(e.local)
        limit = "-" if e.local_budget is None else error_text(e.local_budget)
        errors = (error_text(e.relative), error_text(e.budget), local, limit)
        where = f"{e.op}, {e.source}" if e.source else e.op
        table.add_row(two_lines(e.name, where), *map(Text, errors))
    rule = Text(f"budget: {parity.budget_rule}", style="dim")
    head = _proof_line(parity, parity.device)
    return Group(head, rule, table) if wrong else Group(head, rule)


def findings_table(findings: Sequence[Finding]) -> Table:
    """What would not move as it is, what to do, and where it stands."""
    table = titled_table("Findings")
    columns(table, ("", "What", "Do", "Where"))
    for f in findings:
        severity = Text(f.severity, style=_SEVERITY_STYLE[f.severity])
        table.add_row(severity, Text(f.what), Text(f.do), Text(str(f.source or f.node or "-")))
    return table


def compile_table(compiled: Sequence[CompileSummary]) -> RenderableType:
    """What the compiler made for each chip, all of it counted, then what it fused."""
    table = titled_table("Compiled (counted)")
    columns(table, ("Chip",), ("Launches", "Streams", "Instructions", "Weights", "Activations"))
    fused: dict[str, list[str]] = defaultdict(list)
    for c in compiled:
        counts = (f"{n:,}" for n in (c.num_launches, c.num_streams, c.num_instructions))
        sizes = (format_quantity(n, "B") for n in (c.weight_bytes, c.activation_bytes))
        table.add_row(*map(Text, (f"{c.chip} {c.precision}", *counts, *sizes)))
        for fusion in c.fusions:
            fused[fusion].append(c.chip)
    lines = (f"fused: {what} ({', '.join(chips)})" for what, chips in fused.items())
    return Group(table, *(Text(line, style="dim") for line in lines))


def figure_table(title: str, rows: Iterable[tuple[str, Figure | None]]) -> Table:
    """Named figures with value, mark and source; None is shown as unknown."""
    table = titled_table(title)
    columns(table, ("Figure",), ("Value",))
    columns(table, ("Mark", "Source"))
    for name, figure in rows:
        if figure is None:
            table.add_row(Text(name), UNKNOWN, "-", "-")
            continue
        source = " ".join(s for s in (figure.source, figure.date, figure.note) if s)
        table.add_row(Text(name), _figure(figure), Text(figure.mark), Text(source))
    return table


def _figure(figure: Figure) -> Text:
    return two_lines(str(figure), range_text(figure.estimate()) if _has_range(figure) else "")


def _has_range(figure: Figure) -> bool:
    return figure.low is not None or figure.high is not None


def _run_table(results: Sequence[RunResult], index: SourceIndex) -> Table:
    table = titled_table("Run")
    columns(table, ("Quantity", "Mark [sources]"), [f"{r.device} {r.precision}" for r in results])
    by_run = [dict(run_estimates(r)) for r in results]
    for name in dict.fromkeys(name for found in by_run for name in found):
        values = [found.get(name) for found in by_run]
        marks = [mark_of(v, r.basis) for v, r in zip(values, results, strict=True) if v]
        numbers = index.numbers(s for v in values if v for s in v.sources)
        words = f"{', '.join(dict.fromkeys(marks)) or '-'} [{runs_text(numbers)}]"
        table.add_row(Text(name), Text(words), *map(estimate_cell, values))
    return table


def _proof_line(parity: Parity, title: str) -> Text:
    state, style = ("proved", "green") if parity.ok else ("NOT PROVED", "bold red")
    line = Text.assemble((f"{title}: {state}", style), f" against {parity.oracle}. ")
    return line.append(proof_detail(parity))


def _price_table(quotes: Sequence[Quote], index: SourceIndex) -> RenderableType:
    table = titled_table("Price of one chip")
    table.add_column("Chip")
    heads = ("Seq/s", "Latency", "Power", "Energy per 1,000", "Cost per million")
    columns(table, (), heads)
    for q in quotes:
        values = (q.throughput, q.latency, q.power, q.energy_per_thousand, q.usd_per_million)
        numbers = runs_text(index.numbers(quote_sources(q)))
        method = f"{BASIS_MARK[q.basis]}, {BASIS_METHOD[q.basis]} [{numbers}]"
        table.add_row(two_lines(q.title, method), *map(_bare_cell, values))
    rentals = dict.fromkeys(_rental(q, index) for q in quotes)
    notes = dict.fromkeys(f"{q.title}: {note}" for q in quotes for note in q.notes)
    return Group(table, *(Text(line, style="dim") for line in (*rentals, *notes)))


def _rental(q: Quote, index: SourceIndex) -> str:
    rental = listed_rental(q)
    if rental is None:
        return f"{q.title}: rental {UNKNOWN}"
    facts = (likely_text(rental), range_text(rental), q.price_instance, q.price_date)
    source = runs_text(index.numbers((*rental.sources, q.price_source)))
    return f"{q.title}: rental {', '.join(f for f in facts if f)} [{source}]"


def _verdict(report: PortReport, target: TargetReport, title: str) -> RenderableType:
    style = "bold green" if target.parity.ok else "bold red"
    lines = [Text(f"\n{proof_sentence(target, title)}", style=style)]
    ours = target_quote(report, target)
    if not target.parity.ok and rivals(report):
        lines.append(Text("  No comparison is claimed for a result that is not proved."))
    elif ours is not None:
        for q in rivals(report):
            cost, energy = cost_claim(ours, q).sentence, energy_claim(ours, q).sentence
            lines.append(Text(f"  Beside {q.title}: cost {cost}; energy {energy}."))
    return Group(*lines)


def _source_list(index: SourceIndex) -> RenderableType:
    if not index.items():
        return Text("")
    grid = Table.grid(padding=(0, 1))
    grid.add_column(justify="right", style="dim")
    grid.add_column(style="dim", overflow="fold")
    for number, source in index.items():
        grid.add_row(Text(f"[{number}]"), Text(source))
    return Group(Text("\nSources", style="bold"), grid)


def _bare_cell(estimate: Estimate | None) -> Text:
    # The head of the column names the unit of a throughput.
    words = (likely_text(estimate), range_text(estimate))
    return two_lines(*(w.removesuffix(" seq/s") for w in words))
