"""Files that hang, or that no parser reads: each ends in time, in one clear line."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from glia.core.errors import GliaError
from glia.core.progress import NullProgress
from glia.nki.tools.check import check
from glia.nki.tools.compare import How, compare
from glia.nki.tools.deadline import DeadlineError, deadline
from glia.nki.tools.launch import prepare
from glia.nki.tools.script import run_script

LIMIT_S = 0.2
LOOP = "import nki\n\n@nki.jit\ndef k():\n    return None\n\nwhile True:\n    pass\n"
EVAL = "eval('[0 for _ in iter(int, 1)]')\n"


def compared(path: Path) -> None:
    compare(f"{path}:k", f"{path}:k", How(time_limit_s=LIMIT_S), NullProgress())


@pytest.mark.parametrize(
    "run",
    [
        lambda path: prepare(f"{path}:k", (), time_limit_s=LIMIT_S),
        lambda path: run_script(path, (), time_limit_s=LIMIT_S),
        compared,
    ],
)
@pytest.mark.parametrize(("text", "line"), [(LOOP, r"[78]"), (EVAL, "1")])
def test_a_file_that_hangs_while_it_is_loaded_ends_at_its_line(tmp_path, run, text, line):
    path = tmp_path / "loop.py"
    path.write_text(text)
    with pytest.raises(DeadlineError, match=rf"loop.py:{line}: .*got no end within 0.2 s"):
        run(path)


def test_check_ends_too(tmp_path):
    path = tmp_path / "loop.py"
    path.write_text(LOOP)
    (kernel,) = check(str(path), (), 1, NullProgress(), LIMIT_S).kernels
    assert "got no end within 0.2 s" in kernel.problem and not kernel.ok


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b"x = " + b"-" * 20_000 + b"1\n", "nested too deeply"),
        (b"x = 1\0\n", "null bytes"),
        (b"# coding: klingon\nx = 1\n", "unknown encoding: klingon"),
    ],
)
@pytest.mark.parametrize(
    "run",
    [
        lambda path: prepare(f"{path}:k", ()),
        lambda path: run_script(path, ()),
        lambda path: check(str(path), (), 1, NullProgress()),
    ],
)
def test_what_no_parser_reads_is_said_of_the_file(tmp_path, run, source, expected):
    path = tmp_path / "hostile.py"
    path.write_bytes(source)
    with pytest.raises(GliaError) as found:
        run(path)
    text = str(found.value)
    assert expected in text and "hostile.py" in text and "None" not in text and "\n" not in text


def test_a_link_to_itself_leads_nowhere(tmp_path):
    path = tmp_path / "self.py"
    path.symlink_to(path)
    for run in (lambda: prepare(f"{path}:k", ()), lambda: check(str(path), (), 1, NullProgress())):
        with pytest.raises(GliaError, match="a link that leads to no file"):
            run()


def test_the_limit_names_the_line_of_the_kernel(tmp_path):
    path = tmp_path / "long.py"
    path.write_text(
        "import nki\nimport nki.isa as nisa\nimport nki.language as nl\n\n\n@nki.jit\ndef k(x):\n"
        "    t = nl.load(x)\n    for _ in range(10**9):\n"
        "        nisa.tensor_scalar(t, t, nl.add, 1.0)\n    return x\n"
    )
    launch = prepare(f"{path}:k", ("x=4x4:f32",), time_limit_s=1.0)
    with pytest.raises(DeadlineError, match=r"^long.py:(9|10): running it"):
        launch.streams()


def test_a_limit_that_ends_outside_the_kernel_names_no_line():
    """The line that called glia, this one, is not the kernel's."""
    expected = r"^running it: .*none of its own lines was running"
    with pytest.raises(DeadlineError, match=expected), deadline(0.01):
        time.sleep(1.0)
