"""Tables for the terminal, all in one style. Text from outside is never parsed as Rich markup."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.table import Table
from rich.text import Text

from glia.core.figures import Estimate
from glia.report.wording import likely_text, range_text


def titled_table(title: str) -> Table:
    """An empty table below its title."""
    return Table(
        title=Text(f"\n{title}", style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )


def columns(table: Table, names: Iterable[str], numeric: Iterable[str] = ()) -> None:
    """Add columns of words, then columns of numbers."""
    for name in names:
        table.add_column(Text(name), overflow="fold")
    for name in numeric:
        table.add_column(Text(name), justify="right", overflow="fold")


def two_lines(first: str, second: str) -> Text:
    """A cell of two lines, the second one quieter; one line when the second is empty."""
    return Text.assemble(first, "\n", (second, "dim")) if second else Text(first)


def estimate_cell(estimate: Estimate | None) -> Text:
    """The likely value over its range."""
    return two_lines(likely_text(estimate), range_text(estimate))
