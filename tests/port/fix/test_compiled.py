"""Code that a compiler reads stays as it is: neither TorchScript nor an export takes the helper's
questions. Each project has a function `read`, which must stay, and `run`, which is rewritten."""

import importlib
import sys
import warnings

import pytest
import torch

from glia.port.fix.helper.helper_text import helper_text
from port.fix.fixing import fix_in_place, write_files

HEAD = "import torch\nfrom torch import nn\n\n\n"
READ = "def read(x):\n    return x.cuda() + 1\n\n\n"
RUN = "def run(x):\n    return x.cuda()\n\n\n"
NET = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.ones(1).cuda()

    def forward(self, x):
        return self.read(x) * self.scale

    def read(self, x):
        return x.cuda()


"""
ONE_FILE = {
    "decorator": "@torch.jit.script\n" + READ + RUN,
    "alias": "from torch.jit import script\n@script\n" + READ + RUN,
    "call": READ + RUN + "g = torch.jit.script(read)\n",
    "if_tracing": "@torch.jit.script_if_tracing\n" + READ + RUN,
    "called_by_it": READ + "@torch.jit.script\ndef f(x):\n    return read(x)\n\n\n" + RUN,
    "module": NET + RUN + "m = torch.jit.script(Net())\n",
    "module_in_variable": NET + RUN + "net = Net().eval()\nm = torch.jit.script(net)\n",
    "module_of_attribute": NET + RUN + "self.net = Net()\nm = torch.jit.script(self.net)\n",
    "unknown_module": NET + RUN + "def save(m):\n    torch.jit.script(m).save('a')\n",
    "part_of_a_module": NET + RUN
    + "class Outer(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.layers = nn.ModuleList(Net() for _ in range(3))\n\n"
    "    def forward(self, x):\n        for layer in self.layers:\n            x = layer(x)\n"
    "        return x\n\n\nm = torch.jit.script(Outer())\n",
    "made_by_a_function": NET + RUN
    + "def make():\n    return Net()\n\n\ntorch.jit.script(make())\n",
    "script_method": RUN
    + "class M(torch.jit.ScriptModule):\n    @torch.jit.script_method\n"
    "    def read(self, x):\n        return x.cuda()\n",
    "exported_method": RUN
    + "class M(nn.Module):\n    @torch.jit.export\n"
    "    def read(self, x):\n        return x.cuda()\n",
    "handed_on": NET + RUN + "wrap = torch.jit.script if fast else (lambda m: m)\nwrap(Net())\n",
    "fullgraph": "@torch.compile(fullgraph=True)\n" + READ + RUN,
    "fullgraph_call": READ + RUN + "g = torch.compile(read, fullgraph=True)\n",
    "fullgraph_variable": READ + RUN + "g = torch.compile(read, fullgraph=args.full)\n",
    "fullgraph_stars": READ + RUN + "o = {'fullgraph': True}\ng = torch.compile(read, **o)\n",
    "fullgraph_partial": "from functools import partial\n"
    "@partial(torch.compile, fullgraph=True)\n" + READ + RUN,
    "fullgraph_applied": READ + RUN + "g = torch.compile(fullgraph=True)(read)\n",
    "nopython": READ + RUN + "import torch._dynamo\n"
    "g = torch._dynamo.optimize('eager', nopython=True)(read)\n",
    "method_compile": NET + RUN + "net = Net()\nnet.compile(fullgraph=True)\n",
    "step_with_a_model": NET + RUN
    + "@torch.compile(fullgraph=True)\ndef step(model, x):\n    return model(x)\n",
    "lambda": READ + RUN + "g = torch.compile(lambda x: read(x), fullgraph=True)\n",
    "export": NET + RUN + "p = torch.export.export(Net(), (torch.ones(1),))\n",
    "export_from": NET + RUN + "from torch.export import export\np = export(Net(), (x,))\n",
    "fx": NET + RUN + "from torch.fx import symbolic_trace\np = symbolic_trace(Net())\n",
    "lightning": NET + RUN + "net = Net()\nnet.to_torchscript()\n",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(ONE_FILE))
def test_what_is_read_stays(tmp_path, name):
    check(tmp_path, {"a.py": HEAD + ONE_FILE[name]}, "a.py")


def check(folder, files, name):
    plan = fix_in_place(write_files(folder, files))
    text = (folder / name).read_text("utf-8")
    read = text[text.index("def read(") :].partition("return")[2].partition("\n")[0]
    assert read.startswith(" x.cuda()"), text
    ran = "".join(p.read_text("utf-8") for p in folder.glob("*.py") if p.name != "accel.py")
    run = ran[ran.index("def run(") :].partition("return")[2].partition("\n")[0]
    assert run == " x.to(accel.device())", ran
    assert "self.scale = torch.ones(1).cuda()" not in text  # made when Python runs
    reasons = [place.reason for place in plan.left if place.rule == "C001"]
    assert any("reads this code" in reason for reason in reasons), reasons


MANY_FILES = {
    "from_another_file": {"serve.py": "from a import Net\nimport torch\ntorch.jit.script(Net())\n"},
    "from_a_test": {
        "tests/test_net.py": "from a import Net\nimport torch\n\n\n"
        "def test_it():\n    torch.jit.script(Net())\n"
    },
    "by_a_parameter": {"serve.py": "import torch\ndef save(m):\n    torch.jit.script(m)\n"},
    "through_a_factory": {
        "make.py": "import a\nKINDS = {'net': a.Net}\ndef build(kind):\n    return a.Net()\n",
        "serve.py": "import torch\nimport make\nm = torch.jit.script(make.build('net'))\n",
    },
    "as_a_base": {
        "serve.py": "import torch\nimport a\nclass Mine(a.Net):\n    pass\n"
        "m = torch.jit.script(Mine())\n"
    },
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(MANY_FILES))
def test_over_several_files(tmp_path, name):
    check(tmp_path, {"a.py": HEAD + NET + RUN, **MANY_FILES[name]}, "a.py")


FREE = {
    "plain_compile": READ + "g = torch.compile(read)\n",
    "not_whole": READ + "g = torch.compile(read, fullgraph=False)\n",
    "traced": READ + "g = torch.jit.trace(read, torch.ones(1))\n",
    "loaded": READ + "m = torch.jit.load('a.pt')\n",
    "ignored": "@torch.jit.ignore\n" + READ
    + "@torch.jit.script\ndef f(x):\n    return read(x)\n",
    "another_one": READ + "@torch.jit.script\ndef f(x):\n    return x + 1\n",
    "another_module": NET + "class Small(nn.Module):\n    def forward(self, x):\n"
    "        return x\n\n\nm = torch.jit.script(Small())\n",
    "a_regular_expression": READ + "import re\nc = re.compile('a')\n",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(FREE))
def test_what_python_runs_is_rewritten(tmp_path, name):
    write_files(tmp_path, {"a.py": HEAD + FREE[name]})
    fix_in_place(tmp_path)
    assert ".cuda()" not in (tmp_path / "a.py").read_text("utf-8")


def test_the_helper_breaks_no_graph(accel_file):
    """Where torch.compile may break a graph it need not: what is asked is read as a constant."""
    accel = accel_file

    def step(x):
        x = x.to(accel.device())
        if accel.on_accelerator(x):
            return x
        with accel.amp_autocast(), accel.autocast(dtype=torch.bfloat16):
            return x @ x * accel.device_count()

    x = torch.ones(2, 2)
    with warnings.catch_warnings(action="ignore"):
        compiled = torch.compile(step, backend="eager", fullgraph=True)
        assert torch.equal(compiled(x), step(x))


def test_torchscript_refuses_the_helper(accel_file):
    """Why code stays: PyTorch itself says so."""
    accel = accel_file

    def read(x):
        return x.to(accel.device())

    with warnings.catch_warnings(action="ignore"), pytest.raises(RuntimeError):
        torch.jit.script(read)


@pytest.fixture
def accel_file(tmp_path, monkeypatch):
    """A helper that is imported from its file, as the compilers want to find it there."""
    names = ["device", "on_accelerator", "amp_autocast", "autocast", "device_count"]
    (tmp_path / "accel.py").write_text(helper_text(names), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("accel")
    del sys.modules["accel"]
