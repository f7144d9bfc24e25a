"""Rules about what code asks CUDA for before it decides: is it there, how many, which one."""

from __future__ import annotations

import ast

from glia.port.rules.conditions import all_of, is_not_demanded, names_cuda
from glia.port.rules.devices import chosen_by
from glia.port.rules.rule import HIP, Advice, Rule, per_family, string, use
from glia.port.rules.sources import (
    ACCELERATE,
    HIP_NOTES,
    NXD,
    ON_CPU_184,
    PROBE,
    TORCH_LINTER,
    VLLM_DEVICE,
)
from glia.port.source.hits import Hit


def _guards_more_than_a_name(hit: Hit) -> bool:
    """Not `"cuda" if torch.cuda.is_available() else "cpu"`, which has a rule of its own."""
    for outer in hit.module.enclosing(hit.node):
        if isinstance(outer, ast.IfExp):
            return not any(names_cuda(hit.module.string(n)) for n in ast.walk(outer.body))
        if isinstance(outer, ast.If) and chosen_by(hit, outer):
            return False
    return True


RULES: tuple[Rule, ...] = (
    Rule(
        id="C006",
        title="a feature stands behind torch.cuda.is_available()",
        category="device",
        why="it is False on other accelerators, and the fast path is left out without a word",
        triggers=(
            use(
                "torch.cuda.is_available",
                when=all_of(_guards_more_than_a_name, is_not_demanded),
            ),
        ),
        on=per_family(
            Advice("silent", "torch.accelerator.is_available(), or ask for the feature itself"),
            Advice("silent", "ask torch_xla for its device"),
            HIP,
        ),
        bad="import torch\nif torch.cuda.is_available():\n    model = torch.compile(model)\n",
        good="import torch\nif torch.accelerator.is_available():\n    prepare(model)\n",
        grade="seen",
        sources=(PROBE, TORCH_LINTER, ON_CPU_184),
    ),
    Rule(
        id="C007",
        title="torch.cuda.device_count() counts the devices",
        category="device",
        why="it is 0 without CUDA: a division by zero, or one process instead of many",
        triggers=(use("torch.cuda.device_count", when=is_not_demanded),),
        on=per_family(
            Advice("silent", "torch.neuron.device_count(), which counts cores and not chips"),
            Advice("silent", "torch_xla.runtime.global_runtime_device_count()"),
            HIP,
            Advice("silent", "take at least one"),
        ),
        bad="import torch\nworld_size = torch.cuda.device_count()\n",
        good="import os\nworld_size = int(os.environ['WORLD_SIZE'])\n",
        grade="seen",
        sources=(PROBE, NXD, f"{ACCELERATE}commands/config/default.py"),
    ),
    Rule(
        id="C008",
        title="torch.cuda.current_device() names the device",
        category="device",
        why="it raises without CUDA",
        triggers=(use("torch.cuda.current_device"),),
        on=per_family(
            Advice("raises", "torch.accelerator.current_device_index()"),
            Advice("raises", "torch_xla.device()"),
            HIP,
            Advice("raises", "take the device from one helper of the project"),
        ),
        bad="import torch\ndevice = torch.cuda.current_device()\n",
        good="import torch\ndevice = torch.accelerator.current_accelerator()\n",
        grade="seen",
        sources=(PROBE, TORCH_LINTER),
    ),
    Rule(
        id="C009",
        title="torch.cuda.set_device() chooses the device",
        category="device",
        why="it raises without CUDA",
        triggers=(use("torch.cuda.set_device"),),
        on=per_family(
            Advice("raises", "torch.accelerator.set_device_index(rank)"),
            Advice("raises", "leave it out: the launcher gives each process its device"),
            HIP,
            Advice("raises", "leave it out"),
        ),
        bad="import torch\ntorch.cuda.set_device(local_rank)\n",
        good="import torch\nif torch.accelerator.is_available():\n"
        "    torch.accelerator.set_device_index(local_rank)\n",
        grade="seen",
        sources=(PROBE, TORCH_LINTER),
    ),
    Rule(
        id="C010",
        title="a block runs under torch.cuda.device()",
        category="device",
        why="entering the block raises without CUDA",
        triggers=(use("torch.cuda.device", "torch.cuda.device_of"),),
        on=per_family(
            Advice("raises", "torch.accelerator.device_index(i)"),
            Advice("raises", "leave the block out"),
            HIP,
            Advice("raises", "leave the block out"),
        ),
        bad="import torch\nwith torch.cuda.device(1):\n    y = f(x)\n",
        good="import torch\nif torch.accelerator.is_available():\n"
        "    with torch.accelerator.device_index(1):\n        y = f(x)\n",
        grade="seen",
        sources=(PROBE, VLLM_DEVICE),
    ),
    Rule(
        id="C013",
        title="a tensor type of CUDA is the default, or is called",
        category="device",
        why="the type does not exist without CUDA: TypeError",
        triggers=(
            use(
                *(
                    f"torch.cuda.{kind}Tensor"
                    for kind in (
                        "Float",
                        "Double",
                        "Half",
                        "BFloat16",
                        "Long",
                        "Int",
                        "Short",
                        "Byte",
                        "Char",
                        "Bool",
                    )
                )
            ),
            use("torch.set_default_tensor_type"),
            string(
                "*",
                when=lambda hit: hit.key.startswith("torch.cuda.") and hit.key.endswith("Tensor"),
            ),
        ),
        on=per_family(
            Advice("raises", "torch.set_default_device and torch.set_default_dtype"),
            Advice("raises", "torch.set_default_device and torch.set_default_dtype"),
            HIP,
            Advice("raises", "torch.set_default_dtype"),
        ),
        bad="import torch\nx = torch.cuda.FloatTensor(3)\n",
        good="import torch\ntorch.set_default_dtype(torch.float32)\n",
        grade="seen",
        sources=(PROBE,),
    ),
    Rule(
        id="C014",
        title="the version of CUDA or HIP is asked for",
        category="device",
        why="it is None in other builds; comparing or splitting it raises",
        triggers=(use("torch.version.cuda", "torch.version.hip"),),
        on=per_family(
            Advice("silent", "ask for the feature, not for the vendor"),
            Advice("silent", "ask for the feature, not for the vendor"),
            Advice("silent", "torch.version.hip is set there, and .cuda is None"),
            Advice("silent", "mind that both are None"),
        ),
        bad="import torch\nold = torch.version.cuda < '12'\n",
        good="import torch\nold = torch.__version__ < '2.6'\n",
        grade="seen",
        sources=(PROBE, HIP_NOTES),
    ),
    Rule(
        id="C021",
        title="the name or the properties of a CUDA device are read",
        category="device",
        why="it raises without CUDA, and the numbers are facts of NVIDIA's chips",
        triggers=(
            use("torch.cuda.get_device_properties", "torch.cuda.get_device_name"),
            use("torch.cuda.utilization", "torch.cuda.temperature", "torch.cuda.power_draw"),
        ),
        on=per_family(
            Advice("raises", "torch.neuron.get_device_name(), and a table of chip facts"),
            Advice("raises", "a table of chip facts"),
            Advice("unknown", "names and the width of a wavefront differ"),
            Advice("raises", "the platform module of Python"),
        ),
        bad="import torch\nname = torch.cuda.get_device_name(0)\n",
        good="import platform\nname = platform.processor()\n",
        grade="seen",
        sources=(PROBE, f"{ACCELERATE}commands/env.py"),
    ),
    Rule(
        id="C022",
        title="a choice by compute capability",
        category="device",
        why="other chips have none; AMD's numbers pass tests that were meant for NVIDIA's chips",
        triggers=(use("torch.cuda.get_device_capability", "torch.cuda.get_arch_list"),),
        on=per_family(
            Advice("raises", "ask a table of features, by chip"),
            Advice("raises", "ask a table of features, by chip"),
            Advice("silent", "ask for the vendor first: gfx950 says (9, 5) and passes for Hopper"),
            Advice("raises", "ask a table of features, by chip"),
        ),
        bad="import torch\nnew = torch.cuda.get_device_capability() >= (9, 0)\n",
        good="import chips\nnew = chips.has_fp8(name)\n",
        grade="seen",
        sources=(PROBE, "https://github.com/pytorch/torchtitan/pull/4778"),
    ),
    Rule(
        id="C023",
        title="CUDA is asked whether bfloat16 works",
        category="precision",
        why="it says False without CUDA, so that code falls back to float16 or float32",
        triggers=(use("torch.cuda.is_bf16_supported"),),
        on=per_family(
            Advice("silent", "take bfloat16: the chips are made for it"),
            Advice("silent", "take bfloat16: the chips are made for it"),
            HIP,
            Advice("silent", "take bfloat16 where it is wanted: it works on the CPU"),
        ),
        bad="import torch\nok = torch.cuda.is_bf16_supported()\n",
        good="import torch\ndtype = torch.bfloat16\n",
        grade="documented",
        sources=(NXD, PROBE),
    ),
)
