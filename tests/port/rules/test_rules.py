"""Every rule speaks on its bad example and is silent on its good one; every record is whole."""

import pytest

from glia.port.rules.rule import FAMILIES, Rule
from glia.port.rules.table import RULES, rules_at
from glia.port.source.hits import hits
from glia.port.source.module import Module


def spoken(code: str) -> set[str]:
    module = Module("example.py", code)
    return {rule.id for hit in hits(module) for rule in rules_at(hit)}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_bad_and_good_example(rule: Rule):
    assert rule.id in spoken(rule.bad)
    assert spoken(rule.good) == set()


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_record_is_whole(rule: Rule):
    assert set(rule.on) == set(FAMILIES)
    assert rule.sources and rule.why and rule.triggers
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
