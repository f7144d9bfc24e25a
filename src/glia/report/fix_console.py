"""What `glia fix` did, as tables for the terminal: rewritten by rule, left by rule with reasons."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from glia.core.check_records import Unread
from glia.core.fix_records import ChangedFile, FixedPlace, FixReport, LeftPlace
from glia.report.grid import columns, titled_table

_SHOWN = 3  # places of a rule, unless all are asked for
_MAX_UNREAD = 10
_DIFF_STYLES = (("+++", "bold"), ("---", "bold"), ("@@", "cyan"), ("+", "green"), ("-", "red"))


def fix_view(report: FixReport, show_all: bool = False) -> RenderableType:
    """The whole summary; what was done last, as that is what stays on the screen."""
    parts: list[RenderableType] = []
    if report.unread:
        parts.append(_unread_table(report.unread, show_all))
    if report.left:
        parts.append(_left_table(report.left, show_all))
    if report.fixed:
        parts.append(_fixed_table(report.fixed, show_all))
    parts += [Text(f"note: {note}", style="yellow") for note in report.notes]
    return Group(*parts, Text(), *_foot(report))


def diff_view(diff: str) -> Text:
    """A patch in colours."""
    return Text("\n").join(Text(line, _diff_style(line)) for line in diff.splitlines())


def _diff_style(line: str) -> str:
    return next((style for start, style in _DIFF_STYLES if line.startswith(start)), "")


def _fixed_table(places: Sequence[FixedPlace], show_all: bool) -> Table:
    table = titled_table("Rewritten")
    columns(table, ("Rule", "Where"), ("Places",))
    groups: dict[str, list[FixedPlace]] = defaultdict(list)
    for place in places:
        groups[place.rule].append(place)
    for rule in sorted(groups):
        where = _places([(_where(p), _change(p, show_all)) for p in groups[rule]], show_all)
        table.add_row(Text(rule), where, Text(f"{len(groups[rule]):,}"))
    return table


def _left_table(places: Sequence[LeftPlace], show_all: bool) -> Table:
    table = titled_table("Left as it is")
    columns(table, ("Rule", "What, why it is left, where"), ("Places",))
    groups: dict[tuple[str, str], list[LeftPlace]] = defaultdict(list)
    for place in places:
        groups[place.rule, place.reason].append(place)
    for (rule, reason), group in sorted(groups.items()):
        what = Text.assemble((group[0].title, "bold"), f": {reason}")
        where = _places([(_where(p), p.code) for p in group], show_all)
        table.add_row(Text(rule), Group(what, where), Text(f"{len(group):,}"))
    return table


def _change(place: FixedPlace, show_all: bool) -> str:
    """The line, and with `--all` what becomes of it."""
    return f"{place.code}\n    -> {place.new or '(the line goes)'}" if show_all else place.code


def _where(place: FixedPlace | LeftPlace) -> str:
    cell = f" cell {place.cell}" if place.cell else ""
    return f"{place.file}{cell}:{place.line}"


def _places(places: Sequence[tuple[str, str]], show_all: bool) -> Text:
    shown = places if show_all else places[:_SHOWN]
    lines = [
        Text.assemble(
            (where, "cyan"), ("  " + "\n".join(li[:80] for li in code.split("\n")), "dim")
        )
        for where, code in shown
    ]
    if len(places) > len(shown):
        lines.append(Text(f"{len(places) - len(shown):,} more (--all shows them)", style="dim"))
    return Text("\n").join(lines)


def _unread_table(unread: Sequence[Unread], show_all: bool) -> Table:
    table = titled_table("Not read, and not changed")
    columns(table, ("File", "Why"))
    shown = unread if show_all else unread[:_MAX_UNREAD]
    for item in shown:
        table.add_row(Text(item.file), Text(item.reason))
    if len(unread) > len(shown):
        table.add_row(Text(f"{len(unread) - len(shown):,} more"), Text("--all shows them"))
    return table


def _foot(report: FixReport) -> list[Text]:
    helpers = [c for c in report.changed if c.helper]
    others = [c for c in report.changed if not c.helper]
    done = "rewritten" if report.written else "to rewrite"
    lines = [
        Text(
            f"{_count(len(report.fixed), 'place')} {done} in {_count(len(others), 'file')}, "
            f"{_count(len(report.left), 'place')} left; {_count(report.num_files, 'file')} read",
            style="bold",
        )
    ]
    lines += [Text(_of_helper(helper, report.written)) for helper in helpers]
    if report.changed and not report.written:
        lines.append(Text("nothing is written: read the patch, then apply it, or give --write"))
    return lines


def _of_helper(helper: ChangedFile, written: bool) -> str:
    what = "the device helper" if helper.is_new else "functions for the device helper"
    return f"{what}: {helper.file}{'' if written else ' (in the patch)'}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
