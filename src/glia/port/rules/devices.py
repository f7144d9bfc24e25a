"""Rules about devices: who is asked for, moved to, counted and compared."""

from __future__ import annotations

import ast

from glia.port.rules.conditions import argument_of, is_choice, names_cuda
from glia.port.rules.rule import HIP, Advice, Family, Rule, attribute, method, string, use
from glia.port.rules.sources import NATIVE, PROBE, XLA
from glia.port.source.hits import Hit

_HELPER = "take the device from one helper of the project"
_MOVES: dict[Family, Advice] = {
    "neuron": Advice("raises", '.to(device), with the device "neuron"'),
    "tpu": Advice("raises", '.to(device), with the device "xla"'),
    "rocm": HIP,
    "cpu": Advice("raises", f".to(device); {_HELPER}"),
}
_NAMED: dict[Family, Advice] = {
    "neuron": Advice("raises", 'device="neuron"; draw random numbers on the CPU, then move them'),
    "tpu": Advice("raises", 'device="xla"'),
    "rocm": HIP,
    "cpu": Advice("raises", _HELPER),
}
# Rules of their own speak about these.
_OTHERS = argument_of(
    "torch.autocast",
    "torch.amp.*",
    "torch.autocast_mode.*",
    "torch.Generator",
    "torch.library.custom_op",
    "torch.set_default_tensor_type",
)


def _cuda_call(hit: Hit) -> bool:
    """`x.cuda()`, `x.cuda(0)`, `x.cuda(non_blocking=True)`: at most a device and that flag."""
    call = hit.call
    if call is None or len(call.args) > 1:
        return False
    return {k.arg for k in call.keywords} <= {"device", "non_blocking"}


def _moved(hit: Hit) -> bool:
    """An argument of `x.to(...)`."""
    func = hit.call.func if hit.call is not None else None
    return names_cuda(hit.key) and isinstance(func, ast.Attribute) and func.attr == "to"


def _compared(hit: Hit) -> bool:
    """`kind == "cuda"`, `kind in ("cuda", "xpu")`."""
    parent = hit.module.parents.get(hit.node)
    if isinstance(parent, (ast.Tuple, ast.List, ast.Set)):
        parent = hit.module.parents.get(parent)
    return names_cuda(hit.key) and isinstance(parent, ast.Compare)


def _constructed(hit: Hit) -> bool:
    return names_cuda(hit.key) and argument_of("torch.device")(hit) and not _chosen(hit)


def _chosen(hit: Hit) -> bool:
    """`"cuda" if torch.cuda.is_available() else "cpu"`, alone or inside `torch.device(...)`."""
    if not names_cuda(hit.key):
        return False
    parent = next((n for n in hit.module.enclosing(hit.node) if isinstance(n, ast.IfExp)), None)
    if parent is None:
        return False
    return "torch.cuda.is_available" in {hit.module.dotted(n) for n in ast.walk(parent.test)}


def _is_label(hit: Hit) -> bool:
    """A key of a dict, an index, or part of `Literal[...]`: it names one case of several."""
    inner, outer = hit.node, hit.module.parents.get(hit.node)
    if isinstance(outer, ast.Tuple):
        inner, outer = outer, hit.module.parents.get(outer)
    if isinstance(outer, ast.Dict):
        return inner in outer.keys
    return isinstance(outer, ast.Subscript) and outer.slice is inner


def _elsewhere(hit: Hit) -> bool:
    """A keyword, a default, an assignment, an entry of a dict: wherever no other rule speaks."""
    if not names_cuda(hit.key) or _OTHERS(hit) or is_choice(hit) or _is_label(hit):
        return False
    return not any(found(hit) for found in (_moved, _compared, _constructed, _chosen))


