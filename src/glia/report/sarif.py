"""A check of source code as SARIF 2.1.0, which code-review tools read.

Paths are relative to the top of the repository that the command ran in (else to its folder), as
the readers of SARIF want them, and tell nothing about the machine; see `report/sarif_places.py`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glia.core.check_records import CheckReport, CodeFinding, Effect, RuleSummary, Unread
from glia.report.sarif_places import Places

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: Mapping[Effect, str] = {
    "silent": "error",
    "raises": "error",
    "unknown": "warning",
    "slower": "note",
    "works": "note",
}
_KINDS = {"comment": "inSource", "settings": "external"}


def sarif_log(report: CheckReport, version: str, folder: Path) -> dict[str, Any]:
    """The log of one run of glia `version` in `folder`, ready for JSON.

    What the user accepts is there as suppressed; what does not weigh is a note.
    """
    order = {rule: number for number, rule in enumerate(report.rules)}
    places = Places(folder, report.roots)
    driver = {
        "name": "glia",
        "version": version,
        "semanticVersion": version,
        "rules": [_rule(rule) for rule in report.rules.values()],
    }
    unread = [_unread(u, places) for u in report.unread]
    results = _results(report, order, places)
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": places.bases(),
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": unread}],
        "results": results,
        "properties": {"targets": {t.target: t.verdict for t in report.targets}},
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: RuleSummary) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": f"{rule.title}: {rule.why}"},
        "help": {"text": _advice(rule)},
        "defaultConfiguration": {"level": _LEVELS[rule.worst]},
        "properties": {
            "tags": [rule.category],
            "evidence": rule.grade,
            "sources": list(rule.sources),
            "autofix": rule.autofix,
        },
    }


def _advice(rule: RuleSummary) -> str:
    return "\n".join(f"{target}: {c.effect}; {c.do}" for target, c in rule.on.items())


def _results(report: CheckReport, order: Mapping[str, int], places: Places) -> list[dict[str, Any]]:
    """One result per finding; equal lines of a file are told apart by their order."""
    times: Counter[str] = Counter()
    found = []
    for finding in report.findings:
        known = _fingerprint(finding, places)
        times[known] += 1
        result = _result(finding, report.rules[finding.rule], order[finding.rule], places)
        result["partialFingerprints"] = {"findingHash/v1": f"{known}:{times[known]}"}
        found.append(result)
    return found


def _result(finding: CodeFinding, rule: RuleSummary, index: int, places: Places) -> dict[str, Any]:
    seen = f" ({finding.detail})" if finding.detail else ""
    seen += f" (cell {finding.cell}, line {finding.line})" if finding.cell else ""
    result: dict[str, Any] = {
        "ruleId": rule.id,
        "ruleIndex": index,
        "level": _LEVELS[rule.worst] if finding.weighs else "note",
        "message": {"text": f"{rule.title}{seen}: {rule.why}\n{_advice(rule)}"},
        "locations": [_location(finding, places)],
        "properties": {"role": finding.role, "guard": finding.guard, "code": finding.code},
    }
    if finding.accepted_by:
        result["suppressions"] = [
            {"kind": _KINDS[finding.accepted_by], "justification": finding.accepted}
        ]
    return result


def _fingerprint(finding: CodeFinding, places: Places) -> str:
    """The same for a place that only moved: the rule, the file and the code, not the line."""
    uri = places.location(finding.file)["uri"]
    known = (finding.rule, uri, finding.code, finding.detail)
    return hashlib.sha256("\0".join(known).encode()).hexdigest()[:32]


def _location(finding: CodeFinding, places: Places) -> dict[str, Any]:
    """A notebook's lines are not the lines of its file: they go into the logical location.

    Code scanning shows nothing without a region: that of a notebook is its first line. The region
    of a place goes from its column to the end of the line (3.30.7).
    """
    physical: dict[str, Any] = {"artifactLocation": places.location(finding.file)}
    if finding.cell:
        name = f"cell {finding.cell}, line {finding.line}"
        physical["region"] = {"startLine": 1}
        return {"physicalLocation": physical, "logicalLocations": [{"fullyQualifiedName": name}]}
    physical["region"] = {"startLine": finding.line, "startColumn": finding.column}
    return {"physicalLocation": physical}


def _unread(unread: Unread, places: Places) -> dict[str, Any]:
    location = {"physicalLocation": {"artifactLocation": places.location(unread.file)}}
    return {
        "level": "warning",
        "message": {"text": f"not read: {unread.reason}"},
        "locations": [location],
    }
