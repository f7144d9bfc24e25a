"""A census of shapes as tables for the terminal, with the trade-off as bars."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from glia.core.shape_records import ShapeReport
from glia.core.units import counted
from glia.report.grid import columns, titled_table
from glia.report.shapes_wording import (
    buckets_text,
    compile_text,
    second_step_lines,
    shapes_shown,
    sizes_text,
    waste_text,
)

_BAR = 30  # characters of the longest bar
_SHOWN = 10  # rows of a table that can be long


def shapes_view(report: ShapeReport) -> RenderableType:
    """The whole report; what to do comes last."""
    parts: list[RenderableType] = [_head(report), _inputs(report)]
    if report.varying:
        parts += [_varying(report), _graphs(report), _plans(report), *_compile_note(report)]
    parts += [_syncs(report), _second(report), _do(report)]
    return Group(*parts)


def _head(report: ShapeReport) -> Text:
    whole = "all of them" if report.is_complete else "as many as the limit allows"
    graphs = counted(len(report.graphs), "distinct graph")
    batches = counted(report.num_batches, "batch", "batches")
    return Text.assemble(
        (f"{report.model} on {report.data}: {graphs}", "bold"),
        f" in {batches}, {whole}.\nA batch is given as {report.call}.",
    )


def _inputs(report: ShapeReport) -> Table:
    table = titled_table("Inputs")
    columns(table, ("Input", "Format", "Shapes"))
    for entry in report.inputs:
        dtypes = ", ".join(entry.dtypes)
        table.add_row(Text(entry.name), Text(dtypes), Text(shapes_shown(entry.shapes)))
    return table


def _varying(report: ShapeReport) -> Table:
    table = titled_table("Dims that vary")
    columns(table, ("Dim", "Sizes", "Where"))
    for dim in report.varying:
        table.add_row(Text(dim.name), Text(sizes_text(dim)), Text(", ".join(dim.places)))
    return table


def _graphs(report: ShapeReport) -> Table:
    shown = report.graphs[:_SHOWN]
    few = f", the {_SHOWN} most frequent" if len(report.graphs) > len(shown) else ""
    table = titled_table(f"{counted(len(report.graphs), 'distinct graph')}{few}")
    columns(table, ("Inputs",), ("Batches", "First at"))
    for graph in shown:
        numbers = (Text(f"{graph.num_batches:,}"), Text(f"{graph.first_batch:,}"))
        table.add_row(Text(", ".join(graph.inputs)), *numbers)
    return table


def _plans(report: ShapeReport) -> Table:
    """One row per number of graphs; the chosen one is marked, and bars show the waste."""
    table = titled_table("Buckets: padding against compilations")
    names = " x ".join(dim.name for dim in report.varying)
    columns(table, ("", "Graphs", "Padding", "", f"Buckets ({names})"), ("Compile",))
    most = max(plan.waste for plan in report.plans) or 1.0
    for place, plan in enumerate(report.plans):
        is_chosen = place == report.chosen
        table.add_row(
            Text("->" if is_chosen else ""),
            Text(str(plan.num_graphs)),
            Text(waste_text(plan)),
            Text("\u2588" * round(_BAR * plan.waste / most)),
            Text(buckets_text(plan)),
            Text(compile_text(report, plan.num_graphs)),
            style="bold" if is_chosen else "",
        )
    return table


def _compile_note(report: ShapeReport) -> list[Text]:
    notes = [Text(f"compile time  {report.compile_note}", style="dim")]
    if not all(plan.is_exact for plan in report.plans):
        notes.append(Text("~ found by a search; a better plan may exist", style="dim"))
    return notes if report.compile_note else notes[1:]


def _syncs(report: ShapeReport) -> RenderableType:
    if not report.syncs:
        return Text("\nHost syncs: none seen in a call, none in the source")
    table = titled_table(f"Host syncs: the host waits at {counted(len(report.syncs), 'line')}")
    columns(table, ("Where", "What", "Known from", "Code"), ("Per call",))
    for sync in report.syncs:
        count = str(sync.count) if sync.count else "-"
        cells = (f"{sync.file}:{sync.line}", sync.kind, sync.found_by, sync.code, count)
        table.add_row(*map(Text, cells))
    return table


def _second(report: ShapeReport) -> Text:
    style = "bold green" if report.second.ok else "bold red"
    words = "repeats the first" if report.second.ok else "does not repeat the first"
    lines = "".join(f"\n  {line}" for line in second_step_lines(report.second))
    return Text.assemble("\nThe second step ", (words, style), lines)


def _do(report: ShapeReport) -> Text:
    lines = []
    if report.plan is not None:
        lines.append(
            f"pad to {counted(report.plan.num_graphs, 'bucket')}: {buckets_text(report.plan)} "
            f"({waste_text(report.plan)} padding; {report.why})"
        )
    elif not report.varying:
        lines.append(report.why)
    lines += report.advice
    return Text.assemble("\n", ("What to do", "bold"), *(f"\n- {line}" for line in lines))
