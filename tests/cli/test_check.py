"""`glia check` and `glia explain` as a user meets them: tables, JSON, SARIF, exit codes."""

from __future__ import annotations

import json
import shlex
import string
from pathlib import Path

import pytest
import yaml

from cli.test_app import run_glia

ROOT = Path(__file__).parents[2]
TRAIN = """import torch

device = "cuda" if torch.cuda.is_available() else "cpu"
é = "é"; model = torch.nn.Linear(2, 2).cuda()
try:
    import triton
except ImportError:
    triton = None
"""
KEPT = "import torch\nx = torch.ones(2).cuda()  # glia: ignore[C001] runs on CUDA only\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "my code").mkdir()
    (tmp_path / "my code" / "train.py").write_text(TRAIN)
    (tmp_path / "kept.py").write_text(KEPT)
    (tmp_path / "old.py").write_text('import torch\nprint "cuda"\n')
    (tmp_path / "run.ipynb").write_text(
        json.dumps({"cells": [{"cell_type": "code", "source": "import torch\nx.cuda()"}]})
    )
    return tmp_path


def test_the_table_has_silent_first_and_the_verdict_last(project):
    done = run_glia("check", ".", "--to", "trn2,mi300x", cwd=project, COLUMNS="160")
    text = done.stdout
    heads = ["Silent: it goes on", "It stops with an error", "Of no weight", "not read", "Verdict"]
    assert [head for head in heads if head not in text] == []
    assert [text.index(head) for head in heads] == sorted(text.index(head) for head in heads)
    assert "my code/train.py:3:10" in text
    assert "run.ipynb cell 1:2:1" in text
    assert "accepted (runs on CUDA only)" in text
    assert "may be absent" in text
    assert "Python 2 (line 2)" in text
    assert "runs after fixes" in text
    assert (done.returncode, done.stderr) == (1, "")


def test_more_places_than_are_shown(tmp_path):
    code = "import torch\n" + "x.cuda()\n" * 9
    (tmp_path / "a.py").write_text(code)
    few = run_glia("check", "a.py", "--to", "trn2", cwd=tmp_path).stdout
    everything = run_glia("check", "a.py", "--to", "trn2", "--all", cwd=tmp_path).stdout
    assert ("9 places in 1 file" in few, "and 1 more" in few, "10:1" in few) == (True, True, False)
    assert ("more" in everything, "a.py:10:1" in everything) == (False, True)


def test_what_only_is_slower_takes_a_line(tmp_path):
    (tmp_path / "a.py").write_text("import torch\n" + "x = torch.ones(2).double()\n" * 5)
    few = run_glia("check", "a.py", "--to", "tpu", cwd=tmp_path).stdout
    everything = run_glia("check", "a.py", "--to", "tpu", "--all", cwd=tmp_path).stdout
    assert "(--all shows every place" in few and "tpu slower" not in few
    assert "a.py:6:5" in everything and "tpu slower" in everything


def test_names_and_code_are_never_read_as_markup(tmp_path):
    (tmp_path / "[bold]a.py").write_text("import torch\nx.cuda()  # [red]\n")
    done = run_glia("check", ".", "--to", "trn2", cwd=tmp_path)
    assert "[bold]a.py:2:1  x.cuda()  # [red]" in done.stdout


def test_json_stands_alone(project):
    done = run_glia("check", ".", "--to", "trn2,h100", "--json", cwd=project)
    report = json.loads(done.stdout)
    assert done.stderr == ""
    assert {f["rule"] for f in report["findings"]} == set(report["rules"])
    rule = report["rules"]["C001"]
    assert rule["on"]["trn2"]["effect"] == "raises"
    assert set(rule) >= {"title", "category", "why", "grade", "sources", "autofix"}
    (found,) = [f for f in report["findings"] if f["code"].startswith("é") and f["rule"] == "C001"]
    assert (found["line"], found["column"], found["weighs"]) == (4, 18, True)
    verdicts = {t["target"]: t["verdict"] for t in report["targets"]}
    assert verdicts == {"trn2": "runs after fixes", "h100": "runs"}
    assert 0 < report["targets"][0]["effort"]["low"] < report["targets"][0]["effort"]["high"]
    assert [u["file"] for u in report["unread"]] == ["old.py"]


