"""Snippets labelled by hand: what rules find in other spellings, and what only looks alike."""

import pytest

from glia.port.rules.table import rules_at
from glia.port.source.hits import hits
from glia.port.source.module import Module

TORCH = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"
FORWARD = "class M(nn.Module):\n    def forward(self, x):\n        "


def spoken(code: str) -> set[str]:
    return {rule.id for hit in hits(Module("m.py", code)) for rule in rules_at(hit)}


FOUND = [
    ("C001", "self.model = build().cuda(0)"),
    ("C001", "x, y = x.cuda(non_blocking=True), y"),
    ("C002", 'batch = {k: v.to(f"cuda:{rank}") for k, v in batch.items()}'),
    ("C002", 'x.to(device="cuda")'),
    ("C003", 'def run(device="cuda:0"):\n    pass'),
    ("C003", 'config = {"device": "cuda"}'),
    ("C003", 'parser.add_argument("--device", default="cuda")'),
    ("C004", 'd = torch.device("cuda", rank)'),
    ("C005", 'd = torch.device("cuda" if torch.cuda.is_available() else "cpu")'),
    ("C005", 'd = torch.device("cuda:0") if torch.cuda.is_available() else torch.device("cpu")'),
    ("C006", "use_amp = torch.cuda.is_available() and fast"),
    ("C143", "if not torch.cuda.is_available():\n    raise SystemExit"),
    ("C007", "from torch.cuda import device_count as n\nworld = n()"),
    ("C010", "with torch.cuda.device_of(x):\n    pass"),
    ("C143", "assert all(p.is_cuda for p in ps)"),
    ("C012", 'if "cuda" == kind:\n    pass'),
    ("C012", 'if device.type in ("cuda", "xpu"):\n    pass'),
    ("C013", 'x = x.type("torch.cuda.FloatTensor")'),
    ("C014", "hip = torch.version.hip is not None"),
    ("C016", "from torch import cuda\ncuda.synchronize()"),
    ("C018", "c = torch.cuda\nm = c.max_memory_reserved()"),
    ("C018", "from torch.cuda import memory_allocated\nm = memory_allocated()"),
    ("C022", "sm = torch.cuda.get_device_capability(0)[0]"),
    ("C024", "with torch.cuda.stream(side):\n    pass"),
    ("C025", "side.wait_stream(torch.cuda.current_stream())"),
    ("C027", "with torch.cuda.graph(g):\n    pass"),
    ("C028", "torch.cuda.manual_seed(0)"),
    ("C030", "g = torch.Generator(device=self.device)"),
    ("C031", "noise = torch.randint(0, 9, (3,), device=x.device)"),
    ("C032", "import random\n" + FORWARD + "return self.drop(x)\n"
     "    def drop(self, x):\n        return x if random.random() > 0.5 else 0 * x"),
    ("C032", "import numpy as np\n" + FORWARD + "return x * np.random.rand()"),
    ("C033", "options = dict(pin_memory=True)"),
    ("C033", "def load(data, pin_memory=True):\n    pass"),
    ("C034", "x.copy_(y, non_blocking=True)"),
    ("C035", "loader = torch.utils.data.DataLoader(d, num_workers=args.workers)"),
    ("C036", "loader = torch.utils.data.DataLoader(d, 32, shuffle=True)"),
    ("C038", "from torch.cuda.amp import autocast\nwith autocast(enabled=True):\n    pass"),
    ("C038", "from torch.cuda import amp\nwith amp.autocast():\n    pass"),
    ("C039", 'with torch.amp.autocast(device_type="cuda"):\n    pass'),
    ("C039", 'dev = "cuda"\nwith torch.autocast(dev):\n    pass'),
    ("C040", 'scaler = torch.amp.GradScaler("cuda", enabled=True)'),
    ("C042", "image = image.half()"),
    ("C043", "opt = torch.optim.SGD(ps)\nself.model.to(dtype=torch.bfloat16)"),
    ("C044", "x = x.double()"),
    ("C045", "y = torch.tensor(y, dtype=torch.long)"),
    ("C049", 'torch.set_float32_matmul_precision("high")'),
    ("C049", "torch.backends.cudnn.allow_tf32 = True"),
    ("C050", "from torch.backends import cudnn\ncudnn.benchmark = True"),
    ("C056", 'kwargs = {"attn_implementation": "flash_attention_2"}'),
    ("C059", "import triton\n@triton.autotune(configs=[], key=[])\n@triton.jit\n"
     "def k(x):\n    pass"),
    ("C064", "m = load(n, load_in_4bit=True)"),
    ("C072", "@torch.compile\ndef f(x):\n    return x"),
    ("C073", 'f = torch.compile(f, mode="reduce-overhead")'),
    ("C075", "f = torch.compile(f, dynamic=True)"),
    ("C077", "n = int(torch.sum(mask))"),
    ("C077", "def f(loss: torch.Tensor):\n    return float(loss)"),
    ("C078", "ids = out.argmax(-1).tolist()"),
    ("C078", "print(torch.mean(x))"),
    ("C079", "assert torch.isfinite(loss).all()"),
    ("C080", "while torch.max(err) > tol:\n    pass"),
    ("C080", "y = x.mean() if x is not None else 0\nz = torch.ones(2)\nif z.sum() > 1:\n    pass"),
    ("C081", "i = (x > 0).nonzero(as_tuple=True)"),
    ("C081", "i = torch.where(x > 0)[0]"),
    ("C082", "y = logits[~padding_mask]"),
    ("C082", "y = x[x > 0]"),
    ("C083", "y = F.one_hot(x)"),
    ("C084", "parts = torch.split(x, lengths.tolist())"),
    ("C086", "while True:\n    ids = torch.cat((ids, new), dim=1)"),
    ("C086", "v = torch.cat([layer_past[1], v], dim=-2)"),
    ("C088", "h.mul_(0.5)"),
    ("C088", FORWARD + "x[..., 0] = 1\n        return x"),
    ("C090", "out.scatter_add_(0, i, x)"),
    ("C091", "y = a.int() @ b.int()"),
    ("C092", "order = torch.argsort(ids.long())"),
    ("C093", "w = torch.zeros(3, dtype=torch.uint8)\nlow = w >> 4"),
    ("C096", 'y = F.interpolate(x, scale_factor=2, mode="bicubic")'),
    ("C099", "import torch_geometric.nn"),
    ("C103", 'import torch.distributed as dist\nbackend = "nccl"'),
    ("C104", 'import os\nos.environ.setdefault("NCCL_P2P_DISABLE", "1")'),
    ("C105", 'import os\nn = os.getenv("CUDA_VISIBLE_DEVICES")'),
    ("C105", 'import os\ncommand = f"CUDA_VISIBLE_DEVICES={i}"'),
    ("C107", "m = nn.parallel.DistributedDataParallel(m, device_ids=[rank])"),
    ("C108", "from torch.nn import DataParallel\nm = DataParallel(m)"),
    ("C111", "import torch.distributed as dist\ndist.broadcast_object_list(o)"),
    ("C118", "opt = torch.optim.AdamW(ps, lr=1e-3, fused=True)"),
    ("C120", "torch.nn.utils.clip_grad_norm_(ps, 1.0, error_if_nonfinite=True)"),
    ("C123", "class F(torch.autograd.Function):\n    @staticmethod\n"
     "    def forward(c, x):\n        return torch.ops.mine.f(x)"),
    ("C125", "model.load_state_dict(torch.load(path, weights_only=True))"),
    ("C126", 'ckpt = {"model": m.state_dict()}\ntorch.save(ckpt, path)'),
    ("C132", 'import subprocess\nsubprocess.run("nvidia-smi --query-gpu=name", shell=True)'),
    ("C132", 'command = "nvidia-smi"'),
    ("C131", "kind = torch.profiler.ProfilerActivity.CUDA\nuse(kind)"),
    ("C016", "wait = torch.cuda.synchronize\nwait()"),
    ("C049", "torch.backends.cuda.matmul.allow_tf32 = torch.backends.cuda.is_built()"),
    # tensors that are on the host only as long as nothing says otherwise
    ("C077", "def f(d):\n    n = torch.zeros(3, device=d)\n    return n.sum().item()"),
    ("C077", "def f(d):\n    n = torch.zeros(3).to(d)\n    return n.sum().item()"),
    ("C077", "torch.set_default_device(d)\ndef f():\n    return torch.zeros(3).sum().item()"),
    ("C077", "def f(**kw):\n    n = torch.zeros(3, **kw)\n    return n.sum().item()"),
    ("C077", "def f(y):\n    n = torch.tensor(y.detach())\n    return n.sum().item()"),
    ("C077", FORWARD + "return x * torch.rand(1).item()"),
    ("C088", "def f(d, y):\n    n = torch.zeros(3, device=d)\n    n[1] = y"),
    ("C088", FORWARD + "n = torch.zeros(3)\n        n[1] = x"),
]  # fmt: skip

