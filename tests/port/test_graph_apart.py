"""The model's code runs in a process apart: whatever it does there, glia goes on and says what."""

import os

import pytest

from glia.core.errors import UsageError
from glia.port.graph_check.apart import look_apart, within
from glia.port.graph_check.look import look_at

FORWARD = """import torch


class Model(torch.nn.Module):
    def forward(self, x):
        {}
        return x * 2


def model():
    return Model(), torch.ones(2, 4)
"""
MAKE = "def model():\n    {}\n"


def looked(tmp_path, text, limit_s=60.0):
    file = tmp_path / "mine.py"
    file.write_text(text)
    return look_at(f"{file}:model", within(limit_s))


def told(look, line):
    """The detail of the one finding, which stands at that line."""
    (finding,) = look.said
    assert (finding.rule.id, look.reading.basis) == ("G012", "none")
    assert finding.source is not None and finding.source.line == line
    return finding.detail


def test_an_exit_of_the_process_is_a_finding(tmp_path):
    assert "SystemExit: 5" in told(looked(tmp_path, MAKE.format("import os; os._exit(5)")), 2)


def test_a_loop_without_end_is_a_finding_with_its_line(tmp_path):
    detail = told(looked(tmp_path, MAKE.format("while True: pass"), limit_s=3.0), 2)
    assert "no end within 3 s" in detail and "--time-limit" in detail


def test_native_code_that_crashes_is_a_finding_with_its_line(tmp_path):
    detail = told(looked(tmp_path, MAKE.format("import ctypes; ctypes.string_at(0)")), 2)
    assert "SIGSEGV" in detail


def test_wrong_words_are_the_users_error(tmp_path):
    (tmp_path / "mine.py").write_text("def modell():\n    pass\n")
    with pytest.raises(UsageError, match="did you mean 'modell'"):
        look_apart(f"{tmp_path / 'mine.py'}:model", False)


def test_noise_threads_forks_and_a_change_of_folder_do_no_harm(tmp_path):
    here = os.getcwd()
    lines = (
        "import os, sys, threading, time; os.chdir('/'); print('a' * 10**7)",
        "sys.stderr.write('b' * 10**7); os.fork() or os._exit(3)",
        "threading.Thread(target=lambda: time.sleep(1000)).start()",
    )
    look = looked(tmp_path, FORWARD.format("\n        ".join(lines)))
    assert look.reading.basis == "captured"
    assert os.getcwd() == here


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("import sys; sys.exit(5)", "SystemExit: 5"),
        ("quit()", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("input('x')", "EOFError"),
        ("many = [torch.ones(250_000_000) for _ in range(10_000)]", "can't allocate memory"),
        ("return self(x)", "RecursionError"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGABRT)", "SIGABRT"),
        ("import os; os._exit(5)", "SystemExit: 5"),
    ],
)
def test_what_forward_does(tmp_path, line, says):
    assert says in told(looked(tmp_path, FORWARD.format(line)), 6)
