"""Bad models through the command line: one clear message, an exit code, and nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from glia.cli.app import app

FILES = ["report.html", "report.json", "trace-trn2.json"]

MODELS = '''
import torch
from torch import nn

X = torch.randn(2, 8)

class Call(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
    def forward(self, *args):
        return self.function(*args)

class Huge(nn.Module):
    """48 GB of bf16 weights that take no memory here."""
    def __init__(self):
        super().__init__()
        self.register_buffer("w", torch.ones(1, 1).expand(8, 3_000_000_000))
    def forward(self, x):
        return x @ self.w

def good(): return nn.Linear(8, 8), X
def with_argument(x): return nn.Linear(8, 8), X
def nothing(): return None
def only_module(): return nn.Linear(8, 8)
def three(): return nn.Linear(8, 8), X, X
def no_module(): return (lambda x: x), X
def no_tensor(): return nn.Linear(8, 8), (3,)
def text_input(): return nn.Linear(8, 8), "text"
def raises(): raise ValueError("weights are\\nmissing")
def exits(): raise SystemExit(3)
def wrong_shape(): return nn.Linear(9, 8), X
def unsupported(): return Call(lambda x: torch.sort(x)[0] + torch.linalg.inv(x @ x.T).sum()), X
def data_shape(): return Call(lambda x: x[x > 0]), X
def data_branch(): return Call(lambda x: x + 1 if x.sum() > 0 else x), X
def float64_input(): return Call(lambda x: x + 1), X.double()
def float64_weight(): return nn.Linear(8, 8).double(), X
def complex_input(): return Call(lambda x: x.abs()), X.to(torch.complex64)
def beyond_int32(): return nn.Embedding(9, 8), torch.tensor([1, 2**40])
def beyond_table(): return nn.Embedding(9, 8), torch.tensor([1, 9])
def no_elements(): return nn.Linear(8, 8), torch.zeros(0, 8)
def on_meta(): return nn.Linear(8, 8, device="meta"), X
def huge(): return Huge(), X
'''

# For each model: exit code, and words of the message.
CASES = {
    "models.py:with_argument": (2, "expected a function without parameters"),
    "models.py:no_such": (2, "got no function 'no_such'"),
    "modles.py:good": (2, "did you mean 'models.py'"),
    "models.py": (2, "add the name of the function"),
    "nowhere/models.py:good": (2, "does not exist"),
    "models.py:nothing": (1, "expected (module, inputs)"),
    "models.py:only_module": (1, "expected (module, inputs)"),
    "models.py:three": (1, "expected (module, inputs)"),
    "models.py:no_module": (1, "expected a torch.nn.Module"),
    "models.py:no_tensor": (1, "got inputs without a tensor"),
    "models.py:text_input": (1, "as inputs, expected a tensor"),
    "models.py:raises": (1, "got ValueError: weights are missing"),
    "models.py:exits": (1, "got SystemExit"),
    "models.py:wrong_shape": (1, "mend the model or its inputs"),
    "models.py:unsupported": (1, "sort"),
    "models.py:data_shape": (1, "models.py:"),
    "models.py:data_branch": (1, "depends on"),
    "models.py:float64_input": (1, "got float64"),
    "models.py:float64_weight": (1, "float64"),
    "models.py:complex_input": (1, "complex64"),
    "models.py:beyond_int32": (1, "32-bit integers"),
    "models.py:beyond_table": (1, "got row 9, expected 0..8"),
    "models.py:no_elements": (1, "got nothing to compute"),
    "models.py:on_meta": (1, "meta"),
    "models.py:huge": (1, "HBM"),
}
VERBS = {
    "port": ["--to", "inf2", "--out", "out"],
    "compile": ["--to", "inf2", "--out", "out"],
    "run": ["--on", "virtual:inf2"],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "models.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def assert_refused(folder: Path, words: list[str], code: int, text: str) -> str:
    """One error; on the output nothing, or what `glia check` found in a model that stops port."""
    result = CliRunner().invoke(app, words)
    found = " ".join(result.stderr.split())
    assert result.exit_code == code, (found, result.exception)
    assert isinstance(result.exception, SystemExit), result.exception
    assert found.count("error: ") == 1, found
    assert text in found
    assert "Traceback" not in result.output
    is_check = words[0] == "port" and code == 1 and "explain ID" in " ".join(result.stdout.split())
    assert result.stdout == "" or is_check
    assert {p.name for p in folder.iterdir()} <= {"models.py", "__pycache__"}
    return found


@pytest.mark.parametrize("model", CASES)
def test_port_refuses(folder: Path, model: str):
    assert_refused(folder, ["port", model, *VERBS["port"]], *CASES[model])


@pytest.mark.parametrize("verb", ["compile", "run"])
@pytest.mark.parametrize(
    "model", ["models.py:no_such", "models.py:unsupported", "models.py:float64_input",
              "models.py:beyond_table", "models.py:huge"],
)  # fmt: skip
def test_the_other_verbs_refuse(folder: Path, verb: str, model: str):
    assert_refused(folder, [verb, model, *VERBS[verb]], *CASES[model])


def test_unsupported_operations_are_named_all_at_once(folder: Path):
    found = assert_refused(folder, ["port", "models.py:unsupported", *VERBS["port"]], 1, "sort")
    assert "inv" in found
    assert found.count("models.py:") >= 2, "each with its line"


def test_a_failed_proof_is_a_failed_command_with_its_report(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    from glia.kernels import matmul

    (folder / "gelu.py").write_text(
        "import torch\nfrom torch import nn\ndef model():\n    torch.manual_seed(0)\n"
        "    return nn.Sequential(nn.Linear(8, 8), nn.GELU()), torch.randn(4, 8)\n"
    )
    monkeypatch.setattr(matmul, "_function", lambda name: matmul.nl.relu)
    result = CliRunner().invoke(app, ["port", "gelu.py:model", "--to", "trn2", "--out", "out"])
    assert result.exit_code == 1
    assert result.stderr.count("error: ") == 1
    assert "trn2" in result.stderr and "gelu" in result.stderr
    assert sorted(p.name for p in (folder / "out").iterdir()) == FILES
