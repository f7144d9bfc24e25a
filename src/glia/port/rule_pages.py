"""Writes docs/rules/: `python -m glia.port.rule_pages [FOLDER]`.

The pages are made from the rules' records alone; a test holds the folder to them.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

from glia.port.configs.table import ROWS
from glia.port.graph_check.table import GRAPH_RULES
from glia.port.project_check import rule_summary
from glia.port.rules.rule import FAMILIES
from glia.port.rules.table import RULES
from glia.port.targets import target_named
from glia.report.files import write_text_atomic
from glia.report.rule_pages import rule_pages

FOLDER = Path("docs") / "rules"
_KINDS = {
    "entry": "settings and options named",
    "item": "lists in settings named",
    "variable": "variables of the environment named",
    "program": "the programs",
    "package": "packages that are required or installed:",
    "system": "packages of the operating system",
    "index": "addresses that packages come from",
    "image": "images of containers",
    "source": "sources of C++ for CUDA (each kernel, or that the host's side is there)",
}
_LANGUAGES = {"Dockerfile": "dockerfile", ".sh": "shell", ".txt": "text"}


def pages() -> dict[str, str]:
    """File name -> text of every page."""
    families = [target_named(family) for family in FAMILIES]
    records = {**RULES, **GRAPH_RULES}
    summaries = [rule_summary(records[name], families) for name in sorted(records)]
    languages = {
        name: language
        for name, rule in RULES.items()
        for suffix, language in _LANGUAGES.items()
        if rule.example.endswith(suffix)
    }
    return rule_pages(summaries, languages, elsewhere())


def elsewhere() -> dict[str, str]:
    """What each rule looks at outside Python, as a sentence."""
    keys: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in ROWS:
        keys[row.rule][row.kind] += row.keys
    return {rule: f"It also looks at {'; '.join(_kinds(kinds))}." for rule, kinds in keys.items()}


def _kinds(kinds: dict[str, list[str]]) -> list[str]:
    texts = []
    for kind, names in kinds.items():
        shown = ", ".join(f"`{name}`" for name in dict.fromkeys(names) if name != "*")
        words = _KINDS[kind] if shown else _KINDS[kind].removesuffix(" named")
        values = " with a value that says it" if "*" in names and kind in ("entry", "item") else ""
        texts.append(f"{words}{' ' if shown else ''}{shown}{values if not shown else ''}")
    return texts


def main(folder: Path) -> None:
    """Write every page, and remove those of rules that are gone."""
    texts = pages()
    for name, text in texts.items():
        write_text_atomic(folder / name, text)
    for old in folder.glob("*.md"):
        if old.name not in texts:
            old.unlink()
    print(f"wrote {len(texts)} pages to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
