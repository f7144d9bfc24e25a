"""The catalogue as tables for a console; every figure keeps its mark, its source has a number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from glia.chips import Chip, Rental
from glia.chips.catalogue import ChipRow, CompareRow
from glia.core.figures import Figure
from glia.core.units import format_quantity
from glia.report.sources import SourceIndex

# A figure without a sign is published.
SIGNS = {"published": "", "measured": " *", "estimated": " ~", "disputed": " ?"}
WIDE = 120
LEGEND = "published unless marked:  * measured  ~ estimated  ? disputed    - unknown"


def overview(rows: Sequence[ChipRow], width: int) -> RenderableType:
    """`glia chips`: one line per chip; on a narrow console without title, terms and date."""
    is_wide = width >= WIDE
    table = _table("Chips")
    table.add_column("name", style="bold", no_wrap=True)
    table.add_column("runs", no_wrap=True)
    for head in ("memory", "bandwidth", "dense peak", "TDP", "rent"):
        table.add_column(head, justify="right", no_wrap=True)
    for head in ("terms", "listed", "chip") if is_wide else ():
        table.add_column(head, overflow="fold")
    for row in rows:
        cells = (*_overview_cells(row), *(_wide_cells(row) if is_wide else ()))
        table.add_row(*map(Text, cells))
    hint = "Every figure with its source, every rental with its date: glia chips show NAME"
    return Group(table, Text(LEGEND, style="dim"), Text(hint, style="dim"))


def _overview_cells(row: ChipRow) -> tuple[str, ...]:
    return (
        row.name,
        "yes" if row.is_virtual else "-",
        _short(row.capacity),
        _short(row.bandwidth),
        _short(row.peak, row.peak_format),
        _short(row.tdp),
        _short(None if row.rental is None else row.rental.price),
    )


def _wide_cells(row: ChipRow) -> tuple[str, ...]:
    if row.rental is None:
        return "-", "-", row.title
    return _words(row.rental.kind), row.rental.price.date, row.title


def detail(chip: Chip) -> RenderableType:
    """`glia chips show`: every figure of one chip."""
    sources = SourceIndex()
    heading = Text.assemble((chip.title, "bold"), f"  ({chip.name}, {chip.vendor}, {chip.kind})")
    parts: list[RenderableType] = [heading, Text(chip.summary)]
    if chip.silicon is None:
        parts.append(Text("Known from data sheets: glia estimates it by roofline."))
    else:
        parts.append(Text(f"glia executes it instruction by instruction ({_able(chip)})."))
    figures = [(p, f) for p, f in chip.figures() if not p.startswith("rentals")]
    parts.append(_figures_table(figures, sources))
    parts.append(_rentals_table([chip], sources))
    return Group(*parts, _listing(sources))


def _able(chip: Chip) -> str:
    assert chip.silicon is not None
    able = [name for name, has in chip.silicon.capabilities.model_dump().items() if has]
    return f"{chip.silicon.generation}; {', '.join(_words(name) for name in able)}"


def _figures_table(figures: Iterable[tuple[str, Figure]], sources: SourceIndex) -> Table:
    table = _table("Figures")
    table.add_column("figure", no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("range")
    table.add_column("mark")
    table.add_column("source", justify="right")
    table.add_column("note", style="dim", overflow="fold")
    for path, figure in figures:
        note = "; ".join(part for part in (figure.note, figure.date) if part)
        cells = (path, _value(figure), _range(figure), figure.mark, _cite(figure, sources))
        table.add_row(*map(Text, (*cells, note)))
    return table


def _rentals_table(chips: Sequence[Chip], sources: SourceIndex) -> RenderableType:
    table = _table("Rentals, per chip and hour")
    table.add_column("chip", no_wrap=True)
    table.add_column("price", justify="right")
    for head in ("terms", "offer", "listed", "mark", "source"):
        table.add_column(head, overflow="fold")
    parts: list[RenderableType] = []
    for chip in chips:
        for rental in chip.rentals:
            table.add_row(*map(Text, _rental_cells(chip, rental, sources)))
            if rental.price.note:
                parts.append(Text(f"{rental.instance}: {rental.price.note}", style="dim"))
    missing = [chip.name for chip in chips if not chip.rentals]
    if missing:
        parts.append(Text(f"No public rental is listed for {', '.join(missing)}."))
    return Group(*parts) if len(missing) == len(chips) else Group(table, *parts)


def _rental_cells(chip: Chip, rental: Rental, sources: SourceIndex) -> Iterable[str]:
    price = rental.price
    noun = "chip" if rental.num_chips == 1 else "chips"
    offer = (rental.provider, rental.instance, f"{rental.num_chips} {noun}", rental.region)
    width = f"\n{_range(price)}" if _range(price) else ""
    terms = (_words(rental.kind), ", ".join(part for part in offer if part), price.date)
    return (chip.name, f"{price}{width}", *terms, price.mark, _cite(price, sources))


def side_by_side(chips: Sequence[Chip], rows: Sequence[CompareRow]) -> RenderableType:
    """`glia chips compare`: one row per figure, one column per chip."""
    sources = SourceIndex()
    table = _table("Side by side")
    table.add_column("figure", no_wrap=True)
    for chip in chips:
        table.add_column(chip.name, justify="right")
    notes: list[Text] = []
    for row in rows:
        cells = [_cited(figure, sources) for figure in row.cells]
        table.add_row(row.path, *cells)
        named = zip(chips, row.cells, strict=True)
        notes += [Text(f"{c.name} {row.path}: {f.note}") for c, f in named if f and f.note]
    rentals = _rentals_table(chips, sources)
    legend = Text(LEGEND, style="dim")
    remarks = [Text("\nNotes", style="bold"), *notes] if notes else []
    return Group(table, legend, rentals, *remarks, _listing(sources))


def _cited(figure: Figure | None, sources: SourceIndex) -> Text:
    if figure is None:
        return Text("-", style="dim")
    width = f" ({_range(figure)})" if _range(figure) else ""
    cited = (f" {_cite(figure, sources)}", "dim")
    return Text.assemble(f"{_value(figure)}{SIGNS[figure.mark]}{width}", cited)


def _short(figure: Figure | None, words: str = "") -> str:
    if figure is None:
        return "-"
    return f"{_value(figure)} {words}".rstrip() + SIGNS[figure.mark]


def _value(figure: Figure) -> str:
    return str(figure).removesuffix(" count")


def _range(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return ""
    ends = (format_quantity(end, figure.unit) for end in (figure.low, figure.high))
    return " to ".join(ends)


def _cite(figure: Figure, sources: SourceIndex) -> str:
    return f"[{sources.number(figure.source)}]"


def _listing(sources: SourceIndex) -> RenderableType:
    table = _table("Sources", box_style=None, header=False)
    table.add_column(justify="right")
    table.add_column(overflow="fold")
    for number, source in sources.items():
        table.add_row(*map(Text, (f"[{number}]", source)))
    return table


def _words(name: str) -> str:
    return name.replace("_", " ")


def _table(title: str, box_style: box.Box | None = box.SIMPLE_HEAD, header: bool = True) -> Table:
    return Table(
        title=f"\n{title}",
        title_justify="left",
        title_style="bold",
        box=box_style,
        show_header=header,
        pad_edge=False,
        collapse_padding=True,
    )
