"""Rules about streams, events and graphs of CUDA."""

from __future__ import annotations

from glia.port.rules.conditions import made_by
from glia.port.rules.rule import HIP, Advice, Rule, method, per_family, use
from glia.port.rules.sources import (
    DIFFUSERS_TORCH,
    NATIVE,
    PROBE,
    ROCM_TABLE,
    XLA_MODEL,
    neuron_sdk,
)

_ASYNC = neuron_sdk(
    "blob/master/vllm-neuron/docs/design/vllm/async-scheduling-and-async-execution.md"
)

_STREAMS = (
    "torch.cuda.Stream",
    "torch.cuda.ExternalStream",
    "torch.cuda.current_stream",
    "torch.cuda.default_stream",
)

RULES: tuple[Rule, ...] = (
    Rule(
        id="C016",
        title="torch.cuda.synchronize() waits for the device",
        category="sync",
        why="it raises without CUDA; where work is lazy, waiting does not start it",
        triggers=(use("torch.cuda.synchronize"),),
        on=per_family(
            Advice("raises", "torch.accelerator.synchronize(), where there is an accelerator"),
            Advice("raises", "torch_xla.sync(), then xm.wait_device_ops()"),
            HIP,
            Advice("raises", "leave it out"),
        ),
        bad="import torch\ntorch.cuda.synchronize()\n",
        good="import torch\nif torch.accelerator.is_available():\n"
        "    torch.accelerator.synchronize()\n",
        grade="seen",
        sources=(PROBE, DIFFUSERS_TORCH, XLA_MODEL),
    ),
    Rule(
        id="C024",
        title="work is put on a CUDA stream",
        category="streams",
        why="a stream cannot be made without CUDA; other runtimes order the work themselves",
        triggers=(
            use("torch.cuda.Stream", "torch.cuda.stream", "torch.cuda.ExternalStream"),
            use("torch.cuda.StreamContext", "torch.cuda.streams.Stream"),
        ),
        on=per_family(
            Advice("raises", "leave it out: the compiler overlaps", "hours"),
            Advice("raises", "leave it out: the compiler overlaps", "hours"),
            HIP,
            Advice("raises", "leave it out"),
        ),
        bad="import torch\nside = torch.cuda.Stream()\n",
        good="import torch\nwith torch.no_grad():\n    y = f(x)\n",
        grade="documented",
        sources=(NATIVE, _ASYNC, PROBE),
    ),
    Rule(
        id="C025",
        title="streams wait for each other, or the current one is asked for",
        category="streams",
        why="it raises without CUDA",
        triggers=(
            use("torch.cuda.current_stream", "torch.cuda.default_stream", "torch.cuda.set_stream"),
            method("wait_stream", "record_stream", "wait_event"),
            method("synchronize", "query", "record_event", when=made_by(*_STREAMS)),
        ),
        on=per_family(
            Advice("raises", "leave it out"),
            Advice("raises", "leave it out"),
            HIP,
            Advice("raises", "leave it out"),
        ),
        bad="import torch\nx.record_stream(side)\n",
        good="import torch\nrecorder.record(side)\n",
        grade="seen",
        sources=(PROBE,),
    ),
    Rule(
        id="C026",
        title="time is taken with CUDA events",
        category="streams",
        why="without CUDA an event is a dummy that cannot be made",
        triggers=(use("torch.cuda.Event", "torch.cuda.streams.Event"),),
        on=per_family(
            Advice("raises", "time.perf_counter around a synchronize, after two warm-up steps"),
            Advice("raises", "time.perf_counter around torch_xla.sync(wait=True)"),
            HIP,
            Advice("raises", "time.perf_counter"),
        ),
        bad="import torch\nstart = torch.cuda.Event(enable_timing=True)\n",
        good="import threading\nimport time\nimport torch\ndone = threading.Event()\n"
        "start = time.perf_counter()\n",
        grade="seen",
        sources=(PROBE, DIFFUSERS_TORCH),
    ),
    Rule(
        id="C027",
        title="a CUDA graph is captured or replayed",
        category="compile",
        why="without CUDA the class is a dummy; a compiled graph has no launch cost to save",
        triggers=(
            use(
                "torch.cuda.CUDAGraph",
                "torch.cuda.graph",
                "torch.cuda.make_graphed_callables",
                "torch.cuda.graph_pool_handle",
                "torch.cuda.graphs.*",
                "torch.cuda.is_current_stream_capturing",
            ),
            method("replay", "capture_begin", "capture_end", when=made_by("torch.cuda.CUDAGraph")),
        ),
        on=per_family(
            Advice(
                "raises", 'leave it out: torch.compile(backend="neuron") does the same', "hours"
            ),
            Advice("raises", "leave it out", "hours"),
            HIP,
            Advice("raises", "leave it out"),
        ),
        bad="import torch\ngraph = torch.cuda.CUDAGraph()\n",
        good="import torch.fx\ngraph = torch.fx.Graph()\n",
        grade="documented",
        sources=(NATIVE, ROCM_TABLE, PROBE),
    ),
)
