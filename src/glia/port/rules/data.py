"""Rules about loading data: pinning, workers, the last batch."""

from __future__ import annotations

import ast

from glia.port.rules.conditions import (
    all_of,
    argument_of,
    given_value,
    is_called,
    is_false,
    is_off,
    is_true,
    last_name,
)
from glia.port.rules.rule import (
    HIP,
    LEAVE,
    Advice,
    Rule,
    keyword,
    library,
    method,
    per_family,
    setting,
    use,
)
from glia.port.rules.sources import GENERAL, PADDING_THREAD, PROBE, RECOMPILATION, XLA
from glia.port.source.conditions.guards import asks_for_cuda
from glia.port.source.hits import Hit

_LOADERS = ("torch.utils.data.DataLoader", "torch.utils.data.dataloader.DataLoader")
_of_loader = argument_of(*_LOADERS)


def _pins(hit: Hit) -> bool:
    """`x.pin_memory()`, `x.pin_memory(device)`."""
    return hit.call is not None and len(hit.call.args) <= 1


def _may_pin(hit: Hit) -> bool:
    """True, or what a name stands for, unless it is False or asks for CUDA."""
    value = given_value(hit)
    if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Not):
        return last_name(value.operand).startswith(("no_", "disable_"))  # `not args.no_pin`
    if not isinstance(value, ast.Name):
        return is_true(hit)
    given = hit.module.scopes.given(value, value.id)
    return bool(given) and not any(
        isinstance(v, ast.Compare | ast.BoolOp)
        or (isinstance(v, ast.Constant) and not v.value)
        or asks_for_cuda(hit.module, v)
        for v in given
        if not _is_switch(v)
    )


def _is_switch(value: ast.expr) -> bool:
    """`os.getenv("PIN", "true") == "true"`."""
    return any(getattr(n, "attr", "") in ("getenv", "environ") for n in ast.walk(value))


def _moves(hit: Hit) -> bool:
    """An argument of `x.to(...)`, `x.cuda(...)` or `x.copy_(...)`."""
    func = hit.call.func if hit.call is not None else None
    return is_true(hit) and isinstance(func, ast.Attribute)


def _third_says_so(hit: Hit) -> bool:
    """`x.to(device, torch.float32, True)`: the flag by its place."""
    flags = hit.call.args[1:3] if hit.call is not None else ()
    return any(isinstance(flag, ast.Constant) and flag.value is True for flag in flags)


def _keeps_the_rest_of_a_list(hit: Hit) -> bool:
    """`BatchSampler(ids, 8, drop_last=False)`."""
    value = hit.argument("drop_last", 2)
    return isinstance(value, ast.Constant) and value.value is False


def _keeps_the_rest(hit: Hit) -> bool:
    """Batches of more than one, and the last may be smaller."""
    if hit.call is None or not is_called(hit) or _hides_more(hit):
        return False
    if hit.argument("batch_sampler") is not None or is_off(hit.argument("batch_size", 1)):
        return False
    return is_off(hit.argument("drop_last", 8))


def _hides_more(hit: Hit) -> bool:
    """Arguments behind `**` that reading does not tell, or that speak of the last batch."""
    for given_name in hit.call.keywords if hit.call is not None else ():
        if given_name.arg is not None:
            continue
        name = given_name.value
        given = hit.module.scopes.given(name, name.id) if isinstance(name, ast.Name) else ()
        entries = [n for value in given for n in ast.walk(value) if isinstance(n, ast.Dict)]
        names = {hit.module.string(k) for entry in entries for k in entry.keys}
        if not names or names & {"drop_last", "batch_sampler", None}:
            return True
    return False


def _has_workers(hit: Hit) -> bool:
    """Any number but 0; one worker is a process as well."""
    value = given_value(hit)
    return not (isinstance(value, ast.Constant) and not value.value)


def _of_an_entry(hit: Hit) -> bool:
    """`{"num_workers": 4, "pin_memory": True}` is meant for a loader."""
    parent = hit.module.parents.get(hit.node)
    return _has_workers(hit) and isinstance(parent, ast.Dict)


