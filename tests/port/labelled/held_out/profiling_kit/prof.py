import torch
import torch.profiler as tp
from pynvml import nvmlInit  # ~ C132
from torch.cuda import Stream, current_stream
from torch.cuda import memory_allocated as mem
from torch.cuda import nvtx as nv


def go(m, x):
    nv.range_push("a")  # ~ C130
    with tp.profile(activities=[tp.ProfilerActivity.CUDA], record_shapes=True) as p:  # ~ C131
        m(x)
    s = Stream()  # ~ C024
    s.wait_stream(current_stream())  # ~ C025
    e = torch.cuda.Event(enable_timing=True)  # ~ C026
    e.record()  # ~ C026?
    before = mem()  # ~ C018
    free, _ = torch.cuda.mem_get_info()  # ~ C019
    torch.cuda.memory._snapshot()  # ~ C020
    torch.cuda.ipc_collect()  # ~ C138
    torch.cuda.profiler.stop()  # ~ C131
    nvmlInit()  # ~ C132
    import os
    os.system("nvidia-smi > log.txt")  # ~ C132
    n = torch.cuda.get_device_properties(0).total_memory  # ~ C021
    i = torch.cuda.current_device()  # ~ C008
    with torch.cuda.device(i):  # ~ C010
        pass
    torch._inductor.config.max_autotune = True  # ~ C074
    torch._dynamo.config.suppress_errors = True  # ~ C075?
    t = torch.jit.trace(m, x)  # ~ C076
    torch.accelerator.synchronize()  # ~ C015
    return p, e, before, free, n, t


def dtype_for(dev):
    if dev.type == "cuda" and torch.cuda.is_bf16_supported():  # ~ C012 C023:light
        return torch.bfloat16
    if torch.version.cuda and dev.type != "cpu":  # ~ C014
        return torch.float16  # ~ C042?
    return torch.float32  # ~ none


@torch.jit.script  # ~ C076
def f(x):
    return x + 1


class Fn(torch.autograd.Function):
    @staticmethod
    @torch.cuda.amp.custom_fwd(cast_inputs=torch.float32)  # ~ C041
    def forward(ctx, x):
        return x * 2
