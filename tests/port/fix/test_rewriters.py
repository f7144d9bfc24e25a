"""Each spelling and what becomes of it. The first line of a case is the old code."""

import pytest

from glia.port.fix.deciding.left import why_left
from glia.port.fix.project import fix_project
from glia.port.fix.registry import autofix_of, rewriters
from glia.port.rules.table import RULES
from glia.port.targets import target_named
from port.fix.fixing import fix_in_place, fixed_text, write_files

HEAD = "import torch\nimport torch.distributed as dist\n"
CASES = [
    ("x = x.cuda()", "x = x.to(accel.device())"),
    ("x = x.cuda(rank)", "x = x.to(accel.device(rank))"),
    ("x = x.cuda(device=0)", "x = x.to(device=accel.device(0))"),
    ("x = x.cuda(non_blocking=True)", "x = x.to(accel.device(), non_blocking=True)"),
    ('x = x.cuda("cuda:%d" % rank)', "x = x.to(accel.device(rank))"),
    ("x = f(a)  # why\n", "x = f(a)  # why\n"),
    ('x = x.to("cuda", torch.half)', "x = x.to(accel.device(), torch.half)"),
    ('x = x.to(f"cuda:{rank}")', "x = x.to(accel.device(rank))"),
    ('x = x.to("cuda:" + str(rank))', "x = x.to(accel.device(str(rank)))"),
    ('x = torch.zeros(2, device="cuda:1")', "x = torch.zeros(2, device=accel.device(1))"),
    ('def f(x, device="cuda"):\n    pass', "def f(x, device=accel.device()):\n    pass"),
    ('d = torch.device("cuda")', "d = torch.device(accel.device())"),
    ('d = "cuda" if torch.cuda.is_available() else "cpu"', "d = accel.available_device()"),
    (
        'd = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")',
        "d = torch.device(accel.available_device(0))",
    ),
    (
        'device = "cuda" if torch.cuda.is_available() and big else "cpu"',
        'device = accel.device() if accel.is_available() and big else "cpu"',
    ),
    (
        'p.add_argument("--device", default="cuda")',
        'p.add_argument("--device", default=accel.device())',
    ),
    ('d = torch.device("cuda", rank)', "d = torch.device(accel.device(rank))"),
    ("x = x.to(local_rank)", "x = x.to(accel.place(local_rank))"),
    ("torch.accelerator.synchronize()", "accel.synchronize()"),
    ("torch.cuda.set_device(rank)", "accel.set_device(rank)"),
    ("d = torch.cuda.current_device()", "d = accel.current_device()"),
    ("with torch.cuda.device(1):\n    f()", "with accel.use_device(1):\n    f()"),
    ("if x.is_cuda:\n    f(x)", "if accel.on_accelerator(x):\n    f(x)"),
    ('if d.type == "cuda":\n    f()', "if d.type == accel.accelerator_type():\n    f()"),
    ("torch.cuda.synchronize(d)", "accel.synchronize(d)"),
    ("n = torch.cuda.max_memory_allocated()", "n = accel.max_memory_allocated()"),
    ("torch.cuda.manual_seed_all(1)", "accel.manual_seed_all(1, host=True)"),
    (
        "torch.manual_seed(1)\ntorch.cuda.manual_seed_all(1)",
        "torch.manual_seed(1)\ntorch.cuda.manual_seed_all(1)",  # it does nothing elsewhere
    ),
    ("s = torch.cuda.get_rng_state()", "s = accel.get_rng_state()"),
    ('g = torch.Generator(device="cuda")', "g = torch.Generator(device=accel.generator_device())"),
    ("with torch.cuda.amp.autocast():\n    f()", "with accel.amp_autocast():\n    f()"),
    (
        "with torch.cuda.amp.autocast(use, torch.bfloat16):\n    f()",
        "with accel.amp_autocast(use, torch.bfloat16):\n    f()",
    ),
    (
        "cast = torch.cuda.amp.autocast if use else f\ncast()",
        "cast = accel.amp_autocast if use else f\ncast()",
    ),
    (
        "device_type = 'cuda' if 'cuda' in device else 'cpu'",
        "device_type = accel.device_type(device)",
    ),
    (
        "device_type = 'cuda' if x.device.type == 'cuda' else 'cpu'",
        "device_type = accel.device_type(x.device)",
    ),
    (
        "device_type = 'cuda' if str(device).startswith('cuda') else 'cpu'",
        "device_type = accel.device_type(str(device))",
    ),
    ("if 'cuda' in device:\n    f()", "if accel.is_accelerator(device):\n    f()"),
    ("if 'cuda' not in device:\n    f()", "if not accel.is_accelerator(device):\n    f()"),
    ("torch.cuda.ipc_collect()", "accel.ipc_collect()"),
    (
        "def f(x):\n    d = rank % torch.cuda.device_count()\n    return x.to(d)",
        "def f(x):\n    d = accel.device(rank % accel.device_count())\n    return x.to(d)",
    ),
    (
        "def f(x):\n    gpu = rank % torch.cuda.device_count()\n    print(gpu)\n    return gpu",
        "def f(x):\n    gpu = rank % accel.device_count()\n    print(gpu)\n    return gpu",
    ),
    (
        'with torch.autocast("cuda", dtype=torch.float16):\n    f()',
        "with accel.autocast(dtype=torch.float16):\n    f()",
    ),
    (
        'with torch.autocast(dtype=t, device_type="cuda"):\n    f()',
        "with accel.autocast(dtype=t):\n    f()",
    ),
    ("s = torch.cuda.amp.GradScaler(enabled=use)", "s = accel.amp_grad_scaler(enabled=use)"),
    ('s = torch.amp.GradScaler("cuda", enabled=use)', "s = accel.grad_scaler(enabled=use)"),
    ("x = x.pin_memory()", "x = accel.pin(x)"),
    (
        "PINS = read()\nl = torch.utils.data.DataLoader(d, pin_memory=PINS)",
        "PINS = read()\nl = torch.utils.data.DataLoader(d, pin_memory=accel.can_pin() and PINS)",
    ),
    ("l = load(data, pin_memory=True)", "l = load(data, pin_memory=accel.can_pin())"),
    ('c = torch.load("a.pt")', 'c = torch.load("a.pt", map_location=accel.map_location())'),
    ('dist.init_process_group("nccl")', "dist.init_process_group(accel.dist_backend())"),
    ("e = torch.cuda.Event(enable_timing=True)", "e = accel.Event(enable_timing=True)"),
    ("s = torch.cuda.Stream()", "s = accel.Stream()"),
    ("x.record_stream(s)", "accel.record_stream(x, s)"),
    (
        "torch.backends.cudnn.benchmark = True",
        'accel.set_flag("cudnn.benchmark", True)',
    ),
    ("x = torch.cuda.FloatTensor(2, 3)", 'x = accel.new_tensor("FloatTensor", 2, 3)'),
    ("x = x.type(torch.cuda.LongTensor)", 'x = accel.to_type(x, "LongTensor")'),
    (
        "torch.set_default_tensor_type(torch.cuda.FloatTensor)",
        'accel.set_default_tensor_type("FloatTensor")',
    ),
    (
        'torch.set_default_tensor_type("torch.cuda.FloatTensor")',
        'accel.set_default_tensor_type("FloatTensor")',
    ),
    ("m = torch.compile(m)", "m = torch.compile(m, backend=accel.compile_backend())"),
    (
        "m = torch.nn.parallel.DistributedDataParallel(m, device_ids=[r])",
        "m = torch.nn.parallel.DistributedDataParallel(m, device_ids=accel.if_cuda([r]))",
    ),
    ('with torch.cuda.nvtx.range("a"):\n    f()', 'with accel.trace_range("a"):\n    f()'),
]


