"""Records about kernels as text for the terminal."""

from __future__ import annotations

from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from glia.core.figures import Estimate
from glia.core.kernel_records import (
    Agreement,
    Delta,
    FileCheck,
    GenerationResult,
    KernelCheck,
    KernelComparison,
    KernelProfile,
    KernelRun,
    LineUse,
    ScriptProfile,
    SubsetFinding,
    TensorSummary,
)
from glia.core.units import format_quantity
from glia.report.grid import columns, estimate_cell, titled_table, two_lines
from glia.report.kernel_wording import check_text, engines_note, no_advice_text
from glia.report.wording import count_text

NUM_LINES, NUM_ADVICE = 12, 8
_SEVERITY_STYLE = {"error": "bold red", "warning": "yellow"}


def _head(kernel: str, chip: str, num_cores: int, arguments: tuple[str, ...]) -> Text:
    cores = f", {num_cores} cores" if num_cores > 1 else ""
    words = f" on {chip}{cores}: {', '.join(arguments) or 'no arguments'}"
    return Text.assemble((kernel, "bold"), words)


def _row(name: str, estimate: Estimate, note: str = "") -> tuple[Text, Text, Text]:
    return Text(name), estimate_cell(estimate), Text(note or estimate.reason, style="dim")


def _grid(title: str) -> Table:
    table = titled_table(title)
    columns(table, (), ())
    table.add_column(overflow="fold")
    table.add_column(justify="right", overflow="fold")
    table.add_column(overflow="fold")
    table.show_header = False
    return table


def run_view(run: KernelRun) -> RenderableType:
    """One run: the outputs, then predicted time and energy."""
    outputs = titled_table("Outputs (computed)")
    columns(outputs, ("Name", "Type", "First values"), ("Smallest", "Largest", "Mean"))
    for one in run.outputs:
        outputs.add_row(*_output(one))
    taken = _grid("On the chip (predicted)")
    taken.add_row(*_row("Time", run.time))
    taken.add_row(*_row("Energy", run.energy, "static power included"))
    taken.add_row(Text("Instructions"), Text(f"{run.num_instructions:,}"), Text(""))
    head = _head(run.kernel, run.chip, run.num_cores, run.arguments)
    return Group(head, outputs, taken, *_notes(run.notes))


def _output(one: TensorSummary) -> tuple[Text, ...]:
    kind = f"{one.dtype}[{', '.join(map(str, one.shape))}]"
    first = ", ".join(f"{v:.5g}" for v in one.first)
    odd = f"{one.num_not_finite:,} not finite" if one.num_not_finite else ""
    numbers = ("-" if v is None else f"{v:.6g}" for v in (one.minimum, one.maximum, one.mean))
    return Text(one.name), two_lines(kind, odd), Text(first), *map(Text, numbers)


def _notes(notes: tuple[str, ...]) -> list[Text]:
    return [Text(note, style="yellow") for note in notes]


def profile_view(p: KernelProfile) -> RenderableType:
    """A profile: summary, engines, movement, lines, advice."""
    head = _head(p.kernel, p.chip, p.num_cores, p.arguments)
    parts: list[RenderableType] = [head, _summary(p), _engines(p)]
    parts += [Text(note, style="dim")] if (note := engines_note(p)) else []
    parts += _movement(p)
    parts += [_lines(p.lines, p.time.likely), _advice(p), *_notes(p.notes)]
    return Group(*parts)


def script_view(found: ScriptProfile) -> RenderableType:
    """Every launch of a script in one line, then the profile of the longest."""
    if not found.launches:
        words = f"{found.script} launched no kernel and exited with {found.exit_code}"
        return Text(words, style="bold red")
    table = titled_table(f"Launches of {found.script}, all times predicted")
    columns(table, ("Kernel", "Arguments"), ("Launches", "Time of one", "Energy of one", "MFU"))
    for launch in found.launches:
        p = launch.profile
        table.add_row(
            Text(f"{p.kernel} on {p.chip}"),
            Text(", ".join(p.arguments)),
            Text(f"{launch.count:,}"),
            *map(estimate_cell, (p.time, p.energy, p.mfu)),
        )
    first = found.launches[0]
    title = Text("\nThe launch that takes longest:", style="bold")
    return Group(table, title, profile_view(first.profile))


