import torch
import torch.cuda.profiler as profiler
from torch import cuda as c
from torch.cuda import Event, nvtx
from torch.profiler import ProfilerActivity, profile

try:
    import pynvml  # ~ C132:light
except ImportError:
    pynvml = None


def time_it(fn, n=20):
    start, end = Event(enable_timing=True), Event(enable_timing=True)  # ~ C026
    c.synchronize()  # ~ C016
    start.record()  # ~ C026?
    for _ in range(n):  # ~ none
        fn()
    end.record()  # ~ C026?
    torch.cuda.synchronize()  # ~ C016
    return start.elapsed_time(end) / n  # ~ C026?


def memory():
    c.empty_cache()  # ~ C017
    c.reset_peak_memory_stats()  # ~ C018
    used = torch.cuda.max_memory_allocated() / 2**30  # ~ C018
    held = c.memory_reserved()  # ~ C018
    stats = torch.cuda.memory_stats()["allocated_bytes.all.peak"]  # ~ C018
    free, total = torch.cuda.mem_get_info()  # ~ C019
    torch.cuda.memory._record_memory_history(max_entries=100000)  # ~ C020
    torch.cuda.memory._dump_snapshot("snap.pickle")  # ~ C020
    print(torch.cuda.memory_summary())  # ~ C020
    return used, held, stats, free / total


def streams(x):
    side = torch.cuda.Stream()  # ~ C024
    side.wait_stream(torch.cuda.current_stream())  # ~ C025
    with torch.cuda.stream(side):  # ~ C024
        y = x * 2
    c.current_stream().wait_stream(side)  # ~ C025
    y.record_stream(side)  # ~ C025
    return y


def graphs(model, x):
    g = torch.cuda.CUDAGraph()  # ~ C027
    with torch.cuda.graph(g):  # ~ C027
        y = model(x)
    g.replay()  # ~ C027?
    fast = torch.cuda.make_graphed_callables(model, (x,))  # ~ C027
    return y, fast


def trace(model, x):
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as prof:  # ~ C131
        with nvtx.range("forward"):  # ~ C130
            model(x)
    torch.cuda.nvtx.range_push("step")  # ~ C130
    nvtx.range_pop()  # ~ C130
    profiler.start()  # ~ C131
    torch.cuda.cudart().cudaProfilerStart()  # ~ C131
    with torch.autograd.profiler.emit_nvtx():  # ~ C130|C131
        model(x)
    print(prof.key_averages().table(sort_by="cuda_time_total"))  # ~ C131?
    with torch.profiler.profile(activities=[ProfilerActivity.CPU]) as p:  # ~ none
        model(x)
    with torch.profiler.record_function("eval"):  # ~ none
        model(x)


def utilisation():
    import subprocess

    pynvml.nvmlInit()  # ~ C132
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)  # ~ C132
    out = subprocess.run(["nvidia-smi", "--query-gpu=memory.used"], capture_output=True)  # ~ C132
    return out.stdout, handle


def settings():
    from torch._inductor import config as ind  # ~ C074?

    ind.triton.cudagraphs = True  # ~ C074
    torch._inductor.config.coordinate_descent_tuning = True  # ~ C074
    torch._dynamo.config.cache_size_limit = 64  # ~ C075?
    torch._dynamo.mark_dynamic(torch.zeros(3, 4), 0)  # ~ C075
    return torch.compile(torch.nn.Linear(2, 2), dynamic=True)  # ~ C075 C072


def script(model, x):
    a = torch.jit.trace(model, x)  # ~ C076
    b = torch.jit.script(model)  # ~ C076
    return a, b
