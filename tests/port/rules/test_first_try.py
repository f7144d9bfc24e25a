"""Forty snippets that were labelled before the tool saw them: the figures are in docs/port.md.

Four labels named a neighbour of the rule that reads better, and were corrected then.
"""

import pytest

from glia.port.rules.table import rules_at
from glia.port.source.hits import hits
from glia.port.source.module import Module

HEAD = (
    "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"
    "import torch.distributed as dist\n"
)
FORWARD = "class M(nn.Module):\n    def forward(self, x, mask=None):\n        "


LABELLED = [
    ("C080", FORWARD + "if x.max() > 10:\n            x = x.clamp(max=10)\n        return x"),
    ("C080", FORWARD + "while (x.abs() > 1).any():\n            x = x * 0.5\n        return x"),
    ("C079", FORWARD + "assert torch.isfinite(x).all()\n        return x"),
    (
        "C150",
        "def step(logits, loss):\n    if torch.isnan(loss):\n        return None\n"
        "    loss.backward()",
    ),
    ("", FORWARD + "if x.dim() == 3:\n            x = x.unsqueeze(0)\n        return x"),
    ("", FORWARD + "if mask is None:\n            return x\n        return x * mask"),
    (
        "C033",
        "from torch.utils.data import DataLoader\n"
        "loader = DataLoader(ds, 8, pin_memory=not args.no_pin)",
    ),
    ("C033", "x = x.pin_memory()"),
    (
        "C036",
        "from torch.utils.data import DataLoader\n"
        "loader = DataLoader(ds, batch_size=8, shuffle=True)",
    ),
    (
        "C035",
        "kwargs = {'num_workers': 4, 'batch_size': 8}\n"
        "loader = torch.utils.data.DataLoader(ds, **kwargs)",
    ),
    (
        "",
        "from torch.utils.data import DataLoader\n"
        "loader = DataLoader(ds, 8, drop_last=True, num_workers=0)",
    ),
    ("C118", "opt = torch.optim.Adam(m.parameters(), lr=1e-3, fused=True)"),
    ("C118", "opts = dict(lr=1e-3, fused=True)\nopt = torch.optim.AdamW(m.parameters(), **opts)"),
    ("C065", "import bitsandbytes as bnb\nopt = bnb.optim.Adam8bit(m.parameters())"),
    ("", "opt = torch.optim.SGD(m.parameters(), lr=0.1, foreach=False)"),
    (
        "C003",
        "@torch.no_grad()\ndef load(path, device='cuda'):\n"
        "    return torch.load(path, map_location=device)",
    ),
    ("C003|C002", "DEVICE = 'cuda:1'\nm = nn.Linear(2, 2).to(DEVICE)"),
    ("C007", "ngpu = torch.cuda.device_count()\nbs = args.bs // ngpu"),
    ("C143", "if not torch.cuda.is_available():\n    raise EnvironmentError('CUDA required')"),
    (
        "C005",
        "dev = torch.device('cuda') if use_cuda and torch.cuda.is_available() "
        "else torch.device('cpu')",
    ),
    ("", "parser.add_argument('--device', choices=['cpu', 'cuda', 'mps'], default='cpu')"),
    ("C103", "dist.init_process_group('nccl', rank=r, world_size=n)"),
    ("C103", "backend = 'nccl' if on_linux else 'gloo'\ndist.init_process_group(backend=backend)"),
    ("C107", "m = nn.parallel.DistributedDataParallel(m, device_ids=[rank])"),
    ("C108", "if n > 1:\n    m = nn.DataParallel(m)"),
    ("C117", "m = nn.SyncBatchNorm.convert_sync_batchnorm(m)"),
    ("", "dist.init_process_group('gloo', rank=r, world_size=n)"),
    ("C060", "import triton.language as tl\nBLOCK = tl.constexpr(64)"),
    (
        "C061",
        "from torch.utils.cpp_extension import load_inline\n"
        "mod = load_inline('a', cpp_sources='', cuda_sources=src)",
    ),
    (
        "C054",
        "from flash_attn import flash_attn_varlen_func\n"
        "y = flash_attn_varlen_func(q, k, v, a, b, c, d)",
    ),
    (
        "C052",
        "from torch.nn.attention import SDPBackend, sdpa_kernel\n"
        "with sdpa_kernel(SDPBackend.FLASH_ATTENTION):\n    y = f(q)",
    ),
    ("C077", "for b in loader:\n    loss = m(b)\n    loss.backward()\n    total += loss.item()"),
    ("C078", FORWARD + "y = x.detach().cpu().numpy()\n        return y"),
    ("C078", FORWARD + "n = mask.sum().tolist()\n        return x[:n]"),
    ("", "import json\nfor k, v in config.items():\n    print(k, v)"),
    ("C132|C138", "import subprocess\nsubprocess.run(['nvidia-smi', '-L'])"),
    ("C106", "import os\nos.environ['PYTORCH_CUDA_ALLOC_CONF'] = 'expandable_segments:True'"),
    ("C042", "with torch.autocast('cuda', dtype=torch.float16):\n    y = m(x)"),
    ("C044", FORWARD + "return x.to(torch.float64).sum()"),
    ("", "import numpy as np\nx = np.zeros(4, dtype=np.float64)"),
]


@pytest.mark.parametrize(("rules", "code"), LABELLED)
def test_a_snippet_has_its_label(rules: str, code: str):
    module = Module("m.py", HEAD + code)
    spoken = {rule.id for hit in hits(module) for rule in rules_at(hit)}
    assert bool(spoken & set(rules.split("|"))) if rules else not spoken, spoken