RULES: tuple[Rule, ...] = (
    Rule(
        id="C001",
        title="a tensor or module is moved with .cuda()",
        category="device",
        why="a build without CUDA raises AssertionError: Torch not compiled with CUDA enabled",
        triggers=(method("cuda", when=_cuda_call),),
        on=_MOVES,
        bad="import torch\nmodel = torch.nn.Linear(2, 2).cuda()\n",
        good="import torch\nmodel = torch.nn.Linear(2, 2).to(device)\n",
        grade="seen",
        sources=(NATIVE, XLA, PROBE),
        autofix="yes",
    ),
    Rule(
        id="C002",
        title='a tensor or module is moved with .to("cuda")',
        category="device",
        why="the name of one vendor's backend is written into the code",
        triggers=(string("*", when=_moved),),
        on=_MOVES,
        bad='import torch\nx = torch.ones(2).to("cuda:0")\n',
        good="import torch\nx = torch.ones(2).to(device)\n",
        grade="seen",
        sources=(NATIVE, XLA, PROBE),
        autofix="yes",
    ),
    Rule(
        id="C003",
        title='a device is named "cuda"',
        category="device",
        why="the first allocation on it fails where there is no CUDA",
        triggers=(string("*", when=_elsewhere),),
        on=_NAMED,
        bad='import torch\nx = torch.zeros(4, device="cuda")\n',
        good='import torch\nx = torch.zeros(4, device=device)\nprint("cuda is one of them")\n',
        grade="seen",
        sources=(NATIVE, XLA, PROBE),
        autofix="yes",
    ),
    Rule(
        id="C004",
        title='torch.device("cuda") is made',
        category="device",
        why="making it never fails: the crash comes later and far away",
        triggers=(string("*", when=_constructed),),
        on=_NAMED,
        bad='import torch\ndevice = torch.device(f"cuda:{rank}")\n',
        good='import torch\ndevice = torch.device("cpu")\n',
        grade="seen",
        sources=(NATIVE, XLA, PROBE),
        autofix="yes",
    ),
    Rule(
        id="C005",
        title='"cuda" where there is CUDA, else the CPU',
        category="device",
        why="on any other accelerator the host does the work, slowly and without an error",
        triggers=(string("*", when=_chosen),),
        on={
            "neuron": Advice("silent", "one helper that asks for the accelerator of the machine"),
            "tpu": Advice("silent", "one helper that asks for torch_xla first"),
            "rocm": HIP,
            "cpu": Advice("works", "leave it", "none"),
        },
        bad='import torch\ndevice = "cuda" if torch.cuda.is_available() else "cpu"\n',
        good='device = "fast" if ready() else "slow"\n',
        grade="seen",
        sources=(NATIVE, PROBE),
        autofix="yes",
    ),
    Rule(
        id="C011",
        title="code asks for tensor.is_cuda",
        category="device",
        why="it is False on every other accelerator, so that the slow or the wrong branch runs",
        triggers=(attribute("is_cuda"),),
        on={
            "neuron": Advice("silent", 'ask for x.device.type != "cpu"'),
            "tpu": Advice("silent", 'ask for x.device.type == "xla"'),
            "rocm": Advice("works", "mind that it is True on AMD as well", "none"),
            "cpu": Advice("silent", "see that the other branch is the one for the CPU"),
        },
        bad="import torch\nif x.is_cuda:\n    run(x)\n",
        good='import torch\nif x.device.type != "cpu":\n    run(x)\n',
        grade="seen",
        sources=(PROBE,),
        autofix="yes",
    ),
    Rule(
        id="C012",
        title='a device type is compared with "cuda"',
        category="device",
        why="the branch for the accelerator (autocast, pinning, fused kernels) is skipped",
        triggers=(string("*", when=_compared),),
        on={
            "neuron": Advice("silent", "compare with the accelerator's own type"),
            "tpu": Advice("silent", "compare with the accelerator's own type"),
            "rocm": HIP,
            "cpu": Advice("silent", "see that the other branch is the one for the CPU"),
        },
        bad='import torch\nfast = x.device.type == "cuda"\n',
        good='import torch\nfast = x.device.type != "cpu"\n',
        grade="seen",
        sources=(PROBE,),
        autofix="yes",
    ),
    Rule(
        id="C015",
        title="torch.cuda is called",
        category="device",
        why="without CUDA the call raises, or does nothing, or says 0",
        triggers=(use("torch.cuda.*", "torch.cuda"),),
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
        autofix="partly",
    ),
)
