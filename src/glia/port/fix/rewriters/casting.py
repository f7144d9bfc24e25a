"""Rewriters for automatic mixed precision."""

from __future__ import annotations

import ast

from glia.port.fix.editing.edits import (
    DropArgument,
    Edit,
    Fix,
    NameArgument,
    Refusal,
    Replace,
    fix,
    replace,
)
from glia.port.fix.registry import rewrites
from glia.port.fix.rewriters.common import has_stars, renamed
from glia.port.rules.conditions import is_called
from glia.port.source.hits import Hit

_OLD = ("torch.cuda.amp.autocast", "torch.cuda.amp.autocast_mode.autocast")
_OLD_SCALERS = ("torch.cuda.amp.GradScaler", "torch.cuda.amp.grad_scaler.GradScaler")
_CLASS = Refusal("the class itself is meant here, as by isinstance; the helper makes objects of it")


@rewrites("C038", share="yes")
def old_autocast(hit: Hit) -> Fix | Refusal | None:
    """`torch.cuda.amp.autocast()`: in float16 unless it names another format."""
    if hit.key not in _OLD:
        return Refusal("the module torch.cuda.amp itself is kept in a variable")
    if is_called(hit) or _makes_one_later(hit):
        return replace(hit.node, "@amp_autocast")
    return _CLASS


def _makes_one_later(hit: Hit) -> bool:
    """`partial(autocast, dtype=t)`, `(autocast if amp else nullcontext)()`."""
    outer = hit.module.parents.get(hit.node)
    if isinstance(outer, ast.Call):
        is_partial = hit.module.dotted(outer.func) == "functools.partial"
        return is_partial and outer.args[:1] == [hit.node]
    return isinstance(outer, ast.IfExp) and outer.test is not hit.node


@rewrites("C039", share="yes")
def new_autocast(hit: Hit) -> Fix | Refusal | None:
    """`torch.autocast("cuda", ...)`: the helper knows the device."""
    call = hit.call
    if call is None or has_stars(call):
        return Refusal("its arguments are behind a star")
    if isinstance(hit.node, (ast.Constant, ast.JoinedStr)):
        return _without_type(hit, call, hit.node)
    return fix(Replace(hit.node, "@autocast"))


def _without_type(hit: Hit, call: ast.Call, device: ast.expr) -> Fix | Refusal:
    if not (isinstance(device, ast.Constant) and device.value == "cuda"):
        return Refusal("autocast takes the type of a device, without a number")
    # torch.autocast(device_type, dtype, enabled, cache_enabled), and so does the helper.
    rest = ("dtype", "enabled", "cache_enabled")
    named = [NameArgument(call, a, n) for a, n in zip(call.args[1:], rest, strict=False)]
    return fix(Replace(call.func, "@autocast"), DropArgument(call, device), *named)


@rewrites("C040", share="partly")
def scale_gradients(hit: Hit) -> Fix | Refusal | None:
    """`torch.cuda.amp.GradScaler()`, `torch.amp.GradScaler("cuda")`: each stays of its class."""
    if hit.key.endswith("ShardedGradScaler"):
        return Refusal("it belongs to FSDP on CUDA")
    call = hit.call
    if not is_called(hit) or call is None:
        return _CLASS
    if hit.key in _OLD_SCALERS:
        return replace(hit.node, "@amp_grad_scaler")
    edits: list[Edit] = [Replace(hit.node, "@grad_scaler")]
    device = hit.argument("device", 0)
    if device is not None:
        if not (isinstance(device, ast.Constant) and device.value == "cuda"):
            return Refusal("which device it scales for is not evident")
        edits.append(DropArgument(call, device))
    return fix(*edits)


@rewrites("C041", share="yes")
def custom_gradient(hit: Hit) -> Fix | Refusal | None:
    """`@torch.cuda.amp.custom_fwd`, and the newer form with its type of device."""
    name = hit.key.rpartition(".")[2]
    if name in ("custom_fwd", "custom_bwd"):
        return replace(hit.node, f"@{name}")
    if isinstance(hit.node, ast.Constant) and hit.node.value == "cuda":
        return replace(hit.node, "@device()")
    return Refusal("which device it casts for is not evident")


@rewrites("C023", share="yes")
def ask_bfloat16(hit: Hit) -> Fix | Refusal | None:
    """`torch.cuda.is_bf16_supported()`."""
    return renamed(hit, "is_bf16_supported")
