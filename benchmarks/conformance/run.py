"""Run public kernels, unchanged, on the virtual chips, and write down what became of them.

usage: python benchmarks/conformance/run.py [--docs SDK] [--samples SAMPLES] [--library LIBRARY]
                                            [--only DIRECTORY ...] [--timeout S] [--write PAGE]

SDK is a checkout of aws-neuron/aws-neuron-sdk, SAMPLES of aws-neuron/nki-samples, LIBRARY of
aws-neuron/nki-library at tag 2.29 (its tests also need pytest-timeout, pandas, boto3, allpairspy
and torch). What is not given is not run. PAGE gets the tables between its two marks; the words
around them are a person's.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import library
import tutorials

BEGIN, END = "<!-- begin: generated -->", "<!-- end: generated -->"


def main() -> int:
    """Run what was asked for; exit code 1 when anything failed."""
    options = _options()
    lines: list[str] = []
    failed = 0
    roots = {"docs": options.docs, "samples": options.samples}
    if any(roots.values()):
        rows, failed = _tutorials({k: v for k, v in roots.items() if v})
        lines += ["### Documentation and nki-samples", "", *rows, ""]
    if options.library:
        directories = tuple(options.only or library.DIRECTORIES)
        outcomes = library.run(options.library, directories, options.timeout)
        failed += sum(o.outcome == "failed" for o in outcomes)
        lines += ["### nki-library 2.29, trn2, `-m fast`", "", *library.table(outcomes), ""]
        for cause, count, example in library.causes(outcomes):
            lines.append(f"- {count} x {cause} (`{example}`)")
    print("\n".join(lines))
    if options.write:
        _write(options.write, lines)
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--docs", type=Path, help="a checkout of aws-neuron/aws-neuron-sdk")
    parser.add_argument("--samples", type=Path, help="a checkout of aws-neuron/nki-samples")
    parser.add_argument("--library", type=Path, help="a checkout of aws-neuron/nki-library, 2.29")
    parser.add_argument("--only", nargs="*", choices=library.DIRECTORIES, metavar="DIRECTORY")
    parser.add_argument("--timeout", type=int, default=200, help="seconds one test may take")
    parser.add_argument("--write", type=Path, help="the page whose tables are renewed")
    return parser.parse_args()


def _tutorials(roots: dict[str, Path]) -> tuple[list[str], int]:
    """A row per kernel, and how many failed."""
    rows, failed = ["| checkout | file | kernel | result |", "|---|---|---|---|"], 0
    for case in tutorials.CASES:
        if case.checkout not in roots:
            continue
        start = time.perf_counter()
        result = _result(roots[case.checkout] / case.file, case)
        failed += result != "passed"
        print(f"{case.kernel}: {result} ({time.perf_counter() - start:.1f} s)", flush=True)
        rows.append(f"| {case.checkout} | `{case.file}` | `{case.kernel}` | {result} |")
    return rows, failed


def _result(path: Path, case: tutorials.Case) -> str:
    try:
        with tutorials.loaded(path) as module:
            case.check(module)
    except Exception as error:
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        return f"failed: {text[:160]}".replace("|", "\\|")
    return "passed"


def _write(page: Path, lines: list[str]) -> None:
    text = page.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    body = "\n".join(["", "", *lines, ""])
    page.write_text(f"{head}{BEGIN}{body}{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
