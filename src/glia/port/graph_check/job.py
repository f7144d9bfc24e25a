"""`glia check MODEL`: the check of the source, and beside it what the model's graph shows.

The model is loaded and called on this machine's CPU, in a process of its own. Where that fails the
source check stands alone, and a finding says why.
"""

from __future__ import annotations

import importlib.util
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from glia.chips import list_chips, load_chip
from glia.core.check_records import (
    EFFECTS,
    CheckReport,
    CodeFinding,
    Consequence,
    RuleSummary,
    TargetVerdict,
)
from glia.core.errors import UsageError
from glia.core.graph_records import GraphReading
from glia.core.progress import NullProgress, Progress
from glia.core.records import SourceLine
from glia.frontends.user_code import INSTALL_TORCH
from glia.port.graph_check.apart import look_apart
from glia.port.graph_check.look import Once, look_at
from glia.port.graph_check.rule import GraphRule, Spoken
from glia.port.graph_check.table import GRAPH_RULES
from glia.port.project_check import check_project
from glia.port.settings import Settings, settings_for
from glia.port.source.files.project import shown_path
from glia.port.suppress import suppressions
from glia.port.targets import Target
from glia.port.verdict import Reading, verdict_for

_COMPILED = ("neuron", "tpu")  # families whose chips run what a compiler of whole graphs made


def check_model(
    spec: str,
    targets: Sequence[Target],
    progress: Progress | None = None,
    once: Once | None = None,
) -> CheckReport:
    """Check `file.py:function` or a Hugging Face folder: its source and its graph.

    `once` looks at the model; by default in a process apart, with limits.

    Raises:
        UsageError: no such file, folder or function; PyTorch is not installed.
    """
    start = time.perf_counter()
    _require_torch(spec)
    progress = progress or NullProgress()
    source = check_project(Path(spec), targets, progress)
    with progress.step("graph") as step:
        look = look_at(spec, once or look_apart)
        step.note(look.reading.note)
    report = _merged(source, spec, look.said, look.reading, targets)
    return replace(report, wall_s=time.perf_counter() - start)


def _require_torch(spec: str) -> None:
    if importlib.util.find_spec("torch") is None:
        raise UsageError(
            f"checking the graph of {spec}: got no PyTorch, expected it; {INSTALL_TORCH}, or check "
            "the source alone with --source-only"
        )


# -- merging ---------------------------------------------------------------------------------------


def _merged(
    source: CheckReport,
    spec: str,
    said: Sequence[Spoken],
    reading: GraphReading,
    targets: Sequence[Target],
) -> CheckReport:
    settings = settings_for(_root(spec))
    names = {Path(f.file).resolve(): f.file for f in source.findings}
    known = {(f.file, f.line, f.rule) for f in source.findings if f.role != "unreached"}
    confirmed: list[str] = []
    findings = list(source.findings)
    spoke = {one.rule.id: one.rule for one in said}
    summaries = {r.id: graph_summary(r, targets) for r in spoke.values()}
    for one in said:
        finding = _accepted(_finding(one, spec, names), settings)
        same = [
            r
            for r in one.rule.see
            if (finding.file, finding.line, r) in known
            and _says_as_much(source.rules[r], summaries[one.rule.id])
        ]
        if same:
            confirmed.append(f"{same[0]} {finding.file}:{finding.line}")
        else:
            findings.append(finding)
    rules = {**source.rules, **{i: s for i, s in summaries.items() if s.matters}}
    kept = tuple(f for f in findings if f.rule in rules)
    return replace(
        source,
        path=spec,
        targets=tuple(_verdict(t, rules, kept, source, reading) for t in targets),
        rules=rules,
        findings=kept,
        graph=replace(reading, confirmed=tuple(dict.fromkeys(confirmed))),
    )


def _says_as_much(source: RuleSummary, graph: RuleSummary) -> bool:
    """True when a rule about source is as grave as one about graphs, on every target."""
    worst = {effect: grade for grade, effect in enumerate(EFFECTS)}
    return all(
        name in source.on and worst[source.on[name].effect] <= worst[consequence.effect]
        for name, consequence in graph.on.items()
    )


def _root(spec: str) -> Path:
    path = Path(spec)
    return path if path.is_dir() else Path(spec.rpartition(":")[0])


def _finding(one: Spoken, spec: str, names: Mapping[Path, str]) -> CodeFinding:
    """The finding; its file is named as the source check names it, else from this folder."""
    place = one.source or _function_line(spec)
    line = _line_of(place) or place.code
    column = len(line) - len(line.lstrip()) + 1 if line else 1
    path = Path(place.file).resolve()
    file = names.get(path) or shown_path(_from_here(path))
    return CodeFinding(
        one.rule.id, file, place.line, column, line.strip(), "code", detail=one.detail
    )


