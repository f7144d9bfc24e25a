"""How a model's graph was looked at, as the part of a check that follows its findings."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from glia.core.graph_records import GraphReading, OperationKind
from glia.report.grid import columns, titled_table

_SHOWN = 12  # kinds of operations, unless all are asked for


def graph_parts(reading: GraphReading | None, show_all: bool = False) -> list[RenderableType]:
    """The reading as a table of operations and a few lines; nothing for a check without a model."""
    if reading is None:
        return []
    lines = [f"Graph of {reading.model}: {reading.note}"]
    lines += [f"inputs  {', '.join(reading.inputs)}"] if reading.inputs else []
    if reading.num_graphs is not None and reading.num_graphs != 1:
        number = reading.num_graphs or "no"
        lines.append(f"torch.compile makes {number} graphs of one call")
    if reading.confirmed:
        lines.append(f"the graph confirms, of the source's findings: {_few(reading, show_all)}")
    lines += [f"glia's own {part}: {text}" for part, text in reading.glia.items()]
    parts: list[RenderableType] = [Text("\n" + "\n".join(lines))]
    if reading.kinds:
        parts.append(_kinds_table(reading.kinds, show_all))
    return parts


def _few(reading: GraphReading, show_all: bool) -> str:
    shown = reading.confirmed if show_all else reading.confirmed[:_SHOWN]
    rest = len(reading.confirmed) - len(shown)
    return ", ".join(shown) + (f", {rest} more" if rest else "")


def _kinds_table(kinds: tuple[OperationKind, ...], show_all: bool) -> RenderableType:
    shown = kinds if show_all else kinds[:_SHOWN]
    more = f", the {len(shown)} most frequent (--all shows them)" if len(shown) < len(kinds) else ""
    title = "1 kind of operation" if len(kinds) == 1 else f"{len(kinds)} kinds of operations"
    table = titled_table(title + more)
    columns(
        table, ("Operation", "On the vendor's list for Neuron", "glia translates it"), ("Times",)
    )
    for kind in shown:
        translated = {True: "yes", False: "no", None: "not tried"}[kind.translated]
        listed = "yes" if kind.listed else "not listed"
        table.add_row(Text(kind.name), Text(listed), Text(translated), Text(f"{kind.count:,}"))
    return table