SILENT = [
    # strings and prose
    '"""Call model.cuda() or torch.cuda.synchronize() first."""',
    'print("cuda is not available")',
    "# x.cuda()\nx = 1",
    'log("use nccl, or gloo")',
    'help = "set CUDA_VISIBLE_DEVICES to choose"',
    'text = "run nvidia-smi to see"',
    'found = "nvidia-smi" in line',
    # questions that set nothing, and tensors that the host makes and reads
    "has = torch.backends.cuda.is_built()",
    "def f():\n    return torch.zeros(3).sum().item()",
    "def f():\n    n = torch.empty((), dtype=torch.int32).random_()\n    return int(n.item())",
    "def f(y):\n    n = torch.zeros(3)\n    n[1] = y",
    "def f(m):\n    return torch.randperm(m).tolist()",
    'parser.add_argument("--backend", choices=["nccl", "gloo"])',
    'parser.add_argument("--device", choices=["cuda", "cpu"])',
    'name = "NCCL_"',
    'title = "flash_attention_2 against sdpa"',
    'word = "barracuda"',
    # names of others
    "from numba import njit\nnjit(f)",
    "cuda = pick()\ncuda.synchronize()",
    "self.cuda.synchronize()",
    "x = card.cuda",
    "x.cuda(1, 2)",
    "x.cuda(stream=s)",
    "import re\np = re.compile('x')",
    "model.compile(optimizer='adam')",
    "import random\nx = random.random()",
    "import random\nclass Data:\n    def __getitem__(self, i):\n        return random.choice(i)",
    "import random\ndef forward(x):\n    return random.random()",
    "import numpy as np\nclass S:\n    def sample(self):\n        return np.random.rand()",
    "import threading\ne = threading.Event()\nb = threading.Barrier(2)",
    "from .torch_cuda import amp\namp.autocast()",
    "import copy\nx = copy.deepcopy(y)\nx.update_(1)",
    # values of the same spelling
    "for k, v in d.items():\n    pass",
    "v = d.item('a')",
    "import numpy as np\nx = np.zeros(3)\ny = x.sum().item()",
    "import numpy as np\ny = np.arange(3).tolist()",
    "import pandas as pd\ndf = pd.DataFrame()\nu = df['a'].unique()",
    "import pandas as pd\nu = table.unique()",
    "half = n // 2",
    "x = shape.half",
    "y = x.long_name",
    "n = float(args.lr)",
    "n = int(x.shape[0])",
    "print(len(x))",
    "print(name)",
    "i = torch.count_nonzero",
    "y = torch.where(x > 0, x, z)",
    "y = x[0]",
    "y = x[mask_token_id]",
    "y = masks[i]",
    "y = boxes[i_mask]",
    'ready = {"cuda": f}["cuda"]',
    'def f(kind: Literal["cpu", "cuda"]):\n    pass',
    'y = d[a == "b"]',
    "y = F.one_hot(x, 10)",
    "y = F.one_hot(x, num_classes=n)",
    "y = x.repeat_interleave(self.n_rep, dim=1)",
    "parts = text.split(',')",
    "a, b = x.split(self.n_embd, dim=2)",
    "k = torch.cat([a, b])",
    "for i in n:\n    y = torch.cat([a, b])",
    "c = nn.Conv2d(3, 3, 3, padding=1)",
    "b = tok(t, padding=False)",
    "d['a'] = 1",
    "items[i] = x",
    "items[1:] = other",
    "import numpy as np\nimg[:, 0] = 3",
    "n = size << 2",
    "y = a @ b",
    "names.sort()",
    "p = nn.MaxPool2d(2)",
    "c = nn.Conv2d(3, 3, 3, dilation=2)",
    # branches of the host
    "if x.shape[0] > 1:\n    pass",
    "if x is None:\n    pass",
    "if x.dim() == 3 and self.training:\n    pass",
    "assert isinstance(x, torch.Tensor)",
    "import math\nif math.isnan(lr):\n    pass",
    "for i in n:\n    if i == last:\n        break",
    "for e in n:\n    if stopper.stop:\n        break",
    # what is portable already
    "loader = torch.utils.data.DataLoader(d, batch_size=1)",
    "loader = torch.utils.data.DataLoader(d, batch_sampler=s)",
    "loader = torch.utils.data.DataLoader(d, **options)",
    "x = torch.rand(3)",
    'x = torch.rand(3, device="cpu")',
    'g = torch.Generator("cpu")',
    'm = torch.load(p, map_location="cpu")',
    'm = torch.load(p, torch.device("cpu"))',
    "m = torch.load(p, **options)",
    "torch.save(args, path)",
    "torch.save({k: v.cpu() for k, v in m.state_dict().items()}, path)",
    "opt = torch.optim.AdamW(ps, fused=False)",
    "torch.nn.utils.clip_grad_norm_(ps, 1.0)",
    "f = torch.compile(f, backend=backend)",
    "x.pin_memory",
    "loader = build(pin_memory=False)",
    "m = nn.parallel.DistributedDataParallel(m, device_ids=None)",
    "m = nn.parallel.DistributedDataParallel(m)",
    'y = F.interpolate(x, mode="nearest")',
    "x.requires_grad_(True)",
    "class M(nn.Module):\n    def reset_parameters(self):\n        self.w.fill_(0)",
    "n = torch.linalg.vector_norm(x)",
    "m = load(n, load_in_8bit=False)",
    'm = load(n, device_map="cpu")',
    "class F(torch.autograd.Function):\n    @staticmethod\n"
    "    def forward(c, x):\n        return x.exp()",
]

