"""`glia fit` as a user meets it: tables, JSON, exit codes, errors without a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.test_app import run_glia

CONFIG = Path(__file__).parents[2] / "examples" / "configs" / "llama-2-70b.json"


def test_the_answer_stands_last():
    done = run_glia("fit", str(CONFIG), "--to", "inf2,trn2,h100", "--seq", "2048", COLUMNS="160")
    assert done.returncode == 0
    answer = done.stdout.partition("Smallest machine that works")[2]
    assert [answer.index(name) for name in ("inf2.48xlarge", "trn2.48xlarge", "gpu-h100")]
    for text in (
        "68,976,648,192 parameters, 80 layers, 64 heads, 8 KV heads",
        "weights (largest)",
        "8 KV heads are each held by 2 ranks",
        "Neuron publishes none",
    ):
        assert text in done.stdout, text


def test_a_kind_stands_for_its_chips():
    done = run_glia("fit", str(CONFIG), "--to", "neuron,cpu", "--json")
    names = [target["chip"] for target in json.loads(done.stdout)["targets"]]
    assert names == ["inf2", "trn1", "trn2", "trn3", "epyc-genoa"]


def test_json_alone_on_stdout():
    done = run_glia(
        "fit", str(CONFIG), "--to", "trn1", "--train", "--checkpoint", "layer", "--json"
    )
    report = json.loads(done.stdout)
    assert (done.returncode, report["job"]) == (0, "train")
    sizes = {line["name"]: line["num_bytes"]["likely"] for line in report["whole"]}
    count, tensors = 68_976_648_192, 80 * 9 + 3
    assert sizes["weights"] == sizes["gradients"] == 2 * count
    assert sizes["optimizer state"] == 12 * count + 4 * tensors
    assert report["targets"][0]["smallest"]["num_machines"] > 1


def test_nothing_works():
    done = run_glia("fit", str(CONFIG), "--to", "t4", "--tp", "1", "--pp", "1")
    assert done.returncode == 1
    assert "none of those tried" in done.stdout


BAD_USAGE = {
    "tp that divides nothing": (["--tp", "3"], "--tp: got 3, but 64 attention heads are not"),
    "tp of nothing": (["--tp", "0"], "--tp: got 0, expected 1 to 1024"),
    "beyond the positions": (["--seq", "8192"], "--seq: got 8,192, expected at most 4,096"),
    "no sequences": (["--batch", "0"], "--batch: got 0, expected a whole number from 1"),
    "more stages than layers": (["--pp", "81"], "--pp: got 81, expected at most 80"),
    "both jobs": (["--train", "--serve"], "got --train and --serve, expected one of them"),
    "format": (["--dtype", "int3"], "--dtype: got 'int3'"),
    "fp8 training": (["--train", "--dtype", "fp8"], "--dtype: got fp8, expected bf16"),
    "optimizer": (["--optimizer", "adam"], "did you mean 'adamw'?"),
    "checkpoint": (["--checkpoint", "layers"], "did you mean 'layer'?"),
    "zero": (["--zero", "4"], "--zero: got 4, expected 0, 1, 2 or 3"),
}


@pytest.mark.parametrize("name", BAD_USAGE)
def test_bad_usage(name):
    words, message = BAD_USAGE[name]
    done = run_glia("fit", str(CONFIG), "--to", "trn2", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


BAD_FILES = {
    "not JSON": ("{", "got no JSON"),
    "a list": ("[1]", "got a list, expected a JSON object"),
    "empty": ("", "got no JSON"),
    "no model type": ("{}", "got model_type None"),
    "missing": ('{"model_type": "llama"}', "got no 'hidden_size'"),
    "binary": ("\x00\x01", "got no JSON"),
    "deep": ("[" * 100_000, "got no JSON"),
    "unknown": ('{"model_type": "marsupial"}', "got model_type 'marsupial'"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files(tmp_path, name):
    text, message = BAD_FILES[name]
    (tmp_path / "config.json").write_text(text)
    done = run_glia("fit", str(tmp_path), "--to", "trn2")
    assert done.returncode in (1, 2) and done.stdout == ""
    assert message in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr and "bug" not in done.stderr


def test_no_such_place(tmp_path):
    for spec, message in (
        (str(tmp_path), "got a folder without config.json"),
        (str(tmp_path / "none.json"), "No such file or directory"),
        (str(tmp_path / "none"), "check the path"),
    ):
        done = run_glia("fit", spec, "--to", "trn2")
        assert done.returncode == 2
        assert message in done.stderr.replace("\n", " ")
    done = run_glia("fit", str(CONFIG), "--to", "trn22")
    assert (done.returncode, "did you mean 'trn2'?" in done.stderr) == (2, True)


def test_a_model_that_asks_for_cuda_is_counted_on_the_stand_in(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import torch\nfrom torch import nn\n\n\n"
        "class Net(nn.Linear):\n    def forward(self, x):\n"
        "        return super().forward(x.cuda())\n\n\n"
        "def made():\n    return Net(64, 64).cuda(), torch.ones(2, 64).cuda()\n\n\n"
        "def called():\n    return Net(64, 64), torch.ones(2, 64)\n"
    )
    for function in ("made", "called"):
        done = run_glia("fit", f"{file}:{function}", "--to", "trn2", "--json")
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["model"]["num_parameters"] == 64 * 64 + 64
        assert "the CPU stood in" in report["notes"][0]
        assert not any("does not run here" in note for note in report["notes"])


def test_adapters_alone_are_trained():
    done = run_glia(
        "fit", str(CONFIG), "--to", "h100", "--train", "--lora", "16", "--seq", "512", "--json"
    )
    report = json.loads(done.stdout)
    sizes = {line["name"]: line["num_bytes"]["likely"] for line in report["whole"]}
    trained = 80 * 16 * (9 * 8192 + 2 * 1024 + 3 * 28672)
    assert report["settings"]["trained parameters"] == f"{trained:,} (0.3 %)"
    assert sizes["gradients"] == 4 * trained
    assert sizes["weights"] == 2 * 68_976_648_192 + 4 * trained
