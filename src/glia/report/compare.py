"""What may be claimed when one chip's estimate is put beside another's.

A winner is claimed only when the ranges are disjoint. The range of the ratio takes the extremes
of both sides, as if they were independent, so it is wider than the truth, never narrower.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from glia.core.figures import Estimate
from glia.core.records import Parity, PortReport, Quote, TargetReport
from glia.report.wording import error_text

Outcome = Literal["lower", "higher", "overlap", "unknown"]


@dataclass(frozen=True, slots=True)
class Claim:
    """One metric of a target beside another chip: what may be said, and the range of the ratio."""

    outcome: Outcome
    words: str
    ratio: str = ""

    @property
    def sentence(self) -> str:
        """The words with the range of the ratio behind them."""
        return f"{self.words} ({self.ratio})" if self.ratio else self.words


def claim(ours: Estimate | None, theirs: Estimate | None, absent: str) -> Claim:
    """Compare two estimates of one metric; `absent` says what is missing when one is None."""
    if ours is None or theirs is None:
        return Claim("unknown", f"unknown: {absent}")
    bounds = (ours.low, ours.high, theirs.low, theirs.high)
    if not all(math.isfinite(b) and b > 0 for b in bounds):
        return Claim("unknown", "unknown: a range reaches zero or infinity")
    if ours.high < theirs.low:
        return _factor("lower", theirs, ours)
    if theirs.high < ours.low:
        return _factor("higher", ours, theirs)
    low, high = _times(ours.low / theirs.high), _times(ours.high / theirs.low)
    ratio = f"{low} to {high} of the other, likely {_times(ours.likely / theirs.likely)}"
    return Claim("overlap", "overlapping ranges: no winner can be claimed", ratio)


def _factor(outcome: Literal["lower", "higher"], big: Estimate, small: Estimate) -> Claim:
    likely = _times(big.likely / small.likely)
    low, high = _times(big.low / small.high), _times(big.high / small.low)
    return Claim(outcome, f"{likely} {outcome}", f"{low} to {high}")


def _times(ratio: float) -> str:
    if ratio >= 10:
        return f"{ratio:,.0f}x"
    return f"{ratio:.1f}x" if ratio >= 1 else f"{ratio:.2g}x"


def cost_claim(ours: Quote, theirs: Quote) -> Claim:
    """USD per million sequences of `ours` beside `theirs`."""
    missing = next((q for q in (ours, theirs) if q.usd_per_million is None), theirs)
    return claim(
        ours.usd_per_million, theirs.usd_per_million, f"no public price for {missing.title}"
    )


def energy_claim(ours: Quote, theirs: Quote) -> Claim:
    """Joules per 1,000 sequences of `ours` beside `theirs`."""
    missing = next((q for q in (ours, theirs) if q.energy_per_thousand is None), theirs)
    absent = f"no power figure for {missing.title}"
    return claim(ours.energy_per_thousand, theirs.energy_per_thousand, absent)


def target_quote(report: PortReport, target: TargetReport) -> Quote | None:
    """The quote that rests on the target's own run (not its roofline twin), if it was priced."""
    mine = [q for q in report.quotes if q.chip == target.compiled.chip]
    return next((q for q in mine if q.basis == target.run.basis), mine[0] if mine else None)


def rivals(report: PortReport) -> tuple[Quote, ...]:
    """The quotes of the chips that the targets are compared with."""
    targets = {t.compiled.chip for t in report.targets}
    return tuple(q for q in report.quotes if q.chip not in targets)


def proof_sentence(target: TargetReport, title: str) -> str:
    """Does it run and is it right: one sentence."""
    parity = target.parity
    where = f"the virtual {title}" if target.run.basis == "virtual" else title
    if parity.ok:
        return f"The model runs on {where} and its numbers agree with {parity.oracle}."
    return f"The model runs on {where}, but its numbers are not proved: {_failure(parity)}."


def _failure(parity: Parity) -> str:
    first = parity.first_failure
    if first is not None and first.relative <= first.budget and first.local is not None:
        return (
            f"the first value over budget is {first.name} (local error {error_text(first.local)}, "
            f"budget {error_text(first.local_budget or 0.0)})"
        )
    if first is not None:
        return (
            f"the first value over budget is {first.name} (error {error_text(first.relative)}, "
            f"budget {error_text(first.budget)})"
        )
    output = next((o for o in parity.outputs if not o.ok), None)
    if output is not None:
        return f"output {output.name} disagrees (lowest cosine {output.min_cosine:.6f})"
    return "nothing was compared"


def proof_detail(parity: Parity) -> str:
    """The proof in figures: how many values, how close to the budget, the lowest cosine."""
    shares = [x.relative / x.budget for x in parity.layers if x.budget > 0]
    parts = [f"{sum(x.ok for x in parity.layers)} of {len(parity.layers)} values inside budget"]
    if shares and all(math.isfinite(s) for s in shares):
        parts.append(f"largest error {_share(max(shares))} its budget")
    if parity.outputs:
        parts.append(f"lowest output cosine {min(o.min_cosine for o in parity.outputs):.6f}")
    ranked = [o.same_ranking for o in parity.outputs if o.same_ranking is not None]
    if ranked:
        parts.append(f"similarity ranking {'unchanged' if all(ranked) else 'changed'}")
    return "; ".join(parts) + "."


def _share(share: float) -> str:
    return f"{share:.0%} of" if share <= 1 else f"{_times(share)}"


def colour_of(titles: Mapping[str, str], num_colours: int = 10) -> dict[str, int]:
    """Chip name -> the number of its accent colour."""
    return {chip: i % num_colours for i, chip in enumerate(titles)}