EXITS = {
    "silent on it": ("silent.py", "trn2", ["--fail-on", "silent"], 1),
    "silent elsewhere": ("silent.py", "h100", ["--fail-on", "silent"], 0),
    "raises counts silent": ("silent.py", "trn2", [], 1),
    "loud only, asked for silent": ("loud.py", "trn2", ["--fail-on", "silent"], 0),
    "loud": ("loud.py", "trn2", ["--fail-on", "raises"], 1),
    "unknown is not raises": ("unknown.py", "mi300x", [], 0),
    "unknown is any": ("unknown.py", "mi300x", ["--fail-on", "any"], 1),
    "never": ("loud.py", "trn2", ["--fail-on", "never"], 0),
    "accepted": ("kept.py", "trn2", ["--fail-on", "any"], 0),
    "clean": ("clean.py", "trn2", ["--fail-on", "any"], 0),
}


@pytest.mark.parametrize("case", EXITS)
def test_exit_codes(case, tmp_path):
    name, target, words, code = EXITS[case]
    texts = {
        "silent.py": "import torch\nif x.is_cuda:\n    run(x)\n",
        "loud.py": "import torch\nx.cuda()\n",
        "unknown.py": "import apex\n",
        "kept.py": KEPT,
        "clean.py": "import torch\n",
    }
    (tmp_path / name).write_text(texts[name])
    done = run_glia("check", name, "--to", target, *words, cwd=tmp_path)
    assert done.returncode == code, done.stdout


BAD_USAGE = {
    "no target": (["check", "."], "--to"),
    "target typo": (["check", ".", "--to", "trn2,mi300"], "did you mean 'mi300x'?"),
    "twice by alias": (["check", ".", "--to", "trn2,trainium2"], "got trn2 twice"),
    "no such path": (["check", "gone", "--to", "trn2"], "got no such file or folder"),
    "fail on typo": (["check", ".", "--to", "trn2", "--fail-on", "silence"], "mean 'silent'?"),
    "sarif nowhere": (["check", ".", "--to", "trn2", "--sarif", "no/a.sarif"], "--sarif: got"),
    "settings typo": (["check", "with", "--to", "trn2"], "did you mean 'exclude'?"),
    "rule typo": (["explain", "C999"], "did you mean C099? all are listed by: glia explain"),
}


