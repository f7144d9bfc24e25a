"""What the findings mean for one target: verdict, hours of work, what could be rewritten by a tool.

Hours are a judgement of glia, marked as estimated: nobody has measured them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from glia.core.check_records import (
    EFFECTS,
    LIGHT_ROLES,
    CodeFinding,
    Consequence,
    Effect,
    RuleSummary,
    TargetVerdict,
    Verdict,
)
from glia.core.figures import Estimate, Figure
from glia.port.source.files.imports import dependents
from glia.port.targets import Target

_JUDGED = "judgement of glia, nothing measured"


def _hours(value: float, low: float, high: float) -> Figure:
    return Figure(value, "h", "estimated", _JUDGED, low, high)


# Working hours for the first place of a rule, by its class of effort.
FIRST_PLACE: Mapping[str, Figure] = {
    "none": _hours(0.0, 0.0, 0.0),
    "minutes": _hours(0.15, 0.05, 0.5),
    "hours": _hours(3.0, 1.0, 8.0),
    "days": _hours(20.0, 8.0, 80.0),
}
# What the second place of the same rule takes, as a part of the first: the way is known by then.
FURTHER_PLACES = Figure(0.1, "fraction", "estimated", _JUDGED, 0.02, 0.3)
# What is left of the work at one more place each time their number doubles.
LEARNING = Figure(
    0.8,
    "fraction",
    "published",
    "T. P. Wright, Factors Affecting the Cost of Airplanes, J. Aeronautical Sciences 3 (1936) 122",
)
# How far the errors of two rules' guesses go together: the same people mend both, and glia guessed
# both. At 0 intervals would narrow with every rule, at 1 all guesses would be wrong one way.
TOGETHER = Figure(0.1, "fraction", "estimated", _JUDGED, 0.0, 0.3)
# Where nobody knows what happens, there may be nothing to do: this part of the work is likely.
DOUBTFUL = Figure(0.5, "fraction", "estimated", _JUDGED, 0.0, 1.0)

_TO_MEND = ("silent", "raises")
_SAID: Mapping[Effect, tuple[str, str]] = {  # one place, several
    "raises": ("stops the program", "stop the program"),
    "silent": ("goes unnoticed", "go unnoticed"),
}
_MOST_RULES = 5  # that a verdict names
_REWRITTEN = (".py", ".pyi", ".ipynb")
# Days of work redesign a project when so large a part of its files cannot do without them.
REDESIGN_SHARE = 0.25
# Nothing is said about a project of which so large a part could not be read.
UNKNOWN_SHARE = 0.5
_REASON = "a judgement per class of effort (minutes, hours, days), not a measurement"


@dataclass(frozen=True, slots=True)
class Reading:
    """How much of the project was read: files found, and files of its own that could not be.

    `imports` is what each file of Python imports whenever it runs, and `own` are the files of the
    project's own code in which rules looked; of a project of nothing but examples, tests and tools
    those.
    """

    num_files: int
    num_unread: int
    imports: Mapping[PurePath, Sequence[str]] = field(default_factory=dict)
    own: frozenset[PurePath] = frozenset()


def verdict_for(
    target: Target,
    rules: Mapping[str, RuleSummary],
    findings: Sequence[CodeFinding],
    reading: Reading,
) -> TargetVerdict:
    """One target's verdict from the findings that weigh; see `TargetVerdict`."""
    at = {rule: r.on[target.name] for rule, r in rules.items() if target.name in r.on}
    found = [(f, _effect(f, at[f.rule], target.family)) for f in findings if f.rule in at]
    weighty = [(f, effect) for f, effect in found if effect is not None]
    places = Counter(f.rule for f, _ in weighty)
    counts: dict[str, int] = dict.fromkeys(EFFECTS, 0)
    for _, effect in weighty:
        counts[effect] += 1
    heavy = [f for f, _ in weighty if _is_heavy(at[f.rule])]
    mended = [f for f, effect in weighty if effect in _TO_MEND]
    verdict, reason = _verdict(target, heavy, counts, Counter(f.rule for f in mended), reading)
    seen = mended if verdict != "unknown" else []  # a part of what is not known is no share
    return TargetVerdict(
        target.name,
        target.title,
        target.family,
        verdict,
        reason,
        counts,
        _effort([_work(at[rule], n) for rule, n in places.items()]),
        _share(seen, rules, "yes"),
        _share(seen, rules, "partly"),
    )


def _effect(finding: CodeFinding, consequence: Consequence, family: str) -> Effect | None:
    """What a place does on chips of a family; None where it does not weigh.

    AMD's build of PyTorch answers to torch.cuda: what stands behind a question for CUDA runs there.
    And where a failure is caught, an accelerator is left aside without an error.
    """
    if finding.weighs:
        return consequence.effect
    if finding.accepted_by or finding.role in LIGHT_ROLES:
        return None
    if finding.guard == "cuda" and family == "rocm":
        return consequence.effect
    is_left_aside = finding.guard == "caught" and family in ("neuron", "tpu")
    return "silent" if is_left_aside and consequence.effect == "raises" else None


def _is_heavy(consequence: Consequence) -> bool:
    return consequence.effect in _TO_MEND and consequence.effort == "days"


