"""What a program did on CUDA, or without it, that a rewrite would end: such places stay."""

import io
import sys
import warnings
from contextlib import redirect_stdout

import pytest
import torch

from port.fix.fake_cuda import fake_cuda
from port.fix.fixing import fix_in_place, fixed_text, write_files

HEAD = "import torch\nx = torch.ones(2, 3)\n"
PATTERNS = [
    "device = 'cuda'\nmatch device:\n    case 'cuda':\n        print('c')\n    case _:\n"
    "        print('o')",
    "match {'device': 'cuda'}:\n    case {'device': 'cuda'}:\n        print('c')",
    "match str(x.device):\n    case 'cuda' | 'xpu':\n        print('c')\n    case 'cpu':\n"
    "        print(1)",
]
OWN_TO = [
    "class N(torch.nn.Linear):\n    def to(self, dtype):\n        self.t = dtype\n"
    "        return self\n"
    "N(2, 2).cuda()",
    "class N(torch.nn.Linear):\n    def to(self, dtype):\n        return self\nn = N(2, 2)\n"
    "n.cuda()",
    "class Money:\n    def to(self, unit):\n        return unit\nprint(Money().to(0))",
]
PROBES = [
    "def has_gpu():\n    try:\n        torch.ones(1).cuda()\n        return True\n"
    "    except Exception:\n        return False\nprint(has_gpu())",
    "try:\n    torch.cuda.set_device(0)\n    mode = 'gpu'\nexcept Exception:\n    mode = 'cpu'\n"
    "print(mode)",
    "mode = 'cpu'\ntry:\n    i = torch.cuda.current_device()\n    mode = 'gpu'\n"
    "except (AssertionError, RuntimeError):\n    pass\nprint(mode)",
    "try:\n    with torch.cuda.device(0):\n        y = torch.zeros(1, device='cuda')\nexcept:\n"
    "    print('no')\nelse:\n    print('GPU present')",
    "import contextlib\nn = 0\nwith contextlib.suppress(Exception):\n    torch.cuda.synchronize()\n"
    "    n = 1\nprint(n)",
]
COUNTS = [
    "def count():\n    n = torch.cuda.device_count()\n    return n\nprint(count())",
    "n = torch.cuda.device_count()\nassert n, 'no GPU'",
    "n = torch.cuda.device_count()\nif n:\n    print('gpu')",
    "n = torch.cuda.device_count()\nprint(n < 1)",
    "n = torch.cuda.device_count()\nprint(bool(n))",
    "n = torch.cuda.device_count()\nfor i in range(n):\n    print(i)",
    "gpus = list(range(torch.cuda.device_count()))\nprint(gpus)",
    "n = torch.cuda.device_count()\nprint('one' if n == 1 else 'other')",
    "if (n := torch.cuda.device_count()) > 0:\n    print(n)",
    "class A:\n    n = 0\na = A()\na.n = torch.cuda.device_count()\n"
    "print('gpu' if a.n >= 1 else 'cpu')",
]
KINDS = [
    "DEVICE_CUDA = 'cuda'\nDEVICE_CPU = 'cpu'\nOPTS = {DEVICE_CUDA: 1, DEVICE_CPU: 2}\n"
    "print(OPTS['cuda'])",
    "from enum import Enum\nclass D(Enum):\n    device = 'cuda'\n    host = 'cpu'\n"
    "print(D('cuda'))",
    "FOUND = {}\ndef register(device):\n    return lambda f: FOUND.setdefault(device, f)\n"
    "@register(device='cuda')\ndef f():\n    pass\n@register(device='cpu')\ndef g():\n    pass\n"
    "print(len(FOUND))",
    "FOUND = {}\ndef add(device, n):\n    FOUND[device] = n\nadd('cuda', 1)\nadd('cpu', 2)\n"
    "print(FOUND)",
    "CASES = [dict(device='cpu'), dict(device='cuda')]\nprint([c['device'] for c in CASES])",
    "PRICES = [{'device': 'cuda:0', 'p': 1}, {'device': 'cpu', 'p': 2}]\n"
    "print([p['p'] for p in PRICES if p['device'] == 'cuda:0'])",
    "device = 'cuda'\nOPTIONS = {'cuda': 1, 'cpu': 2}\nprint(OPTIONS[device])",
]
OWN_METHODS = [
    "class Batch:\n    def pin_memory(self):\n        print('own')\n        return self\n"
    "Batch().pin_memory()",
    "class Batch:\n    def record_stream(self, s):\n        print('own')\nb = Batch()\n"
    "b.record_stream(None)",
    "class Args:\n    pass\nargs = Args()\nargs.is_cuda = True\nprint(1 if args.is_cuda else 2)",
    "class Args:\n    is_cuda: bool = True\nprint(1 if Args().is_cuda else 2)",
]
NUMBERS = [
    "rank = torch.zeros(2, dtype=torch.float64)\nprint(x.to(rank).dtype)",
    "print(torch.cuda.memory_allocated() == 0)",
    "device = 'cuda:1'\nprint(int(device.split(':')[1]))",
    "print('%d' % torch.device('cuda', 0).index)",
    "d = torch.device('cuda:1')\nprint(d.index + 1)",
]
KEPT = PATTERNS + OWN_TO + PROBES + COUNTS + KINDS + OWN_METHODS + NUMBERS


