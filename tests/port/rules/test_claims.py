"""What rules claim of the CPU, against what PyTorch does there: it raises, or goes on.

The oracle is PyTorch itself, without CUDA. A rule that says `raises` must raise on its case; one
that says `works`, `slower` or `silent` must not.
"""

import sys
import warnings

import pytest

torch = pytest.importorskip("torch")

from glia.port.rules.table import RULES  # noqa: E402

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="asks a PyTorch without CUDA")

CASES = [
    ("C001", "torch.ones(1).cuda()"),
    ("C001", "torch.nn.Linear(1, 1).cuda()"),
    ("C002", "torch.ones(1).to('cuda')"),
    ("C003", "torch.zeros(2, device='cuda')"),
    ("C005", "torch.device('cuda' if torch.cuda.is_available() else 'cpu')"),
    ("C006", "assert torch.cuda.is_available() is False"),
    ("C007", "assert torch.cuda.device_count() == 0"),
    ("C008", "torch.cuda.current_device()"),
    ("C009", "torch.cuda.set_device(0)"),
    ("C010", "torch.cuda.device(0).__enter__()"),
    ("C011", "assert torch.ones(1).is_cuda is False"),
    ("C012", "assert (torch.ones(1).device.type == 'cuda') is False"),
    ("C013", "torch.cuda.FloatTensor(2)"),
    ("C014", "assert torch.version.cuda is None"),
    ("C015", "torch.accelerator.synchronize()"),
    ("C015", "torch.accelerator.empty_cache()"),
    ("C015", "torch.accelerator.memory_allocated()"),
    ("C015", "torch.accelerator.set_device_index(0)"),
    ("C015", "torch.accelerator.current_device_index()"),
    ("C016", "torch.cuda.synchronize()"),
    ("C017", "torch.cuda.empty_cache()"),
    ("C018", "assert torch.cuda.memory_allocated() == 0"),
    ("C019", "torch.cuda.mem_get_info()"),
    ("C020", "torch.cuda.memory._record_memory_history()"),
    ("C020", "torch.cuda.memory_summary()"),
    ("C021", "torch.cuda.get_device_name()"),
    ("C021", "torch.cuda.get_device_properties(0)"),
    ("C022", "torch.cuda.get_device_capability()"),
    ("C023", "assert torch.cuda.is_bf16_supported() is False"),
    ("C024", "torch.cuda.Stream()"),
    ("C025", "torch.cuda.current_stream()"),
    ("C026", "torch.cuda.Event(enable_timing=True).record()"),
    ("C027", "torch.cuda.CUDAGraph()"),
    ("C028", "torch.cuda.manual_seed_all(1)"),
    ("C029", "torch.cuda.get_rng_state()"),
    ("C144", "assert issubclass(torch.cuda.OutOfMemoryError, RuntimeError)"),
    ("C030", "torch.Generator(device='cuda')"),
    ("C033", "torch.ones(1).pin_memory()"),
    ("C038", "run_in(torch.cuda.amp.autocast(), torch.float32)"),
    ("C039", "run_in(torch.autocast('cuda', dtype=torch.float16), torch.float32)"),
    ("C040", "assert torch.cuda.amp.GradScaler().is_enabled() is False"),
    ("C044", "torch.ones(2, dtype=torch.float64) @ torch.ones(2, dtype=torch.float64)"),
    ("C045", "torch.ones(2).long() + 1"),
    ("C046", "torch.polar(torch.ones(2), torch.ones(2)) * 2"),
    ("C047", "torch.fft.rfft(torch.ones(4))"),
    ("C049", "torch.backends.cuda.matmul.allow_tf32"),
    ("C050", "torch.backends.cudnn.benchmark"),
    ("C053", "torch.nn.functional.scaled_dot_product_attention(*[torch.ones(1, 1, 2, 4)] * 3)"),
    ("C054", "import flash_attn"),
    ("C057", "import xformers"),
    ("C060", "import triton"),
    ("C063", "import apex"),
    ("C067", "import transformer_engine"),
    ("C071", "import tensorrt"),
    ("C077", "torch.ones(1).item()"),
    ("C078", "torch.ones(1).numpy()"),
    ("C081", "torch.nonzero(torch.ones(3))"),
    ("C082", "torch.ones(3)[torch.ones(3) > 0]"),
    ("C083", "torch.unique(torch.ones(3))"),
    ("C084", "torch.repeat_interleave(torch.ones(2), torch.tensor([1, 2]))"),
    ("C088", "torch.ones(2).mul_(2)"),
    ("C089", "torch.ones(4).as_strided((2, 2), (1, 2))"),
    ("C090", "torch.zeros(2).index_add(0, torch.tensor([0]), torch.ones(1))"),
    ("C092", "torch.topk(torch.randint(0, 9, (4,)), 2)"),
    ("C098", "torch.linalg.svd(torch.eye(2))"),
    ("C099", "torch.ones(2).to_sparse()"),
    ("C101", "torch.multinomial(torch.ones(3), 1)"),
    ("C108", "torch.nn.DataParallel(torch.nn.Linear(1, 1))(torch.ones(1, 1))"),
    ("C117", "in_group(torch.nn.SyncBatchNorm(2), torch.ones(2, 2))"),
    ("C118", "step(torch.optim.AdamW, fused=True)"),
    ("C119", "step(torch.optim.Adam, capturable=True)"),
    ("C142", "step(torch.optim.SGD, foreach=True)"),
    ("C120", "torch.nn.utils.clip_grad_norm_([torch.nn.Parameter(torch.ones(1))], 1.0)"),
    ("C130", "torch.cuda.nvtx.range_push('a')"),
    ("C131", "torch.profiler.ProfilerActivity.CUDA"),
    ("C138", "torch.cuda.init()"),
    ("C139", "torch.ones(1).to(0)"),
    ("C141", "torch.ones(2).long() * torch.ones(2).long()"),
]


def in_group(module, x):
    """What a module gives in a process group of one rank of the CPU."""
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        return module(x)
    finally:
        torch.distributed.destroy_process_group()


def run_in(context, dtype):
    with context:
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def step(optimizer, **settings):
    weight = torch.nn.Parameter(torch.ones(1))
    weight.sum().backward()
    optimizer([weight], **settings).step()


def outcome(code: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(code, {"torch": torch, "run_in": run_in, "in_group": in_group, "step": step})
        except AssertionError as error:
            if "assert" in code:
                raise
            return f"raises {error}"
        except Exception as error:
            return f"raises {type(error).__name__}"
    return "goes on"


@pytest.fixture(autouse=True)
def no_stand_ins(monkeypatch: pytest.MonkeyPatch):
    """Other tests put glia's stand-in of torch_xla in place, and PyTorch looks for one."""
    rest = [f for f in sys.meta_path if not type(f).__module__.startswith("glia.")]
    monkeypatch.setattr(sys, "meta_path", rest)
    for name in [n for n in sys.modules if n.split(".")[0] == "torch_xla"]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize(("rule", "code"), CASES)
def test_what_a_rule_says_of_the_cpu_is_what_happens(rule: str, code: str):
    effect = RULES[rule].on["cpu"].effect
    expected = "raises" if effect == "raises" else "goes on"
    assert outcome(code).startswith(expected), (rule, effect)
