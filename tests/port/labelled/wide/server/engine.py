"""An inference server with a profiler of its own."""
import logging
import os
import subprocess
from subprocess import check_output

import sglang as sgl  # ~ C133
import torch
import torch.cuda.profiler as cuda_profiler  # ~ C131?
import nvtx  # ~ C130
import onnxruntime as ort
from fastapi import FastAPI
from torch.cuda import nvtx as tnvtx  # ~ C130?
from torch.profiler import ProfilerActivity, profile, record_function, schedule
from vllm import LLM, AsyncEngineArgs, AsyncLLMEngine, SamplingParams  # ~ C133
from vllm.lora.request import LoRARequest  # ~ C133
from lmdeploy import pipeline as lm_pipeline  # ~ C133
import tritonclient.http as triton_http  # ~ none C060?

app = FastAPI(title="cuda server")  # ~ none
log = logging.getLogger("cuda")  # ~ none
os.environ["VLLM_ATTENTION_BACKEND"] = "FLASH_ATTN"  # ~ C133|C052|C054|C056
os.environ["PYTORCH_CUDA_ALLOC_CONF"] = "expandable_segments:True"  # ~ C106
os.environ["TORCHINDUCTOR_CACHE_DIR"] = "/tmp/ind"  # ~ C074
os.environ["TOKENIZERS_PARALLELISM"] = "false"  # ~ none


def build(model):
    llm = LLM(  # ~ C133
        model=model,
        tensor_parallel_size=4,  # ~ C110
        gpu_memory_utilization=0.92,  # ~ C133
        quantization="awq",  # ~ C069|C133
        dtype="float16",  # ~ C042
        enforce_eager=True,  # ~ none C133?
    )
    args = AsyncEngineArgs(model=model, gpu_memory_utilization=0.5, enable_prefix_caching=True)  # ~ C133
    engine = AsyncLLMEngine.from_engine_args(args)  # ~ C133
    rt = sgl.Engine(model_path=model, mem_fraction_static=0.8)  # ~ C133
    params = SamplingParams(temperature=0.1)  # ~ C133?
    return llm, engine, rt, params


def sessions(path):
    a = ort.InferenceSession(path, providers=["CUDAExecutionProvider", "CPUExecutionProvider"])  # ~ C140
    b = ort.InferenceSession(path, providers=["CPUExecutionProvider"])  # ~ none
    c = ort.InferenceSession(path, providers=[("TensorrtExecutionProvider", {})])  # ~ C140|C071
    io = a.io_binding()
    io.bind_output("y", "cuda")  # ~ C003|C140
    if ort.get_device() == "GPU":  # ~ none C140?
        return a
    return b, c


def trace(fn, path):
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA], schedule=schedule(wait=1, warmup=1, active=2)) as prof:  # ~ C131
        with record_function("step"):  # ~ none
            fn()
    prof.export_chrome_trace(path)  # ~ none
    print(prof.key_averages().table(sort_by="cuda_time_total"))  # ~ C131
    print(prof.key_averages().table(sort_by="self_cuda_time_total", row_limit=5))  # ~ C131
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]):  # ~ C131
        fn()
    with torch.autograd.profiler.profile(use_cuda=True):  # ~ C131
        fn()
    with torch.profiler.profile(activities=[ProfilerActivity.CPU]):  # ~ none
        fn()
    with torch.autograd.profiler.emit_nvtx():  # ~ C130
        fn()


def marks(fn):
    torch.cuda.nvtx.range_push("forward")  # ~ C130
    fn()
    torch.cuda.nvtx.range_pop()  # ~ C130
    with torch.cuda.nvtx.range("step"):  # ~ C130
        fn()
    tnvtx.mark("here")  # ~ C130
    with nvtx.annotate("x", color="red"):  # ~ C130
        fn()
    torch.cuda.profiler.start()  # ~ C131
    cuda_profiler.stop()  # ~ C131
    torch.cuda.cudart().cudaProfilerStart()  # ~ C131
    with cuda_profiler.profile():  # ~ C131
        fn()


@nvtx.annotate()  # ~ C130
def step(x):
    return x


def watch():
    out = subprocess.run(["nvidia-smi", "--query-gpu=memory.used", "--format=csv"], capture_output=True)  # ~ C132
    txt = check_output("nvidia-smi -L", shell=True)  # ~ C132
    n = os.popen("nvidia-smi | grep python").read()  # ~ C132
    cmd = ["/usr/bin/nvidia-smi", "-q"]  # ~ C132
    os.system("nvidia-smi --gpu-reset")  # ~ C132
    subprocess.check_call(["nsys", "profile", "python", "x.py"])  # ~ C131
    util = torch.cuda.utilization(0)  # ~ C021|C132
    used = torch.cuda.list_gpu_processes()  # ~ C020|C018|C132|C138
    free = subprocess.run(["free", "-m"])  # ~ none
    return out, txt, n, cmd, util, used, free


def gpustats():
    import gpustat  # ~ C132
    from py3nvml import py3nvml  # ~ C132
    from pynvml import nvmlInit  # ~ C132

    nvmlInit()  # ~ C132
    py3nvml.nvmlInit()  # ~ C132
    return gpustat.new_query()  # ~ C132


@app.get("/health")
def health():
    return {"device": "gpu", "note": "runs on cuda"}  # ~ none


@app.post("/predict")
def predict(x: list):
    t = torch.tensor(x)  # ~ none
    y = t.to("cpu")
    print(y.sum())  # ~ none
    z = t.cpu()
    print(z)  # ~ none
    return y.tolist()  # ~ none


@torch.inference_mode()
def run(model, x):
    out = model(x)
    logits = model.head(out)
    best = torch.argmax(logits, -1)
    log.info("best %s", best.item())  # ~ C077
    v = float(logits.max())  # ~ C077
    n = int(best[0])  # ~ C077
    ok = bool(logits.sum() > 0)  # ~ C077|C080
    host = logits.detach().cpu().numpy()  # ~ C078
    rows = best.tolist()  # ~ C078
    print(logits)  # ~ C078
    print(f"mean {logits.mean()}")  # ~ C078|C077
    text = f"{logits.max():.3f}"  # ~ C077|C078
    same = torch.equal(logits, logits)  # ~ C077|C080
    near = torch.allclose(logits, logits)  # ~ C077|C080
    arr = logits.to("cpu").numpy()  # ~ C078
    lst = [t.item() for t in logits]  # ~ C077
    k = len(rows)  # ~ none
    s = str(k)  # ~ none
    torch.cuda.synchronize(device=x.device)  # ~ C016
    torch.cuda.current_stream().synchronize()  # ~ C016|C025
    return v, n, ok, host, text, same, near, arr, lst, s