def run(text):
    """What it printed, and how it ended."""
    printed, end = io.StringIO(), ""
    state = torch.get_rng_state()
    with warnings.catch_warnings(action="ignore"), redirect_stdout(printed):
        try:
            exec(compile(text, "script.py", "exec"), {"__name__": "__main__"})
        except Exception as error:
            end = f"{type(error).__name__}: {error}"
    torch.set_rng_state(state)
    sys.modules.pop("accel", None)
    return printed.getvalue(), end


def same_in_both(folder, monkeypatch, text):
    """Before and after, on a pretended CUDA and on the CPU; on the CPU where it ran before."""
    new = fixed_text(folder, text)
    monkeypatch.syspath_prepend(str(folder))
    with fake_cuda() as before:
        old_end = run(text)
    with fake_cuda() as after:
        assert run(new) == old_end
    assert after == before
    printed, end = run(text)
    if not end:
        assert run(new) == (printed, end)
    return new


@pytest.mark.parametrize("text", KEPT)
def test_the_program_does_the_same(tmp_path, monkeypatch, text):
    same_in_both(tmp_path, monkeypatch, HEAD + text + "\n")


@pytest.mark.parametrize("text", KEPT)
def test_what_stays_says_why(tmp_path, text):
    write_files(tmp_path, {"script.py": HEAD + text + "\n"})
    plan = fix_in_place(tmp_path)
    assert plan.left or not plan.changes
    assert all(place.reason for place in plan.left)


DONE = {
    "y = torch.ones(2)\nclass B:\n    def pin_memory(self):\n        return self\n"
    "y.pin_memory()": "pin(y)",
    "class B:\n    def to(self, unit):\n        return self\ny = x.to(0)": "x.to(accel.device(0))",
    "class B:\n    def to(self, device):\n        return self\ndef f(batch):\n"
    "    return batch.cuda()":
    "batch.to(accel.device())",
    "n = torch.cuda.device_count()\nif n > 1:\n    print(n)": "accel.device_count()",
    "try:\n    y = x.cuda()\nexcept RuntimeError as e:\n    if 'memory' not in str(e):\n"
    "        raise":
    "x.to(accel.device())",
    "try:\n    y = x.cuda()\nexcept KeyError:\n    pass": "x.to(accel.device())",
    "config = {'device': 'cuda', 'name': 'cpu'}": "accel.device()",
    "x.to('cpu')\ny = x.to('cuda')": "x.to(accel.device())",
}  # fmt: skip


@pytest.mark.parametrize("text", DONE)
def test_what_is_near_to_it_is_done(tmp_path, text):
    assert DONE[text] in fixed_text(tmp_path, HEAD + text + "\n")


SAME = [
    "import io\ndef ld(p, dev=None):\n    return torch.load(p, dev)\nf = io.BytesIO()\n"
    "torch.save(x, f)\nf.seek(0)\nprint(ld(f).device)",
    "import io\nf = io.BytesIO()\ntorch.save(x, f)\nf.seek(0)\nprint(torch.load(f, None).device)",
    "import io\nf = io.BytesIO()\ntorch.save(x, f)\nf.seek(0)\n"
    "print(torch.load(f, map_location=None).device)",
    "print(torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32)",
    "class lib:\n    seed = torch.manual_seed\nlib.seed(1)\ntorch.cuda.manual_seed(5)\n"
    "print(torch.rand(1))",
    "torch.random.manual_seed(1)\ntorch.cuda.manual_seed(5)\nprint(torch.rand(1))",
    "torch.default_generator.manual_seed(1)\ntorch.cuda.manual_seed_all(5)\nprint(torch.rand(1))",
]


@pytest.mark.parametrize("text", SAME)
def test_it_is_done_and_does_the_same(tmp_path, monkeypatch, text):
    same_in_both(tmp_path, monkeypatch, HEAD + text + "\n")


def test_a_module_of_the_project_with_a_name_of_pythons(tmp_path, monkeypatch):
    write_files(tmp_path, {"resource.py": "limit = 3\n"})
    new = fixed_text(tmp_path, HEAD + "print(torch.cuda.max_memory_allocated())\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "resource", raising=False)
    assert run(new)[1] == ""
    sys.modules.pop("resource", None)


TWICE = [
    "torch.cuda.synchronize(device='cuda:0')",
    "s = torch.cuda.get_rng_state(device='cuda:0')",
    "n = torch.cuda.max_memory_allocated(device='cuda:0')",
    "with torch.cuda.device('cuda:1'):\n    y = x + 1",
    "torch.cuda.set_device('cuda:1')",
    "torch.cuda.set_device(device=0)",
]


@pytest.mark.parametrize("text", TWICE)
def test_a_second_run_changes_nothing(tmp_path, text):
    once = fixed_text(tmp_path, HEAD + text + "\n")
    assert "accel." in once
    assert fixed_text(tmp_path, once) == once


COMMENTS = [
    "with torch.autocast(\n    'cuda',  # dev\n    torch.float16):\n    pass",
    "with torch.autocast(\n    device_type='cuda',  # gpu only\n    dtype=torch.float16,\n):\n"
    "    pass",
    "s = torch.amp.GradScaler(\n    'cuda',  # device\n    enabled=False,  # off\n)",
    "with torch.autocast(\n    # the device\n    'cuda',\n    dtype=torch.float16,\n):\n    pass",
]


@pytest.mark.parametrize("text", COMMENTS)
def test_comments_of_arguments_that_go_are_kept(tmp_path, text):
    new = fixed_text(tmp_path, HEAD + text + "\n")
    for line in text.splitlines():
        assert "#" not in line or line[line.index("#") :] in new