@pytest.mark.parametrize(("old", "new"), CASES, ids=[old[:40] for old, _ in CASES])
def test_what_becomes_of_it(tmp_path, old, new):
    text = fixed_text(tmp_path, HEAD + old + "\n")
    if "accel" in new:
        assert text == HEAD + "import accel\n" + new + "\n"
    else:
        assert text == HEAD + new + "\n"


IMPORTS = [
    (
        "import torch\nfrom torch.cuda.amp import GradScaler, custom_fwd\ns = GradScaler()\n",
        "import torch\nfrom torch.cuda.amp import custom_fwd\nimport accel\n"
        "s = accel.amp_grad_scaler()\n",
    ),
    (
        "import torch\nfrom torch.cuda.amp import GradScaler\ns = GradScaler()\n",
        "import torch\nimport accel\ns = accel.amp_grad_scaler()\n",
    ),
    (
        "from torch import cuda as c, nn\nc.synchronize()\n",
        "from torch import nn\nimport accel\naccel.synchronize()\n",
    ),
    (
        "import torch.backends.cudnn as cudnn\nimport os\ncudnn.benchmark = True\n",
        'import os\nimport accel\naccel.set_flag("cudnn.benchmark", True)\n',
    ),
    (
        "from torch import cuda  # why\ncuda.synchronize()\n",
        "from torch import cuda  # why\nimport accel\naccel.synchronize()\n",
    ),
    (
        "from torch import cuda\ncuda.synchronize()\ncuda.cudart()\n",
        "from torch import cuda\nimport accel\naccel.synchronize()\ncuda.cudart()\n",
    ),
]


@pytest.mark.parametrize(("old", "new"), IMPORTS)
def test_imports_that_nothing_uses_any_more_go(tmp_path, old, new):
    assert fixed_text(tmp_path, old) == new


