"""What `glia check` finds in the labelled projects: at least 95 % right, at least 90 % found."""

from functools import cache

import pytest

from glia.core.check_records import CodeFinding
from glia.port.rules.table import RULES
from port.accuracy import LABELLED, Outcome, Tally, labels_of, outcome_of, projects

PARTS = ("open", "held_out", "fresh", "wide", "again", "guards")


@cache
def outcome() -> Outcome:
    return outcome_of([folder for part in PARTS for folder in projects(part)])


def test_precision_and_recall_of_every_category():
    poor = {
        name: (f"{tally.precision:.1%}", f"{tally.recall:.1%}")
        for name, tally in outcome().tallies.items()
        if tally.precision < 0.95 or tally.recall < 0.90
    }
    assert not poor, outcome().misses + outcome().alarms


def test_the_set_is_large_and_covers_the_table():
    total = outcome().total
    assert total.labels >= 600
    assert outcome().num_lookalikes >= 300
    labelled = {
        rule
        for path in LABELLED.rglob("*")
        if path.is_file() and path.suffix != ".md"
        for label in labels_of(path.name, path.read_text(encoding="utf-8"))
        for rule in label.rules
    }
    table = {name for name in RULES if int(name[1:]) <= 133}  # ids after that are glia's own
    assert table - labelled == set()


def test_weights_are_those_of_a_reader():
    assert len(outcome().misweighed) <= 0.02 * outcome().num_matched, outcome().misweighed


def test_the_measure_itself_counts_misses_and_alarms():
    tally = Tally(right=18, false=2, missed=2, labels=20)
    assert (tally.precision, tally.recall) == (0.9, 0.9)
    assert CodeFinding("C001", "a.py", 1, 1, "", "code").weighs


@pytest.mark.parametrize(
    ("line", "rules"),
    [
        ("x = 1", []),
        ("x = 1  # ~ none", [("none",)]),
        ("x.cuda()  # ~ C001 C003|C004", [("C001",), ("C003", "C004")]),
        ('   "x.cuda()  # ~ C001\\n",', [("C001",)]),
    ],
)
def test_labels_are_read(line: str, rules: list[tuple[str, ...]]):
    assert [label.rules for label in labels_of("a.py", line)] == rules
