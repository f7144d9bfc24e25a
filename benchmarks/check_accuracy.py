"""Precision and recall of `glia check` on labelled projects, per category and overall.

    python benchmarks/check_accuracy.py [--list] [--part open|held_out|fresh|wide|again|all]

The projects stand in tests/port/labelled; their lines were labelled by reading, before the rules
were. `open` was used to mend rules; the others were each scored once before anybody looked at what
they missed, and docs/port.md gives those figures. --list prints every miss and
false alarm.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from port.accuracy import Outcome, Tally, outcome_of, projects

PARTS = ("open", "held_out", "fresh", "wide", "again", "guards")


def row(name: str, tally: Tally) -> str:
    return (
        f"{name:14} {tally.labels:8} {tally.right:6} {tally.missed:7} {tally.false:6}"
        f" {tally.precision:10.1%} {tally.recall:8.1%}"
    )


def show(outcome: Outcome) -> None:
    print(f"{'category':14} positives  right  missed  false  precision   recall")
    for name, tally in sorted(outcome.tallies.items()):
        print(row(name, tally))
    print(row("all", outcome.total))
    weighed = outcome.num_matched - len(outcome.misweighed)
    print(f"look-alikes marked: {outcome.num_lookalikes}")
    print(f"weighed as a reader would: {weighed} of {outcome.num_matched}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="every miss and false alarm")
    parser.add_argument("--part", choices=(*PARTS, "all"), default="all")
    args = parser.parse_args()
    parts = PARTS if args.part == "all" else (args.part,)
    outcome = outcome_of([folder for part in parts for folder in projects(part)])
    show(outcome)
    if args.list:
        for title, lines in (
            ("missed", outcome.misses),
            ("false alarms", outcome.alarms),
            ("weighed otherwise", outcome.misweighed),
        ):
            print(f"\n{title}:", *(lines or ["none"]), sep="\n  ")


if __name__ == "__main__":
    main()
