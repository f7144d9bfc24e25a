"""The Python that the README shows runs as it stands, as a script of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text()
SCRIPTS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHOWN = ["a corner: [[1 1 1 1]]\n[[2. 2. 2.", "[[6. 6. 6."]


@pytest.mark.parametrize("number", range(len(SHOWN)))
def test_a_script_of_the_readme_runs(number: int, tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPTS[number])
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(SHOWN[number])


def test_no_script_is_left_out():
    assert len(SCRIPTS) == len(SHOWN)


@pytest.mark.parametrize(
    "name",
    ["glia.nki.install", "nki.simulate_ranks", "breakpoint()", "NEURON_PLATFORM_TARGET_OVERRIDE"],
)
def test_what_a_kernel_author_needs_is_named(name: str):
    assert name in README
