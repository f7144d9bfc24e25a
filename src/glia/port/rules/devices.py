"""Rules about devices: who is asked for, moved to, counted and compared."""

from __future__ import annotations

import ast
from collections.abc import Callable

from glia.port.rules.conditions import (
    all_of,
    argument_of,
    in_torch_file,
    is_choice,
    is_demanded,
    is_not_demanded,
    names_cuda,
    receiver,
)
from glia.port.rules.rule import (
    HIP,
    Advice,
    Family,
    Rule,
    attribute,
    method,
    per_family,
    string,
    use,
)
from glia.port.rules.sources import NATIVE, ON_CPU_184, PROBE, XLA
from glia.port.source.conditions.guards import asks_for_cuda
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
    "torch.cuda.*",
)
_ASKED = {"torch.cuda.is_available", "torch.cuda.device_count"}
_Names = Callable[[str | None], bool]
_SPEAKERS = {
    "getlogger", "get_logger", "print", "debug", "info", "warning", "warn", "error", "exception",
    "critical", "mark", "title", "set_title", "xlabel", "ylabel", "section", "echo", "append_label",
}  # fmt: skip
_DEVICE_WORDS = ("device", "dev", "accelerator", "map_location")


def _asks_whether_on_one(hit: Hit) -> bool:
    """`x.get_device() >= 0`: the number is -1 for a tensor on the CPU."""
    return isinstance(hit.module.parents.get(hit.call or hit.node), ast.Compare)


def _cuda_call(hit: Hit) -> bool:
    """`x.cuda()`, `x.cuda(0)`, `x.cuda(non_blocking=True)`: at most a device and that flag."""
    call = hit.call
    if call is None or len(call.args) > 1 or _has_its_own_cuda(hit, receiver(hit)):
        return False
    return {k.arg for k in call.keywords} <= {"device", "non_blocking"}


def _has_its_own_cuda(hit: Hit, node: ast.AST | None) -> bool:
    """`Renderer()`, or what was given that: a class of this file without bases has a `cuda`."""
    if isinstance(node, ast.Name):
        given = hit.module.scopes.given(node, node.id)
        return bool(given) and all(_makes_its_own(hit, value) for value in given)
    return _makes_its_own(hit, node)


def _makes_its_own(hit: Hit, node: ast.AST | None) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        return False
    made = [
        one
        for one in hit.module.nodes
        if isinstance(one, ast.ClassDef) and one.name == node.func.id
    ]
    return bool(made) and all(not one.bases and _defines_cuda(one) for one in made)


def _defines_cuda(made: ast.ClassDef) -> bool:
    return any(isinstance(one, ast.FunctionDef) and one.name == "cuda" for one in made.body)


def _moved(hit: Hit) -> bool:
    """An argument of `x.to(...)`, unless the file gives `to` a meaning of its own."""
    func = hit.call.func if hit.call is not None else None
    if not (names_cuda(hit.key) and isinstance(func, ast.Attribute) and func.attr == "to"):
        return False
    return in_torch_file(hit) or not _defines(hit, "to")


def _defines(hit: Hit, name: str) -> bool:
    return any(isinstance(n, ast.FunctionDef) and n.name == name for n in hit.module.nodes)


def _compared(hit: Hit) -> bool:
    """`kind == "cuda"`, `kind in ("cuda", "xpu")`, `str(device).startswith("cuda")`."""
    if not names_cuda(hit.key):
        return False
    parent = hit.module.parents.get(hit.node)
    if isinstance(parent, (ast.Tuple, ast.List, ast.Set)):
        parent = hit.module.parents.get(parent)
    if isinstance(parent, ast.MatchValue):
        return True
    if isinstance(parent, ast.Compare):
        sides = (parent.left, *parent.comparators)
        if any(hit.module.dotted(side).startswith("sys.") for side in sides):
            return False  # words of the command line, modules
        return not all(isinstance(side, ast.Constant) for side in sides)
    func = hit.call.func if hit.call is not None else None
    return isinstance(func, ast.Attribute) and func.attr in ("startswith", "__eq__")


def _compares_texts(hit: Hit) -> bool:
    """`"cuda" != "cpu"` asks nothing."""
    return isinstance(hit.module.parents.get(hit.node), ast.Compare)


def _constructed(hit: Hit) -> bool:
    return names_cuda(hit.key) and argument_of("torch.device")(hit) and not _chosen(hit)


