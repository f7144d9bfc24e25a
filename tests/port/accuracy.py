"""How often `glia check` is right on projects whose lines were labelled by reading them.

A label stands at the end of a line, `# ~ C001 C034`, and is cut off before the file is checked, so
the scanner never sees it. After the rule may stand `:light` (the place must not weigh: guarded, in
a test, vendored) and `?` (either answer is right, so neither counts); `C003|C004` means one of
them. `# ~ none` marks a line that looks like a finding and is none. A finding on any line without
its label is a false alarm, marked or not. A finding may stand `NEAR` lines from its label, because
calls and loops take several lines.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from glia.core.check_records import CodeFinding
from glia.port.project_check import check_project
from glia.port.rules.table import RULES
from glia.port.targets import target_named

LABELLED = Path(__file__).parent / "labelled"
TARGETS = ("neuron", "tpu", "rocm", "cpu")
NEAR = 3
_LABEL = re.compile(r"[ \t]*# ~ ([^\"\\\n]*)")
_NONE, _ANY = "none", "any"

Line = tuple[int, int]  # (cell of a notebook or 0, line)


@dataclass(frozen=True)
class Label:
    """One answer that a reader expects on one line."""

    file: str
    at: Line
    rules: tuple[str, ...]
    is_light: bool = False
    is_optional: bool = False

    @property
    def category(self) -> str:
        return category_of(self.rules[0])


@dataclass
class Tally:
    """Right findings, false alarms and misses of one category or of all."""

    right: int = 0
    false: int = 0
    missed: int = 0
    labels: int = 0

    @property
    def precision(self) -> float:
        found = self.right + self.false
        return self.right / found if found else 1.0

    @property
    def recall(self) -> float:
        return 1 - self.missed / self.labels if self.labels else 1.0


@dataclass
class Outcome:
    """What comparing findings with labels gave."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    misses: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    misweighed: list[str] = field(default_factory=list)
    num_lookalikes: int = 0
    num_matched: int = 0

    @property
    def total(self) -> Tally:
        parts = self.tallies.values()
        names = ("right", "false", "missed", "labels")
        return Tally(**{name: sum(getattr(t, name) for t in parts) for name in names})

    def of(self, category: str) -> Tally:
        return self.tallies.setdefault(category, Tally())


def category_of(rule: str) -> str:
    return RULES[rule].category if rule in RULES else "no such rule"


def projects(part: str) -> list[Path]:
    """The labelled projects of a part: `open` or `held_out`."""
    return sorted(path for path in (LABELLED / part).iterdir() if path.is_dir())


def outcome_of(folders: list[Path]) -> Outcome:
    """Check every folder as a project of its own and compare."""
    outcome = Outcome()
    for folder in folders:
        _compare(outcome, folder)
    return outcome


def _compare(outcome: Outcome, folder: Path) -> None:
    labels: list[Label] = []
    with tempfile.TemporaryDirectory(prefix="project-") as place:
        root = Path(place) / folder.name
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            name = path.relative_to(folder).as_posix()
            text = path.read_text(encoding="utf-8")
            labels += labels_of(name, text)
            copy = root / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(_LABEL.sub("", text), encoding="utf-8")
        report = check_project(root, [target_named(name) for name in TARGETS])
    findings = [(_name(f.file, folder.name), f) for f in report.findings]
    outcome.num_lookalikes += sum(label.rules == (_NONE,) for label in labels)
    labels = [label for label in labels if label.rules != (_NONE,)]
    _match(outcome, folder.name, labels, findings)


def _name(shown: str, project: str) -> str:
    """The file's path inside its project, however the report shows it."""
    return shown.rpartition(f"{project}/")[2] if f"{project}/" in shown else shown


def _match(
    outcome: Outcome, project: str, labels: list[Label], findings: list[tuple[str, CodeFinding]]
) -> None:
    met: dict[Label, list[CodeFinding]] = {}
    rest = []
    for name, finding in findings:
        label = _label_for(labels, name, finding, near=0)
        if label is None:
            rest.append((name, finding))
        else:
            met.setdefault(label, []).append(finding)
    for name, finding in rest:
        free = [label for label in labels if label not in met]
        label = _label_for(free, name, finding, NEAR)
        if label is None:
            outcome.of(category_of(finding.rule)).false += 1
            outcome.alarms.append(f"{project}/{name}:{finding.line} {finding.rule} {finding.code}")
        else:
            met.setdefault(label, []).append(finding)
    for label in labels:
        if not label.is_optional:
            _count(outcome, project, label, met.get(label, []))


def _label_for(labels: list[Label], name: str, finding: CodeFinding, near: int) -> Label | None:
    fits = [
        label
        for label in labels
        if label.file == name
        and label.at[0] == finding.cell
        and abs(label.at[1] - finding.line) <= near
        and (finding.rule in label.rules or _ANY in label.rules)
    ]
    return min(fits, key=lambda la: (abs(la.at[1] - finding.line), la.is_optional), default=None)


def _count(outcome: Outcome, project: str, label: Label, found: list[CodeFinding]) -> None:
    tally = outcome.of(label.category)
    tally.labels += 1
    place = f"{project}/{label.file}:{label.at[1]} {'|'.join(label.rules)}"
    if not found:
        tally.missed += 1
        outcome.misses.append(place)
        return
    tally.right += 1
    outcome.num_matched += 1
    if any(f.weighs for f in found) == label.is_light:
        outcome.misweighed.append(f"{place} {'weighs' if label.is_light else 'weighs nothing'}")


def labels_of(name: str, text: str) -> Iterator[Label]:
    for at, line in lines_of(name, text):
        mark = _LABEL.search(line)
        for word in mark[1].split() if mark else ():
            rules, _, light = word.rstrip("?").partition(":")
            yield Label(name, at, tuple(rules.split("|")), light == "light", word.endswith("?"))


def lines_of(name: str, text: str) -> Iterator[tuple[Line, str]]:
    if not name.endswith(".ipynb"):
        yield from (((0, number), line) for number, line in enumerate(text.splitlines(), 1))
        return
    cells = [c for c in json.loads(text)["cells"] if c["cell_type"] == "code"]
    for number, cell in enumerate(cells, 1):
        for row, line in enumerate(cell["source"], 1):
            yield (number, row), line
