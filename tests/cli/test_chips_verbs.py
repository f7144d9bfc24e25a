"""`glia chips`: what the catalogue says is what is printed, in text and in JSON."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from glia.chips import list_chips, load_chip
from glia.cli.app import app


def glia(*words: str, columns: int = 200) -> Result:
    return CliRunner().invoke(app, list(words), env={"COLUMNS": str(columns)})


def as_json(*words: str) -> object:
    result = glia(*words, "--json")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    return json.loads(result.stdout)


def test_overview_has_every_chip():
    result = glia("chips")
    assert result.exit_code == 0
    assert all(f" {name} " in result.stdout for name in list_chips())
    assert "disputed" in result.stdout


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_overview_is_not_folded(columns):
    lines = glia("chips", columns=columns).stdout.splitlines()
    assert all(len(line) <= columns for line in lines)
    assert sum(line.split()[:1] == ["trn2"] for line in lines) == 1
    assert not any("\u2026" in line for line in lines)


def test_overview_as_json_names_sources():
    rows = as_json("chips")
    assert [row["name"] for row in rows if row["is_virtual"]] == ["inf2", "trn1", "trn2", "trn3"]
    h100 = next(row for row in rows if row["name"] == "h100")
    assert h100["peak"]["unit"] == "FLOP/s"
    assert h100["peak"]["source"] == load_chip("h100").peak["bf16"].source
    assert h100["rental"]["price"]["date"]


@pytest.mark.parametrize("name", list_chips())
def test_show_prints_every_figure_and_rental(name):
    chip = load_chip(name)
    text = glia("chips", "show", name, columns=400).stdout
    for path, figure in chip.figures():
        assert path.startswith("rentals") or f" {path} " in text
        assert figure.source in text
        assert figure.mark in text
        assert figure.note in text
    for rental in chip.rentals:
        assert rental.instance in text
        assert rental.price.date in text


def test_show_as_json_is_the_chip():
    shown = as_json("chips", "show", "trn2")
    figures = {row["path"]: row["figure"] for row in shown["figures"]}
    clock = load_chip("trn2").silicon.clock.tensor
    assert figures["silicon.clock.tensor"]["value"] == clock.value
    assert figures["silicon.clock.tensor"]["source"] == clock.source
    assert shown["capabilities"]["dma_transpose"] is True
    assert {r["kind"] for r in shown["rentals"]} == {"capacity_block", "spot"}


def test_show_takes_an_alias():
    alias = load_chip("trn2").aliases[0]
    assert glia("chips", "show", alias).stdout == glia("chips", "show", "trn2").stdout


def test_compare_keeps_the_order_and_marks_what_is_missing():
    text = glia("chips", "compare", "l4", "trn2").stdout
    head = next(line for line in text.splitlines() if line.split()[:1] == ["figure"])
    assert head.split() == ["figure", "l4", "trn2"]
    cores = next(line for line in text.splitlines() if "num_cores" in line)
    assert cores.split()[1] == "-"


def test_compare_as_json_has_one_cell_per_chip():
    table = as_json("chips", "compare", "trn2", "h100", "maia-100")
    assert table["chips"] == ["trn2", "h100", "maia-100"]
    assert all(len(row["cells"]) == 3 for row in table["rows"])
    peak = next(row for row in table["rows"] if row["path"] == "peak.bf16")
    assert [cell["value"] for cell in peak["cells"]] == [667e12, 989e12, 800e12]
    assert table["rentals"]["maia-100"] == []


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["show", "trn22"], "chip: got 'trn22'; did you mean 'trn2'?"),
        (["show"], "Missing argument"),
        (["shwo", "trn2"], "Did you mean 'show'?"),
        (["compare", "trn2"], "got trn2 alone, expected two or more chips"),
        (["compare", "trn2", "trainium2"], "got trn2 twice"),
        (["compare", "trn2", "h1000"], "did you mean 'h100'?"),
    ],
)
def test_bad_usage_is_one_message_and_code_2(words, text):
    result = glia("chips", *words)
    assert result.exit_code == 2
    assert text in result.stderr
    assert result.stdout == ""
