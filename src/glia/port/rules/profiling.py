"""Rules about profilers, monitors and serving engines."""

from __future__ import annotations

import ast
import re

from glia.port.rules.conditions import is_given, is_true, last_name
from glia.port.rules.rule import (
    HIP,
    Advice,
    Rule,
    attribute,
    keyword,
    library,
    per_family,
    string,
    use,
)
from glia.port.rules.sources import GAUDI, PROBE, ROCM_TABLE, neuron_sdk
from glia.port.source.hits import Hit

_TOLD = re.compile(r"nvidia-smi\s*([-|>&;]|topo|dmon|pmon|nvlink|mig)")


def _of_the_profiler(hit: Hit) -> bool:
    name = hit.module.dotted(hit.call.func) if hit.call is not None else ""
    return is_true(hit) and name.startswith(("torch.autograd.profiler", "torch.profiler"))


def _is_variable(hit: Hit) -> bool:
    """`VLLM_ATTENTION_BACKEND`, and no sentence."""
    return hit.key.isupper() and hit.key.replace("_", "").isalnum()


def _is_command(hit: Hit) -> bool:
    """`nvidia-smi`, `nvidia-smi -L | wc`: the program and what it is told, no sentence."""
    if not _is_run(hit):
        return False
    return not hit.key[len("nvidia-smi") :].strip() or bool(_TOLD.match(hit.key))


def _is_run(hit: Hit) -> bool:
    """`name == "nvidia-smi"`, `"nvidia-smi" in line` run nothing."""
    return not isinstance(hit.module.parents.get(hit.node), ast.Compare)


_COLUMNS = ("time_total", "memory_usage", "time")  # of the profiler's table
_RUNNERS = {"run", "call", "check_call", "check_output", "Popen", "system", "popen", "which"}


def _is_program(hit: Hit) -> bool:
    """`["nsys", "profile", ...]`, `os.system("nsys ...")`: what is run."""
    parent = hit.module.parents.get(hit.node)
    if isinstance(parent, ast.List):
        return parent.elts[0] is hit.node
    return hit.call is not None and last_name(hit.call.func) in _RUNNERS


RULES: tuple[Rule, ...] = (
    Rule(
        id="C130",
        title="ranges are marked for NVTX",
        category="profiling",
        why="it raises where NVTX is not built in",
        triggers=(
            use("torch.cuda.nvtx.*", "torch.cuda.nvtx", "torch.autograd.profiler.emit_nvtx"),
            *library("nvtx"),
        ),
        on=per_family(
            Advice("raises", "torch.profiler.record_function"),
            Advice("raises", "xp.Trace of torch_xla.debug.profiler"),
            Advice("unknown", "torch.profiler.record_function, or roctx"),
            Advice("raises", "torch.profiler.record_function"),
        ),
        bad='import torch\nwith torch.cuda.nvtx.range("step"):\n    pass\n',
        good='import torch\nwith torch.profiler.record_function("step"):\n    pass\n',
        grade="seen",
        sources=(PROBE, ROCM_TABLE),
    ),
    Rule(
        id="C131",
        title="the profiler is asked for CUDA",
        category="profiling",
        why="it warns, and the trace has nothing of the device",
        triggers=(
            use("torch.profiler.ProfilerActivity.CUDA"),
            use("torch.autograd.ProfilerActivity.CUDA", "torch.cuda.cudart"),
            use("torch.cuda.profiler.*", "torch.cuda.profiler"),
            keyword("use_cuda", when=_of_the_profiler),
            string(*(f"{own}cuda_{kind}" for own in ("", "self_") for kind in _COLUMNS)),
            attribute(*(f"{own}cuda_{kind}" for own in ("", "self_") for kind in _COLUMNS)),
            string("nsys", "nsys *", "nvprof", "nvprof *", "ncu *", when=_is_program),
        ),
        on=per_family(
            Advice("silent", "Neuron Explorer"),
            Advice("silent", "torch_xla.debug.profiler"),
            HIP,
            Advice("silent", "ProfilerActivity.CPU alone"),
        ),
        bad="from torch.profiler import ProfilerActivity\nkinds = [ProfilerActivity.CUDA]\n",
        good="from torch.profiler import ProfilerActivity\nkinds = [ProfilerActivity.CPU]\n",
        grade="seen",
        sources=(PROBE, neuron_sdk("issues/746")),
    ),
    Rule(
        id="C132",
        title="NVIDIA's monitor is asked",
        category="profiling",
        why="the library or the program is not there: dashboards and scaling fail",
        triggers=(
            *library("pynvml", "py3nvml", "nvidia_smi", "GPUtil", "gpustat", "nvitop"),
            string("nvidia-smi", "nvidia-smi *", when=_is_command),
            string("/usr/bin/nvidia-smi", "nvidia-smi.exe", when=_is_run),
        ),
        on=per_family(
            Advice("raises", "neuron-ls and neuron-monitor, which write JSON", "hours"),
            Advice("raises", "tpu-info", "hours"),
            Advice("raises", "amdsmi, or rocm-smi", "hours"),
            Advice("raises", "psutil", "hours"),
        ),
        bad="import pynvml\npynvml.nvmlInit()\n",
        good='import psutil\nprint(psutil.cpu_percent(), "see nvidia")\n',
        grade="seen",
        sources=(GAUDI, neuron_sdk("issues/633")),
    ),
    Rule(
        id="C133",
        title="a serving engine is imported, or configured for CUDA",
        category="serving",
        why="settings are refused or mean something else there, and differ by model",
        triggers=(
            *library("vllm", "sglang", "lmdeploy", "mii"),
            string("VLLM_*", "SGLANG_*", "SGL_*", when=_is_variable),
            keyword("gpu_memory_utilization", "mem_fraction_static", when=is_given),
            keyword("enable_prefix_caching", "enable_chunked_prefill", when=is_true),
            string("--gpu-memory-utilization", "--mem-fraction-static"),
        ),
        on=per_family(
            Advice("unknown", "the vllm-neuron plugin, with buckets in so many words", "days"),
            Advice("unknown", "the tpu-inference plugin", "days"),
            Advice("works", "leave it: vLLM for ROCm", "none"),
            Advice("unknown", "vLLM for the CPU", "hours"),
        ),
        bad="from vllm import LLM\nm = LLM(n, gpu_memory_utilization=0.9)\n",
        good="m = build(n, max_model_len=4096)\n",
        grade="seen",
        sources=(
            "https://github.com/vllm-project/vllm-neuron/issues/30",
            "https://github.com/aws-neuron/neuronx-distributed-inference/issues/10",
            "https://github.com/vllm-project/tpu-inference/issues/898",
        ),
    ),
)
