"""A check of source code as tables for the terminal: what goes wrong silently comes first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from glia.core.check_records import (
    CheckReport,
    CodeFinding,
    Effect,
    RuleSummary,
    TargetVerdict,
    Unread,
)
from glia.core.figures import Estimate
from glia.report.check_order import (
    HEADS,
    WEIGHTLESS,
    by_consequence,
    by_file,
    by_rule,
    counted,
    lightness,
)
from glia.report.graph_console import graph_parts
from glia.report.grid import columns, titled_table

_STYLES: dict[Effect, str] = {
    "silent": "bold red",
    "raises": "yellow",
    "unknown": "magenta",
    "slower": "",
    "works": "green",
}
_VERDICT_STYLES = {
    "runs": "bold green",
    "runs after fixes": "bold yellow",
    "needs redesign": "bold red",
    "unknown": "bold magenta",
}
_SHOWN = 3  # places of a rule, unless all are asked for
_TOLD = ("silent", "raises")  # with what to do and where, also when not all is asked for
_LINES = 8  # lines of a file that are shown, of a rule with many places
_MAX_UNREAD = 10
_MAX_CODE = 80  # characters of a line that are shown


def check_view(report: CheckReport, show_all: bool = False) -> RenderableType:
    """The whole report: findings by consequence, what could not be read, the verdicts last."""
    parts: list[RenderableType] = []
    weighty = [f for f in report.findings if f.weighs]
    for effect, groups in by_consequence(report):
        brief = effect not in _TOLD and not show_all and report.graph is None
        parts.append(
            _brief_table(HEADS[effect], groups, report)
            if brief
            else _findings_table(HEADS[effect], groups, report, show_all)
        )
    light = [f for f in report.findings if not f.weighs]
    if light:
        parts.append(_light_table(light, report, show_all))
    if report.unread:
        parts.append(_unread_table(report.unread, show_all))
    parts += [Text(f"note: {note}", style="yellow") for note in report.notes]
    parts += graph_parts(report.graph, show_all)
    return Group(*parts, _verdict_table(report.targets), _foot(report, weighty))


def _findings_table(
    title: str, groups: Sequence[Sequence[CodeFinding]], report: CheckReport, show_all: bool
) -> Table:
    table = titled_table(title)
    columns(table, ("Rule", "What, what to do, where"))
    for group in groups:
        rule = report.rules[group[0].rule]
        what = Text.assemble((rule.title, "bold"), f": {rule.why}")
        table.add_row(Text(rule.id), Group(what, _advice(rule), _places(group, show_all)))
    return table


def _brief_table(title: str, groups: Sequence[Sequence[CodeFinding]], report: CheckReport) -> Table:
    """A line per rule for what neither stops the program nor falsifies what it does."""
    table = titled_table(f"{title} (--all shows every place, and what to do)")
    columns(table, ("Rule", "What", "Where"), ("Places",))
    for group in groups:
        rule = report.rules[group[0].rule]
        table.add_row(
            Text(rule.id), Text(rule.title), Text(group[0].place), Text(f"{len(group):,}")
        )
    return table


def _places(group: Sequence[CodeFinding], show_all: bool) -> Text:
    """Every place when they are few; of many, how many and where in each file."""
    if show_all or len(group) <= _SHOWN:
        return Text("\n").join(_place(finding) for finding in group)
    files = by_file(group)
    lines = [Text(f"{counted(len(group), 'place')} in {counted(len(files), 'file')}", style="dim")]
    lines += [_in_file(found) for found in files[:_SHOWN]]
    if len(files) > _SHOWN:
        lines.append(Text(f"{len(files) - _SHOWN:,} more files (--all shows them)", style="dim"))
    return Text("\n").join(lines)


def _in_file(found: Sequence[CodeFinding]) -> Text:
    """One file with the lines of its places; the only place with its code."""
    if len(found) == 1:
        return _place(found[0])
    first, *others = (f.place for f in found)
    shown = [place.removeprefix(found[0].file).lstrip(":") for place in others[: _LINES - 1]]
    more = f" and {len(found) - _LINES:,} more" if len(found) > _LINES else ""
    return Text.assemble((first, "cyan"), (f", {', '.join(shown)}{more}", "dim cyan"))


def _place(finding: CodeFinding) -> Text:
    code = finding.code if len(finding.code) <= _MAX_CODE else finding.code[:_MAX_CODE] + "..."
    detail = f"  ({finding.detail})" if finding.detail else ""
    return Text.assemble((finding.place, "cyan"), (f"  {code}", "dim"), detail)


def _advice(rule: RuleSummary) -> Text:
    """What to do; targets of one mind share a line."""
    groups: dict[tuple[Effect, str, str], list[str]] = defaultdict(list)
    for target, c in rule.on.items():
        groups[c.effect, c.do, c.effort].append(target)
    lines = []
    for (effect, do, effort), names in groups.items():
        work = f" ({effort}): {do}" if effort != "none" else f": {do}"
        lines.append(Text.assemble(f"{', '.join(names)} ", (effect, _STYLES[effect]), work))
    return Text("\n").join(lines)


def _light_table(findings: Sequence[CodeFinding], report: CheckReport, show_all: bool) -> Table:
    table = titled_table(WEIGHTLESS)
    columns(table, ("Rule", "What", "Why it does not weigh"), ("Places",))
    for group in by_rule(findings):
        why: dict[str, int] = defaultdict(int)
        for finding in group:
            why[lightness(finding)] += 1
        reasons = ", ".join(f"{reason} {n}" for reason, n in sorted(why.items()))
        what: RenderableType = Text(report.rules[group[0].rule].title)
        if show_all:
            what = Group(what, _places(group, show_all))
        table.add_row(Text(group[0].rule), what, Text(reasons), Text(f"{len(group):,}"))
    return table


def _unread_table(unread: Sequence[Unread], show_all: bool) -> Table:
    shown = unread if show_all else unread[:_MAX_UNREAD]
    more = f", the first {len(shown)} (--all shows them)" if len(shown) < len(unread) else ""
    hiding = any(entry.hides for entry in unread)
    do = "; the check fails until they are mended, or excluded in glia.toml" if hiding else ""
    table = titled_table(f"{len(unread)} not read{more}{do}")
    columns(table, ("File", "Why"))
    for entry in shown:
        table.add_row(Text(entry.file), Text(entry.reason))
    return table


def _verdict_table(targets: Sequence[TargetVerdict]) -> Table:
    table = titled_table("Verdict")
    columns(table, ("Target", "Verdict", "Because"), ("Silent", "Raises", "Effort", "By tool"))
    for t in targets:
        style = _VERDICT_STYLES[t.verdict]
        counts = (Text(str(t.counts.get(effect, 0))) for effect in ("silent", "raises"))
        share = "-" if t.share_fixable is None else f"{100 * t.share_fixable:.0f} %"
        table.add_row(
            Text(t.target),
            Text(t.verdict, style=style),
            Text(t.reason),
            *counts,
            Text(effort_text(t.effort)),
            Text(share),
        )
    return table


def effort_text(effort: Estimate) -> str:
    """Working hours as an interval: `2 to 40 h`; `none` when there is nothing to do."""
    if not effort.high:
        return "none"
    ends = (effort.low, effort.high)
    low, high = (f"{hours:.1f}" if hours < 10 else f"{hours:,.0f}" for hours in ends)
    return f"{low} to {high} h"


def _foot(report: CheckReport, weighty: Sequence[CodeFinding]) -> Text:
    files = "1 file of Python" if report.num_files == 1 else f"{report.num_files:,} files of Python"
    other = f" and {report.num_other:,} of other kinds" if report.num_other else ""
    unread = f", {len(report.unread):,} of all not read," if report.unread else ""
    return Text(
        f"\nFindings: {len(weighty):,} that weigh, {len(report.findings) - len(weighty):,} that do "
        f"not; {files}{other}{unread} in {report.wall_s:.1f} s.\n"
        "Effort is a judgement in working hours, not a measurement. A rule's page: "
        "glia explain ID",
        style="dim",
    )


def rules_view(rules: Sequence[tuple[str, str, str]]) -> RenderableType:
    """Every rule as (identifier, category, title), those of a category together."""
    table = titled_table(f"{len(rules)} rules; glia explain ID shows the page of one")
    columns(table, ("Rule", "Category", "What it finds"))
    for name, category, title in sorted(rules, key=lambda rule: (rule[1], rule[0])):
        table.add_row(Text(name), Text(category), Text(title))
    return table


def rule_view(rule: RuleSummary, bad: str, good: str) -> RenderableType:
    """The page of one rule; `bad` is code that it speaks on, `good` code that it is silent on."""
    table = titled_table("On each family of chips")
    columns(table, ("Family", "Effect", "Effort", "Do"))
    for family, c in rule.on.items():
        effect = Text(c.effect, style=_STYLES[c.effect])
        table.add_row(Text(family), effect, Text(c.effort), Text(c.do))
    facts = (
        ("category", rule.category),
        ("evidence", rule.grade),
        ("rewritten by a tool", rule.autofix),
        *(("source", source) for source in rule.sources),
    )
    grid = Table.grid(padding=(0, 2))
    for name, value in facts:
        grid.add_row(Text(name, style="dim"), Text(value, overflow="fold"))
    return Group(
        Text.assemble((f"{rule.id}  {rule.title}", "bold")),
        Text(f"{rule.why[:1].upper()}{rule.why[1:]}."),
        table,
        Text("\nIt speaks on", style="bold"),
        Text(_indented(bad)),
        Text("\nIt is silent on", style="bold"),
        Text(f"{_indented(good)}\n"),
        grid,
    )


def _indented(code: str) -> str:
    return "\n".join(f"    {line}" for line in code.strip("\n").split("\n"))
