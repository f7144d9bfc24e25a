"""nki-library's tests, run from a checkout of its tag 2.29, and what became of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

TESTS = "test/integration/nkilib"
DIRECTORIES = (
    "core/cumsum",
    "core/embeddings",
    "core/max",
    "core/rmsnorm",
    "core/subkernels",
    "core/utils",
    "core/attention/test_attention_cte.py",
    "core/output_projection",
    "core/qkv",
    "core/mlp",
    "experimental/conv",
    "experimental/dynamic_shapes",
)


@dataclass(frozen=True)
class Outcome:
    """One test: its id, `passed`, `failed` or `skipped`, seconds, and what was said."""

    test: str
    outcome: str
    seconds: float
    said: str

    @property
    def path(self) -> str:
        """The id from the directory of the tests on; pytest begins it at its own root."""
        return self.test.rpartition("integration/nkilib/")[2]

    @property
    def directory(self) -> str:
        """The directory of `DIRECTORIES` it belongs to."""
        return next((d for d in DIRECTORIES if self.path.startswith(d)), self.path)

    @property
    def cause(self) -> str:
        """The first line of what was said, without what differs from test to test."""
        first = self.said.strip().splitlines()[0] if self.said.strip() else "no message"
        return re.sub(r"\d+", "#", first.removeprefix("test.utils.exceptions."))[:160]


def run(checkout: Path, directories: tuple[str, ...], timeout_s: int) -> list[Outcome]:
    """Run the directories' fast tests on trn2; each test may take `timeout_s`."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "outcomes.jsonl"
        for directory in directories:
            print(f"nki-library {directory} ...", flush=True)
            _session(checkout, f"{TESTS}/{directory}", timeout_s, log)
        return read(log)


def read(log: Path) -> list[Outcome]:
    """The outcomes in a log; of a test that speaks twice, the worse."""
    found: dict[str, Outcome] = {}
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
        one = Outcome(*json.loads(line))
        if one.test not in found or one.outcome == "failed":
            found[one.test] = one
    return list(found.values())


def _session(checkout: Path, tests: str, timeout_s: int, log: Path) -> None:
    here = Path(__file__).parent
    paths = [str(here), "src", ".", os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in paths if p),
        "NEURON_PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "NEURON_PLATFORM_TARGET_OVERRIDE": "trn2",
        "CONFORMANCE_LOG": str(log),
    }
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "library_plugin", tests,
        "--test-mode", "simulation", "-m", "fast", "--timeout", str(timeout_s),
        "--continue-on-collection-errors", "-p", "no:cacheprovider", "--tb=line",
    ]  # fmt: skip
    subprocess.run(command, cwd=checkout, env=environment, check=False, capture_output=True)


def table(outcomes: list[Outcome]) -> list[str]:
    """Rows of directory, passed, failed and skipped, in the order of the directories."""
    counts: dict[str, Counter[str]] = {}
    for one in outcomes:
        counts.setdefault(one.directory, Counter())[one.outcome] += 1
    rows = ["| directory | passed | failed | skipped by its own rules |", "|---|---|---|---|"]
    for directory in sorted(counts):
        c = counts[directory]
        rows.append(f"| `{directory}` | {c['passed']} | {c['failed']} | {c['skipped']} |")
    every = sum(counts.values(), Counter())
    rows.append(f"| all | {every['passed']} | {every['failed']} | {every['skipped']} |")
    return rows


def causes(outcomes: list[Outcome]) -> list[tuple[str, int, str]]:
    """Cause, how many tests, and one of them, the most frequent first."""
    failed = [o for o in outcomes if o.outcome == "failed"]
    example = {o.cause: o.path for o in reversed(failed)}
    return [(c, n, example[c]) for c, n in Counter(o.cause for o in failed).most_common()]
