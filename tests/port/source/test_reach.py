"""What a function of a file leads to, and what weighs of a model in such a file."""

from __future__ import annotations

import ast
from pathlib import Path

from glia.port.project_check import check_project
from glia.port.source.files.reach import unreached
from glia.port.targets import target_named

TEXT = """import torch


def helper(x):
    return x.cuda()


class Net(torch.nn.Module):
    def forward(self, x):
        return helper(x)


class Other(torch.nn.Module):
    def forward(self, x):
        return x.cuda()


def model():
    return Net(), torch.ones(2)


@torch.no_grad()
def other():
    return getattr(__name__, "Other")(), torch.ones(2)


if __name__ == "__main__":
    other()[1].cuda()
"""


def lines(text: str, function: str) -> set[int]:
    return {n for one in unreached(ast.parse(text), function) for n in one}


def test_names_lead_on_and_decorators_belong_to_their_function():
    assert lines(TEXT, "model") == {*range(13, 16), *range(22, 25), 27, 28}
    assert lines(TEXT, "other") == {*range(4, 6), *range(8, 11), *range(18, 20), 27, 28}


def test_a_function_that_is_not_there_leaves_all_reached():
    assert lines(TEXT, "absent") == set()


def test_what_the_module_itself_names_is_reached():
    assert lines("def a():\n    pass\n\ndef b():\n    pass\n\nx = b()\n", "a") == set()


def test_only_what_the_models_function_leads_to_weighs(tmp_path: Path):
    (tmp_path / "m.py").write_text(TEXT)
    report = check_project(tmp_path / "m.py:model", [target_named("trn2")])
    assert {f.line: f.weighs for f in report.findings} == {5: True, 15: False, 28: False}
    whole = check_project(tmp_path / "m.py", [target_named("trn2")])
    assert all(f.weighs for f in whole.findings)


HEIRS = """class Base:
    def forward(self, x):
        return x.cuda()

    def kept(self):
        pass


class Heir(Base):
    def forward(self, x):
        return x


class Caller(Base):
    def forward(self, x):
        return super().forward(x)


def heir():
    return Heir()


def caller():
    return Caller()


def both():
    return Heir(), Base()
"""


def test_a_method_that_every_heir_overrides_is_not_reached():
    assert {2, 3} <= lines(HEIRS, "heir")
    assert not {5, 6, 9, 10, 11} & lines(HEIRS, "heir")
    assert not {2, 3} & lines(HEIRS, "caller")  # it calls past its own
    assert not {2, 3} & lines(HEIRS, "both")
    assert not {2, 3} & lines(
        HEIRS.replace("class Heir(Base):\n    def forward", "class Heir(Base):\n    def backward"),
        "heir",
    )


def test_an_attribute_of_the_object_is_no_function_of_the_module():
    net = "class Net:\n    def f(self):\n        return self.w\n"
    text = net + "\ndef w():\n    pass\n\ndef model():\n    return Net()\n"
    assert lines(text, "model") == {5, 6}
