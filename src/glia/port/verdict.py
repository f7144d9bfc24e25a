"""What the findings mean for one target: verdict, hours of work, what could be rewritten by a tool.

Hours are a judgement of glia, marked as estimated: nobody has measured them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from glia.core.check_records import (
    EFFECTS,
    CodeFinding,
    Consequence,
    RuleSummary,
    TargetVerdict,
    Verdict,
)
from glia.core.figures import Estimate, Figure
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
# What a further place of the same rule takes, as a part of the first: the way is known by then.
FURTHER_PLACES = Figure(0.1, "fraction", "estimated", _JUDGED, 0.02, 0.3)

_TO_MEND = ("silent", "raises")
_REASON = "a judgement per class of effort (minutes, hours, days), not a measurement"


@dataclass(frozen=True, slots=True)
class Reading:
    """How much of the project was read: files found, and files of its own that could not be."""

    num_files: int
    num_unread: int


def verdict_for(
    target: Target,
    rules: Mapping[str, RuleSummary],
    findings: Sequence[CodeFinding],
    reading: Reading,
) -> TargetVerdict:
    """One target's verdict from the findings that weigh; see `TargetVerdict`."""
    at = {rule: r.on[target.name] for rule, r in rules.items() if target.name in r.on}
    places = Counter(f.rule for f in findings if f.weighs and f.rule in at)
    counts: dict[str, int] = dict.fromkeys(EFFECTS, 0)
    for rule, number in places.items():
        counts[at[rule].effect] += number
    verdict, reason = _verdict(target, at, places, counts, reading)
    mended = {rule: n for rule, n in places.items() if at[rule].effect in _TO_MEND}
    return TargetVerdict(
        target.name,
        target.title,
        target.family,
        verdict,
        reason,
        counts,
        _effort((at[rule].effort, n) for rule, n in places.items()),
        _share(mended, rules, "yes"),
        _share(mended, rules, "partly"),
    )


def _verdict(
    target: Target,
    at: Mapping[str, Consequence],
    places: Iterable[str],
    counts: Mapping[str, int],
    reading: Reading,
) -> tuple[Verdict, str]:
    if target.family == "cuda":
        return "runs", "it is where CUDA code comes from"
    if not target.family:
        return "unknown", "there are no rules for chips of this kind"
    if not reading.num_files:
        return "unknown", "no Python was found"
    heavy = sorted(r for r in places if at[r].effect in _TO_MEND and at[r].effort == "days")
    if heavy:
        return "needs redesign", f"days of work behind {', '.join(heavy)}"
    if counts["silent"] or counts["raises"]:
        return "runs after fixes", "every place has a known remedy of minutes or hours"
    if counts["unknown"]:
        return "unknown", "what some places do there is not known"
    if reading.num_unread:
        return "unknown", f"nothing found, but {reading.num_unread} files could not be read"
    found = f"slower at {counts['slower']} places" if counts["slower"] else "nothing found"
    return "runs", f"{found} in the source; the graph of the model is not looked at"


def _effort(places: Iterable[tuple[str, int]]) -> Estimate:
    low = likely = high = 0.0
    more = FURTHER_PLACES.estimate()
    for effort, number in places:
        first = FIRST_PLACE[effort].estimate()
        low += first.low * (1 + more.low * (number - 1))
        likely += first.likely * (1 + more.likely * (number - 1))
        high += first.high * (1 + more.high * (number - 1))
    return Estimate(low, likely, high, "h", _REASON, (_JUDGED,), mark="estimated")


def _share(
    places: Mapping[str, int], rules: Mapping[str, RuleSummary], autofix: str
) -> float | None:
    total = sum(places.values())
    if not total:
        return None
    return sum(n for rule, n in places.items() if rules[rule].autofix == autofix) / total
