"""`glia check` of a model: source and graph in one report, and what it must not say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from glia.cli.app import app
from glia.port.graph_check.codes import NOT_PREDICTED, code_table, rules_by_code
from glia.port.graph_check.job import check_model
from glia.port.graph_check.look import look_once
from glia.port.targets import target_named

HEAD = "import torch\nfrom torch import nn\n\n\n"
# The documented codes at commit 81ce03a of aws-neuron/aws-neuron-sdk.
CODES = {
    *("EARG001", "EBIR023", "EBVF030", "EHCA005", "EMOD025", "EOOM001", "EOOM002", "ESFH002"),
    *("ESPP004", "ESPP047", "EUOC002", "EXSP001", "EXTP004", "EVRF001", "EVRF004", "EVRF005"),
    *("EVRF006", "EVRF007", "EVRF009", "EVRF010", "EVRF011", "EVRF013", "EVRF015", "EVRF016"),
    *("EVRF017", "EVRF018", "EVRF019", "EVRF022", "EVRF031", "EVRF035"),
    *(f"EVRF{n:03d}" for n in range(36, 66)),
}


@pytest.fixture
def check(tmp_path):
    def check(body, *targets):
        file = tmp_path / "mine.py"
        file.write_text(HEAD + body)
        chosen = [target_named(t) for t in targets or ("trn2",)]
        return check_model(f"{file}:model", chosen, once=look_once)  # no process: it is quick

    return check


def forward(lines, inputs="torch.randn(4, 4)"):
    body = "\n".join(f"        {line}" for line in lines.split("\n"))
    return (
        f"class Model(nn.Module):\n    def forward(self, x):\n{body}\n\n\n"
        f"def model():\n    return Model(), {inputs}\n"
    )


def test_every_documented_code_is_predicted_or_explained():
    assert set(rules_by_code()) | set(NOT_PREDICTED) == CODES
    assert not set(rules_by_code()) & set(NOT_PREDICTED)


def test_the_page_holds_the_table_of_codes():
    page = Path(__file__).parents[2] / "docs" / "graph_check.md"
    assert code_table() in page.read_text(encoding="utf-8")


def test_all_obstacles_are_found_at_once_with_their_lines(check):
    lines = "if x.sum() > 0:\n    x = x * 2\ny = x.double().float()\nreturn y[y > 0], x.long() ** 2"
    report = check(forward(lines))
    said = {(f.rule, f.line) for f in report.findings}
    assert ("C080", 7) in said  # the source knows it, and the graph confirms it
    assert any(c.startswith("C080") for c in report.graph.confirmed)
    assert ("G026", 10) in said
    assert report.graph.basis == "watched"
    finding = next(f for f in report.findings if f.rule == "G026")
    assert finding.detail == "pow of int64[4, 4]"
    assert finding.column == 9
    assert report.targets[0].verdict == "runs after fixes"


def test_an_ordinary_model_runs(check):
    report = check(
        "def model():\n    return nn.Linear(4, 4), torch.ones(2, 4)\n", "trn2", "tpu-v5e"
    )
    assert not report.findings
    assert [t.verdict for t in report.targets] == ["runs", "runs"]
    assert (report.graph.basis, report.graph.num_graphs) == ("captured", 1)
    assert "the vendor lists 2 of 2 kinds" in report.targets[0].reason


def test_what_is_decided_only_outside_captures_is_no_finding(check):
    lines = "if not torch.compiler.is_compiling() and x.sum() > 99:\n    x = x * 0\nreturn x"
    report = check(forward(lines))
    assert not [f for f in report.findings if f.rule.startswith("G")]
    assert "1 wait of the host" in report.graph.note


def test_chips_of_one_family_differ_by_what_they_can(check):
    body = forward("return x.to(torch.float8_e4m3fn).float()")
    report = check(body, "trn2", "trn3", "mi300x", "cpu")
    on = report.rules["G031"].on if "G031" in report.rules else report.rules["C048"].on
    assert on["trn2"].effect == "raises"
    assert {t.target: t.verdict for t in report.targets}["cpu"] == "runs"


def test_uninitialised_memory_and_infinities_are_no_large_integers(check):
    lines = (
        "e = torch.empty_like(i)\ne.fill_(1)\nj = (x / 0).long()\nreturn torch.where(x > 9, j, e)"
    )
    report = check(forward("i = torch.ones(4, 4, dtype=torch.int64)\n" + lines))
    assert not [f for f in report.findings if f.rule == "G022"]


def test_a_state_in_python(check):
    report = check(
        "class Model(nn.Module):\n    n = 0\n\n    def forward(self, x):\n        self.n += 1\n"
        "        return x.abs() if self.n % 2 else x.exp()\n\n\n"
        "def model():\n    return Model(), torch.ones(2)\n"
    )
    (finding,) = (f for f in report.findings if f.rule == "G011")
    assert finding.code == "return x.abs() if self.n % 2 else x.exp()"


def test_the_module_is_left_as_it_was(tmp_path):
    import torch

    from glia.frontends.torch.study import study

    module = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.5)).train()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    study("m", module, (torch.ones(2, 4),), {})
    assert module.training
    assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())


def test_accepted_findings(check):
    report = check(
        forward("return x.topk(2).values  # glia: ignore[G027, C092] few ids", "torch.arange(9)")
    )
    accepted = {f.rule: f.accepted for f in report.findings}
    assert set(accepted.values()) == {"few ids"}
    assert report.targets[0].counts["raises"] == 0
    assert not report.notes


def test_an_index_outside_its_table(check):
    report = check(forward("return nn.functional.embedding(torch.arange(9), x)"))
    (finding,) = (f for f in report.findings if f.rule == "G037")
    assert "IndexError" in finding.detail
    assert report.graph.basis == "none"


def test_a_model_that_fails_on_its_inputs_leaves_the_check_of_the_source(check):
    report = check(forward("y = x.sum().item()\nreturn x @ torch.ones(5, 5)"), "trn2", "cpu")
    assert {(f.rule, f.line) for f in report.findings} == {("C077", 7), ("G012", 8)}
    assert report.graph.basis == "none"
    assert "fails on its own example inputs: RuntimeError" in report.graph.note
    assert "mine.py:8" in report.graph.note
    assert all(t.counts["unknown"] == 1 for t in report.targets)
    assert {t.verdict for t in report.targets} == {"unknown"}


@pytest.mark.parametrize("body", ["    return 1 / 0\n", "    return nn.Linear(2, 2)\n"])
def test_a_model_that_cannot_be_made_is_not_said_to_run(check, body):
    report = check("def model():\n" + body)
    assert report.targets[0].verdict == "unknown"
    assert report.targets[0].counts["unknown"] == 1
    (finding,) = report.findings
    assert finding.rule == "G012" and "cannot be made" in finding.detail


def test_a_folder_with_code_of_its_own_is_read(tmp_path):
    config = {"model_type": "x", "auto_map": {"AutoModel": "modeling_x.X"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "modeling_x.py").write_text(HEAD + "def f(x):\n    return x.cuda()\n")
    report = check_model(str(tmp_path), [target_named("trn2")])
    assert [f.rule for f in report.findings] == ["C001", "G012"]
    assert report.graph.basis == "none"


def test_without_pytorch_it_is_said_what_to_do(tmp_path):
    (tmp_path / "mine.py").write_text("def model():\n    return 1\n")
    code = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['glia', 'check', 'mine.py:model',"
        "'--to', 'trn2', *sys.argv[1:]]; from glia.cli import main; main()"
    )
    run = [sys.executable, "-c", code]
    found = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert "install PyTorch" in found.stderr
    assert "--source-only" in found.stderr
    assert not subprocess.run([*run, "--source-only"], cwd=tmp_path, capture_output=True).returncode


CUDA = """
device = torch.device("cuda")


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4, device="cuda")
        self.stream = torch.cuda.Stream()
        self.draws = torch.Generator(device="cuda").manual_seed(3)

    def forward(self, x):
        x = x.pin_memory().cuda(non_blocking=True)
        with torch.autocast("cuda"), torch.cuda.stream(self.stream):
            x = self.layer(x)
        with torch.cuda.amp.autocast(dtype=torch.bfloat16):
            x = self.layer(x).float()
        torch.cuda.synchronize()
        noise = torch.rand(4, generator=self.draws, device="cuda")
        if x.sum() > torch.cuda.memory_allocated():
            x = x + noise + torch.zeros(4, device=device).to("cuda:0")
        return x.topk(2).indices ** 2


