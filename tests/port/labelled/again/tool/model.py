"""A point-cloud detector: layers, losses, a step, export and serving."""
import os

import torch
import torch.nn as nn
import torch.nn.functional as F
from flash_attn.modules.mha import MHA  # ~ C054
from sglang import Runtime  # ~ C133
from torch import Tensor
from vllm import EngineArgs, LLMEngine  # ~ C133
import cupyx.scipy.sparse as csp  # ~ C070
import tensorrt_llm  # ~ C071
from hqq.core.quantize import HQQLinear  # ~ C069

os.environ["VLLM_USE_V1"] = "1"  # ~ C133


class Head(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.lin = nn.Linear(c, c)
        self.register_buffer("steps", torch.zeros(1))

    def forward(self, feats, valid: Tensor, ids: torch.LongTensor):
        keep = feats.norm(dim=-1) >= 0.1
        near = feats[keep]  # ~ C082
        seen = valid.bool() & keep
        far = feats[~seen]  # ~ C082
        cols = feats[:, valid.gt(0)]  # ~ C082
        row = feats[ids]  # ~ none
        self.steps += 1  # ~ C088
        h = self.lin(near)
        h[:, :2] = 0  # ~ C088
        h.sub_(1)  # ~ C088
        h /= 2  # ~ C088
        h = torch.relu(h)  # ~ none
        v = h.untyped_storage()  # ~ C089
        if h.max() > 3:  # ~ C080
            h = h * 2
        if h.ndim == 3:  # ~ none
            h = h[0]
        pos = (feats > 0).nonzero()  # ~ C081
        lab = ids.unique()  # ~ C083
        parts = h.split(valid.tolist())  # ~ C084 C078
        order = ids.sort()  # ~ C092
        return far, cols, row, v, pos, lab, parts, order


def step(model, batch, opt, rank):
    model.to(rank)  # ~ C139
    loss = model(batch).sum()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # ~ C120
    opt.step()
    print("loss", loss)  # ~ C078
    print(f"norm {norm:.2f}")  # ~ C078|C077
    history = [float(loss)]  # ~ C077
    host = loss.detach().cpu()
    print(host)  # ~ none
    small = F.softmax(batch, -1).tolist()  # ~ C078
    return history, small


def finish(model, path, rank, world):
    torch.save(model.state_dict(), path)  # ~ C126
    torch.save({"net": model.state_dict()}, path)  # ~ C126
    torch.save([1, 2], path)  # ~ none
    a = torch.load(path)  # ~ C125
    b = torch.load(path, map_location="cpu")  # ~ none
    opt = torch.optim.Adam(model.parameters(), fused=True)  # ~ C118
    opt2 = torch.optim.SGD(model.parameters(), lr=0.1, foreach=True)  # ~ C142
    fast = torch.compile(model, mode="reduce-overhead")  # ~ C073 C072?
    plain = torch.compile(model, fullgraph=True)  # ~ C072
    ts = torch.jit.script(model)  # ~ C076
    g = torch.cuda.CUDAGraph()  # ~ C027
    g.replay()  # ~ C027
    with torch.cuda.nvtx.range("x"):  # ~ C130
        pass
    act = torch.profiler.ProfilerActivity.CUDA  # ~ C131
    smi = os.popen("nvidia-smi -L").read()  # ~ C132
    op = torch.ops.mylib.f(a)  # ~ C062
    ext = torch.utils.cpp_extension.load("e", ["e.cu"])  # ~ C061
    eng = LLMEngine.from_engine_args(EngineArgs(model="m"))  # ~ C133
    where = torch.device(rank)  # ~ C139
    return b, opt, opt2, fast, plain, ts, act, smi, op, ext, eng, where
