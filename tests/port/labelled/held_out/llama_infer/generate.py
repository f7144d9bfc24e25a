import os
import sys
from pathlib import Path

import torch
from sglang import Engine  # ~ C133
from transformers import AutoModelForCausalLM as Auto
from transformers import BitsAndBytesConfig as BnB

os.environ.update({"NCCL_P2P_LEVEL": "NVL", "PYTORCH_CUDA_ALLOC_CONF": "max_split_size_mb:128"})  # ~ C104 C106
os.putenv("CUDA_VISIBLE_DEVICES", "1")  # ~ C105

assert torch.cuda.is_available(), "this script needs a GPU"  # ~ C143
DEV = f"cuda:{os.getenv('LOCAL_RANK', 0)}"  # ~ C003|C004|C002
device = torch.device(DEV)  # ~ C004?
torch.set_default_device(device)  # ~ none

quant = BnB(load_in_8bit=True)  # ~ C064
m = Auto.from_pretrained("x", quantization_config=quant, device_map="balanced")  # ~ C128 C064?
f = Auto.from_pretrained("x", torch_dtype="float16", attn_implementation="flash_attention_3")  # ~ C042 C056
kw = {"attn_implementation": "flash_attention_2", "device_map": "cuda"}  # ~ C056 C003|C128
g = Auto.from_pretrained("x", **kw)  # ~ none


def precompute(dim, end):
    inv = 1.0 / 10000 ** (torch.arange(0, dim, 2).double() / dim)  # ~ C044
    t = torch.arange(end, dtype=torch.float64)  # ~ C044
    fr = torch.outer(t, inv)
    return torch.polar(torch.ones_like(fr), fr).to(torch.complex64)  # ~ C046


def attend(q, k, v, cache):
    if cache is not None:  # ~ none
        k = torch.cat([cache[0], k], dim=-2)  # ~ C086
        v = torch.concat([cache[1], v], dim=-2)  # ~ C086
    try:
        from flash_attn import flash_attn_func as fa  # ~ C054:light
    except ImportError:
        fa = None
    return q, k, v, fa


def setup_model_parallel(cfg, world):
    if torch.cuda.get_device_capability(0)[0] >= 9:  # ~ C022
        cfg.fp8 = True
    cfg.local_kv_heads = cfg.n_kv_heads // world  # ~ C110
    torch.distributed.init_process_group("nccl")  # ~ C103
    torch.cuda.set_device(0)  # ~ C009
    torch.manual_seed(1)  # ~ none
    torch.cuda.manual_seed(1)  # ~ none
    checkpoints = sorted(Path(".").glob("*.pth"))  # ~ none
    ck = torch.load(checkpoints[0], map_location="cpu")  # ~ none
    torch.set_default_tensor_type(torch.cuda.HalfTensor)  # ~ C013
    return ck


def sample(logits, top_p):
    p, i = torch.sort(logits, dim=-1, descending=True)  # ~ C148
    p[p.cumsum(-1) - p > top_p] = 0.0  # ~ C088
    j = torch.multinomial(p, 1)  # ~ C101
    sys.stdout.write(str(j.item()))  # ~ C077
    return i.gather(-1, j)  # ~ none


def quantised(qw, scales):
    w = torch.stack([(qw >> s) & 0x3 for s in (0, 2, 4, 6)], -1)  # ~ C093
    y = w.to(torch.float8_e5m2)  # ~ C048
    return y, scales


def serve(tok, prompts):
    enc = tok(prompts, padding=True, return_tensors="pt")  # ~ C085
    ids = enc.input_ids.cuda()  # ~ C001
    graph = torch.cuda.CUDAGraph()  # ~ C027
    st = torch.cuda.Stream(priority=-1)  # ~ C024
    with torch.cuda.stream(st), torch.cuda.graph(graph):  # ~ C024 C027
        out = m(ids)
    torch.cuda.current_stream().wait_stream(st)  # ~ C025
    compiled = torch.compile(m, mode="max-autotune", dynamic=True)  # ~ C072 C073 C075
    return out, compiled
