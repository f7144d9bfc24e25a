"""Records of a check of source code: what ties it to CUDA, and what that means on each target.

Plain and frozen, as all records; `to_json` writes them. A finding names its rule; what the rule
says, and what it means per target, stands once in the report's `rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from glia.core.figures import Estimate
from glia.core.graph_records import GraphReading

# What happens on the target when the code runs there as it is, worst first.
Effect = Literal["silent", "raises", "unknown", "slower", "works"]
EFFECTS: tuple[Effect, ...] = ("silent", "raises", "unknown", "slower", "works")
# What a file, or a part of it, can be for without weighing; `unreached` by the model's function.
LIGHT_ROLES = ("test", "vendored", "unreached")
Verdict = Literal["runs", "runs after fixes", "needs redesign", "unknown"]


@dataclass(frozen=True, slots=True)
class Consequence:
    """What a rule means on one target: the effect, what to do, and the class of effort."""

    effect: Effect
    do: str
    effort: str


@dataclass(frozen=True, slots=True)
class RuleSummary:
    """What a rule says; `on` maps each target to what it means there.

    `grade` is how it is known (documented, seen, general), `autofix` yes, partly or no. It
    speaks on the code `bad`, and is silent on `good`.
    """

    id: str
    title: str
    category: str
    why: str
    grade: str
    sources: tuple[str, ...]
    autofix: str
    on: Mapping[str, Consequence]
    bad: str = ""
    good: str = ""

    @property
    def worst(self) -> Effect:
        """The worst effect on any target."""
        return min((c.effect for c in self.on.values()), key=EFFECTS.index, default="works")

    @property
    def matters(self) -> bool:
        """True when there is something to know or to do on any target."""
        return any(c.effect != "works" or c.effort != "none" for c in self.on.values())


@dataclass(frozen=True, slots=True)
class CodeFinding:
    """One place where a rule speaks. Lines and columns count from 1, columns in characters.

    In a notebook `cell` is the code cell, from 1, and `line` the line in it; else `cell` is 0.
    `guard` says what protects the place (cuda, import, typing, caught, or nothing), `role` what the
    file is for. `accepted` is the user's reason for leaving it, `accepted_by` where it is written;
    `detail` is what a rule about graphs saw there.
    `eager` places run whenever their file is imported, the others when somebody calls them.
    `weighs` is False for what cannot stop a run: guarded (on ROCm a question for CUDA guards
    nothing, see `TargetVerdict.counts`), accepted, in tests, in vendored code, or
    not reached from the function that makes the model.
    """

    rule: str
    file: str
    line: int
    column: int
    code: str
    role: str
    guard: str = ""
    cell: int = 0
    accepted: str = ""
    accepted_by: Literal["", "comment", "settings"] = ""
    detail: str = ""
    eager: bool = False
    weighs: bool = field(init=False)

    def __post_init__(self) -> None:
        light = self.guard or self.accepted_by or self.role in LIGHT_ROLES
        object.__setattr__(self, "weighs", not light)

    def accepted_for(self, reason: str, by: Literal["comment", "settings"]) -> CodeFinding:
        """The same finding, which the user accepts for a reason."""
        return replace(self, accepted=reason, accepted_by=by)

    @property
    def place(self) -> str:
        """`train.py:12:5`, `demo.ipynb cell 3:2:5`."""
        cell = f" cell {self.cell}" if self.cell else ""
        return f"{self.file}{cell}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Unread:
    """A file or folder that could not be read, and why.

    It `hides` what the project's own code may be: tests, vendored code and settings do not.
    """

    file: str
    reason: str
    hides: bool = False


@dataclass(frozen=True, slots=True)
class TargetVerdict:
    """What the findings mean for one target.

    Counts are of the places that weigh; `effort` is working hours. Of the places to mend,
    `share_fixable` could be rewritten automatically and `share_partly` in part; None when there
    are none. `reason` says what the verdict rests on.
    """

    target: str
    title: str
    family: str
    verdict: Verdict
    reason: str
    counts: Mapping[str, int]
    effort: Estimate
    share_fixable: float | None
    share_partly: float | None


@dataclass(frozen=True, slots=True)
class CheckReport:
    """One check of a file or a project, for one or several targets.

    `path` is what was checked, for people; `roots` are the files and folders one by one.
    `num_files` Python files and notebooks were found; `num_parsed` of them have a word that a rule
    looks for, and were read in full. `num_other` files are settings, launch scripts, lists of
    packages, containers and sources of CUDA. `unread` could not be read; `skipped` were left out
    on purpose, as data. `notes` are remarks about settings and suppressions. `graph` is how a model
    was looked at, where the check was of one.
    """

    path: str
    targets: tuple[TargetVerdict, ...]
    rules: Mapping[str, RuleSummary]
    findings: tuple[CodeFinding, ...]
    unread: tuple[Unread, ...]
    skipped: tuple[Unread, ...]
    notes: tuple[str, ...]
    num_files: int
    num_parsed: int
    num_other: int
    wall_s: float = 0.0
    format: int = 1
    graph: GraphReading | None = None
    roots: tuple[str, ...] = ()
