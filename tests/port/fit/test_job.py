"""The job: machines that published statements name, captured code, families built elsewhere."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from cost.memory import published
from glia.chips import list_chips, load_chip
from glia.chips.instances import instances_of, list_instances, load_instance
from glia.core.errors import UsageError
from glia.core.fit_records import GOOD
from glia.core.progress import NullProgress
from glia.core.records import to_json
from glia.port.fit.job import fit
from glia.port.fit.request import FitRequest
from glia.port.fit.search import rank_of
from port.fit.measured import allocator_peak

TRAIN = FitRequest(job="train", seq=4096, checkpoint="layer")


@pytest.fixture
def folder(tmp_path):
    def write(tree):
        (tmp_path / "config.json").write_text(json.dumps(tree))
        return str(tmp_path)

    return write


def run(spec, chips, request=None):
    return fit(spec, chips, request or FitRequest(), NullProgress())


def rows(report, chip=0):
    return {row.title: row for row in report.targets[chip].machines}


def test_every_machine_has_a_chip_of_the_catalogue():
    machines = [load_instance(name) for name in list_instances()]
    assert {machine.chip for machine in machines} <= set(list_chips())
    assert [m.name for m in instances_of("inf2")] == [
        "inf2.xlarge",
        "inf2.8xlarge",
        "inf2.24xlarge",
        "inf2.48xlarge",
    ]


@pytest.mark.parametrize(
    ("chip", "per_chip", "gib"),
    [("inf2", 2, 16), ("trn1", 2, 16), ("trn2", 4, 24), ("trn3", 4, 36)],
)
def test_a_rank_of_a_neuron_chip_has_one_stack(chip, per_chip, gib):
    rank = rank_of(load_chip(chip))
    assert (rank.per_chip, rank.capacity_bytes) == (per_chip, gib * 2**30)


def test_llama_70b_is_served_by_the_large_inferentia_machine_only(folder):
    """The samples of transformers-neuronx serve it on inf2.48xlarge and trn1.32xlarge."""
    report = run(folder(published.LLAMA_2_70B), ["inf2", "trn1"], FitRequest(seq=2048))
    assert [t.smallest.name for t in report.targets] == ["inf2.48xlarge", "trn1.32xlarge"]
    assert rows(report)["inf2.24xlarge"].verdict not in GOOD
    assert "largest part is weights" in rows(report)["inf2.24xlarge"].why


def test_llama_7b_trains_on_one_trn1_machine(folder):
    """The tutorial of neuronx-distributed uses tp 8 and ZeRO-1 on trn1.32xlarge."""
    report = run(folder(published.LLAMA_2_7B), ["trn1"], replace(TRAIN, tp=8))
    assert report.targets[0].smallest.name in ("trn1.32xlarge", "trn1n.32xlarge")
    assert rows(report)["trn1.32xlarge"].verdict in GOOD


def test_llama_70b_trains_on_several_machines(folder):
    """The tutorial of neuronx-distributed asks for 32 machines; one of 512 GiB cannot hold it."""
    report = run(folder(published.LLAMA_2_70B), ["trn1"], TRAIN)
    smallest = report.targets[0].smallest
    assert 2 <= smallest.num_machines <= 32
    # 16 bytes per parameter are more than two machines of 512 GiB have.
    assert 16 * 68_976_648_192 > 2 * 512 * 2**30
    assert rows(report)["2 x trn1.32xlarge"].verdict == "does not fit"


def test_advice_really_helps(folder):
    spec = folder(published.LLAMA_2_70B)
    report = run(spec, ["inf2"])
    (advice,) = [a for a in report.targets[0].would_fit if "--dtype fp8" in a]
    assert advice.startswith("inf2.24xlarge works")
    again = run(spec, ["inf2"], FitRequest(dtype="fp8"))
    assert rows(again)["inf2.24xlarge"].verdict in GOOD


def test_more_sequences_never_take_less(folder):
    spec, needed = folder(published.LLAMA_3_8B), []
    for batch in (1, 4, 16, 64):
        report = run(spec, ["h100"], FitRequest(batch=batch, tp=1))
        needed.append(report.targets[0].machines[0].needed.likely)
    assert needed == sorted(needed) and len(set(needed)) == 4


def test_a_chip_of_unknown_memory_says_so(folder):
    report = run(folder(published.GPT2), ["graviton4"])
    assert report.targets[0].smallest is None
    assert "memory is not known" in report.targets[0].machines[0].why


def test_degrees_beyond_every_machine(folder):
    report = run(folder(published.LLAMA_3_8B), ["tpu-v5e"], FitRequest(tp=32))
    target = report.targets[0]
    assert target.smallest is None
    assert "needs 32 ranks" in target.shown.why


def test_the_report_is_json(folder):
    report = run(folder(published.MIXTRAL_8X7B), ["trn2"], TRAIN)
    tree = json.loads(json.dumps(to_json(report), allow_nan=False))
    assert tree["model"]["num_parameters"] == 46_702_792_704
    by_name = {line["name"]: line["num_bytes"] for line in tree["whole"]}
    assert by_name["weights"]["likely"] == 2 * 46_702_792_704
    assert {row["degree"] for row in tree["degrees"] if row["is_allowed"]} == {1, 2, 4, 8, 16, 32}


CODE = """
import torch

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = torch.nn.Linear(64, 256), torch.nn.Linear(256, 64)
        self.norm = torch.nn.BatchNorm1d(64)

    def forward(self, x):
        y = self.last(torch.relu(self.first(x)))
        return LOOK(self.norm(x + y))

