"""Rules about device memory: freeing, measuring and planning it, and moving it to the host."""

from __future__ import annotations

import ast

from glia.port.rules.conditions import given_value, is_given, is_true, last_name
from glia.port.rules.rule import (
    HIP,
    Advice,
    Rule,
    keyword,
    method,
    per_family,
    setting,
    string,
    use,
)
from glia.port.rules.sources import (
    ACCELERATE_MEMORY,
    GENERAL,
    PROBE,
    TROUBLESHOOT,
    XLA_MODEL,
    neuron_sdk,
)
from glia.port.source.hits import Hit

_OFFLOADERS = (
    "enable_model_cpu_offload",
    "enable_sequential_cpu_offload",
    "enable_group_offload",
)


def _asks_for_no_memory(hit: Hit) -> bool:
    """`"CUDA out of memory" in str(e)`, `str(e).startswith("CUDA out of memory")`."""
    if not hit.key.lower().startswith(("cuda out of memory", "out of memory")):
        return False
    parent = hit.module.parents.get(hit.node)
    if isinstance(parent, (ast.Tuple, ast.List, ast.GeneratorExp)):
        parent = hit.module.parents.get(parent)
    if isinstance(parent, (ast.Compare, ast.comprehension)):
        return True
    name = last_name(hit.call.func) if hit.call is not None else ""
    return name in ("startswith", "find", "count", "search", "match")


def _keeps_on_host(hit: Hit) -> bool:
    """While it runs: a state dict that is gathered on the host to be saved is no offload."""
    name = last_name(hit.call.func) if hit.call is not None else ""
    return is_given(hit) and "StateDict" not in name


def _offloads(hit: Hit) -> bool:
    """Not `{"device": "none"}`."""
    value = given_value(hit)
    if not isinstance(value, ast.Dict):
        return is_given(hit)
    given = {
        hit.module.string(k): hit.module.string(v)
        for k, v in zip(value.keys, value.values, strict=True)
    }
    return given.get("device") != "none"


