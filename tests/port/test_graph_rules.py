"""Each rule about graphs speaks on its bad example and is silent on its good one."""

import pytest

from glia.port.graph_check.job import check_model
from glia.port.graph_check.look import look_once
from glia.port.graph_check.table import GRAPH_RULES
from glia.port.rules.rule import FAMILIES
from glia.port.targets import target_named


def rules_on(tmp_path, text):
    """The identifiers that a model's file gives, and those that only confirm the source check."""
    file = tmp_path / "mine.py"
    file.write_text(text)
    report = check_model(f"{file}:model", [target_named(f) for f in FAMILIES], once=look_once)
    return {f.rule for f in report.findings} | {c.split()[0] for c in report.graph.confirmed}


def speaks(rule, found):
    return rule.id in found or bool(found & set(rule.see))


@pytest.mark.parametrize("rule", GRAPH_RULES.values(), ids=GRAPH_RULES)
def test_examples(rule, tmp_path):
    assert speaks(rule, rules_on(tmp_path, rule.bad))
    assert rule.id not in rules_on(tmp_path, rule.good)
