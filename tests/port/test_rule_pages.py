"""docs/rules/ says what the rules' records say: `python -m glia.port.rule_pages` writes it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from glia.port.configs.table import ROWS
from glia.port.graph_check.table import GRAPH_RULES
from glia.port.rule_pages import elsewhere, main, pages
from glia.port.rules.table import RULES

FOLDER = Path(__file__).parents[2] / "docs" / "rules"
ALL = {**RULES, **GRAPH_RULES}


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return pages()


def test_the_pages_are_up_to_date(texts: dict[str, str]):
    written = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*")}
    old = sorted(n for n in {*texts, *written} if texts.get(n) != written.get(n))
    assert not old, f"run `python -m glia.port.rule_pages`: {', '.join(old)}"


def test_a_page_says_all_that_its_rule_says(texts: dict[str, str]):
    assert set(texts) == {"README.md", *(f"{name}.md" for name in ALL)}
    for name, rule in ALL.items():
        page = texts[f"{name}.md"].replace("\\", "")
        for part in (rule.bad.strip("\n"), rule.good.strip("\n"), *rule.sources):
            assert part.replace("\\", "") in page, (name, part)
        for advice in rule.on.values():
            assert advice.do.replace("\\", "").replace("|", "") in page.replace("|", "")
        assert f"({name}.md)" in texts["README.md"]


def test_links_lead_somewhere(texts: dict[str, str]):
    for page in texts.values():
        assert set(re.findall(r"\]\((\w+\.md)\)", page)) <= set(texts)


def test_what_rules_look_at_outside_python_is_told(texts: dict[str, str]):
    assert {row.rule for row in ROWS} == set(elsewhere()) <= set(RULES)
    assert "`flash-attn*`" in texts["C054.md"]
    assert "variables of the environment named `NCCL_*`" in texts["C104.md"]
    assert "```dockerfile\nFROM nvidia/cuda" in texts["C134.md"]


def test_pages_of_rules_that_are_gone_are_removed(tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "C999.md").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    main(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*pages(), "notes.txt"}
    assert f"wrote {len(pages())} pages" in capsys.readouterr().out
