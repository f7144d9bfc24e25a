"""Rewriters for pinned memory and checkpoints."""

from __future__ import annotations

import ast

from glia.port.fix.editing.edits import AddArgument, Fix, Refusal, Replace, fix, replace
from glia.port.fix.registry import rewrites
from glia.port.fix.rewriters.common import NOT_CALLED
from glia.port.rules.conditions import given_value, is_true
from glia.port.source.hits import Hit

_PLACED_ELSEWHERE = Refusal("where it is put is given by a name, which may hold a device")
_UNKNOWN_VALUE = Refusal("what it is given is put together in a way that is not followed")


@rewrites("C033", share="yes")
def pin_memory(hit: Hit) -> Fix | Refusal | None:
    """`pin_memory=True`, `x.pin_memory()`."""
    if hit.kind != "method":
        value = given_value(hit)
        return _only_with_cuda(value) if value is not None else NOT_CALLED
    call = hit.call
    if call is None or call.args or call.keywords or not isinstance(hit.node, ast.Attribute):
        return Refusal("it is told which device to pin for")
    if isinstance(hit.node.value, ast.Call) and getattr(hit.node.value.func, "id", "") == "super":
        return Refusal("it calls a method of a base class")
    return replace(call, "@pin({x})", x=hit.node.value)


def _only_with_cuda(value: ast.expr) -> Fix | Refusal | None:
    """What the user chose stays on CUDA; elsewhere nothing is pinned."""
    if isinstance(value, ast.Constant):
        return replace(value, "@can_pin()") if value.value is True else _UNKNOWN_VALUE
    if isinstance(value, ast.BoolOp) and "can_pin" in ast.unparse(value):
        return None  # done before
    if isinstance(value, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)):
        return replace(value, "@can_pin() and {value}", value=value)
    return _UNKNOWN_VALUE


@rewrites("C125", share="yes")
def load_checkpoint(hit: Hit) -> Fix | Refusal | None:
    """`torch.load(file)` is told where to put what was saved on CUDA."""
    if hit.call is None:
        return NOT_CALLED
    given = hit.argument("map_location", 1) if hit.key == "torch.load" else None
    if given is not None:
        is_none = isinstance(given, ast.Constant) and given.value is None
        return replace(given, "@map_location()") if is_none else _PLACED_ELSEWHERE
    return fix(AddArgument(hit.call, "@map_location()", "map_location"))


@rewrites("C118", share="yes")
def fused_optimizer(hit: Hit) -> Fix | Refusal | None:
    """`fused=True`."""
    return _keyword(hit, "@fused_optimizer()")


@rewrites("C119", share="partly")
def capturable_optimizer(hit: Hit) -> Fix | Refusal | None:
    """`capturable=True`; foreach is left, which works without CUDA graphs."""
    if hit.key != "capturable":
        return Refusal("foreach=True works on other devices as well; see whether it is slower")
    return _keyword(hit, "@is_cuda()")


def _keyword(hit: Hit, text: str) -> Fix | Refusal:
    if not isinstance(hit.node, ast.keyword):
        return NOT_CALLED
    if not is_true(hit):
        return _UNKNOWN_VALUE
    return fix(Replace(hit.node.value, text))
