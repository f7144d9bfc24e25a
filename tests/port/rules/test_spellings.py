"""Further spellings of idioms, written while rules were mended, and what must stay silent then."""

import pytest

from glia.port.rules.table import rules_at
from glia.port.source.hits import hits
from glia.port.source.module import Module

TORCH = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"
FORWARD = "class M(nn.Module):\n    def forward(self, x, mask, step):\n        "
LOOP = "def run(m, x):\n    for i in range(9):\n        "


def spoken(code: str) -> set[str]:
    return {rule.id for hit in hits(Module("m.py", code)) for rule in rules_at(hit)}


FOUND = [
    # names that lead elsewhere
    ("C016", "from torch.cuda import *\nsynchronize()"),
    ("C003", "from torch import *\nx = zeros(3, device='cuda')"),
    ("C016", "class A:\n    gpu = torch.cuda\n    def f(self):\n        self.gpu.synchronize()"),
    ("C028", "class A:\n    def f(self):\n        self.c = torch.cuda\n"
     "        self.c.manual_seed(1)"),
    ("C138", "getattr(torch, 'cuda').init()"),
    ("C138", "torch.cuda._sleep(100)"),
    ("C001", "move = torch.nn.Module.cuda"),
    ("C001", "f = map(lambda m: m.cuda(), ms)"),
    # of a blind try of 341 places
    ("C148", "s, i = torch.sort(x.softmax(-1), descending=True)"),
    ("C148", "o = torch.argsort(torch.rand(3))"),
    ("C148", "y = torch.rand(3).sort().values"),
    ("C150", "def train(m, d):\n    for x in d:\n        loss = F.mse_loss(m(x), x)\n"
     "        if loss > 100: continue\n        loss.backward()"),
    ("C080", FORWARD + "if x.sum() > 0:\n            return x"),
    ("C149", "from megatron.core import parallel_state"),
    ("C046", "w = x.to(torch.cdouble)"),
    ("C103", "o = torch.distributed.ProcessGroupNCCL.Options()"),
    ("C063", "config = {'optimizer': {'type': 'OneBitAdam'}}"),
    ("C001", "class R(nn.Module):\n    def cuda(self): return super().cuda()\nm = R().cuda()"),
    # devices
    ("C005", "if torch.cuda.is_available():\n    d = 'cuda'\nelse:\n    d = 'cpu'"),
    ("C005", "d = 'cpu'\nif torch.cuda.is_available():\n    d = 'cuda'"),
    ("C005", "if torch.cuda.is_available():\n    d = torch.device('cuda')\nelif mps():\n"
     "    d = torch.device('mps')\nelse:\n    d = torch.device('cpu')"),
    ("C005", "ok = torch.cuda.is_available()\nd = torch.device('cuda' if ok else 'cpu')"),
    ("C005", "d = 'cuda' if torch.cuda.device_count() > 0 else 'cpu'"),
    ("C012", "match d.type:\n    case 'cuda':\n        pass"),
    ("C012", "fast = str(d).startswith('cuda')"),
    ("C139", "x = x.to(0)"),
    ("C139", "x = torch.ones(2, device=local_rank)"),
    ("C139", "m = m.to(self.gpu_id)"),
    ("C015", "with torch.accelerator.device_index(0):\n    pass"),
    ("C022", "ok = torch.cuda.get_device_capability()[0] >= 9"),
    ("C143", "assert torch.cuda.is_available() and fast"),
    ("C143", "if not torch.cuda.is_available():\n    print('no')\n    sys.exit(1)"),
    ("C143", "if torch.cuda.is_available():\n    go()\nelse:\n    raise RuntimeError('no GPU')"),
    ("C143", "if torch.cuda.device_count() < 2:\n    raise SystemExit(2)"),
    ("C143", "assert torch.cuda.device_count() > 0"),
    ("C143", "if x.device.type != 'cuda':\n    raise ValueError(x)"),
    ("C006", "if not torch.cuda.is_available():\n    return_code = 1"),
    ("C006", "if torch.cuda.is_available():\n    raise RuntimeError('for the CPU')"),
    ("C006", "assert not torch.cuda.is_available()"),
    ("C006", "assert ready or torch.cuda.is_available()"),
    ("C011", "if x.is_cuda:\n    raise ValueError('on the host, please')"),
    ("C136", "import lightning as L\nt = L.Trainer(accelerator='gpu', devices=8)"),
    ("C063", "config = {'optimizer': {'type': 'FusedAdam'}}"),
    ("C029", "with torch.random.fork_rng(devices=[0]):\n    pass"),
    ("C060", "from triton import JITFunction\nf = JITFunction(g)"),
    ("C033", "l = torch.utils.data.DataLoader(d, 8, pin_memory=not args.no_pin)"),
    # precision
    ("C042", "m = load(n, torch_dtype='float16')"),
    ("C042", "t = Trainer(precision='16-mixed')"),
    ("C147", "a = Accelerator(mixed_precision='fp16')"),
    ("C042", "dtype = 'bfloat16' if ok else 'float16'"),
    ("C042", "p.add_argument('--dtype', default='fp16')"),
    ("C042", "import numpy as np\nx = np.ones(2)\nx = torch.from_numpy(x).half()"),
    ("C145", "args = TrainingArguments(tf32=True)"),
    ("C145", "args = SFTConfig('out', tf32=True)"),
    ("C049", "prepare(tf32=True)"),
    ("C146", "args = TrainingArguments(bf16=True)"),
    ("C147", "args = TrainingArguments(fp16=True)"),
    ("C147", "from accelerate import Accelerator\na = Accelerator(mixed_precision='fp16')"),
    ("C147", "import accelerate as ac\na = ac.Accelerator(mixed_precision='fp16' if h else 'no')"),
    ("C042", "prepare(mixed_precision='fp16')"),
    # seeds that stand alone: Python's and NumPy's seed no device, another function may not run
    ("C028", "import random\nrandom.seed(1)\ntorch.cuda.manual_seed(1)"),
    ("C028", "import numpy as np\ndef f(s):\n    np.random.seed(s)\n"
     "    torch.cuda.manual_seed_all(s)"),
    ("C028", "def g():\n    torch.manual_seed(1)\ndef f():\n    torch.cuda.manual_seed(1)"),
    ("C028", "torch.Generator().manual_seed(1)\ntorch.cuda.manual_seed(1)"),
    ("C028", "torch.manual_seed(1)\ntorch.cuda.seed_all()"),
    # out of memory
    ("C144", "try:\n    f()\nexcept torch.cuda.OutOfMemoryError:\n    pass"),
    ("C144", "from torch.cuda import OutOfMemoryError as OOM\ntry:\n    f()\n"
     "except (OOM, ValueError):\n    pass"),
    ("C144", "try:\n    f()\nexcept RuntimeError as e:\n"
     "    if 'CUDA out of memory' in str(e):\n        pass"),
    ("C144", "try:\n    f()\nexcept RuntimeError as e:\n"
     "    if 'out of memory' not in str(e).lower():\n        raise"),
    ("C144", "oom = 'cuda out of memory' in str(e).lower()"),
    ("C144", "oom = str(e).startswith('CUDA out of memory')"),
    ("C144", "oom = any(m in str(e) for m in ('CUDA out of memory.', 'other'))"),
    ("C141", "n = torch.cumprod(x.long(), 0)"),
    ("C141", "key = ids.long() * strides.long()"),
    ("C043", "netG = netG.to(dtype=torch.bfloat16)\nopt = torch.optim.AdamW(netG.parameters())"),
    # what runs on the chip
    ("C031", "y = F.dropout2d(x, 0.1, training=True)"),
    ("C031", "n = torch.randn_like(x)"),
    ("C080", FORWARD + "h = self.body(x)\n        if h.mean() > 0:\n            h = -h"),
    ("C080", LOOP + "while x.norm() > 1:\n            x = x / 2"),
    ("C080", FORWARD + "if torch.equal(x, mask):\n            return x"),
    ("C077", "l.backward()\nv = float(l)"),
    ("C077", "v = float(criterion(y, t))"),
    ("C077", "n = int(lengths.max())"),
    ("C078", "loss = f(x)\nloss.backward()\nprint(loss)"),
    ("C082", "keep = scores > 0.5\nx = boxes[keep]"),
    ("C082", "x = x[mask.bool()]"),
    ("C082", "x = x[labels == 1]"),
    ("C086", LOOP + "x = torch.cat([x, m(x)], 1)"),
    ("C088", FORWARD + "h = self.body(x)\n        h += x"),
    ("C088", "logits[logits < low] = 0"),
    ("C088", "o = x.new_zeros(3)\no[0] += 1"),
    ("C093", "high = (qweight >> 4) & 15"),
    ("C095", FORWARD + "assert x.isnan().sum() == 0\n        return self.wpe(x)"),
    ("C124", FORWARD + "w = 0.0 if step < 9 else 1.0\n        return x + w * mask"),
    ("C124", "beta = min(1.0, step / 10)\nloss = rec + beta * kl_loss"),
    ("C124", "on = float(epoch > 3)\nloss = rec + on * aux_loss"),
    # data, optimizers, libraries
    ("C033", "PIN = os.getenv('PIN', 'true') == 'true'\nl = DataLoader(d, pin_memory=PIN)"),
    ("C035", "kw = {'num_workers': 1, 'pin_memory': True}"),
    ("C035", "args = TrainingArguments(dataloader_num_workers=4)"),
    ("C036", "kw = {'num_workers': 1}\nl = torch.utils.data.DataLoader(d, batch_size=8, **kw)"),
    ("C118", "o = torch.optim.AdamW(p, fused=torch.cuda.is_available())"),
    ("C142", "o = torch.optim.SGD(p, foreach=True)"),
    ("C121", "args = TrainingArguments(gradient_checkpointing=True)"),
    ("C072", "args = TrainingArguments(torch_compile=True)"),
    ("C066", "args = TrainingArguments(deepspeed='zero3.json')"),
    ("C066", "import deepspeed as ds\ne = ds.initialize(model=m)"),
    ("C063", "from apex import amp\nm, o = amp.initialize(m, o)"),
    ("C067", "import transformer_engine.pytorch as te\nl = te.Linear(4, 4)"),
    ("C070", "from numba import cuda\n@cuda.jit\ndef f(a):\n    pass"),
    ("C057", "pipe.enable_xformers_memory_efficient_attention()"),
    ("C069", "m = LLM(n, quantization='awq')"),
    ("C069", "from torchao.quantization import quantize_\nquantize_(m)"),
    ("C064", "p = pipeline(n, model_kwargs={'load_in_8bit': True})"),
    ("C132", "import pynvml\nh = pynvml.nvmlDeviceGetHandleByIndex(0)"),
    ("C133", "from sglang import Engine"),
    ("C140", "import onnxruntime as ort\ns = ort.InferenceSession(m, "
     "providers=['CUDAExecutionProvider', 'CPUExecutionProvider'])"),
    ("C055", "cu_seqlens = F.pad(n.cumsum(0), (1, 0))"),
    ("C071", "import tensorrt as trt\nb = trt.Builder(log)"),
    # many devices
    ("C103", "torch.distributed.init_process_group('cuda:nccl,cpu:gloo')"),
    ("C109", "from lightning.pytorch.strategies import FSDPStrategy\ns = FSDPStrategy()"),
    ("C109", "args = TrainingArguments(fsdp='full_shard')"),
    ("C110", "local = self.num_kv_heads // tp_size"),
    ("C114", "from torch.distributed.pipelining import pipeline"),
    ("C116", "import torch.distributed as dist\nwhile go:\n    dist.reduce_scatter_tensor(o, g)"),
    ("C117", "t = Trainer(sync_batchnorm=True)"),
    ("C128", "m = load(n, device_map={'': 0})"),
    ("C129", "p = {'offload_param': {'device': 'cpu'}}"),
    ("C127", "def convert_hf_checkpoint(path):\n    pass"),
    ("C019", "torch.cuda.set_per_process_memory_fraction(0.5)"),
]  # fmt: skip