@pytest.mark.parametrize("case", BAD_USAGE)
def test_bad_usage_writes_nothing(case, tmp_path):
    (tmp_path / "with").mkdir()
    (tmp_path / "with" / "glia.toml").write_text('[check]\nexlude = ["a"]\n')
    words, text = BAD_USAGE[case]
    done = run_glia(*words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert text in done.stderr
    assert (done.stdout, "Traceback" in done.stderr) == ("", False)
    assert [path.name for path in tmp_path.iterdir()] == ["with"]


@pytest.mark.parametrize("name", ["c001", "C1", " c01 "])
def test_explain_is_a_page(name):
    done = run_glia("explain", name)
    assert done.returncode == 0
    wanted = ["C001", "neuron", "rocm", "raises", "evidence", "https://", ".cuda()"]
    assert [word for word in wanted if word not in done.stdout] == []


def test_explain_without_a_rule_lists_all():
    done = run_glia("explain")
    assert done.returncode == 0
    assert [
        word for word in ("C001", "C143", "G001", "distributed") if word not in done.stdout
    ] == []
    rules = json.loads(run_glia("explain", "--json").stdout)["rules"]
    assert {"id": "C001", "category": "device"}.items() <= rules[0].items()


def test_explain_as_json():
    page = json.loads(run_glia("explain", "C001", "--json").stdout)
    assert set(page["rule"]["on"]) == {"neuron", "tpu", "rocm", "cpu"}
    assert ".cuda()" in page["bad"]


# -- as other tools call it ----------------------------------------------------------------------


def test_files_as_pre_commit_passes_them(project):
    words = ("check", "--to", "trn2", "--json", "kept.py", "my code/train.py", "run.ipynb")
    done = run_glia(*words, cwd=project)
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (1, "")
    assert {f["file"] for f in report["findings"]} == set(words[4:])
    assert report["path"] == "kept.py, my code/train.py, run.ipynb"


def test_a_model_is_checked_by_itself(tmp_path):
    (tmp_path / "m.py").write_text("import torch\ndef model():\n    return x.cuda()\n")
    (tmp_path / "a.py").write_text("import torch\n")
    words = ("check", "a.py", "m.py:model", "--to", "trn2")
    done = run_glia(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "check it alone, or the source of all with --source-only" in done.stderr
    report = json.loads(run_glia(*words, "--source-only", "--json", cwd=tmp_path).stdout)
    assert [(f["file"], f["line"]) for f in report["findings"]] == [("m.py", 3)]


def test_the_pre_commit_hook_runs(tmp_path):
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    command = [*shlex.split(hook["entry"]), *hook["args"]]
    assert command[0] == "glia"
    (tmp_path / "a.py").write_text("import torch\nx.cuda()\n")
    assert "a.py:2:1" in run_glia(*command[1:], cwd=tmp_path).stdout


def test_the_action_runs(tmp_path):
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    step = action["runs"]["steps"][-1]
    values = {name: str(given.get("default", "trn2")) for name, given in action["inputs"].items()}
    words = [
        string.Template(word).substitute(
            {
                name: values[text.split("inputs.")[1].rstrip(" }")]
                for name, text in step["env"].items()
            }
        )
        for word in shlex.split(step["run"])
    ]
    (tmp_path / "a.py").write_text("import torch\nx.cuda()\n")
    done = run_glia(*words[1:], cwd=tmp_path)
    assert (words[0], done.returncode) == ("glia", 1)
    assert (tmp_path / "glia.sarif").exists()


# -- SARIF, against the standard's own words (SARIF 2.1.0, OASIS) ---------------------------------


def sarif(project: Path) -> dict:
    words = ("check", ".", "--to", "trn2", "--sarif", "out.sarif", "--fail-on", "never")
    done = run_glia(*words, cwd=project)
    assert (done.returncode, done.stderr) == (0, "wrote out.sarif\n")
    return json.loads((project / "out.sarif").read_text())


def test_sarif_has_what_the_standard_requires(project):
    log = sarif(project)
    assert log["version"] == "2.1.0"  # 3.13.2
    (run,) = log["runs"]  # 3.13.4
    driver = run["tool"]["driver"]  # 3.18.2
    assert driver["name"] == "glia"  # 3.19.8
    assert run["columnKind"] == "unicodeCodePoints"  # 3.14.17: columns count characters
    ids = [rule["id"] for rule in driver["rules"]]  # 3.49.3
    assert len(ids) == len(set(ids))
    for result in run["results"]:
        assert result["message"]["text"]  # 3.27.11
        assert result["level"] in ("none", "note", "warning", "error")  # 3.27.10
        assert ids[result["ruleIndex"]] == result["ruleId"]  # 3.27.6
    assert run["invocations"][0]["executionSuccessful"] is True  # 3.20.14


def test_sarif_of_a_notebook_has_a_region_and_fingerprints_survive_a_move(tmp_path):
    cell = {"cell_type": "code", "source": ["import torch\n", "x.cuda()\n"]}
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": [cell]}))
    (tmp_path / "b.py").write_text("import torch\nx.cuda()\n")
    (run,) = sarif(tmp_path)["runs"]
    notebook = run["results"][0]
    assert notebook["locations"][0]["physicalLocation"]["region"]["startLine"] == 1
    assert "cell 1, line 2" in notebook["message"]["text"]
    prints = [r["partialFingerprints"] for r in run["results"]]
    assert prints[0] != prints[1]
    (tmp_path / "b.py").write_text("import torch\n\n\nx.cuda()\n")
    (run,) = sarif(tmp_path)["runs"]
    assert [r["partialFingerprints"] for r in run["results"]] == prints


def test_sarif_places(project):
    (run,) = sarif(project)["runs"]
    places = {}
    for result in run["results"]:
        (location,) = result["locations"]
        physical = location["physicalLocation"]
        region = physical.get("region", {})
        at = (region.get("startLine"), region.get("startColumn"))
        places[physical["artifactLocation"]["uri"], result["ruleId"], at] = result, location
    found, _ = places["my%20code/train.py", "C001", (4, 18)]  # 3.4.4: a URI, not a path
    assert found["level"] == "error"
    kept, _ = places["kept.py", "C001", (2, 5)]
    assert kept["suppressions"] == [{"kind": "inSource", "justification": "runs on CUDA only"}]
    _, cell = places["run.ipynb", "C001", (1, None)]
    assert cell["logicalLocations"] == [{"fullyQualifiedName": "cell 1, line 2"}]
    (notice,) = run["invocations"][0]["toolExecutionNotifications"]  # 3.58
    assert notice["message"]["text"] == "not read: Python 2 (line 2)"