RULES: tuple[Rule, ...] = (
    Rule(
        id="C033",
        title="host memory is pinned",
        category="data",
        why="pinning speeds up copies to CUDA; without an accelerator pin_memory() raises",
        triggers=(
            keyword("pin_memory", when=_may_pin),
            setting("pin_memory", "dataloader_pin_memory", when=is_true),
            keyword("dataloader_pin_memory", when=is_true),
            method("pin_memory", when=_pins),
        ),
        on=per_family(
            Advice("unknown", "leave it out; the loader only warns"),
            Advice("unknown", "leave it out; MpDeviceLoader moves ahead of time"),
            HIP,
            Advice("raises", "pin only where there is an accelerator; the loader only warns"),
        ),
        bad="import torch\nx = x.pin_memory()\n",
        good="import torch\nx = x.contiguous()\n",
        grade="seen",
        sources=(PROBE, "https://github.com/vllm-project/vllm/pull/3471"),
    ),
    Rule(
        id="C034",
        title="a copy is told not to wait",
        category="data",
        why="other runtimes promise another order; at best it does nothing",
        triggers=(
            keyword("non_blocking", when=_moves),
            method("to", when=_third_says_so),
        ),
        on=per_family(
            LEAVE,
            Advice("slower", "MpDeviceLoader fetches ahead"),
            HIP,
        ),
        bad="import torch\nx = x.to(device, non_blocking=True)\n",
        good="import torch\nx = x.to(device, non_blocking=False)\n",
        grade="seen",
        sources=(XLA, PROBE),
    ),
    Rule(
        id="C035",
        title="a data loader has workers",
        category="data",
        why="there are fewer host cores per device, and a fork after the runtime has begun hangs",
        triggers=(
            keyword("num_workers", when=all_of(_of_loader, _has_workers)),
            keyword("dataloader_num_workers", when=_has_workers),
            setting("num_workers", when=_of_an_entry),
        ),
        on=per_family(
            Advice("unknown", "start the workers before the device; cap them by cores per device"),
            Advice("unknown", "start them by spawn, and cap them by cores per device"),
        ),
        bad="from torch.utils.data import DataLoader\nloader = DataLoader(data, num_workers=8)\n",
        good="from torch.utils.data import DataLoader\nloader = DataLoader(data, num_workers=0)\n",
        grade="seen",
        sources=(
            "https://github.com/pytorch/xla/issues/4272",
            "https://github.com/pytorch/xla/issues/6815",
            "https://github.com/jax-ml/jax/issues/9190",
        ),
    ),
    Rule(
        id="C036",
        title="the last batch of a loader may be smaller",
        category="data",
        why="a new shape is compiled anew; ranks with unequal batches wait for each other",
        triggers=(
            use(*_LOADERS, when=_keeps_the_rest),
            use("torch.utils.data.BatchSampler", when=_keeps_the_rest_of_a_list),
            keyword("dataloader_drop_last", when=is_false),
        ),
        on=per_family(
            Advice("slower", "drop_last=True, or pad the last batch"),
            Advice("slower", "drop_last=True, or pad the last batch"),
        ),
        bad="from torch.utils.data import DataLoader\nloader = DataLoader(data, batch_size=32)\n",
        good="from torch.utils.data import DataLoader\n"
        "loader = DataLoader(data, batch_size=32, drop_last=True)\n",
        grade="seen",
        sources=(PADDING_THREAD, RECOMPILATION),
    ),
    Rule(
        id="C037",
        title="data is decoded by NVIDIA's own libraries",
        category="data",
        why="DALI and nvJPEG need a GPU of NVIDIA",
        triggers=(*library("nvidia.dali", "nvjpeg", "nvidia.nvimgcodec", "PyNvVideoCodec"),),
        on=per_family(
            Advice("raises", "decode on the CPU with torchvision", "hours"),
            Advice("raises", "decode on the CPU with torchvision or tf.data", "hours"),
            Advice("raises", "rocAL, or torchvision on the CPU", "hours"),
            Advice("raises", "torchvision", "hours"),
        ),
        bad="from nvidia.dali import pipeline_def\n",
        good="from torchvision.io import decode_image\n",
        grade="general",
        sources=(GENERAL,),
    ),
)