RULES: tuple[Rule, ...] = (
    Rule(
        id="C017",
        title="the cache of CUDA's allocator is emptied",
        category="memory",
        why="other runtimes have no such cache; without CUDA the call does nothing",
        triggers=(use("torch.cuda.empty_cache", "torch.cuda.memory.empty_cache"),),
        on=per_family(
            Advice("works", "leave it out, or torch.neuron.empty_cache()", "minutes"),
            Advice("works", "leave it out", "none"),
            HIP,
        ),
        bad="import torch\ntorch.cuda.empty_cache()\n",
        good="import gc\ngc.collect()\n",
        grade="seen",
        sources=(PROBE, ACCELERATE_MEMORY),
    ),
    Rule(
        id="C018",
        title="CUDA's memory counters are read",
        category="memory",
        why="they say 0 without CUDA: dashboards and automatic batch sizes are wrong; reset raises",
        triggers=(
            use(
                *(
                    f"torch.cuda.{place}{name}"
                    for place in ("", "memory.")
                    for name in (
                        "memory_allocated",
                        "max_memory_allocated",
                        "memory_reserved",
                        "max_memory_reserved",
                        "memory_stats",
                        "memory_cached",
                        "memory_usage",
                        "max_memory_cached",
                        "reset_peak_memory_stats",
                        "reset_max_memory_allocated",
                        "reset_accumulated_memory_stats",
                    )
                )
            ),
        ),
        on=per_family(
            Advice("silent", "torch.neuron.memory_allocated(), or neuron-monitor"),
            Advice("silent", "xm.get_memory_info(device)"),
            HIP,
            Advice("silent", "the resident size of the process, as psutil gives it"),
        ),
        bad="import torch\npeak = torch.cuda.max_memory_allocated()\n",
        good="import resource\npeak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n",
        grade="seen",
        sources=(PROBE, ACCELERATE_MEMORY, XLA_MODEL),
    ),
    Rule(
        id="C019",
        title="the batch or the KV cache is sized by free CUDA memory",
        category="memory",
        why="it raises without CUDA; memory that a compiler plans is never free",
        triggers=(
            use("torch.cuda.mem_get_info", "torch.cuda.memory.mem_get_info"),
            use("torch.cuda.set_per_process_memory_fraction"),
        ),
        on=per_family(
            Advice("raises", "a fixed budget: weights, KV cache, scratch, rings", "hours"),
            Advice("raises", "a fixed budget: weights, KV cache, temporaries", "hours"),
            HIP,
            Advice("raises", "psutil.virtual_memory()"),
        ),
        bad="import torch\nfree, total = torch.cuda.mem_get_info()\n",
        good="import psutil\nfree = psutil.virtual_memory().available\n",
        grade="seen",
        sources=(
            PROBE,
            neuron_sdk(
                "blob/master/vllm-neuron/docs/design/vllm/vllm-integration-design-reference.md"
            ),
        ),
    ),
    Rule(
        id="C020",
        title="the history or summary of CUDA's allocator is written",
        category="memory",
        why="the functions are not there without CUDA",
        triggers=(
            use(
                "torch.cuda.memory._record_memory_history",
                "torch.cuda.memory._snapshot",
                "torch.cuda.memory._dump_snapshot",
                "torch.cuda.memory_summary",
                "torch.cuda.memory.memory_summary",
                "torch.cuda.memory_snapshot",
                "torch.cuda.memory.memory_snapshot",
                "torch.cuda._memory_viz.*",
                "torch.cuda.list_gpu_processes",
            ),
        ),
        on=per_family(
            Advice("raises", "leave it out; neuron-explorer shows memory"),
            Advice("raises", "leave it out; PT_XLA_DEBUG_LEVEL=2 prints sizes"),
            HIP,
            Advice("raises", "leave it out"),
        ),
        bad="import torch\nprint(torch.cuda.memory_summary())\n",
        good="import tracemalloc\ntracemalloc.start()\n",
        grade="seen",
        sources=(PROBE, TROUBLESHOOT),
    ),
    Rule(
        id="C129",
        title="weights or optimizer state are offloaded to the host",
        category="memory",
        why="it counts on pinned memory and on copies beside the computation",
        triggers=(
            keyword("cpu_offload", "offload_to_cpu", when=_keeps_on_host),
            keyword("offload_optimizer", "offload_parameters", when=is_true),
            setting("offload_param", "offload_optimizer", when=_offloads),
            method(*_OFFLOADERS),
            use(
                "torch.distributed.fsdp.CPUOffload",
                "torch.distributed.fsdp.CPUOffloadPolicy",
                "accelerate.cpu_offload",
                "accelerate.hooks.cpu_offload_with_hook",
                "accelerate.cpu_offload_with_hook",
                "accelerate.disk_offload",
                "torch.autograd.graph.save_on_cpu",
            ),
        ),
        on=per_family(
            Advice("unknown", "shard over more cores instead", "hours"),
            Advice("unknown", "shard over more chips instead", "hours"),
        ),
        bad="from torch.distributed.fsdp import CPUOffload\npolicy = CPUOffload(True)\n",
        good="from torch.distributed.tensor import Shard\nplan = Shard(0)\n",
        grade="seen",
        sources=("https://github.com/huggingface/accelerate/pull/3935",),
    ),
    Rule(
        id="C144",
        title="running out of CUDA's memory is caught",
        category="memory",
        why="elsewhere it is another error, or another text: what stands in the handler never runs",
        triggers=(
            use("torch.cuda.OutOfMemoryError"),
            string("CUDA *", "out *", "cuda out of memory", when=_asks_for_no_memory),
        ),
        on=per_family(
            Advice("silent", "catch the runtime's own error too, or choose what fits beforehand"),
            Advice("silent", "catch RuntimeError with RESOURCE_EXHAUSTED in it too"),
            Advice("unknown", "torch.OutOfMemoryError; its text starts with HIP there"),
            Advice("silent", "catch RuntimeError with DefaultCPUAllocator in it, and MemoryError"),
        ),
        bad="import torch\ntry:\n    f(x)\nexcept torch.cuda.OutOfMemoryError:\n    x = x[:1]\n",
        good="import torch\ntry:\n    f(x)\nexcept RuntimeError:\n    x = x[:1]\n",
        grade="seen",
        sources=(PROBE, GENERAL),
    ),
)
