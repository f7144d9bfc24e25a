"""In what order a check's findings are told: worst effect first, then most work, noise last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from glia.core.check_records import (
    EFFECTS,
    LIGHT_ROLES,
    CheckReport,
    CodeFinding,
    Effect,
    RuleSummary,
)

HEADS: dict[Effect, str] = {
    "silent": "Silent: it goes on and does the wrong thing",
    "raises": "It stops with an error",
    "unknown": "Not known what it does there",
    "slower": "It works, slower",
    "works": "It works, with something to do",
}
_EFFORTS = ("days", "hours", "minutes", "none")
_NOISE = 20  # places of a few minutes each: one habit of the code, not so many decisions
WEIGHTLESS = "Of no weight: guarded, accepted, not reached, in tests or in vendored code"
_GUARDS = {
    "cuda": "runs only where CUDA is",
    "import": "may be absent",
    "typing": "never runs",
    "caught": "goes on without CUDA when it fails",
}


def by_consequence(report: CheckReport) -> Iterator[tuple[Effect, list[list[CodeFinding]]]]:
    """What weighs, by the worst effect on any target; within it by rule, most work first."""
    weighty = [f for f in report.findings if f.weighs]
    for effect in EFFECTS:
        found = [f for f in weighty if report.rules[f.rule].worst == effect]
        if found:
            groups = by_rule(found)
            yield effect, sorted(groups, key=lambda g: _weight(g, report.rules[g[0].rule]))


def by_rule(findings: Sequence[CodeFinding]) -> list[list[CodeFinding]]:
    """Grouped by rule, the rule with most places first."""
    groups: dict[str, list[CodeFinding]] = defaultdict(list)
    for finding in findings:
        groups[finding.rule].append(finding)
    return sorted(groups.values(), key=lambda group: (-len(group), group[0].rule))


def by_file(group: Sequence[CodeFinding]) -> list[list[CodeFinding]]:
    """Places of one rule grouped by file, the file with most of them first."""
    files: dict[str, list[CodeFinding]] = defaultdict(list)
    for finding in group:
        files[finding.file].append(finding)
    return sorted(files.values(), key=lambda found: -len(found))


def _weight(group: Sequence[CodeFinding], rule: RuleSummary) -> tuple[bool, int, int, str]:
    effort = min((_EFFORTS.index(c.effort) for c in rule.on.values()), default=len(_EFFORTS))
    noisy = len(group) > _NOISE and effort >= _EFFORTS.index("minutes")
    return noisy, effort, -len(group), rule.id


def lightness(finding: CodeFinding) -> str:
    """Why a finding does not weigh."""
    if finding.accepted_by:
        return f"accepted ({finding.accepted})"
    if finding.role == "unreached":
        return "not reached from the function"
    if finding.role in LIGHT_ROLES:
        return f"{finding.role} code"
    return _GUARDS.get(finding.guard, finding.guard)


def counted(number: int, noun: str) -> str:
    """`1 place`, `2,000 places`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
