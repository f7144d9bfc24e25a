"""`glia nki`: what is typed, what is printed, exit codes, files; no tracebacks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from glia.cli.app import app
from public_nki import public_nki

__all__ = ["public_nki"]

ROOT = Path(__file__).parents[2]
SOFTMAX = f"{ROOT / 'examples' / 'nki_softmax.py'}:softmax"
KERNELS = ROOT / "tests" / "nki" / "tools" / "kernels.py"
NO_PROFILE = ROOT / "tests" / "golden" / "isa_tested.json"


def glia(*words: object) -> Result:
    return CliRunner().invoke(app, ["nki", *map(str, words)])


def test_run_prints_outputs_time_and_energy():
    result = glia("run", SOFTMAX)
    assert result.exit_code == 0, result.stderr
    for words in ("softmax on trn2: x: float32[256, 1024]", "out0", "Time", "Energy"):
        assert words in result.stdout


def test_run_as_json_and_its_values(tmp_path):
    out = tmp_path / "values.npz"
    result = glia("run", SOFTMAX, "--arg", "x=64x32", "--seed", 3, "--out", out, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    values = np.load(out)["out0"]
    assert values.shape == (64, 32) and np.allclose(values.sum(axis=1), 1, atol=1e-5)
    assert found["outputs"][0]["shape"] == [64, 32]
    assert found["time"]["low"] <= found["time"]["likely"] <= found["time"]["high"]


def test_profile_writes_its_three_files(tmp_path):
    result = glia("profile", SOFTMAX, "--arg", "x=256x256:bf16", "--out", tmp_path, "--json")
    assert result.exit_code == 0, result.stderr
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["profile.html", "profile.json", "trace.json"]
    assert json.loads(result.stdout) == json.loads((tmp_path / "profile.json").read_text())
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert sum(event["ph"] == "X" for event in events) == 12
    assert "timeline-canvas" in (tmp_path / "profile.html").read_text()


def test_a_saved_profile_compares_with_a_kernel(tmp_path):
    assert glia("profile", SOFTMAX, "--out", tmp_path).exit_code == 0
    result = glia("compare", tmp_path / "profile.json", SOFTMAX, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["same_arguments"] is True
    assert {d["name"]: d["ratio"] for d in found["deltas"]}["time"] == pytest.approx(1.0)


def test_kernels_that_do_different_work_get_no_verdict_unless_it_is_asked_for(tmp_path):
    assert glia("profile", SOFTMAX, "--out", tmp_path).exit_code == 0
    words = ("compare", tmp_path / "profile.json", SOFTMAX, "--arg", "x=128x512:bf16")
    result = glia(*words)
    said = " ".join(result.stdout.split())
    assert result.exit_code == 1 and "times as fast" not in said
    assert "different arguments: x: float32[256, 1024]; and x: bfloat16[128, 512]" in said
    assert "no verdict on speed: the two do different work" in said and "--different" in said
    found = json.loads(glia(*words, "--json").stdout)
    assert (found["same_work"], found["same_arguments"], found["is_judged"]) == (False,) * 3
    asked = glia(*words, "--different")
    assert asked.exit_code == 0 and "times as fast" in " ".join(asked.stdout.split())


def test_compare_shows_that_values_agree():
    result = glia("compare", f"{KERNELS}:double", f"{KERNELS}:halves", "--arg", "x=128x4")
    assert result.exit_code == 0, result.stderr
    assert "values of out0: identical, bit for bit" in result.stdout


def test_compare_fails_where_values_differ():
    sides = ("compare", f"{KERNELS}:double", f"{KERNELS}:in_place", "--arg", "x=128x4")
    result = glia(*sides)
    assert result.exit_code == 1
    assert "do not compute the same: out0 differ" in result.stdout
    assert glia(*sides, "--json").exit_code == 1
    assert glia(*sides, "--tolerance", "1").exit_code == 0


def test_check_passes_what_the_compiler_takes():
    result = glia("check", SOFTMAX)
    assert result.exit_code == 0, result.stdout
    assert "gen4 (trn3): legal" in result.stdout


def test_check_fails_with_findings_and_says_where(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text(
        "import nki\n\n\n@nki.jit\ndef k(x, *, n=[1]):\n    try:\n        return x\n"
        "    except ValueError:\n        return n is x\n"
    )
    result = glia("check", path)
    assert result.exit_code == 1
    for place in ("bad.py:5:13", "bad.py:5:15", "bad.py:6:5", "bad.py:9:16"):
        assert place in result.stdout
    found = json.loads(glia("check", path, "--json").stdout)
    assert found["ok"] is False
    rules = {f["rule"] for f in found["kernels"][0]["findings"]}
    assert rules == {"keyword-only", "list-default", "try", "identity"}


def test_warnings_alone_pass_unless_strict(tmp_path):
    path = tmp_path / "k.py"
    path.write_text("import nki\n\n\n@nki.jit\ndef k(x):\n    return x is None\n")
    assert glia("check", path, "--source").exit_code == 0
    assert glia("check", path, "--source", "--strict").exit_code == 1


def test_a_check_that_could_not_try_is_no_success(tmp_path):
    path = tmp_path / "k.py"
    path.write_text("import nki\n\n\n@nki.jit\ndef k(x):\n    return x\n")
    result = glia("check", path)
    said = " ".join(result.stdout.split())  # the console wraps long lines
    assert result.exit_code == 1 and "legality of 1 of 1 kernel was NOT checked" in said
    assert json.loads(glia("check", path, "--json").stdout)["ok"] is False
    assert glia("check", path, "--arg", "x=4x4").exit_code == 0
    only = glia("check", path, "--source")
    assert only.exit_code == 0 and "NOT" not in only.stdout
    assert glia("check", path, "--source", "--arg", "x=4x4").exit_code == 2
    path.write_text("import nki\nimport not_there\n\n\n@nki.jit\ndef k(x):\n    return x\n")
    result = glia("check", path)
    assert result.exit_code == 1 and "No module named 'not_there'" in result.stdout


@pytest.mark.parametrize("imports", ["import nki.isa as nisa", "from nki import isa as nisa"])
def test_misspelt_names_and_arguments_are_found_without_arguments(tmp_path, imports):
    path = tmp_path / "k.py"
    path.write_text(
        f"import nki\n{imports}\nimport nki.language as nl\n\n\n@nki.jit\ndef k(x):\n"
        "    nisa.tensr_copy(x, x)\n    y = nl.loadd(x)\n    nisa.dma_cpy(y, x)\n"
        "    nisa.tensor_copy(dst=y, source=x)\n    nl.load(x, nl.float32, 3)\n    return y\n"
    )
    result = glia("check", path, "--source", "--json")
    found = [(f["line"], f["what"]) for f in json.loads(result.stdout)["kernels"][0]["findings"]]
    words = [
        (8, "did you mean tensor_copy?"), (9, "did you mean load?"), (10, "did you mean dma_copy?"),
        (11, "tensor_copy without `src`"), (11, "`source=` of tensor_copy (did you mean src?"),
        (12, "3 arguments by place of load, which takes at most 2"),
    ]  # fmt: skip
    assert result.exit_code == 1 and len(found) == len(words)
    for line, text in words:
        assert any(line == at and text in what for at, what in found), (line, text, found)


def test_a_script_runs_with_its_own_options(tmp_path, capfd):
    path = tmp_path / "script.py"
    path.write_text("import sys\nimport nki\nprint(sys.argv[1:])\nraise SystemExit(3)\n")
    result = glia("run", path, "--size", "3", "-v")
    assert result.exit_code == 3
    assert "['--size', '3', '-v']" in result.stdout + capfd.readouterr().out


def test_a_profiled_script_that_stops_before_any_launch_keeps_its_exit_code(tmp_path):
    path = tmp_path / "script.py"
    path.write_text("import nki\nraise SystemExit(5)\n")
    result = glia("profile", path)
    assert result.exit_code == 5 and "launched no kernel and exited with 5" in result.stdout
    assert json.loads(glia("profile", path, "--json").stdout)["launches"] == []


@pytest.mark.parametrize(
    "variable", ["GLIA_MAX_LOOP_ITERATIONS", "GLIA_MAX_INSTRUCTIONS", "GLIA_MAX_IDLE_S"]
)
def test_a_limit_that_is_no_number_is_bad_usage(monkeypatch, variable):
    monkeypatch.setenv(variable, "abc")
    for verb in ("run", "profile"):
        result = glia(verb, f"{KERNELS}:double")
        assert result.exit_code == 2 and f"reading {variable}: got 'abc'" in result.stderr


def test_a_script_is_profiled_launch_by_launch(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(
        KERNELS.read_text() + "\n\nx = np.ones((128, 64), np.float32)\n"
        "for _ in range(3):\n    double(x)\n"
        "nki.simulate(halves[2])(np.ones((128, 1024), np.float32))\n"
    )
    result = glia("profile", path, "--out", tmp_path / "out", "--chip", "trn2", "--json")
    assert result.exit_code == 0, result.stderr
    launches = json.loads(result.stdout)["launches"]
    found = {(e["profile"]["kernel"], e["count"], e["profile"]["num_cores"]) for e in launches}
    assert found == {("double", 3, 1), ("halves", 1, 2)}
    assert [e["profile"]["arguments"] for e in launches if e["count"] == 3] == [
        ["x: float32[128, 64]"]
    ]
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert [name.partition("-")[2] for name in names] in (
        ["double", "halves"],
        ["halves", "double"],
    )
    shown = glia("profile", path, "--chip", "trn2")
    assert "Launches of" in shown.stdout and "The launch that takes longest" in shown.stdout


def test_json_stands_alone_whatever_the_kernel_prints(tmp_path):
    path = tmp_path / "k.py"
    path.write_text(
        KERNELS.read_text().replace(
            "    tile = nl", "    print('shape', x.shape)\n    tile = nl", 1
        )
    )
    for words in (
        ("run", f"{path}:double"),
        ("profile", f"{path}:double"),
        ("check", f"{path}:double"),
        ("compare", f"{path}:double", f"{path}:double"),
    ):
        result = glia(*words, "--json")
        assert result.exit_code == 0, result.stderr
        json.loads(result.stdout)
        assert "shape (128, 8)" in result.stderr


def test_arguments_of_one_kernel_do_not_stop_the_check_of_the_others():
    result = glia("check", KERNELS, "--arg", "x=4x4", "--arg", "factor=2.0")
    assert result.exit_code == 1 and "[raise]" in result.stdout  # the kernel that exits
    assert "parameter of halves: got 'factor'" in " ".join(result.stdout.split())
    assert glia("check", f"{KERNELS}:halves", "--arg", "factor=2.0").exit_code == 2


USAGE = [
    (("run", "nosuch.py:k"), "got no file 'nosuch.py'"),
    (("run", f"{KERNELS}:duoble"), "did you mean 'double'"),
    (("run", f"{KERNELS}:halves"), "got no value for x"),
    (("run", f"{KERNELS}:double", "--arg", "x=4x-4"), "sizes of at least 1"),
    (("run", f"{KERNELS}:double", "--arg", "y=4"), "parameter of double"),
    (("profile", f"{KERNELS}:double", "--arg", "x=4x4:float64"), "got 'float64'; did you mean"),
    (("run", f"{KERNELS}:double", "more"), "got 'more' after the kernel"),
    (("run", f"{KERNELS}:double", "--lnc", "4"), "expected 1 or 2"),
    (("run", f"{KERNELS}:double", "--chip", "trn7"), "choose one of"),
    (("run", f"{KERNELS}:double", "--chip", "h100"), "choose one of"),
    (("run", f"{KERNELS}:double", "--out", "x.csv"), "ending in .npz"),
    (("run", KERNELS, "--lnc", "2", "--json"), "got --lnc, --json with the script"),
    (("profile", KERNELS), "a script that launched no kernel"),
    (("profile", KERNELS, "--arg", "x=4x4"), "got --arg with the script"),
    (("compare", KERNELS, KERNELS), "name one of: double"),
    (("compare", "nosuch.json", "nosuch.json"), "No such file"),
    (("compare", NO_PROFILE, NO_PROFILE), "got JSON without a format"),
    (("compare", "a.json", "b.json", "--arg", "x=4x4"), "--arg with two saved profiles"),
]


@pytest.mark.parametrize(("words", "message"), USAGE, ids=[m for _, m in USAGE])
def test_bad_usage_is_exit_code_two_and_one_message(words, message):
    result = glia(*words)
    assert result.exit_code == 2, result.stdout + result.stderr
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


JOBS = [
    (("run", f"{KERNELS}:too_tall", "--arg", "x=4x4"), "kernels.py:"),
    (("run", f"{KERNELS}:endless", "--arg", "x=4x4", "--time-limit", "0.2"), "--time-limit"),
    (("profile", f"{KERNELS}:double", "--arg", "x=4"), "kernels.py:"),
]


@pytest.mark.parametrize(("words", "message"), JOBS, ids=[str(i) for i in range(len(JOBS))])
def test_what_fails_is_exit_code_one_and_one_message(words, message):
    result = glia(*words)
    assert result.exit_code == 1, result.stdout + result.stderr
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_files_that_do_not_parse_or_import(tmp_path):
    path = tmp_path / "k.py"
    for text, message in (
        ("def k(:\n", "SyntaxError"),
        ("import nosuch\n", "No module named 'nosuch'"),
    ):
        path.write_text(text)
        for verb in ("run", "profile", "check"):
            result = glia(verb, f"{path}:k")
            assert result.exit_code in (1, 2) and "Traceback" not in result.stderr
        assert message in glia("run", f"{path}:k").stderr


def test_the_readme_says_what_the_profile_says():
    text = " ".join((ROOT / "README.md").read_text().split())
    claimed = re.search(r"multiplication would gain (\d+) % on the Scalar engine", text)
    result = glia("profile", SOFTMAX, "--arg", "x=4096x2048:bf16", "--json")
    advice = json.loads(result.stdout)["advice"]
    (moved,) = (
        a for a in advice if "tensor_scalar" in a["title"] and "scalar engine" in a["title"]
    )
    assert claimed is not None
    assert 100 * moved["fraction"] == pytest.approx(int(claimed[1]), abs=0.5)


@pytest.mark.parametrize("verb", ["run", "profile", "check", "compare"])
def test_every_verb_takes_the_time_limit_for_what_the_file_itself_does(verb, tmp_path):
    path = tmp_path / "loop.py"
    path.write_text("import nki\n@nki.jit\ndef k():\n    return None\nwhile True:\n    pass\n")
    twice = [f"{path}:k"] if verb == "compare" else []
    result = glia(verb, f"{path}:k", *twice, "--time-limit", "0.2")
    assert result.exit_code == 1
    assert "got no end within 0.2 s" in " ".join((result.stdout + result.stderr).split())
