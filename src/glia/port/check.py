"""A check as a port tells it; the files that belong to a model: its own, and those beside it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from glia.core.check_records import EFFECTS, CheckReport, CodeFinding, RuleSummary
from glia.core.records import Finding, Severity, SourceLine
from glia.port.scan import parse
from glia.port.source.module import Module

_SEVERITY: dict[str, Severity] = {"raises": "warns", "silent": "warns"}


def findings_of(report: CheckReport) -> tuple[Finding, ...]:
    """What weighs in a check, as the records of a port: at its worst over the targets."""
    found = ((finding, report.rules[finding.rule]) for finding in report.findings if finding.weighs)
    return tuple(_finding(*both) for both in found)


def _finding(finding: CodeFinding, rule: RuleSummary) -> Finding:
    worst = min(rule.on.values(), key=lambda c: EFFECTS.index(c.effect))
    what = f"{rule.title}: {rule.why}" + (f" ({finding.detail})" if finding.detail else "")
    source = SourceLine(finding.file, finding.line, finding.code)
    return Finding(finding.rule, _SEVERITY.get(worst.effect, "note"), what, worst.do, source)


def with_neighbours(file: Path) -> list[Module]:
    """The file, and every .py beside it that it imports, directly or not."""
    seen: dict[Path, Module | None] = {}
    waiting = [file]
    while waiting:
        path = waiting.pop(0)
        if path in seen:
            continue
        module = seen[path] = _read(path)
        names = _imported(module) if module is not None else ()
        waiting += [p for p in (path.parent / f"{n}.py" for n in names) if p.is_file()]
    return [module for module in seen.values() if module is not None]


def _read(path: Path) -> Module | None:
    try:
        return parse(str(path), path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError, ValueError, RecursionError):
        return None  # the loader reports a file that does not run; this only reads


def _imported(module: Module) -> Iterator[str]:
    for node in module.nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]