def _chosen(hit: Hit) -> bool:
    """`"cuda" if torch.cuda.is_available() else "cpu"`, or the same as two statements."""
    return choice_of(hit) is not None


def choice_of(hit: Hit) -> ast.IfExp | ast.If | None:
    """What chooses a device that is named here by asking for CUDA; None where nothing does."""
    if not names_cuda(hit.key):
        return None
    for outer in hit.module.enclosing(hit.node):
        if isinstance(outer, ast.IfExp):
            return outer if _asks(hit, outer.test) else None
        if isinstance(outer, ast.If):
            return outer if chosen_by(hit, outer) else None
    return None


def _asks(hit: Hit, test: ast.expr) -> bool:
    """The condition asks for CUDA, itself or by the name of an answer."""
    if not _ASKED.isdisjoint(hit.module.dotted(n) for n in ast.walk(test)):
        return True
    if isinstance(test, ast.Call) and not test.args:  # a function of the project
        return asks_for_cuda(hit.module, test)
    if not isinstance(test, ast.Name):
        return False
    if test.id not in hit.module.names and hit.module.project_name(test):
        return asks_for_cuda(hit.module, test)
    given = hit.module.scopes.given(test, test.id)
    return len(given) == 1 and not isinstance(given[0], ast.Name) and _asks(hit, given[0])


def chosen_by(hit: Hit, node: ast.If) -> bool:
    """`if torch.cuda.is_available(): d = "cuda"`, where `d` is the CPU otherwise."""
    if not _asks(hit, node.test):
        return False
    others = [n for branch in (node.body, _last_else(node)) for n in branch]
    devices = _devices_given(hit, others, names_cuda)
    return any(
        name in _devices_given(hit, others, _names_cpu)
        or any(_is_device(hit, v, _names_cpu) for v in hit.module.scopes.given(node, name))
        for name in devices
    )


def _last_else(node: ast.If) -> list[ast.stmt]:
    last = node.orelse
    while len(last) == 1 and isinstance(last[0], ast.If):
        last = last[0].orelse
    return last


def _devices_given(hit: Hit, body: list[ast.stmt], named: _Names) -> set[str]:
    """The names that these statements give such a device."""
    return {
        ast.unparse(statement.targets[0])
        for statement in body
        if isinstance(statement, ast.Assign) and _is_device(hit, statement.value, named)
    }


def _is_device(hit: Hit, node: ast.expr, named: _Names) -> bool:
    """A text, or `torch.device(...)` of one."""
    if isinstance(node, ast.Call) and node.args:
        node = node.args[0]
    return named(hit.module.string(node))


def _names_cpu(text: str | None) -> bool:
    return text == "cpu"


def _lists_devices(hit: Hit, node: ast.Set | ast.List | ast.Tuple) -> bool:
    """`{"cpu", "cuda", "mps"}` says what may be; `{"bias", "cuda"}` is about something else."""
    texts = [hit.module.string(part) or "" for part in node.elts]
    return "cpu" in texts or not all(names_cuda(text) for text in texts)


def _is_label(hit: Hit) -> bool:
    """A key of a dict, an index, or part of `Literal[...]`: it names one case of several."""
    inner, outer = hit.node, hit.module.parents.get(hit.node)
    if isinstance(outer, (ast.Set, ast.List, ast.Tuple)) and _lists_devices(hit, outer):
        return True
    if isinstance(outer, ast.Tuple):
        inner, outer = outer, hit.module.parents.get(outer)
    if isinstance(outer, ast.Dict):
        return inner in outer.keys
    return isinstance(outer, ast.Subscript) and outer.slice is inner


def _elsewhere(hit: Hit) -> bool:
    """A keyword, a default, an assignment, an entry of a dict: wherever no other rule speaks."""
    if not names_cuda(hit.key) or _OTHERS(hit) or is_choice(hit) or _is_getattr(hit):
        return False
    if _is_label(hit) or _is_words(hit):
        return False
    if _compares_texts(hit) or not (in_torch_file(hit) or _is_for_a_device(hit)):
        return False
    return not any(found(hit) for found in (_moved, _compared, _constructed, _chosen))


def _is_words(hit: Hit) -> bool:
    """`logging.getLogger("cuda")`, `mark("cuda")`: a name that people read."""
    func = hit.call.func if hit.call is not None else None
    name = str(getattr(func, "attr", getattr(func, "id", "")))
    return name.lower() in _SPEAKERS


