"""`glia chips`: the catalogue, one chip, several side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from glia.cli.options import Json, distinct
from glia.cli.output import print_json, result_console
from glia.core.errors import UsageError

if TYPE_CHECKING:
    from glia.chips import Chip

chips_app = typer.Typer(
    invoke_without_command=True,
    help="The catalogue of chips: every figure with its mark and source.",
)


@chips_app.callback()
def chips_verb(ctx: typer.Context, json: Json = False) -> None:
    """All chips of the catalogue in one table."""
    if ctx.invoked_subcommand is not None:
        if json:
            raise UsageError("glia chips: got --json before the verb; put it after the names")
        return
    from glia.chips.catalogue import catalogue
    from glia.cli.chip_tables import overview

    rows = catalogue()
    if json:
        print_json([row_json(row) for row in rows])
    else:
        console = result_console()
        console.print(overview(rows, console.width))


@chips_app.command("show")
def show_verb(
    name: Annotated[str, typer.Argument(help="A chip's name or alias.", show_default=False)],
    json: Json = False,
) -> None:
    """One chip: every figure with value, range, mark and source, and its rentals with date."""
    from glia.chips import load_chip
    from glia.cli.chip_tables import detail

    chip = load_chip(name)
    if json:
        print_json(chip_json(chip))
    else:
        result_console().print(detail(chip))


@chips_app.command("compare")
def compare_verb(
    names: Annotated[list[str], typer.Argument(help="Two or more chips.", show_default=False)],
    json: Json = False,
) -> None:
    """Several chips side by side, figure by figure, and their rentals."""
    from glia.chips import load_chip
    from glia.chips.catalogue import compare
    from glia.cli.chip_tables import side_by_side

    chips = [load_chip(name) for name in names]
    if len(distinct("glia chips compare", [chip.name for chip in chips])) < 2:
        raise UsageError(
            f"glia chips compare: got {chips[0].name} alone, expected two or more chips; "
            f"name another, or see it alone: glia chips show {chips[0].name}"
        )
    rows = compare(chip.name for chip in chips)
    if json:
        table = [{"path": row.path, "cells": row.cells} for row in rows]
        rentals = {chip.name: [rental_json(r) for r in chip.rentals] for chip in chips}
        print_json({"chips": [c.name for c in chips], "rows": table, "rentals": rentals})
    else:
        result_console().print(side_by_side(chips, rows))


def row_json(row: Any) -> dict[str, Any]:
    """One line of the overview as JSON."""
    from glia.core.records import to_json

    out: dict[str, Any] = {name: getattr(row, name) for name in type(row).__slots__}
    out["rental"] = None if row.rental is None else rental_json(row.rental)
    return {key: to_json(value) for key, value in out.items()}


def rental_json(rental: Any) -> dict[str, Any]:
    """One rental as JSON; the price is a figure with its date."""
    return {name: getattr(rental, name) for name in type(rental).model_fields}


def chip_json(chip: Chip) -> dict[str, Any]:
    """One chip as JSON: words, then every figure with its dotted path, then rentals."""
    out: dict[str, Any] = {
        name: getattr(chip, name)
        for name in ("name", "title", "vendor", "kind", "summary", "aliases")
    }
    out["is_virtual"] = chip.silicon is not None
    out["figures"] = [
        {"path": path, "figure": figure}
        for path, figure in chip.figures()
        if not path.startswith("rentals")
    ]
    out["rentals"] = [rental_json(rental) for rental in chip.rentals]
    if chip.silicon is not None:
        out["generation"] = chip.silicon.generation
        out["capabilities"] = chip.silicon.capabilities.model_dump()
    return out