def model():
    assert torch.cuda.is_available()
    torch.cuda.set_device(0)
    return Model().cuda(), torch.randn(4, 4).to(0)
"""


def test_a_model_that_asks_for_cuda_is_looked_at_on_a_stand_in(check):
    report = check(CUDA)
    rules = {f.rule for f in report.findings}
    assert report.graph.basis == "watched"
    assert {"C001", "C002", "C003", "C016", "C024", "C030", "C143"} <= rules  # as without a graph
    assert "G026" in rules  # the integer power, which only the graph shows
    assert any(c.startswith("C080") for c in report.graph.confirmed)
    (told,) = (f for f in report.findings if f.rule == "G013")
    assert "ask for a device of CUDA" in told.detail
    assert not rules & {"G009", "G012"}  # nothing is said of the stand-in itself


def test_what_watching_or_translating_does_not_bear_is_no_fault_of_the_model(check):
    sparse = check(
        forward(
            "a = torch.sparse_coo_tensor(torch.tensor([[0, 1], [1, 0]]), torch.ones(2), (2, 4))\n"
            "return torch.sparse.mm(a, x)"
        )
    )
    assert {f.rule for f in sparse.findings} & {"G043", "C099"}
    assert sparse.graph.basis == "captured"
    flexible = check(
        "from torch.nn.attention.flex_attention import flex_attention\n\n\n"
        + forward("return flex_attention(x, x, x)", "torch.randn(1, 2, 16, 8)")
    )
    assert not {f.rule for f in flexible.findings} & {"G012"}


def test_a_model_that_does_not_bear_watching_is_no_watched_one(check):
    watching = "torch.overrides._len_torch_function_stack()"
    graph = check(forward(f"if {watching}:\n    raise RuntimeError('seen')\nreturn x + 1")).graph
    assert "does not bear being watched" in graph.note


@pytest.mark.parametrize(
    "around", ['torch.autocast("cpu")', 'torch.autocast("cuda")', "torch.enable_grad()"]
)
def test_what_stands_inside_a_context_is_looked_at(check, around):
    lines = (
        f"with {around}:\n    y = nn.functional.linear(x, x)\n    z = x.long() ** 2\nreturn y, z"
    )
    report = check(forward(lines))
    assert report.graph.basis == "captured"
    assert ("G026", 9) in {(f.rule, f.line) for f in report.findings}
    assert {"aten.mm.default"} <= {kind.name for kind in report.graph.kinds}


def test_a_sort_is_said_to_raise_by_source_and_graph_alike(check):
    rules = check(forward("return x.sort().values"), "trn2").rules
    both = check(forward("i = torch.arange(4)\nreturn i.sort().values + x.sort().values"), "trn2")
    assert rules["G052"].on["trn2"].effect == "raises"
    assert {r.on["trn2"].effect for n, r in both.rules.items() if n in ("C092", "G052")} == {
        "raises"
    }


def test_one_cuda_call_hides_no_graph(check):
    report = check(forward('return x.to("cuda") ** 2', "torch.arange(4)"), "trn2", "cpu", "mi300x")
    assert [f.rule for f in report.findings] == ["C002", "G013", "G026"]
    assert report.graph.basis == "captured"


def test_a_wide_layer_is_no_block(check):
    single = "def model():\n    return nn.Linear(8192, 4), torch.ones(1, 8192)\n"
    assert not check(single).findings


def test_files_are_named_as_the_source_check_names_them(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(HEAD + forward("return x.sum().item() * x"))
    monkeypatch.chdir(tmp_path)
    report = check_model("mine.py:model", [target_named("trn2")])
    assert {f.file for f in report.findings} == {"mine.py"}
    assert report.graph.confirmed == ("C077 mine.py:7",)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_scripted_module_is_not_looked_at(check):
    report = check(
        "def model():\n    return torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)), "
        "torch.ones(1, 2)\n"
    )
    assert "before any scripting" in report.graph.note


def test_what_the_model_prints_is_not_in_the_report(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(HEAD + "print('hello')\n" + forward("print('there')\nreturn x"))
    result = CliRunner().invoke(app, ["check", f"{file}:model", "--to", "trn2", "--json"])
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["graph"]["basis"] == "captured"


def test_source_only_runs_nothing(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("raise SystemExit('it ran')\n")
    given = ["check", f"{file}:model", "--to", "trn2", "--source-only", "--json"]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["graph"] is None
    run = CliRunner().invoke(app, [*given[:-2], "--json"])
    assert "it ran" in json.loads(run.stdout)["graph"]["note"]
    assert run.exit_code == 1  # a graph that nobody could look at is no success
    assert CliRunner().invoke(app, [*given[:-2], "--fail-on", "never"]).exit_code == 0


def test_a_folder_of_hugging_face(tmp_path):
    config = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "vocab_size": 64,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    report = check_model(str(tmp_path), [target_named("trn2")])
    assert report.graph.basis == "captured"
    assert not report.findings
    assert report.targets[0].verdict == "runs"


def test_sarif_and_explain(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(HEAD + forward("return x**2", "torch.arange(4)"))
    log = tmp_path / "log.sarif"
    given = ["check", f"{file}:model", "--to", "trn2", "--sarif", str(log), "--fail-on", "never"]
    assert CliRunner().invoke(app, given).exit_code == 0
    (result,) = (
        r for r in json.loads(log.read_text())["runs"][0]["results"] if r["ruleId"] == "G026"
    )
    assert "(pow of int64[4])" in result["message"]["text"]
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 7
    page = CliRunner().invoke(app, ["explain", "g026"])
    assert page.exit_code == 0
    assert "NCC_EVRF062" in page.stdout


def test_kinds_do_not_depend_on_how_the_model_was_captured(check):
    body = forward("y = F.gelu(F.linear(x, x, x[0]))\n{}return F.linear(y, x, x[0])")
    body = "import torch.nn.functional as F\n\n\n" + body
    whole = check(body.format(""))
    cut = check(body.format("if y.sum() > 99:\n            y = y * 1\n        "))
    assert (whole.graph.basis, cut.graph.basis) == ("captured", "watched")
    listed = {kind.name for kind in whole.graph.kinds if kind.listed}
    assert listed <= {kind.name for kind in cut.graph.kinds if kind.listed}
    assert {"aten.addmm.default", "aten.t.default"} <= listed
    assert "aten.linear.default" not in {k.name for k in (*whole.graph.kinds, *cut.graph.kinds)}
