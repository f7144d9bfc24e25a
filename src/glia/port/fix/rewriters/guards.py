"""Rewriters for questions that decide what else runs: is CUDA there, is this tensor on it.

They are done only together with all that they guard: code that stays with CUDA must go on being
skipped elsewhere.
"""

from __future__ import annotations

import ast

from glia.port.fix.edits import Fix, Refusal, Replace, fix, replace
from glia.port.fix.registry import rewrites
from glia.port.fix.rewriters.choices import choice_by_type, is_only_device
from glia.port.fix.rewriters.common import NOT_CALLED, device_call, renamed
from glia.port.fix.rewriters.widening import against_widening
from glia.port.rules.conditions import is_called
from glia.port.source.hits import Hit

_ZERO = Refusal("0 stands for a machine without CUDA here; the CPU counts as 1")


@rewrites("C006", share="partly", is_guard=True)
def ask_for_cuda(hit: Hit) -> Fix | Refusal | None:
    """`torch.cuda.is_available()`."""
    return against_widening(hit) or renamed(hit, "is_available")


@rewrites("C007", share="partly", is_guard=True)
def count_devices(hit: Hit) -> Fix | Refusal | None:
    """`torch.cuda.device_count()`; not where 0 stands for "no CUDA"."""
    if not is_called(hit) or hit.call is None:
        return NOT_CALLED
    outer = hit.module.parents.get(hit.call)
    if isinstance(outer, ast.Compare):
        sides = [outer.left, *outer.comparators]
        zero = any(isinstance(s, ast.Constant) and s.value == 0 for s in sides)
        one = any(isinstance(s, ast.Constant) and s.value == 1 for s in sides)
        if zero or (one and any(isinstance(op, (ast.GtE, ast.Lt)) for op in outer.ops)):
            return _ZERO
    elif isinstance(outer, (ast.If, ast.IfExp, ast.BoolOp, ast.UnaryOp)):
        return _ZERO
    refusal = against_widening(hit)
    if refusal is None and isinstance(outer, ast.BinOp) and is_only_device(hit.module, outer):
        left = outer.left
        return replace(outer, "@device({left} % @device_count())", left=left)
    return refusal or renamed(hit, "device_count")


@rewrites("C011", share="yes", is_guard=True)
def ask_tensor(hit: Hit) -> Fix | Refusal | None:
    """`x.is_cuda`."""
    if not isinstance(hit.node, ast.Attribute):
        return NOT_CALLED
    return against_widening(hit) or replace(hit.node, "@on_accelerator({x})", x=hit.node.value)


@rewrites("C012", share="partly", is_guard=True)
def compare_type(hit: Hit) -> Fix | Refusal | None:
    """`device.type == "cuda"`, `"cuda" in device`, `"cuda" if "cuda" in device else "cpu"`."""
    if isinstance(hit.node, ast.Name):
        return None
    outer = hit.module.parents.get(hit.node)
    if isinstance(outer, (ast.Tuple, ast.List, ast.Set)) and len(outer.elts) > 1:
        return Refusal("several types are listed; add those for which this code is meant")
    edit = device_call(hit.node)
    if edit is None or edit.text != "@device()":
        return Refusal("a device with its number is compared; see which one is meant")
    return against_widening(hit) or choice_by_type(hit) or _compared(hit)


def _compared(hit: Hit) -> Fix:
    outer = hit.module.parents.get(hit.node)
    if isinstance(outer, ast.Compare) and len(outer.ops) == 1 and outer.left is hit.node:
        if isinstance(outer.ops[0], ast.In):
            return replace(outer, "@is_accelerator({device})", device=outer.comparators[0])
        if isinstance(outer.ops[0], ast.NotIn):
            return replace(outer, "not @is_accelerator({device})", device=outer.comparators[0])
    return fix(Replace(hit.node, "@accelerator_type()"))
