"""The memory ledger and the machine search as tables for the terminal: the answer stands last."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from glia.core.figures import Estimate
from glia.core.fit_records import (
    GOOD,
    DegreeRow,
    FitReport,
    MachineRow,
    MemoryLine,
    TargetFit,
)
from glia.core.units import format_quantity
from glia.report.grid import columns, titled_table
from glia.report.wording import UNKNOWN, range_text

_STYLES = {
    "fits": "green",
    "should fit": "green",
    "unlikely": "yellow",
    "does not fit": "red",
    "unknown": "magenta",
}
_MAX_SMALLER = 4


def fit_view(report: FitReport, show_all: bool) -> RenderableType:
    """The whole report: model, degrees, one ledger and one list of machines per chip, answer."""
    parts: list[RenderableType] = [_head(report), _degree_table(report.degrees)]
    for target in report.targets:
        parts += [_ledger_table(target), _machine_table(target, show_all)]
    parts.append(_answer_table(report.targets))
    parts.append(_foot(report))
    return Group(*parts)


def _head(report: FitReport) -> Text:
    model = report.model
    heads = f", {model.num_heads} heads, {model.num_kv_heads} KV heads" if model.num_heads else ""
    layers = f", {model.num_layers} layers" if model.num_layers else ""
    settings = ", ".join(f"{name} {value}" for name, value in report.settings.items())
    return Text.assemble(
        (f"{model.name} ({model.family})\n", "bold"),
        f"{model.num_parameters:,} parameters{layers}{heads}; {model.basis}\n",
        f"{report.job}: {settings}",
    )


def _size(estimate: Estimate | None) -> Text:
    return Text(UNKNOWN if estimate is None else format_quantity(estimate.likely, "B"))


def _degree_table(rows: Sequence[DegreeRow]) -> Table:
    table = titled_table("Tensor parallelism: what one rank holds of the model itself")
    names = list(dict.fromkeys(line.name for row in rows for line in row.lines))
    columns(table, ("Degree", "Remarks"), (*(name.capitalize() for name in names), "Sum"))
    for row in rows:
        by_name = {line.name: line.num_bytes for line in row.lines}
        if row.is_allowed:
            sizes = [_size(by_name.get(name)) for name in names] + [_size(row.total)]
            remarks = Text("; ".join(row.remarks))
        else:
            sizes = [Text("-") for _ in range(len(names) + 1)]
            remarks = Text(f"no: {'; '.join(row.problems)}", style="red")
        table.add_row(Text(str(row.degree)), remarks, *sizes)
    return table


def _ledger_table(target: TargetFit) -> Table:
    shown = target.shown
    has = UNKNOWN if target.capacity_bytes is None else format_quantity(target.capacity_bytes, "B")
    table = titled_table(
        f"{target.title}: one rank ({target.rank}, {has}) of {shown.title} at {shown.plan}"
    )
    columns(table, ("Line", "What"), ("Likely", "Range", "Share"))
    largest = target.ledger.largest
    for line in target.ledger.lines:
        _add_line(table, line, target.capacity_bytes, line is largest)
    table.add_section()
    total = MemoryLine("total", target.ledger.total, "")
    if not target.ledger.is_complete:
        total = MemoryLine("total, at least", target.ledger.total, "a line is unknown")
    _add_line(table, total, target.capacity_bytes, False)
    host = MemoryLine("host, to load", shown.host_needed, "a checkpoint and the system, per host")
    _add_line(table, host, None, False)
    return table


def _add_line(table: Table, line: MemoryLine, capacity: float | None, is_largest: bool) -> None:
    size = line.num_bytes
    share = ""
    if size is not None and capacity:
        share = f"{100 * size.likely / capacity:.0f} %"
    name = Text(f"{line.name} (largest)" if is_largest else line.name)
    name.stylize("bold" if is_largest or line.name.startswith("total") else "")
    table.add_row(name, Text(line.what), _size(size), Text(range_text(size)), Text(share))


def _machine_table(target: TargetFit, show_all: bool) -> Table:
    rows, hidden = _shown_rows(target, show_all)
    more = f", {hidden} more with --all" if hidden else ""
    table = titled_table(f"{target.title}: machines{more}")
    columns(table, ("Machine", "Plan", "Verdict", "Because"), ("Chips", "Ranks"))
    for row in rows:
        style = "bold" if row is target.smallest else ""
        table.add_row(
            Text(row.title, style=style),
            Text(str(row.plan)),
            Text(row.verdict, style=_STYLES[row.verdict]),
            Text(row.why),
            Text(f"{row.num_chips:,}"),
            Text(f"{row.num_ranks:,}"),
        )
    return table


def _shown_rows(target: TargetFit, show_all: bool) -> tuple[Sequence[MachineRow], int]:
    """The smallest that works with those just below it, or the last that were tried."""
    if show_all:
        return target.machines, 0
    end = len(target.machines)
    if target.smallest is not None:
        end = target.machines.index(target.smallest) + 1
    start = max(0, end - _MAX_SMALLER)
    return target.machines[start:end], len(target.machines) - (end - start)


def _answer_table(targets: Sequence[TargetFit]) -> Table:
    table = titled_table("Smallest machine that works")
    columns(table, ("Chip", "Machine", "Plan", "Why not smaller", "What would change it"))
    for target in targets:
        best = target.smallest
        name = Text("none of those tried", style="red") if best is None else Text(best.title)
        if best is None and target.shown.verdict == "unknown":
            name = Text("unknown", style=_STYLES["unknown"])
        plan = "-" if best is None else str(best.plan)
        table.add_row(
            Text(target.chip),
            name,
            Text(plan),
            Text(_why_not_smaller(target)),
            Text("\n".join(target.would_fit) or "-"),
        )
    return table


def _why_not_smaller(target: TargetFit) -> str:
    below = target.machines
    if target.shown.verdict == "unknown":
        return f"{target.shown.title}: {target.shown.why}"
    if target.smallest is not None:
        below = below[: below.index(target.smallest)]
    failed = [row for row in below if row.verdict not in GOOD]
    if not failed:
        return "it is the smallest listed"
    return f"{failed[-1].title}: {failed[-1].why}"


def _foot(report: FitReport) -> Text:
    notes = [*report.notes, *(f"{t.chip}: {note}" for t in report.targets for note in t.notes)]
    lines = [f"Note: {note}" for note in dict.fromkeys(notes)]
    lines.append(
        "Weights, gradients, optimizer state and KV cache are counted; activations lie between "
        "what a compiler must keep and what eager PyTorch keeps; what runtimes take is estimated."
    )
    return Text("\n" + "\n".join(lines), style="dim")
