"""The command as a user meets it: help, version, errors, exit codes, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import glia
from glia.chips import list_chips

SCRIPT = "from glia.cli import main; main()"


def run_glia(
    *words: str, cwd: Path | None = None, code: str = SCRIPT, **env: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "100", **env},
        check=False,
        timeout=120,
    )


def test_version():
    done = run_glia("--version")
    assert (done.stdout, done.returncode) == (f"glia {glia.__version__}\n", 0)


def test_run_as_a_module():
    words = [sys.executable, "-m", "glia", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == f"glia {glia.__version__}\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--help"], ["port", "chips", "compile", "run", "--version"]),
        (["port", "--help"], ["--to", "--against", "--precision", "--out", "--json", "MODEL"]),
        (["chips", "--help"], ["show", "compare", "--json"]),
        (["compile", "--help"], ["--to", "--out", "-o", "--precision"]),
        (["run", "--help"], ["--on", "--precision", "--json"]),
    ],
)
def test_help(words, expected):
    done = run_glia(*words)
    assert done.returncode == 0
    assert not [word for word in expected if word not in done.stdout]


BAD_USAGE = {
    "no verb of that name": (["prot"], "Did you mean 'port'?"),
    "no target": (["port", "m.py:f"], "--to"),
    "empty list": (["port", "m.py:f", "--to", ""], "--to: got ''"),
    "empty item": (["port", "m.py:f", "--to", "trn2,,inf2"], "remove the empty name"),
    "twice": (["port", "m.py:f", "--to", "trn2,trn2"], "got trn2 twice"),
    "both sides": (["port", "m.py:f", "--to", "trn2", "--against", "trn2"], "--to names as well"),
    "chip typo": (["port", "m.py:f", "--to", "trm2"], "did you mean 'trn2'?"),
    "rival typo": (["port", "m.py:f", "--to", "trn2", "--against", "h10"], "did you mean 'h100'?"),
    "not executable": (["port", "m.py:f", "--to", "h100"], "which glia cannot execute"),
    "precision": (["port", "m.py:f", "--to", "trn2", "--precision", "fp23"], "mean 'fp32'?"),
    "compile to two": (["compile", "m.py:f", "--to", "trn2,inf2", "-o", "b"], "expected one"),
    "compile nowhere": (["compile", "m.py:f", "--to", "trn2"], "--out"),
    "no device": (["run", "m.py:f"], "expected --on virtual:CHIP, cpu or reference"),
    "device typo": (["run", "m.py:f", "--on", "virtual:trn4"], "did you mean 'virtual:trn"),
    "out is a file": (["port", "m.py:f", "--to", "trn2", "--out", "taken"], "taken is a file"),
    "nothing to run": (["run", "bundel"], "got no file or folder of that name"),
    "folder without a model": (["run", ".", "--on", "cpu"], "without config.json"),
}


@pytest.mark.parametrize("case", BAD_USAGE)
def test_bad_usage_is_code_2_without_traceback(case, tmp_path):
    (tmp_path / "taken").touch()
    words, text = BAD_USAGE[case]
    done = run_glia(*words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def test_a_closed_pipe_is_no_bug():
    command = f"{sys.executable} -c '{SCRIPT}' chips show trn2 | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "bug" not in done.stderr
    assert "Traceback" not in done.stderr


BUG = (
    "import glia.chips.catalogue as c\n"
    "def broken(): raise RuntimeError('a\\nb')\n"
    "c.catalogue = broken\n" + SCRIPT
)


def test_an_unexpected_exception_is_called_a_bug():
    done = run_glia("chips", code=BUG, GLIA_DEBUG="")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: RuntimeError: a b",
        "this is a bug in glia, please report it with what GLIA_DEBUG=1 shows",
    ]


def test_debugging_shows_the_traceback():
    done = run_glia("chips", code=BUG, GLIA_DEBUG="1")
    assert "Traceback" in done.stderr
    assert "in broken" in done.stderr


def test_output_to_a_pipe_has_no_escape_codes():
    done = run_glia("chips")
    assert "\x1b" not in done.stdout
    assert all(name in done.stdout for name in list_chips())