# Files that never mention PyTorch: methods and attributes there are somebody else's.
ELSEWHERE = [
    "x.cuda()", "y = x.item()", "y = x.numpy()", "h = shape.half()", "x.add_(1)", "t.is_cuda",
    "n = x.nonzero()", "x = frame[mask]", "h.register_hook(f)", "x.double()", "w.storage()",
    "pool.record_stream(s)", "x.long()", "backend = 'nccl'", "x.pin_memory()", "s.wait_stream(t)",
    "m.gradient_checkpointing_enable()", "x[:, 0] = 1", "f(padding=True)",
    "register(device_types=1)",
]  # fmt: skip


@pytest.mark.parametrize(("rule", "code"), FOUND)
def test_other_spellings_are_found(rule: str, code: str):
    assert rule in spoken(TORCH + code)


@pytest.mark.parametrize("code", SILENT)
def test_what_only_looks_alike_is_left_alone(code: str):
    assert spoken(TORCH + code) == set()


@pytest.mark.parametrize("code", ELSEWHERE)
def test_files_without_pytorch(code: str):
    assert spoken(code) == set()


def test_another_name_of_what_was_told_is_not_told_again():
    code = TORCH + "def f():\n    act = torch.profiler.ProfilerActivity.CUDA\n    return act\n"
    found = [(r.id, hit.node.lineno) for hit in hits(Module("m.py", code)) for r in rules_at(hit)]
    assert found == [("C131", 5)]
