"""Rewriters for questions that decide what else runs: is CUDA there, is this tensor on it.

They are done only together with all that they guard: code that stays with CUDA must go on being
skipped elsewhere.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from glia.port.fix.editing.edits import Fix, Refusal, Replace, fix, replace
from glia.port.fix.registry import rewrites
from glia.port.fix.rewriters.choices import choice_by_type, is_only_device
from glia.port.fix.rewriters.common import NOT_CALLED, device_call, renamed
from glia.port.fix.rewriters.widening import against_widening
from glia.port.rules.conditions import is_called
from glia.port.source.hits import Hit
from glia.port.source.module import Module

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
    if _tells_zero(hit.module, hit.call) or any(
        _tells_zero(hit.module, use) for use in _uses(hit.module, outer, hit.call)
    ):
        return _ZERO
    refusal = against_widening(hit)
    if refusal is None and isinstance(outer, ast.BinOp) and is_only_device(hit.module, outer):
        left = outer.left
        return replace(outer, "@device({left} % @device_count())", left=left)
    return refusal or renamed(hit, "device_count")


def _uses(module: Module, outer: ast.AST | None, count: ast.expr) -> Iterator[ast.expr]:
    """Where the name is read that is given the count."""
    if isinstance(outer, ast.Assign):
        targets = outer.targets
    elif isinstance(outer, (ast.AnnAssign, ast.NamedExpr)):
        targets = [outer.target]
    else:
        return
    if isinstance(outer, ast.NamedExpr):
        yield outer
    names = {ast.unparse(target) for target in targets}
    reads = (n for n in module.nodes if isinstance(n, (ast.Name, ast.Attribute)))
    yield from (n for n in reads if isinstance(n.ctx, ast.Load) and ast.unparse(n) in names)


def _tells_zero(module: Module, count: ast.expr) -> bool:
    """`if n:`, `n < 1`, `n == 1`, `bool(n)`, `range(n)`: 0 would do something else than 1. What
    becomes of a count that is returned is not seen."""
    outer = module.parents.get(count)
    if isinstance(outer, ast.Return):
        return True
    if isinstance(outer, ast.Compare):
        sides = [outer.left, *outer.comparators]
        numbers = {side.value for side in sides if isinstance(side, ast.Constant)}
        turns = (ast.GtE, ast.Lt, ast.LtE, ast.Eq, ast.NotEq)
        order = any(isinstance(op, turns) for op in outer.ops)
        return 0 in numbers or (1 in numbers and order and not _is_more_than_one(outer, count))
    if isinstance(outer, ast.Call) and count in outer.args:
        return getattr(outer.func, "id", "") in ("bool", "range")
    if isinstance(outer, (ast.If, ast.IfExp, ast.While, ast.Assert)):
        return outer.test is count
    is_not = isinstance(outer, ast.UnaryOp) and isinstance(outer.op, ast.Not)
    return is_not or isinstance(outer, ast.BoolOp)


def _is_more_than_one(test: ast.Compare, count: ast.expr) -> bool:
    """`n <= 1`, `1 >= n`: true of 0 and of 1."""
    if len(test.ops) != 1:
        return False
    return isinstance(test.ops[0], ast.LtE if test.left is count else ast.GtE)


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