SILENT = [
    "class R:\n    def cuda(self): return self\nr = R().cuda()",
    "class R:\n    def cuda(self): return self\nr = R()\nr.cuda()",
    "names = [1]\nnames.sort()",
    "torch.manual_seed(1)\ntorch.cuda.manual_seed(1)",
    "torch.cuda.manual_seed_all(1)\ntorch.manual_seed(1)",
    "def f(s):\n    torch.random.manual_seed(s)\n    torch.cuda.random.manual_seed_all(s)",
    "def g():\n    torch.manual_seed(1)\ndef f():\n    g()\n    torch.cuda.manual_seed(1)",
    "def f():\n    torch.cuda.manual_seed(1)\ndef g():\n    torch.manual_seed(1)\n    f()",
    "from lightning import seed_everything\nseed_everything(1)\ntorch.cuda.manual_seed(1)",
    "args = TrainingArguments(bf16=True, use_cpu=no_gpu)",
    "a = Accelerator(mixed_precision='bf16')",
    "print('out of memory')",
    "log.warning('CUDA out of memory, retrying')",
    "import sys\nprint('cuda' in sys.argv)",
    "import sys\nok = 'cuda' in sys.modules",
    # tables, choices, types of parameters, comparisons
    "kinds = {'cpu', 'cuda', 'mps'}",
    "def f(x: torch.LongTensor) -> torch.HalfTensor:\n    return x",
    "t = {'fp16': torch.float16, 'fp32': torch.float32}",
    "same = x.dtype == torch.float16",
    "big = x.dtype in (torch.int64, torch.float64)",
    "assert 'cuda' != 'cpu'",
    # loading and keeping books
    "sd[k].copy_(other[k])",
    "layer.weight.copy_(w)",
    "p.data.add_(p.grad)",
    "class D(torch.utils.data.Dataset):\n    def __getitem__(self, i):\n"
    "        self.out[:, 0] = 1\n        return self.out",
    "x = torch.empty(3).uniform_()",
    # loops that start anew
    LOOP + "z = torch.cat([z, z], 0)",
    LOOP + "x = new(i)\n        x = torch.cat([x, pad], 0)",
    # factors, numbers, names
    "total = memory_gb * scale",
    "m = (x > 0).int() * torch.ones(2).int()",
    "f = torch.arange(4).to(dtype) * step",
    "r = min(1.0, a / b)\nwidth = round(size * r)",
    "n = 3 * heads // 2",
    "x = x.to(torch.float32)",
    "x = x.to(other)",
    "x = frame.to(device)",
    "import tensorflow as tf\nn = out.numpy()",
    "class M(nn.Module):\n    def __init__(self):\n"
    "        self.p = [v.item() for v in torch.linspace(0, 1, 4)]",
    "opts = StateDictOptions(cpu_offload=True)",
    "p = {'offload_param': {'device': 'none'}}",
    "def push_to_hf_hub(m):\n    pass",
    "ok = isinstance(m, torch.nn.DataParallel)",
    "from torch.nn.parallel import DistributedDataParallel as DDP\nm = DDP(m, device_ids=ids(0))",
    "if torch.accelerator.is_available():\n    torch.accelerator.synchronize()",
    "m = LLM(n, quantization='none')",
    "d = DataLoader(s, pin_memory=False)",
    "from torch import *\ndef save(x):\n    pass\nsave(x)",
]  # fmt: skip


@pytest.mark.parametrize(("rule", "code"), FOUND)
def test_further_spellings_are_found(rule: str, code: str):
    assert rule in spoken(TORCH + code)


@pytest.mark.parametrize("code", SILENT)
def test_what_is_no_finding_stays_silent(code: str):
    assert spoken(TORCH + code) == set()


def test_a_text_in_a_file_with_its_own_meaning_of_to():
    assert spoken("class A:\n    def to(self, x):\n        pass\nA().to('cuda')\n") == set()
    assert spoken("event = {'Event': 'cuda'}\n") == set()
    assert spoken("conf = {'device': 'cuda'}\n") == {"C003"}
