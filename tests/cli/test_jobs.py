"""`glia port`, `compile` and `run` on a real small model: files, JSON, exit codes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import glia.port.job as job
from glia.cli.app import app
from glia.port.graph_check.job import check_model
from glia.port.graph_check.look import look_once
from glia.port.targets import target_named

FILES = ["report.html", "report.json", "trace-trn2.json"]

MODEL = f"{Path(__file__).parents[2] / 'examples' / 'tiny.py'}:model"


def glia(*words: str) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_port_writes_the_report_and_json_alone(tmp_path):
    result = glia("port", MODEL, "--to", "trn2", "--against", "l4", "--out", tmp_path, "--json")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    printed = json.loads(result.stdout)
    assert printed["ok"] is True
    assert printed == json.loads((tmp_path / "report.json").read_text())
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert sorted(p.name for p in tmp_path.iterdir()) == FILES


def test_a_failed_proof_fails_the_command_but_leaves_the_report(tmp_path, monkeypatch):
    real = job.prove

    def broken(*args):
        parity, outputs = real(*args)
        first, *rest = parity.layers
        wrong = dataclasses.replace(first, relative=2.0, budget=0.5)
        return dataclasses.replace(parity, layers=(wrong, *rest)), outputs

    monkeypatch.setattr(job, "prove", broken)
    result = glia("port", MODEL, "--to", "trn2", "--out", tmp_path)
    assert result.exit_code == 1
    assert "first value over budget" in result.stderr
    assert "Traceback" not in result.stderr
    assert json.loads((tmp_path / "report.json").read_text())["ok"] is False


def test_a_bundle_runs_again_with_the_same_values(tmp_path):
    bundle = tmp_path / "bundle"
    made = glia("compile", MODEL, "--to", "trn2", "-o", bundle, "--json")
    assert made.exit_code == 0, made.stderr
    assert json.loads(made.stdout)["chip"] == "trn2"
    again = glia("run", bundle, "--json")
    assert again.exit_code == 0, again.stderr
    outputs = json.loads(again.stdout)["outputs"]
    assert outputs["same_values"] is True
    assert outputs["same_latency"] is True


@pytest.mark.parametrize("device", ["cpu", "reference", "virtual:inf2"])
def test_run_says_what_came_out(device):
    result = glia("run", MODEL, "--on", device, "--precision", "fp32")
    assert result.exit_code == 0, result.stderr
    assert "output softmax [16, 4]: 0.204" in result.stdout


CUDA = """import torch
from torch import nn


class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(64, 64)

    def forward(self, x):
        return self.body(x.cuda())


class Split(Whole):
    def forward(self, x):
        y = self.body(x.cuda())
        return y[y > 0]


def whole():
    return Whole().cuda(), torch.ones(4, 64, device="cuda")


def split():
    return Split().cuda(), torch.ones(4, 64, device="cuda")
"""


def checked(model):
    report = check_model(model, [target_named("trn2")], once=look_once)
    return sorted((f.rule, f.line) for f in report.findings if f.weighs)


def test_a_model_that_asks_for_cuda_is_ported_on_the_stand_in(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(CUDA)
    result = glia("port", f"{file}:whole", "--to", "trn2", "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.stderr
    ported = json.loads(result.stdout)
    lines = sorted((f["rule"], f["source"]["line"]) for f in ported["findings"] if f["source"])
    assert lines == checked(f"{file}:whole")
    assert {"C001", "G013"} <= {rule for rule, _ in lines}


def test_a_port_that_stops_shows_what_the_check_found(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(CUDA)
    result = glia("port", f"{file}:split", "--to", "trn2", "--out", tmp_path / "out", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)["findings"]
    stopped = sorted((f["rule"], f["line"]) for f in found if f["role"] == "code")
    assert stopped == checked(f"{file}:split")
    assert {"C001", "C082", "G013"} <= {rule for rule, _ in stopped}
    assert "Torch not compiled" not in result.stderr


@pytest.mark.parametrize(
    ("model", "code", "text"),
    [
        ("nowhere.py:f", 2, "got no file 'nowhere.py'"),
        (MODEL.replace(":model", ":modle"), 2, "did you mean 'model'?"),
        (MODEL.removesuffix(":model"), 2, "add the name of the function"),
    ],
)
def test_a_model_that_is_not_there(model, code, text, tmp_path):
    result = glia("port", model, "--to", "trn2", "--out", tmp_path / "out")
    assert result.exit_code == code
    assert text in result.stderr
    assert not (tmp_path / "out").exists()