def look(x):
    return x * 2 if x.sum() > 0 else x

def model():
    torch.manual_seed(0)
    return Model(), torch.randn(32, 64)
"""


class Lossy(torch.nn.Module):
    """A module whose result has a loss, as the measure wants it."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        made = self.inner(x)
        return type("Result", (), {"made": made, "loss": made.float().sum()})


@pytest.mark.parametrize("look", ["", "look"])
def test_code_is_counted_as_it_runs(tmp_path, look):
    file = tmp_path / "m.py"
    file.write_text(CODE.replace("LOOK", look))
    report = run(f"{file}:model", ["trn2"], FitRequest(job="train"))
    lines = {line.name: line.num_bytes.likely for line in report.whole}
    count = 64 * 256 + 256 + 256 * 64 + 64 + 2 * 64
    assert report.model.num_parameters == count
    assert lines["weights"] == lines["gradients"] == 4 * count
    assert lines["optimizer state"] == 8 * count + 6 * 4
    space: dict = {}
    exec(CODE.replace("LOOK", look), space)
    module, x = space["model"]()
    measured = allocator_peak(Lossy(module).train(), {"x": x})
    assert lines["activations"] == pytest.approx(measured, rel=0.02)
    assert report.targets[0].smallest is not None
    assert [row.degree for row in report.degrees if row.is_allowed] == [1]


def test_code_that_fails_leaves_its_peak_unknown(tmp_path):
    file = tmp_path / "m.py"
    file.write_text(CODE.replace("LOOK", "missing"))
    report = run(f"{file}:model", ["trn2"], FitRequest(job="train"))
    (line,) = [line for line in report.whole if line.name == "activations"]
    assert line.num_bytes is None and "NameError" in line.what
    assert report.targets[0].machines[0].verdict == "unknown"


def test_code_has_its_own_inputs(tmp_path):
    file = tmp_path / "m.py"
    file.write_text(CODE.replace("LOOK", ""))
    with pytest.raises(UsageError, match="--seq: got a value for a model that is run"):
        run(f"{file}:model", ["trn2"], FitRequest(seq=5))


def test_a_family_that_only_transformers_knows(folder):
    from transformers import AutoModelForCausalLM, GPTJConfig

    config = GPTJConfig(n_embd=64, n_layer=2, n_head=4, vocab_size=100, rotary_dim=8)
    with torch.device("meta"):
        module = AutoModelForCausalLM.from_config(config)
    tree = {**config.to_dict(), "architectures": ["GPTJForCausalLM"]}
    report = run(folder(tree), ["trn2"], FitRequest(job="train", seq=32))
    assert report.model.num_parameters == sum(p.numel() for p in module.parameters())
    assert report.model.basis == "built by transformers without weights"
    lines = {line.name: line.num_bytes for line in report.whole}
    assert lines["activations"].likely > 0
