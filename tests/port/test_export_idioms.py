"""The check says of each idiom of the export probe what its label says, no more and no less."""

import csv
from pathlib import Path

import pytest

from glia.frontends.load import load_model
from glia.frontends.torch.study import study
from glia.port.graph_check.findings import spoken
from glia.port.graph_check.rule import example
from port.export_idioms import IDIOMS

PROBE = Path(__file__).parents[2] / "shared" / "data" / "torch_export_probe.csv"


def said(tmp_path, forward, inputs):
    file = tmp_path / "mine.py"
    file.write_text(example(forward, inputs))
    found = load_model(f"{file}:model")
    learnt = study(found.name, found.module, found.args, found.kwargs)
    return learnt, {one.rule.id for one in spoken(learnt)}


FEW = {name for i, name in enumerate(IDIOMS) if i % 6 == 0}  # of each part of the table one
CASES = [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in IDIOMS]


@pytest.mark.parametrize("name", CASES)
def test_idiom(name, tmp_path):
    forward, inputs, label = IDIOMS[name]
    must = {word for word in label.split() if not word.startswith("~")}
    may = {word.lstrip("~") for word in label.split()}
    _, rules = said(tmp_path, forward, inputs)
    assert must <= rules <= may


@pytest.mark.skipif(not PROBE.is_file(), reason="the table of the probe is not in this checkout")
def test_all_idioms_of_the_probe_are_here():
    with PROBE.open(encoding="utf-8") as table:
        assert {row["snippet"] for row in csv.DictReader(table)} == set(IDIOMS)