def _summary(p: KernelProfile) -> Table:
    table = _grid("Summary (predicted)")
    table.add_row(*_row("Time", p.time))
    table.add_row(*_row("  as written", p.as_written))
    table.add_row(*_row("  dataflow bound", p.dataflow))
    for name, fraction in (("MFU", p.mfu), ("HFU", p.hfu), ("MBU", p.mbu)):
        table.add_row(*_row(name, fraction))
        if name == "MFU" and p.adjusted_mfu.likely != fraction.likely:
            table.add_row(*_row("  adjusted", p.adjusted_mfu))
    table.add_row(*_row("Energy", p.energy, _causes(p)))
    table.add_row(*_row("Average power", p.power))
    table.add_row(
        Text("On-chip memory"),
        two_lines(
            f"SBUF {p.memory.sbuf_peak_bytes:,} of {p.memory.sbuf_bytes:,}",
            f"PSUM {p.memory.psum_peak_banks} of {p.memory.psum_banks} banks",
        ),
        Text("peak, bytes of a partition", style="dim"),
    )
    return table


def _causes(p: KernelProfile) -> str:
    total = p.energy.likely or 1.0
    parts = sorted(p.energy_by_cause.items(), key=lambda item: -item[1].likely)[:4]
    return ", ".join(f"{n.replace('_', ' ')} {e.likely / total:.0%}" for n, e in parts)


def _engines(p: KernelProfile) -> Table:
    table = titled_table("Engines")
    columns(table, ("Engine",), ("Active", "Time active", "Instructions"))
    for use in p.engines:
        table.add_row(
            Text(use.name),
            estimate_cell(use.activity),
            Text(format_quantity(use.busy_s, "s")),
            Text(f"{use.num_instructions:,}"),
        )
    limit = max(p.bounds_s.items(), key=lambda item: item[1], default=("", 0.0))
    if limit[1]:
        table.caption = Text(
            f"no faster than {format_quantity(limit[1], 's')}: {limit[0]}", style="dim"
        )
        table.caption_justify = "left"
    return table


def _movement(p: KernelProfile) -> list[RenderableType]:
    d = p.dma
    if not d.num_transfers:
        return []
    read, written = format_quantity(d.hbm_read_bytes, "B"), format_quantity(d.hbm_write_bytes, "B")
    table = _grid("Data movement (counted)")
    table.add_row(Text("HBM"), two_lines(f"{read} read", f"{written} written"), Text(""))
    table.add_row(
        Text("DMA efficiency"),
        estimate_cell(d.efficiency),
        Text(f"{count_text(d.num_transfers, 'DMA')}, {_pieces(p)}", style="dim"),
    )
    for reload in p.reloads[:5]:
        words = f"{format_quantity(reload.again_bytes, 'B')} of {reload.tensor}"
        where = f"loaded {format_quantity(reload.loaded_bytes, 'B')} of it at " + ", ".join(
            reload.lines[:4]
        )
        table.add_row(Text("Loaded again"), Text(words), Text(where, style="dim"))
    for spill in p.spills[:5]:
        words = f"{format_quantity(spill.back_bytes, 'B')} of {spill.tensor}"
        where = f"to HBM and back, at {', '.join(spill.lines[:4])}"
        table.add_row(Text("Spilled"), Text(words), Text(where, style="dim"))
    return [table]


def _pieces(p: KernelProfile) -> str:
    small = p.dma.small_bytes / p.dma.num_bytes if p.dma.num_bytes else 0.0
    text = f"contiguous pieces of {format_quantity(p.dma.mean_piece_bytes, 'B')} on average"
    return f"{text}, {small:.0%} of the bytes in pieces below 512 B" if small else text


def _lines(lines: tuple[LineUse, ...], whole_s: float) -> Table:
    table = titled_table("Lines, by their part of the time")
    columns(table, ("Line", "Source"), ("Part", "Active", "Instructions"))
    for use in lines[:NUM_LINES]:
        busy = max(use.busy_s.items(), key=lambda item: item[1], default=("", 0.0))
        table.add_row(
            Text(f"{use.file}:{use.line}"),
            Text(_short(use.code)),
            Text(f"{use.critical_s / whole_s:.1%}" if whole_s else "-"),
            Text(f"{busy[0]} {format_quantity(busy[1], 's')}"),
            Text(f"{use.num_instructions:,}"),
        )
    if lines:
        more = f"and {len(lines) - NUM_LINES} more lines; " if len(lines) > NUM_LINES else ""
        how = "parts: of the busiest engine's lines while it works, of what it waits for the rest"
        table.caption = Text(more + how, style="dim")
        table.caption_justify = "left"
    return table


def _short(code: str, limit: int = 90) -> str:
    return code if len(code) <= limit else code[: limit - 1] + "\u2026"


