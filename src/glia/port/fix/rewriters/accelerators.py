"""Rewriters for devices that are given by a number, and for torch.accelerator, which raises where
there is none."""

from __future__ import annotations

import ast

from glia.port.fix.editing.edits import Fix, Refusal, replace
from glia.port.fix.registry import rewrites
from glia.port.fix.rewriters.choices import is_only_device
from glia.port.fix.rewriters.common import NOT_CALLED, is_helpers, renamed
from glia.port.source.dataflow.values import is_tensor
from glia.port.source.hits import Hit

_LIKE = {
    "synchronize": "synchronize",
    "empty_cache": "empty_cache",
    "memory_allocated": "memory_allocated",
    "memory_reserved": "memory_reserved",
    "max_memory_allocated": "max_memory_allocated",
    "max_memory_reserved": "max_memory_reserved",
    "reset_peak_memory_stats": "reset_peak_memory_stats",
    "set_device_index": "set_device",
    "set_device_idx": "set_device",
    "current_device_index": "current_device",
    "current_device_idx": "current_device",
}


@rewrites("C015", share="partly")
def call_accelerator(hit: Hit) -> Fix | Refusal | None:
    """`torch.accelerator.synchronize()`: on CUDA it is `torch.cuda.synchronize()`."""
    name = _LIKE.get(hit.key.removeprefix("torch.accelerator."))
    if name is None:
        return Refusal("ask torch.accelerator.is_available() first; the helper has no likeness")
    return renamed(hit, name)


@rewrites("C139", share="yes")
def give_number(hit: Hit) -> Fix | Refusal | None:
    """`x.to(rank)`, `device=0`."""
    if hit.call is not None and hit.module.dotted(hit.call.func).startswith("torch.cuda."):
        return None  # its likeness takes numbers, and needs none elsewhere
    if is_helpers(hit):
        return None
    value = hit.node.value if isinstance(hit.node, ast.keyword) else hit.argument("device", 0)
    if value is None:
        return NOT_CALLED
    if is_tensor(hit.module, value) or _becomes_device(hit, value):
        return None  # x.to(like) takes the type of a tensor
    known = isinstance(value, ast.Constant)
    return replace(value, "@device({which})" if known else "@place({which})", which=value)


def _becomes_device(hit: Hit, value: ast.expr) -> bool:
    """`d = rank % torch.cuda.device_count()`: the rewriter of the count makes `d` a device."""
    given = hit.module.scopes.given(value, value.id) if isinstance(value, ast.Name) else ()
    return any(
        isinstance(one, ast.BinOp)
        and "torch.cuda.device_count" in {hit.module.dotted(n) for n in ast.walk(one)}
        and is_only_device(hit.module, one)
        for one in given
    )
