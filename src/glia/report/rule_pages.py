"""The rules of `glia check` as pages of Markdown: an index, and one page per rule."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from glia.core.check_records import RuleSummary

INDEX = "README.md"
_MADE = "<!-- Made from the rules' records by `python -m glia.port.rule_pages`; edit those. -->\n"
_GRADES = {
    "documented": "the vendor, or the project itself, writes it",
    "seen": "somebody saw it and said so in public, or glia's authors measured it",
    "general": "general knowledge, without a source that says it in so many words",
}
_AUTOFIX = {
    "yes": "`glia fix` may rewrite it",
    "partly": "`glia fix` may rewrite some places, and leaves the others with the finding",
    "no": "it takes a person",
}


def rule_pages(
    rules: Sequence[RuleSummary], languages: Mapping[str, str], elsewhere: Mapping[str, str]
) -> dict[str, str]:
    """File name -> text. `languages` are those of the examples that are not Python, `elsewhere`
    what else than Python a rule looks at, both by rule."""
    pages = {f"{r.id}.md": _page(r, languages.get(r.id, "python"), elsewhere) for r in rules}
    return {INDEX: _index(rules)} | pages


def _page(rule: RuleSummary, language: str, elsewhere: Mapping[str, str]) -> str:
    parts = [
        _MADE,
        f"# {rule.id}: {_text(rule.title)}\n",
        f"{_text(rule.why[:1].upper() + rule.why[1:])}.\n",
        _table(
            ("On", "What happens", "Effort", "What to do"),
            ([f, f"**{c.effect}**", c.effort, _text(c.do)] for f, c in rule.on.items()),
        ),
        "## It speaks on\n",
        _code(rule.bad, language),
        "## It is silent on\n",
        _code(rule.good, language),
    ]
    if rule.id in elsewhere:
        parts += ["## Outside Python\n", f"{elsewhere[rule.id]}\n"]
    parts += [
        "## How it is known\n",
        f"{rule.grade.capitalize()}: {_GRADES[rule.grade]}.\n",
        "\n".join(f"- {source}" for source in rule.sources) + "\n",
        f"Category {rule.category}. By a tool: {_AUTOFIX[rule.autofix]}.\n",
        f"To leave a place as it is: `# glia: ignore[{rule.id}] why it may stay`, on its line or "
        "alone above it.\n",
        f"[All rules]({INDEX})\n",
    ]
    return "\n".join(parts)


def _index(rules: Sequence[RuleSummary]) -> str:
    categories: dict[str, list[RuleSummary]] = defaultdict(list)
    for rule in rules:
        categories[rule.category].append(rule)
    parts = [
        _MADE,
        "# The rules of `glia check`\n",
        "What happens on each family of chips when the code runs there as it is: *silent* goes on "
        "and does the wrong thing, *raises* stops with an error, *unknown* is not known, *slower* "
        "and *works* are what they say. `glia explain ID` prints a rule's page.\n",
    ]
    for category, members in categories.items():
        families = list(members[0].on)
        rows = (
            [f"[{r.id}]({r.id}.md)", _text(r.title), *(r.on[f].effect for f in families)]
            for r in members
        )
        parts += [f"## {category}\n", _table(("Rule", "What", *families), rows)]
    return "\n".join(parts)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_row(heads), _row(["---"] * len(heads)), *(_row(row) for row in rows)]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _text(words: str) -> str:
    """Words in which nothing is markup: names with underscores or stars stay as they are."""
    return re.sub(r"[\\`*<>\[\]]|(?<!\w)_|_(?!\w)", r"\\\g<0>", words)


def _code(code: str, language: str) -> str:
    return f"```{language}\n{code.strip(chr(10))}\n```\n"