def _advice(p: KernelProfile) -> RenderableType:
    if not p.advice:
        return Text(f"\n{no_advice_text(p)}", style="dim")
    table = titled_table("What to try, by what it would gain (each alone, re-timed)")
    columns(table, (), ("Gain",))
    columns(table, ("Change", "How the gain was computed"))
    for one in p.advice[:NUM_ADVICE]:
        gain = two_lines(f"{one.fraction:.1%}", format_quantity(one.gain_s, "s"))
        where = f" ({', '.join(one.lines)})" if one.lines else ""
        table.add_row(gain, two_lines(one.title, one.detail + where), Text(one.basis, style="dim"))
    return table


def comparison_view(c: KernelComparison) -> RenderableType:
    """Two kernels: what differs between the launches, every quantity, the values, the verdict."""
    table = titled_table("Comparison")
    columns(table, ("Quantity",), (c.first, c.second, "Second over first"))
    for delta in c.deltas:
        table.add_row(Text(delta.name), *_delta(delta))
    parts: list[RenderableType] = [Text(one, style="bold yellow") for one in c.differences]
    parts.append(table)
    for one in c.agreement:
        parts.append(Text(f"values of {one.name}: {_agreement(one)}"))
    if c.apart:
        words = f"the two do not compute the same: {', '.join(c.apart)} differ beyond the tolerance"
        parts.append(Text(words, style="bold red"))
    parts += _notes(c.notes)
    return Group(*parts, Text(c.verdict, style="bold" if c.is_judged else "bold red"))


def _delta(delta: Delta) -> tuple[Text, Text, Text]:
    first, second = (amount_text(v, delta.unit) for v in (delta.first, delta.second))
    if delta.ratio is None:
        return Text(first), Text(second), Text("-")
    good = delta.ratio < 1 if delta.better == "lower" else delta.ratio > 1
    style = "" if delta.ratio == 1 or not delta.better else "green" if good else "red"
    return Text(first), Text(second), Text(f"{delta.ratio:.3f}", style=style)


def amount_text(value: float, unit: str) -> str:
    """One number for people; a count bare."""
    return f"{value:,.0f}" if unit == "count" else format_quantity(value, unit)


def _agreement(one: Agreement) -> str:
    if not one.same_shape:
        return "different shapes"
    if one.identical:
        return "identical, bit for bit"
    place = "within" if one.within else "beyond"
    return (
        f"largest difference {one.worst_absolute:.3g}, relative {one.relative:.2e}, {place} the "
        f"tolerance of {one.limit:.2g}"
    )


def check_view(found: FileCheck) -> RenderableType:
    """Each kernel: findings in its source, then legality per generation."""
    parts = [part for kernel in found.kernels for part in _kernel_check(kernel)]
    refused = any(not k.ok for k in found.kernels)
    style = "green" if found.ok else "red" if refused else "yellow"
    return Group(*parts, Text(f"\n{check_text(found)}", f"bold {style}"))


def _kernel_check(check: KernelCheck) -> list[RenderableType]:
    parts: list[RenderableType] = [Text.assemble("\n", (check.kernel, "bold"), check.signature)]
    parts += [_finding(finding) for finding in check.findings]
    parts += _generations(check.generations)
    if check.problem:
        parts.append(Text.assemble("  ", ("not checked", "bold red"), f": {check.problem}"))
    if check.note:
        parts.append(Text(f"  {check.note}", style="dim" if check.is_checked else "yellow"))
    if check.ok and not check.findings:
        parts.append(Text("  source: nothing that the compiler's Python subset refuses"))
    return parts


def _finding(f: SubsetFinding) -> Text:
    style = _SEVERITY_STYLE[f.severity]
    head = Text.assemble(f"  {f.place}: ", (f.severity, style), f" [{f.rule}] {f.what}; {f.do}")
    return Text.assemble(head, "\n      ", (f.code, "dim")) if f.code else head


def _generations(results: tuple[GenerationResult, ...]) -> list[RenderableType]:
    """One line per verdict: generations that refuse for the same reason share theirs."""
    parts: list[RenderableType] = []
    for problem, same in groupby(results, key=lambda g: g.problem):
        group = list(same)
        if problem:
            names = ", ".join(f"{g.generation} ({g.chip})" for g in group)
            parts.append(Text.assemble(f"  {names}: ", ("refused", "bold red"), f": {problem}"))
            continue
        for g in group:
            counted = count_text(g.num_instructions, "instruction")
            head = f"  {g.generation} ({g.chip}): "
            parts.append(Text.assemble(head, ("legal", "green"), f", {counted}"))
    return parts