LEFT = [
    ('print("cuda is fast")', ""),
    ('log.info("cuda")', ""),
    ('x = f"{name} on cuda"', ""),
    ('d = {"cuda": 1, "cpu": 2}[k]', ""),
    ("class M(torch.nn.Module):\n    def cuda(self):\n        return super().cuda()", "C001"),
    ("s = torch.load(f, map_location=lambda storage, place: storage.cuda(0))", "C001"),
    ("s = x.untyped_storage().cuda()", "C001"),
    ("import faisslike\nindex = faisslike.Index(3)\nindex.cuda()", "C001"),
    ("ok = isinstance(s, torch.cuda.amp.GradScaler)", "C040"),
    ("class S(torch.cuda.amp.GradScaler):\n    pass", "C040"),
    ("class A(torch.cuda.amp.autocast):\n    pass", "C038"),
    ("ok = isinstance(a, torch.cuda.amp.autocast)", "C038"),
    ("tag = f'cuda:{metric}'", "C003"),
    ("tag = f'cuda:{loss.mean()}'", "C003"),
    ("x = x.to(f'cuda:{rank:d}')", "C002"),
    ("y = torch.Tensor.cuda(x)", "C001"),
    ("model = torch.compile(m, mode='max-autotune')", "C072"),
    ("args = TrainingArguments('out', torch_compile=True)", "C072"),
    ("if torch.cuda.is_available():\n    c = torch.cuda.get_device_capability()", "C006"),
    ("if x.is_cuda:\n    y = my_kernel_cuda(x)", "C011"),
    ("def f(x):\n    return x.is_cuda", "C011"),
    (
        "if torch.cuda.is_available():\n    a()\nelif torch.backends.mps.is_available():\n    b()",
        "C006",
    ),
    ("n = 1 if torch.cuda.device_count() > 0 else 2", "C007"),
    ('t = {"cuda": torch.cuda.current_stream(), "xpu": None}', "C025"),
    ("def f(torch):\n    torch.cuda.synchronize()", "C016"),
    ("m = map(torch.cuda.synchronize, xs)", "C016"),
    ("g = torch.cuda.CUDAGraph()", "C027"),
    (
        "x = f(device=(\n    'cuda'  # fast\n    if torch.cuda.is_available() else 'cpu'))",
        "C005",
    ),
]


@pytest.mark.parametrize(("text", "rule"), LEFT, ids=[text[:40] for text, _ in LEFT])
def test_what_is_left_says_why(tmp_path, text, rule):
    write_files(tmp_path, {"script.py": HEAD + text + "\n"})
    plan = fix_in_place(tmp_path)
    assert (tmp_path / "script.py").read_text(encoding="utf-8") == HEAD + text + "\n"
    assert not plan.changes
    reasons = [place.reason for place in plan.left if place.rule == rule]
    assert bool(reasons) == bool(rule)
    assert all(reasons)


GUARDED = """\
import torch

use_cuda = torch.cuda.is_available()
if use_cuda:
    torch.cuda.set_device(0)
    torch.cuda.memory_snapshot()
if torch.cuda.is_available():
    torch.cuda.synchronize()
"""


def test_reasons_are_those_of_the_place(tmp_path):
    """A trainer is Python; a count that is kept is not said to guard what only stands below it."""
    text = (
        "import lightning as L\nimport torch\nn = torch.cuda.device_count()\n"
        "t = L.Trainer(accelerator='gpu', devices=n, benchmark=True)\n"
    )
    (tmp_path / "a.py").write_text(text)
    result = fix_project(tmp_path, [target_named("cpu")])
    reasons = {place.rule: place.reason for place in result.left}
    assert "no Python" not in reasons["C136"] and "before CUDA" in reasons["C136"]
    assert reasons["C007"].startswith("its answer is kept, and may decide over what stays")
    assert reasons["C050"].startswith("a trainer hands it on")


def test_a_question_stays_with_what_cannot_leave_cuda(tmp_path):
    text = fixed_text(tmp_path, GUARDED, to="trn2")
    assert "use_cuda = torch.cuda.is_available()" in text
    assert "    torch.cuda.set_device(0)\n    torch.cuda.memory_snapshot()" in text
    assert "if accel.is_available():\n    accel.synchronize()" in text


def test_for_the_cpu_alone_guarded_code_stays(tmp_path):
    text = "import torch\nif torch.cuda.is_available():\n    torch.cuda.synchronize()\n"
    assert fixed_text(tmp_path, text, to="cpu") == text


def test_on_cuda_itself_nothing_changes(tmp_path):
    text = "import torch\nx = x.cuda()\n"
    assert fixed_text(tmp_path, text, to="h100") == text


def test_every_rule_is_decided():
    """Rewritten by a function that is registered for it, or left for a reason that is given."""
    assert rewriters().keys() <= RULES.keys()
    for rule in RULES.values():
        assert rule.id in rewriters() or why_left(rule)
        assert autofix_of(rule.id) in ("yes", "partly", "no")


def test_examples_of_rules_are_mended_where_it_is_said(tmp_path):
    """`yes` and `partly` hold for the bad example of the rule itself; those left are listed."""
    left = set()
    for rule in RULES.values():
        if rule.id not in rewriters():
            continue
        write_files(tmp_path, {"script.py": rule.bad})
        plan = fix_project(tmp_path / "script.py", [target_named("trn2"), target_named("cpu")])
        if rule.id not in {place.rule for place in plan.fixed}:
            left.add(rule.id)
    assert left <= {"C051"}, left
