"""Each spelling and what becomes of it. The first line of a case is the old code."""

import pytest

from port.fix.fixing import fixed_text

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
    ('d = "cuda" if torch.cuda.is_available() else "cpu"', "d = accel.device()"),
    (
        'd = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")',
        "d = torch.device(accel.device(0))",
    ),
    (
        'device = "cuda" if torch.cuda.is_available() and big else "cpu"',
        'device = accel.device() if accel.is_available() and big else "cpu"',
    ),
    (
        'p.add_argument("--device", default="cuda")',
        'p.add_argument("--device", default=accel.device())',
    ),
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
        "torch.manual_seed(1)\naccel.manual_seed_all(1)",
    ),
    ("s = torch.cuda.get_rng_state()", "s = accel.get_rng_state()"),
    ('g = torch.Generator(device="cuda")', "g = torch.Generator(device=accel.generator_device())"),
    ("with torch.cuda.amp.autocast():\n    f()", "with accel.autocast():\n    f()"),
    (
        "with torch.cuda.amp.autocast(use, torch.bfloat16):\n    f()",
        "with accel.autocast(enabled=use, dtype=torch.bfloat16):\n    f()",
    ),
    (
        'with torch.autocast("cuda", dtype=torch.float16):\n    f()',
        "with accel.autocast(dtype=torch.float16):\n    f()",
    ),
    (
        'with torch.autocast(dtype=t, device_type="cuda"):\n    f()',
        "with accel.autocast(dtype=t):\n    f()",
    ),
    ("s = torch.cuda.amp.GradScaler(enabled=use)", "s = accel.grad_scaler(enabled=use)"),
    ('s = torch.amp.GradScaler("cuda", enabled=use)', "s = accel.grad_scaler(enabled=use)"),
    ("x = x.pin_memory()", "x = accel.pin(x)"),
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
