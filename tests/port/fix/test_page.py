"""docs/fix.md says what the rewriters do: `python -m glia.port.fix.page` writes it."""

from pathlib import Path

from glia.port.fix.page import main, page
from glia.port.fix.registry import rewriters
from glia.port.rules.table import RULES

FILE = Path(__file__).parents[3] / "docs" / "fix.md"


def test_the_page_is_up_to_date():
    assert FILE.read_text(encoding="utf-8") == page(), "run `python -m glia.port.fix.page`"


def test_every_rule_stands_in_one_table(tmp_path):
    main(tmp_path / "fix.md")
    rewritten, left = (tmp_path / "fix.md").read_text("utf-8").split("## What is left")
    for name in RULES:
        link = f"[{name}](rules/{name}.md)"
        assert (rewritten.count(link), left.count(link)) == (
            (1, 0) if name in rewriters() else (0, 1)
        )
