"""`import glia` and `glia --help` stay light: what they load is checked, and what CPU they take.

Budgets are 0.3 s and 0.5 s. CPU seconds of the best of several runs, not wall time, are compared
with twice the budget: other work on the machine does not count.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "transformers",
    "scipy",
    "safetensors",
    "jax",
    "onnx",
    "pandas",
    "sklearn",
    "IPython",
)

# The rooms behind the verbs; Typer itself may load pydantic.
ROOMS = ("glia.chips", "glia.graph", "glia.compiler", "glia.devices", "glia.port.job")
SHOW_MODULES = "import sys; print(*sorted(sys.modules))"
HELP = (
    "import sys; sys.argv = ['glia', *%r]\n"
    "from glia.cli import main\n"
    "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
)
CASES = {
    "import glia": ("import glia\n", 0.3),
    "glia --help": (HELP % ["--help"], 0.5),
    "glia --version": (HELP % ["--version"], 0.5),
    "glia port --help": (HELP % ["port", "--help"], 0.5),
    "glia nki --help": (HELP % ["nki", "profile", "--help"], 0.5),
}
NUM_RUNS = 5


def run_python(code: str) -> str:
    """Last line that a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1] if done.stdout else ""


def cpu_s(code: str) -> float:
    """CPU seconds, user and system, of a fresh interpreter that runs `code`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run_python(code)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_import_glia_loads_no_dependency_at_all():
    loaded = set(run_python("import glia\n" + SHOW_MODULES).split())
    assert not loaded.intersection(("numpy", "pydantic", "typer", "rich"))


@pytest.mark.parametrize("case", CASES)
def test_no_heavy_package_is_loaded(case):
    loaded = set(run_python(CASES[case][0] + SHOW_MODULES).split())
    assert not loaded.intersection((*HEAVY, *ROOMS))


@pytest.mark.parametrize("case", CASES)
def test_it_is_inside_its_budget(case):
    code, budget_s = CASES[case]
    best_s = min(cpu_s(code) for _ in range(NUM_RUNS))
    print(f"{case}: best of {NUM_RUNS} {best_s:.3f} s of CPU, budget {budget_s} s")
    assert best_s < 2 * budget_s