def _verdict(
    target: Target,
    heavy: Sequence[CodeFinding],
    counts: Mapping[str, int],
    rules: Mapping[str, int],
    reading: Reading,
) -> tuple[Verdict, str]:
    if target.family == "cuda":
        return "runs", "it is where CUDA code comes from"
    if not target.family:
        return "unknown", "there are no rules for chips of this kind"
    if heavy or counts["silent"] or counts["raises"]:
        verdict, reason = (
            _weighed(heavy, reading) if heavy else ("runs after fixes", _to_mend(counts, rules))
        )
        return _as_far_as_read(verdict, reason, reading)
    if not reading.num_files:
        return "unknown", "no Python was found"
    if counts["unknown"]:
        return "unknown", "what some places do there is not known"
    if reading.num_unread:
        unread = _counted(reading.num_unread, "file or folder", "files or folders")
        return "unknown", f"nothing found, but {unread} could not be read"
    found = f"slower at {counts['slower']} places" if counts["slower"] else "nothing found"
    return "runs", f"{found} in the source; the graph of the model is not looked at"


def _as_far_as_read(verdict: Verdict, reason: str, reading: Reading) -> tuple[Verdict, str]:
    """A verdict on what was read is none on the project when most of it was not."""
    if not reading.num_unread:
        return verdict, reason
    unread = _counted(reading.num_unread, "file or folder", "files or folders")
    if reading.num_unread / max(1, reading.num_files) < UNKNOWN_SHARE:
        return verdict, f"{reason}; {unread} could not be read: what is in them is not counted"
    return "unknown", f"{unread} could not be read, and what is in them is not known; {reason}"


def _to_mend(counts: Mapping[str, int], rules: Mapping[str, int]) -> str:
    """What stops or goes wrong, so that a reader sees whether it is on his way.

    Reading does not tell which way a run takes: an option (`--device cpu`) may replace a default,
    and a function that is called for tensors of CUDA alone is never reached elsewhere.
    """
    places = " and ".join(
        f"{_counted(counts[effect], 'place')} {said[counts[effect] > 1]}"
        for effect, said in _SAID.items()
        if counts[effect]
    )
    few = sorted(rules, key=lambda rule: (-rules[rule], rule))
    shown = ", ".join(f"{rule} {rules[rule]:,}" for rule in few[:_MOST_RULES])
    others = (
        f" and {_counted(len(few) - _MOST_RULES, 'more rule')}" if len(few) > _MOST_RULES else ""
    )
    options = "; an option may replace a default device (C003)" if "C003" in rules else ""
    remedy = "each has a known remedy of minutes or hours"
    return f"where they are reached, {places} ({shown}{others}); {remedy}{options}"


def _weighed(heavy: Sequence[CodeFinding], reading: Reading) -> tuple[Verdict, str]:
    """Days of work: what of the project cannot do without them?

    What runs whenever a file is imported stops all that import the file; what stands in a function
    stops that file's own work. What stands in tools, examples and settings is days of work too,
    but the rest runs without.
    """
    rules = ", ".join(sorted({f.rule for f in heavy}))
    files = {PurePath(f.file) for f in heavy}
    eager = {PurePath(f.file) for f in heavy if f.eager}
    needing = (dependents(reading.imports, eager & reading.own) | files) & reading.own
    where = f"days of work behind {rules} in {_counted(len(files), 'file')}"
    if not needing:
        return "runs after fixes", f"{where}, without which the project's own code runs"
    share = len(needing) / len(reading.own)
    of = f"{len(needing)} of {_counted(len(reading.own), 'file')} of PyTorch"
    if share >= REDESIGN_SHARE:
        return "needs redesign", f"{where}; {of} cannot do without them"
    others = "the others need minutes or hours"
    return "runs after fixes", f"{where}; {of} cannot do without them, {others}"


def _counted(number: int, noun: str, several: str = "") -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {several or f'{noun}s'}"


def _work(consequence: Consequence, number: int) -> Estimate:
    """Hours for all places of one rule: the first at its class, the others ever quicker."""
    first, more = FIRST_PLACE[consequence.effort].estimate(), FURTHER_PLACES.estimate()
    # Wright: the cost of n pieces grows with n to the power 1 + log2(learning).
    others = (number - 1) ** (1 + math.log2(LEARNING.value)) if number > 1 else 0.0
    doubt = DOUBTFUL.estimate() if consequence.effect == "unknown" else Estimate(1, 1, 1, "", "")
    return Estimate(
        first.low * (1 + more.low * others) * doubt.low,
        first.likely * (1 + more.likely * others) * doubt.likely,
        first.high * (1 + more.high * others) * doubt.high,
        "h",
        _REASON,
    )


def _effort(works: Sequence[Estimate]) -> Estimate:
    """The sum: errors of guesses add up like those of measurements, and a little go together.

    That every rule takes its worst is not likely: the sum of all ends is no interval to plan with.
    """
    likely = sum(work.likely for work in works)
    below = _added([work.likely - work.low for work in works])
    above = _added([work.high - work.likely for work in works])
    return Estimate(
        max(likely - below, 0.0),
        likely,
        likely + above,
        "h",
        _REASON,
        (_JUDGED, LEARNING.source),
        mark="estimated",
    )


def _added(errors: Sequence[float]) -> float:
    """The error of a sum whose parts' errors are correlated by `TOGETHER`."""
    alone = sum(error**2 for error in errors)
    return math.sqrt((1 - TOGETHER.value) * alone + TOGETHER.value * sum(errors) ** 2)


def _share(
    mended: Sequence[CodeFinding], rules: Mapping[str, RuleSummary], autofix: str
) -> float | None:
    """What part of the places a tool rewrites; it leaves what is no Python to people."""
    if not mended:
        return None
    python = (f for f in mended if PurePath(f.file).suffix in _REWRITTEN)
    return sum(rules[f.rule].autofix == autofix for f in python) / len(mended)