def _is_for_a_device(hit: Hit) -> bool:
    """In a file without PyTorch: what the text is given to is called a device, or takes one."""
    parent = hit.module.parents.get(hit.node)
    if isinstance(parent, ast.keyword):
        outer = parent.arg or ""
        if outer == "default" and hit.call is not None:
            flags = [a.value for a in hit.call.args if isinstance(a, ast.Constant)]
            return any(word in str(flag) for flag in flags for word in _DEVICE_WORDS)
    elif isinstance(parent, ast.Dict):
        key = next(
            (k for k, v in zip(parent.keys, parent.values, strict=True) if v is hit.node), None
        )
        outer = str(getattr(key, "value", ""))
    else:
        outer = ast.unparse(parent).partition("=")[0] if parent is not None else ""
    return any(word in outer for word in _DEVICE_WORDS)


def _is_getattr(hit: Hit) -> bool:
    """`getattr(torch, "cuda")`."""
    call = hit.call
    if call is None or len(call.args) < 2 or call.args[1] is not hit.node:
        return False
    return getattr(call.func, "id", "") in ("getattr", "hasattr", "setattr")


RULES: tuple[Rule, ...] = (
    Rule(
        id="C001",
        title="a tensor or module is moved with .cuda()",
        category="device",
        why="a build without CUDA raises AssertionError: Torch not compiled with CUDA enabled",
        triggers=(
            method("cuda", when=_cuda_call),
            use("torch.Tensor.cuda", "torch.nn.Module.cuda"),
        ),
        on=_MOVES,
        bad="import torch\nmodel = torch.nn.Linear(2, 2).cuda()\n",
        good="import torch\nmodel = torch.nn.Linear(2, 2).to(device)\n",
        grade="seen",
        sources=(NATIVE, XLA, PROBE),
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
    ),
    Rule(
        id="C011",
        title="code asks for tensor.is_cuda",
        category="device",
        why="it is False on every other accelerator, so that the slow or the wrong branch runs",
        triggers=(
            attribute("is_cuda", when=is_not_demanded),
            method("get_device", when=_asks_whether_on_one),
        ),
        on={
            "neuron": Advice("silent", 'ask for x.device.type != "cpu"'),
            "tpu": Advice("silent", 'ask for x.device.type == "xla"'),
            "rocm": Advice("works", "mind that it is True on AMD as well", "none"),
            "cpu": Advice("works", "leave it: the other branch is the one for the CPU", "none"),
        },
        bad="import torch\nif x.is_cuda:\n    run(x)\n",
        good='import torch\nif x.device.type != "cpu":\n    run(x)\n',
        grade="seen",
        sources=(PROBE,),
    ),
    Rule(
        id="C012",
        title='a device type is compared with "cuda"',
        category="device",
        why="the branch for the accelerator (autocast, pinning, fused kernels) is skipped",
        triggers=(string("*", when=all_of(_compared, is_not_demanded)),),
        on={
            "neuron": Advice("silent", "compare with the accelerator's own type"),
            "tpu": Advice("silent", "compare with the accelerator's own type"),
            "rocm": HIP,
            "cpu": Advice("works", "leave it: the other branch is the one for the CPU", "none"),
        },
        bad='import torch\nfast = x.device.type == "cuda"\n',
        good='import torch\nfast = x.device.type != "cpu"\n',
        grade="seen",
        sources=(PROBE,),
    ),
    Rule(
        id="C143",
        title="the program stops where there is no CUDA",
        category="device",
        why="an assertion or an exit demands CUDA by name, whatever other accelerator is there",
        triggers=(
            use("torch.cuda.is_available", "torch.cuda.device_count", when=is_demanded),
            attribute("is_cuda", when=is_demanded),
            string("*", when=all_of(_compared, is_demanded)),
        ),
        on=per_family(
            Advice("raises", "ask torch.accelerator.is_available(), or leave the demand out"),
            Advice("raises", "ask torch_xla for its device, or leave the demand out"),
            HIP,
            Advice("raises", "leave the demand out: a warning that it will be slow is enough"),
        ),
        bad='import torch\nassert torch.cuda.is_available(), "needs a GPU"\n',
        good="import torch\nassert torch.accelerator.is_available()\n",
        grade="seen",
        sources=(PROBE, ON_CPU_184),
    ),
)
