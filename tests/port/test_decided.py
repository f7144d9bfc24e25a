"""Decisions and sizes that hang on values which the host read: never "runs" with "slower" only."""

import pytest

from glia.port.graph_check.job import check_model
from glia.port.graph_check.look import look_once
from glia.port.targets import target_named

HEAD = """import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 4)
        self.experts = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])

    def count(self, x):
        return int((x > 0).sum())

    def forward(self, x, k):
        y = self.body(x)
"""
TAIL = """

class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = Net()

    def forward(self, x, k):
        return self.net(x, k)


def model():
    return Outer(), (torch.ones(4, 4), torch.tensor(2))
"""
FIRST = HEAD.count("\n") + 1
DECIDES = {
    "item": "if y.sum().item() > 0:\n    y = y * 2\nreturn y",
    "float": "while float(y.norm()) > 1:\n    y = y / 2\nreturn y",
    "range": "for _ in range(int(k)):\n    y = y + 1\nreturn y",
    "implicit range": "for _ in range(k):\n    y = y + 1\nreturn y",
    "early exit": "if y.max().item() > 0.5: return y\nreturn y * 2",
    "assert": "assert y.max().item() < 100, 'too large'\nreturn y",
    "bool": "y = y * 2 if bool((x > 0).any()) else y\nreturn y",
    "tensor": "if y.sum() > 0:\n    y = y * 2\nreturn y",
    "helper": "y = y if self.count(x) > 3 else x\nreturn y",
    "expert": "y = self.experts[int(k) - 1](y)\nreturn y",
    "list": "if y.tolist()[0][0] > 0:\n    y = y * 2\nreturn y",
}
SIZES = {
    "slice": "return y[:int(k)]",
    "implicit slice": "return y[:k]",
    "factory": "return y.sum() + torch.zeros(self.count(x)).sum()",
    "rows": "return torch.stack([y[:1, :n].sum() for n in (x > 0).sum(1).tolist()])",
}


@pytest.fixture
def check(tmp_path):
    def check(lines):
        body = "".join(f"        {line}\n" for line in lines.split("\n"))
        file = tmp_path / "mine.py"
        file.write_text(HEAD + body + TAIL)
        targets = [target_named(name) for name in ("trn2", "inf2", "tpu-v5e")]
        return check_model(f"{file}:model", targets, once=look_once)

    return check


def said(report):
    return {(f.rule, f.line) for f in report.findings if f.weighs}


@pytest.mark.parametrize("name", DECIDES)
def test_a_decision_by_a_value_that_was_read_raises(check, name):
    report = check(DECIDES[name])
    assert said(report) & {("C080", FIRST), ("G001", FIRST)}
    assert {t.verdict for t in report.targets} == {"runs after fixes"}


@pytest.mark.parametrize("name", SIZES)
def test_a_size_that_was_read_raises(check, name):
    report = check(SIZES[name])
    assert ("G007", FIRST) in said(report)
    assert {t.verdict for t in report.targets} == {"runs after fixes"}


def test_a_number_that_decides_nothing_still_cuts_the_graph(check):
    report = check("return y * x.sum().item()")
    assert report.graph.num_graphs == 2
    assert ("G009", FIRST) in said(report)
    assert not {rule for rule, _ in said(report)} & {"G001", "C080", "G007"}
    assert {t.verdict for t in report.targets} == {"runs after fixes"}
    assert "2 graphs" in report.targets[0].reason


def test_what_the_host_knows_without_a_tensor_is_no_decision_by_values(check):
    lines = "n = int(x.shape[0])\nif n > 2:\n    y = y[:n] * 2\nreturn y + torch.zeros(n, 1)"
    report = check(lines)
    assert {rule for rule, _ in said(report)} == {"C077"}  # of `count`, which is not called
    assert {t.verdict for t in report.targets} == {"runs"}
