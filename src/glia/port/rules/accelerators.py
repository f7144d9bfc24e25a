"""Rules about accelerators by number or by torch's own names, and what else torch.cuda has."""

from __future__ import annotations

import ast

from glia.port.rules.conditions import first_argument, given_value, last_name
from glia.port.rules.rule import HIP, Advice, Rule, keyword, method, per_family, string, use
from glia.port.rules.sources import NATIVE, PROBE, TORCH_LINTER
from glia.port.source.dataflow.numbers import is_device_number
from glia.port.source.hits import Hit


def _unasked(hit: Hit) -> bool:
    """Not behind `if torch.accelerator.is_available()`."""
    asks = ("torch.accelerator.is_available", "torch.accelerator.current_accelerator")
    return not any(
        isinstance(outer, (ast.If, ast.IfExp))
        and any(hit.module.dotted(n) in asks for n in ast.walk(outer.test))
        for outer in hit.module.enclosing(hit.node)
    )


def _by_number(hit: Hit) -> bool:
    """`x.to(0)`, `model.to(rank)`, `device=local_rank`."""
    if hit.kind == "keyword":
        value = given_value(hit)
        if not _takes_device(hit):
            return False
    else:
        value = first_argument(hit)
    return is_device_number(hit.module, value)


def _takes_device(hit: Hit) -> bool:
    """A function of PyTorch, `x.to(device=rank)` or a pipeline; torch.cuda's own take numbers."""
    func = hit.call.func if hit.call is not None else None
    name = hit.module.dotted(func) if func is not None else ""
    if name.startswith("torch."):
        return not name.startswith("torch.cuda.")
    return last_name(func) in ("pipeline", "to")


def _is_passed_on(hit: Hit) -> bool:
    """`c = torch.cuda` alone calls nothing; what is called by that name is found there."""
    parent = hit.module.parents.get(hit.node)
    if hit.key != "torch.cuda" or not isinstance(parent, ast.Assign):
        return False
    return hit.module.names.get(last_name(parent.targets[0])) == "torch.cuda" or any(
        isinstance(target, ast.Attribute) for target in parent.targets
    )


def _got(hit: Hit) -> bool:
    """`getattr(torch, "cuda")`."""
    call = hit.call
    if hit.key != "cuda" or call is None or getattr(call.func, "id", "") != "getattr":
        return False
    return len(call.args) > 1 and call.args[1] is hit.node


RULES: tuple[Rule, ...] = (
    Rule(
        id="C015",
        title="torch.accelerator is called without asking whether there is one",
        category="device",
        why="renaming torch.cuda is not enough: without an accelerator these calls raise",
        triggers=(
            use(
                *(
                    f"torch.accelerator.{name}"
                    for name in (
                        "synchronize",
                        "empty_cache",
                        "empty_host_cache",
                        "memory_allocated",
                        "memory_reserved",
                        "memory_stats",
                        "max_memory_allocated",
                        "max_memory_reserved",
                        "reset_peak_memory_stats",
                        "reset_accumulated_memory_stats",
                        "get_memory_info",
                        "set_device_index",
                        "set_device_idx",
                        "current_device_index",
                        "current_device_idx",
                        "current_stream",
                        "set_stream",
                        "device_index",
                    )
                ),
                when=_unasked,
            ),
        ),
        on={
            "neuron": Advice(
                "unknown", "right with TorchNeuron; torch-neuronx (XLA) is no accelerator to it"
            ),
            "tpu": Advice("raises", "torch_xla has its own calls: it is no accelerator to torch"),
            "rocm": HIP,
            "cpu": Advice("raises", "guard it with torch.accelerator.is_available()"),
        },
        bad="import torch\ntorch.accelerator.synchronize()\n",
        good="import torch\nif torch.accelerator.is_available():\n"
        "    torch.accelerator.synchronize()\n",
        grade="seen",
        sources=(PROBE, TORCH_LINTER, "https://github.com/ultralytics/ultralytics/pull/26202"),
    ),
    Rule(
        id="C139",
        title="a device is given by its number",
        category="device",
        why="a number counts accelerators: without one it raises, and XLA's are not counted",
        triggers=(
            method("to", when=_by_number),
            keyword("device", when=_by_number),
            use("torch.device", "torch.set_default_device", when=_by_number),
        ),
        on=per_family(
            Advice("unknown", "right with TorchNeuron; with torch-neuronx (XLA) name the device"),
            Advice("raises", "name the device: torch_xla counts its own"),
            HIP,
            Advice("raises", "take the device from one helper of the project"),
        ),
        bad="import torch\nmodel = model.to(local_rank)\n",
        good="import torch\nmodel = model.to(device)\nx = torch.ones(2).to(torch.int8)\n",
        grade="seen",
        sources=(PROBE,),
    ),
    Rule(
        id="C138",
        title="torch.cuda is called",
        category="device",
        why="without CUDA the call raises, or does nothing, or says 0",
        triggers=(
            use("torch.cuda.*", "torch.cuda", when=lambda hit: not _is_passed_on(hit)),
            string("*", when=_got),
        ),
        on={
            "neuron": Advice("raises", "guard it, or call torch.accelerator where there is one"),
            "tpu": Advice("raises", "guard it, or call torch_xla"),
            "rocm": HIP,
            "cpu": Advice("raises", "guard it with torch.cuda.is_available()"),
        },
        bad="import torch\ntorch.cuda.ipc_collect()\n",
        good="import torch\ncuda = pick()\ncuda.synchronize()\n",
        grade="seen",
        sources=(NATIVE, PROBE),
    ),
)
