"""A check of source code as SARIF 2.1.0, which code-review tools read.

Paths are relative to the folder that the command ran in, as the readers of SARIF want them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from glia.core.check_records import CheckReport, CodeFinding, Effect, RuleSummary, Unread

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
    driver = {
        "name": "glia",
        "version": version,
        "semanticVersion": version,
        "rules": [_rule(rule) for rule in report.rules.values()],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [_unread(u, folder) for u in report.unread],
            }
        ],
        "results": [
            _result(f, report.rules[f.rule], order[f.rule], folder) for f in report.findings
        ],
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


def _result(finding: CodeFinding, rule: RuleSummary, index: int, folder: Path) -> dict[str, Any]:
    seen = f" ({finding.detail})" if finding.detail else ""
    seen += f" (cell {finding.cell}, line {finding.line})" if finding.cell else ""
    result: dict[str, Any] = {
        "ruleId": rule.id,
        "ruleIndex": index,
        "level": _LEVELS[rule.worst] if finding.weighs else "note",
        "message": {"text": f"{rule.title}{seen}: {rule.why}\n{_advice(rule)}"},
        "locations": [_location(finding, folder)],
        "properties": {"role": finding.role, "guard": finding.guard},
        "partialFingerprints": {"findingHash/v1": _fingerprint(finding, folder)},
    }
    if finding.accepted_by:
        result["suppressions"] = [
            {"kind": _KINDS[finding.accepted_by], "justification": finding.accepted}
        ]
    return result


def _fingerprint(finding: CodeFinding, folder: Path) -> str:
    """The same for a place that only moved: the rule, the file and the code, not the line."""
    known = (finding.rule, _uri(finding.file, folder), finding.code, finding.detail)
    return hashlib.sha256("\0".join(known).encode()).hexdigest()[:32]


def _location(finding: CodeFinding, folder: Path) -> dict[str, Any]:
    """A notebook's lines are not the lines of its file: they go into the logical location.

    Code scanning shows nothing without a region: that of a notebook is its first line.
    """
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(finding.file, folder)}}
    if finding.cell:
        name = f"cell {finding.cell}, line {finding.line}"
        physical["region"] = {"startLine": 1, "snippet": {"text": finding.code}}
        return {"physicalLocation": physical, "logicalLocations": [{"fullyQualifiedName": name}]}
    physical["region"] = {
        "startLine": finding.line,
        "startColumn": finding.column,
        "snippet": {"text": finding.code},
    }
    return {"physicalLocation": physical}


def _unread(unread: Unread, folder: Path) -> dict[str, Any]:
    location = {"physicalLocation": {"artifactLocation": {"uri": _uri(unread.file, folder)}}}
    return {
        "level": "warning",
        "message": {"text": f"not read: {unread.reason}"},
        "locations": [location],
    }


def _uri(file: str, folder: Path) -> str:
    path = Path(file)
    if path.is_absolute() and path.is_relative_to(folder):
        path = path.relative_to(folder)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
