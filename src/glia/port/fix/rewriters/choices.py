"""Devices that are chosen by a condition or by a remainder, as a whole: `"cuda" if "cuda" in device
else "cpu"`, `rank % torch.cuda.device_count()`."""

from __future__ import annotations

import ast

from glia.port.fix.editing.edits import Fix, replace
from glia.port.source.hits import Hit
from glia.port.source.module import Module

_TAKERS = ("to", "cuda", "set_device")


def choice_by_type(hit: Hit) -> Fix | None:
    """The fix of a whole `"cuda" if "cuda" in device else "cpu"` that a place belongs to."""
    for outer in hit.module.enclosing(hit.node):
        if isinstance(outer, ast.stmt):
            return None
        if isinstance(outer, ast.IfExp):
            device = _asked(outer)
            return replace(outer, "@device_type({device})", device=device) if device else None
    return None


def _asked(choice: ast.IfExp) -> ast.expr | None:
    """The device whose type decides, when the choice is that type and else the CPU."""
    if not (_is_text(choice.body, "cuda") and _is_text(choice.orelse, "cpu")):
        return None
    test = choice.test
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        left, right = test.left, test.comparators[0]
        if isinstance(test.ops[0], ast.In) and _is_text(left, "cuda"):
            return right
        is_type = isinstance(left, ast.Attribute) and left.attr == "type"
        if isinstance(test.ops[0], ast.Eq) and is_type and _is_text(right, "cuda"):
            return left.value  # type: ignore[attr-defined]
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Attribute):
        begins = test.func.attr == "startswith" and len(test.args) == 1
        return test.func.value if begins and _is_text(test.args[0], "cuda") else None
    return None


def _is_text(node: ast.expr, text: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == text


def is_only_device(module: Module, remainder: ast.BinOp) -> bool:
    """`device = rank % count`, where that name is used to say where something runs, and no more:
    then a text will do, which the CPU has too."""
    given = module.parents.get(remainder)
    if not (isinstance(given, ast.Assign) and isinstance(remainder.op, ast.Mod)):
        return False
    target = given.targets[0]
    if len(given.targets) != 1 or not isinstance(target, ast.Name):
        return False
    function = module.scopes.function_of(given)
    uses = [n for n in module.nodes if isinstance(n, ast.Name) and n.id == target.id]
    if function is None or any(n is not target and not isinstance(n.ctx, ast.Load) for n in uses):
        return False
    own = [n for n in uses if n is not target and _is_within(module, n, function)]
    return bool(own) and all(_says_where(module, n) for n in own)


def _is_within(module: Module, node: ast.AST, function: ast.AST) -> bool:
    return any(outer is function for outer in module.enclosing(node))


def _says_where(module: Module, name: ast.Name) -> bool:
    """`x.to(device)`, `torch.zeros(2, device=device)`, `torch.cuda.set_device(device)`."""
    outer = module.parents.get(name)
    if isinstance(outer, ast.keyword):
        return outer.arg == "device"
    if not isinstance(outer, ast.Call) or outer.args[:1] != [name]:
        return False
    return isinstance(outer.func, ast.Attribute) and outer.func.attr in _TAKERS


_READS_NUMBER = {"index", "split", "rsplit", "partition", "rpartition", "removeprefix"}


def number_is_read(module: Module, device: ast.AST) -> bool:
    """`torch.device("cuda", 0).index`, `device.split(":")[1]`."""
    made = module.parents.get(device)
    if isinstance(made, ast.Call) and module.dotted(made.func) == "torch.device":
        device, made = made, module.parents.get(made)
    if isinstance(made, ast.Attribute):
        return made.attr in _READS_NUMBER
    if not isinstance(made, (ast.Assign, ast.AnnAssign)):
        return False
    targets = made.targets if isinstance(made, ast.Assign) else [made.target]
    names = {ast.unparse(target) for target in targets}
    return any(
        (isinstance(n, ast.Subscript) or getattr(n, "attr", "") in _READS_NUMBER)
        and ast.unparse(n.value) in names
        for n in module.nodes
        if isinstance(n, (ast.Attribute, ast.Subscript))
    )
