"""Every rule speaks on its bad example and is silent on its good one; every record is whole."""

from pathlib import Path

import pytest

from glia.port.configs.scan import file_clues
from glia.port.configs.table import ROWS, rules_of
from glia.port.rules.rule import FAMILIES, Rule
from glia.port.rules.table import RULES, rules_at
from glia.port.source.hits import hits
from glia.port.source.module import Module


def spoken(code: str, name: str = "example.py") -> set[str]:
    if not name.endswith(".py"):
        return {rule for clue in file_clues(Path(name), code) for rule in rules_of(clue)}
    module = Module("example.py", code)
    return {rule.id for hit in hits(module) for rule in rules_at(hit)}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_bad_and_good_example(rule: Rule):
    assert rule.id in spoken(rule.bad, rule.example)
    assert spoken(rule.good, rule.example) == set()


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_record_is_whole(rule: Rule):
    assert set(rule.on) == set(FAMILIES)
    assert rule.sources and rule.why
    assert rule.triggers or rule.id in {row.rule for row in ROWS}
    for advice in rule.on.values():
        assert advice.do
        assert advice.effort != "none" or advice.effect in ("works", "slower")


def test_the_longest_name_wins():
    assert spoken(
        "import torch\ntorch.backends.cudnn.benchmark = True\nx = torch.cuda.Stream()\n"
    ) == {
        "C050",
        "C024",
    }
