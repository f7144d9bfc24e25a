"""Claims: a winner only where ranges are disjoint, with the ratio's honest range."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glia.core.figures import Estimate
from glia.core.records import PortReport
from glia.report.compare import claim, proof_sentence, rivals, target_quote
from glia.report.sources import SourceIndex, runs_text
from glia.report.wording import mark_of, range_text

positive = st.floats(min_value=1e-6, max_value=1e6)


def usd(low: float, likely: float, high: float) -> Estimate:
    return Estimate(low, likely, high, "USD", "test")


def test_claims_in_words() -> None:
    lower = claim(usd(1, 2, 3), usd(6, 8, 12), "x")
    assert lower.sentence == "4.0x lower (2.0x to 12x)"
    higher = claim(usd(6, 8, 12), usd(1, 2, 3), "x")
    assert higher.sentence == "4.0x higher (2.0x to 12x)"
    overlap = claim(usd(1, 2, 4), usd(2, 3, 5), "x")
    assert overlap.sentence == (
        "overlapping ranges: no winner can be claimed (0.2x to 2.0x of the other, likely 0.67x)"
    )
    assert claim(None, usd(1, 1, 1), "no public price for B").sentence == (
        "unknown: no public price for B"
    )
    assert claim(usd(0, 1, 1), usd(1, 1, 1), "x").outcome == "unknown"


@settings(deadline=None, max_examples=50)
@given(st.tuples(positive, positive, positive), st.tuples(positive, positive, positive))
def test_winner_means_disjoint_and_is_antisymmetric(
    a: tuple[float, float, float], b: tuple[float, float, float]
) -> None:
    ours, theirs = usd(*sorted(a)), usd(*sorted(b))
    outcome = claim(ours, theirs, "x").outcome
    assert (outcome == "lower") == (max(a) < min(b))
    assert (outcome == "higher") == (max(b) < min(a))
    mirror = {"lower": "higher", "higher": "lower", "overlap": "overlap"}
    assert claim(theirs, ours, "x").outcome == mirror[outcome]


def test_target_is_compared_by_its_own_basis(report: PortReport) -> None:
    for target in report.targets:
        quote = target_quote(report, target)
        assert quote is not None and quote.basis == "virtual"
    assert [q.chip for q in rivals(report)] == ["h100", "l4", "maia-100"]


def test_failed_proofs_name_their_reason(report: PortReport) -> None:
    good, bad = report.targets
    assert "the virtual X and its numbers agree with PyTorch" in proof_sentence(good, "X")
    assert "encoder.layer.3.linear_28" in proof_sentence(bad, "X")
    alone = dataclasses.replace(good.parity.layers[4], local=0.5)
    local = dataclasses.replace(good.parity, layers=(alone,))
    assert "local error 5.0e-01, budget 3.9e-03" in proof_sentence(
        dataclasses.replace(good, parity=local), "X"
    )
    output = dataclasses.replace(good.parity.outputs[0], min_cosine=0.5)
    wrong = dataclasses.replace(good.parity, outputs=(output,))
    assert "output embeddings disagrees" in proof_sentence(
        dataclasses.replace(good, parity=wrong), "X"
    )


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (Estimate(1e-3, 1.2e-3, 1.5e-3, "s", ""), "1 to 1.5 ms"),
        (Estimate(8e-4, 1e-3, 1.5e-3, "s", ""), "800 \u00b5s to 1.5 ms"),
        (Estimate(0.02, 0.03, 0.04, "USD", ""), "$0.02 to $0.04"),
        (Estimate(1.17, 2, 6.88, "USD/h", ""), "$1.17 to $6.88/h"),
        (Estimate(0.4, 0.5, 0.6, "fraction", ""), "40 to 60 %"),
        (Estimate(5, 5, 5, "count", "", (), "counted"), "exact"),
        (Estimate(5, 5, 5, "J", ""), "no range given"),
        (None, ""),
    ],
)
def test_range_text(estimate: Estimate | None, expected: str) -> None:
    assert range_text(estimate) == expected


def test_marks_follow_the_method_unless_counted() -> None:
    predicted = usd(1, 2, 3)
    assert mark_of(predicted, "virtual") == "predicted"
    assert mark_of(predicted, "roofline") == "estimated"
    assert mark_of(dataclasses.replace(predicted, mark="counted"), "roofline") == "counted"


def test_sources_are_numbered_once() -> None:
    index = SourceIndex()
    assert index.numbers(("b", "a", "b", "")) == [1, 2]
    assert index.numbers(("a", "c")) == [2, 3]
    assert index.items() == [(1, "b"), (2, "a"), (3, "c")]
    assert runs_text([1, 2, 3, 7]) == "1-3, 7" and runs_text([]) == "-"