def _from_here(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _function_line(spec: str) -> SourceLine:
    """Where a finding stands that has no line: at the function that makes the model."""
    name, _, function = spec.rpartition(":")
    file = Path(name) if name else Path(spec) / "config.json"
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return SourceLine(str(file), 1)
    made = re.compile(rf"\s*def {re.escape(function)}\b")
    number = next((i for i, text in enumerate(lines, 1) if made.match(text)), 1)
    return SourceLine(str(file), number, lines[number - 1] if lines else "")


def _line_of(place: SourceLine) -> str:
    import linecache

    return linecache.getline(place.file, place.line).rstrip()


def _accepted(finding: CodeFinding, settings: Settings) -> CodeFinding:
    try:
        text = Path(finding.file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    comment = suppressions(text).reason(finding.rule, finding.line)
    if comment is not None:
        return finding.accepted_for(comment, "comment")
    reason = settings.reason(finding.rule, finding.file)
    return finding if reason is None else finding.accepted_for(reason, "settings")


def graph_summary(rule: GraphRule, targets: Sequence[Target]) -> RuleSummary:
    """What a rule says, for these targets; a chip may do better than its family."""
    consequences = {}
    for target in targets:
        advice = next((a for family, a in rule.on.items() if family == target.family), None)
        if advice is None:
            continue
        if rule.on_chip is not None and target.name in list_chips():
            advice = rule.on_chip(load_chip(target.name)) or advice
        consequences[target.name] = Consequence(advice.effect, advice.do, advice.effort)
    return RuleSummary(
        rule.id,
        rule.title,
        rule.category,
        rule.why,
        rule.grade,
        rule.sources,
        "no",  # nothing rewrites a graph
        consequences,
    )


def _avoided(
    verdict: TargetVerdict, rules: Mapping[str, RuleSummary], findings: Sequence[CodeFinding]
) -> TargetVerdict:
    """No riddle where all of the graph was seen and what nobody knows can be kept clear of."""
    on = {rule: summary.on.get(verdict.target) for rule, summary in rules.items()}
    unknown = {f.rule for f in findings if f.weighs and (c := on[f.rule]) and c.effect == "unknown"}
    if not unknown or not all(i in GRAPH_RULES and GRAPH_RULES[i].is_avoidable for i in unknown):
        return verdict
    reason = f"all was seen; what {', '.join(sorted(unknown))} says to do avoids what is not known"
    return replace(verdict, verdict="runs after fixes", reason=reason)


def _is_cut(reading: GraphReading) -> bool:
    """True when a capture does not take the model in one piece."""
    is_left_to_host = reading.num_graphs == 0 and reading.num_operations > 0
    return reading.basis == "watched" or is_left_to_host or (reading.num_graphs or 1) > 1


def _cut(reading: GraphReading, slower: int) -> str:
    number = reading.num_graphs
    pieces = f"torch.compile cuts it into {number} graphs"
    if reading.basis == "watched" and (number or 0) < 2:
        pieces = "it cannot be captured whole"
    elif not number:
        pieces = "torch.compile leaves all of it to the host"
    return (
        f"slower at {slower} places: {pieces}; the host runs what lies between, and each piece is "
        "compiled by itself and again when a value or size that it was made for changes; what "
        "wants one whole graph (torch.export, fullgraph=True, torch_neuronx.trace) raises"
    )


def _verdict(
    target: Target,
    rules: dict[str, RuleSummary],
    findings: Sequence[CodeFinding],
    source: CheckReport,
    reading: GraphReading,
) -> TargetVerdict:
    unread = sum(1 for _ in source.unread)
    # A call of the model runs all of its files, so what stands in any of them stops the whole.
    own = frozenset(PurePath(f.file) for f in findings if f.weighs)
    read = Reading(max(1, source.num_files), unread, own=own)
    verdict = verdict_for(target, rules, findings, read)
    if verdict.verdict == "unknown" and reading.basis == "captured" and not unread:
        return _avoided(verdict, rules, findings)
    if verdict.verdict != "runs" or not target.family or target.family == "cuda":
        return verdict
    slower = verdict.counts["slower"]
    if reading.basis == "none":
        return replace(verdict, verdict="unknown", reason=reading.note)
    if target.family in _COMPILED and _is_cut(reading):
        return replace(verdict, verdict="runs after fixes", reason=_cut(reading, slower))
    found = f"slower at {slower} places" if slower else "nothing found"
    reason = f"{found} in the source and the graph that is documented to fail"
    if slower:
        reason = f"{found}; nothing in the source and the graph is documented to fail"
    if target.family == "neuron":
        listed = sum(kind.listed for kind in reading.kinds)
        rest = "; of the others no page speaks" if listed < len(reading.kinds) else ""
        reason += f"; the vendor lists {listed} of {len(reading.kinds)} kinds of operations{rest}"
    return replace(verdict, reason=reason)
