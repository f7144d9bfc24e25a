"""Spellings one by one: before and after `glia fix` the same calls on a pretended CUDA, and after
it they run on the CPU, where most of them raised before."""

import sys
import warnings

import pytest
import torch

from port.fix.fake_cuda import fake_cuda
from port.fix.fixing import fixed_text

HEAD = "import io\nimport torch\nx = torch.ones(2, 3)\nrank = 1\nuse = True\n"
SNIPPETS = [
    "y = x.cuda()",
    "y = x.cuda(1)",
    "y = x.cuda(rank, non_blocking=True)",
    "y = x.cuda(device=None)",
    "y = x.cuda(torch.device('cuda', 1))",
    "y = x.cuda('cuda:%d' % rank)",
    "y = x.to('cuda')",
    "y = x.to(device=f'cuda:{rank}', dtype=torch.float64)",
    "y = x.to('cuda:' + str(rank), non_blocking=True)",
    "y = x.to(rank) if use else None",
    "rank = None\ny = x.to(rank)",
    "y = x.to(0)",
    "y = torch.zeros(2, device='cuda:1', dtype=torch.int64)",
    "def f(a, device='cuda', *, dev='cuda:0'):\n    return a.to(device).to(dev)\nf(x)",
    "d = torch.device('cuda' if torch.cuda.is_available() else 'cpu')\ny = x.to(d)",
    "device = f'cuda:{rank}' if torch.cuda.is_available() and use else 'cpu'\ny = x.to(device)",
    "torch.nn.Linear(3, 1).cuda(rank)",
    "torch.cuda.set_device(rank)\ntorch.cuda.set_device(f'cuda:{rank}')",
    "y = torch.ones(1, device=torch.cuda.current_device())",
    "with torch.cuda.device(rank):\n    y = x.cuda()",
    "if x.is_cuda:\n    torch.cuda.synchronize()",
    "device = 'cuda'\nif device == 'cuda' or 'cuda' in device:\n    torch.cuda.synchronize(device)",
    "n = torch.cuda.device_count()\ny = x * n",
    "peak = torch.cuda.max_memory_allocated(0) + torch.cuda.memory_reserved()",
    "torch.cuda.reset_peak_memory_stats()\ntorch.cuda.empty_cache()",
    "torch.cuda.manual_seed(3)\ntorch.cuda.manual_seed_all(4)",
    "s = torch.cuda.get_rng_state(0)\ntorch.cuda.set_rng_state(s, 0)",
    "s = torch.cuda.get_rng_state_all()\ntorch.cuda.set_rng_state_all(s)",
    "with torch.cuda.amp.autocast():\n    y = x @ x.T",
    "with torch.cuda.amp.autocast(use, torch.bfloat16, False):\n    y = x @ x.T",
    "with torch.autocast('cuda', torch.float16, use):\n    y = x @ x.T",
    "with torch.autocast(enabled=use, device_type='cuda', dtype=torch.float16):\n    y = x @ x.T",
    "kind = 'cuda'\nwith torch.autocast(kind):\n    y = x @ x.T",
    "@torch.cuda.amp.autocast(enabled=use)\ndef f(a):\n    return a\nf(x)",
    "s = torch.cuda.amp.GradScaler(1024.0, enabled=use)",
    "s = torch.amp.GradScaler('cuda', 1024.0)",
    "s = torch.amp.GradScaler(device='cuda', enabled=use)",
    "s = torch.amp.GradScaler()",
    "y = x.pin_memory().to('cuda', non_blocking=True)",
    "l = torch.utils.data.DataLoader([1, 2], pin_memory=True, batch_size=2)",
    "f = io.BytesIO()\ntorch.save(x, f)\nf.seek(0)\ny = torch.load(f)",
    "a = torch.cuda.Event(enable_timing=True)\na.record()\na.synchronize()\nt = a.elapsed_time(a)",
    "s = torch.cuda.Stream()\nwith torch.cuda.stream(s):\n    y = x + 1\ns.wait_stream(s)",
    "torch.cuda.current_stream().wait_stream(torch.cuda.current_stream())",
    "x.record_stream(torch.cuda.current_stream())",
    "torch.backends.cudnn.benchmark = use\ntorch.backends.cuda.matmul.allow_tf32 = True",
    "y = torch.cuda.FloatTensor(2, 3)",
    "y = torch.cuda.LongTensor([1, 2])",
    "m = torch.compile(torch.nn.Linear(3, 1))\nm(x)",
    "m = torch.compile(torch.nn.Linear(3, 1), dynamic=False)\nm(x)",
    "ok = torch.cuda.is_bf16_supported()",
    "name = torch.cuda.get_device_name(0)",
    "from torch import cuda as c\nc.synchronize()",
    "from torch.cuda import synchronize as wait, empty_cache\nwait()\nempty_cache()",
]


def run(text, monkeypatch, folder):
    monkeypatch.syspath_prepend(str(folder))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(text, "script.py", "exec"), {"__name__": "__main__"})
    finally:
        sys.modules.pop("accel", None)


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_the_same_calls(tmp_path, monkeypatch, snippet):
    old = HEAD + snippet + "\n"
    new = fixed_text(tmp_path, old)
    assert "accel." in new
    state = torch.get_rng_state()
    with fake_cuda() as before:
        run(old, monkeypatch, tmp_path)
    with fake_cuda() as after:
        run(new, monkeypatch, tmp_path)
    assert before == after
    monkeypatch.setattr(torch, "compile", lambda model, **_: model)  # no compiler is needed here
    run(new, monkeypatch, tmp_path)
    torch.set_rng_state(state)


def test_the_pretended_cuda_tells_differences():
    """What it is good for: other arguments, devices or orders are seen."""
    pairs = [
        ("x.cuda()", "x.cuda(1)"),
        ("x.cuda()", "x.cuda(non_blocking=True)"),
        ("x.to('cuda:1')", "x.to('cuda')"),
        ("torch.cuda.synchronize()", "torch.cuda.synchronize(0)"),
        ("torch.zeros(1, device='cuda')", "torch.zeros(1)"),
        ("torch.autocast('cuda')", "torch.autocast('cuda', dtype=torch.bfloat16)"),
        ("torch.backends.cudnn.benchmark = True", "pass"),
        ("torch.cuda.amp.GradScaler()", "torch.cuda.amp.GradScaler(2.0)"),
        ("torch.cuda.amp.GradScaler()", "torch.amp.GradScaler('cuda')"),
        ("torch.cuda.memory_stats()", "torch.cuda.memory_stats(0)"),
        ("torch.cuda.Event()", "torch.cuda.Event(enable_timing=True)"),
        ("torch.cuda.Stream().query()", "torch.cuda.Stream().synchronize()"),
        ("torch.cuda.ipc_collect()", "pass"),
        ("(x.cuda() + 1).cpu()", "x.cuda() + 1"),
        ("assert x.cuda().is_cuda", "assert not x.is_cuda"),
    ]
    nest = "torch.autocast('cuda', dtype=torch.bfloat16)"
    old, new = "torch.cuda.amp.autocast", "(lambda: torch.autocast('cuda'))"
    pairs += [(f"with {nest}:\n with {old}(): pass", f"with {nest}:\n with {new}(): pass")]
    for one, other in pairs:
        with fake_cuda() as first, warnings.catch_warnings(action="ignore"):
            exec(HEAD + one)
        with fake_cuda() as second, warnings.catch_warnings(action="ignore"):
            exec(HEAD + other)
        assert first != second, one
