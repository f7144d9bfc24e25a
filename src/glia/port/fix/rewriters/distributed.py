"""Rewriters for process groups and their wrappers, and for the backend of torch.compile."""

from __future__ import annotations

import ast

from glia.port.fix.editing.edits import AddArgument, Fix, Refusal, Replace, fix, replace
from glia.port.fix.registry import rewrites
from glia.port.source.hits import Hit


@rewrites("C103", share="partly")
def choose_backend(hit: Hit) -> Fix | Refusal | None:
    """`init_process_group("nccl")`, `backend="nccl"`, a default that says so."""
    if isinstance(hit.node, ast.Name):
        return None
    if not isinstance(hit.node, ast.Constant) or hit.node.value != "nccl":
        return Refusal("NCCL itself is asked for")
    outer = hit.module.parents.get(hit.node)
    if isinstance(outer, (ast.Compare, ast.Subscript, ast.List, ast.Tuple, ast.Set)):
        return Refusal("it names one case of several")
    if isinstance(outer, ast.Dict) and hit.node in outer.keys:
        return Refusal("it names one case of several")
    return replace(hit.node, "@dist_backend()")


@rewrites("C107", share="yes")
def wrap_module(hit: Hit) -> Fix | Refusal | None:
    """`DistributedDataParallel(model, device_ids=[rank])`."""
    if not isinstance(hit.node, ast.keyword):
        return Refusal("it is not given by name")
    value = hit.node.value
    if isinstance(value, ast.Call) and getattr(value.func, "attr", "") == "if_cuda":
        return None  # done before
    return replace(value, "@if_cuda({value})", value=value)


@rewrites("C072", share="partly")
def compile_model(hit: Hit) -> Fix | Refusal | None:
    """`torch.compile(model)`, `@torch.compile`: the backend that belongs to the device."""
    call = hit.call
    if call is None:
        return fix(Replace(hit.node, "{f}(backend=@compile_backend())", {"f": hit.node}))
    if hit.kind == "keyword":
        return Refusal("another library compiles, by settings of its own")
    if any(k.arg in ("mode", "options") for k in call.keywords):
        return Refusal("its mode or options are those of inductor")
    return fix(AddArgument(call, "@compile_backend()", "backend"))
