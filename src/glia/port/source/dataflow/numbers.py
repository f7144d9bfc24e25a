"""Numbers that stand for a device: a rank, LOCAL_RANK of the environment, `rank % count`, 0."""

from __future__ import annotations

import ast
import re

from glia.port.source.dataflow.values import remembered
from glia.port.source.module import Module

_NAMES = re.compile(
    r"_?(local_?)?rank|_?local_process_index|gpu(_?(id|idx|index|rank|num))?|device_(id|idx|index)"
    r"|cuda_(id|idx|index)|local_?id"
)
_VARIABLE = re.compile(r"\w*RANK|SLURM_LOCALID")
_RANKS = ("torch.distributed.get_rank", "torch.distributed.get_node_local_rank")
_ENVIRONMENT = ("os.environ", "os.getenv", "os.environ.get")


@remembered
def is_device_number(module: Module, node: ast.AST | None, depth: int) -> bool:
    """True for what evidently is the number of a device, by its value or by its name."""
    deeper = depth + 1
    if isinstance(node, ast.Constant):
        return type(node.value) is int
    if isinstance(node, ast.IfExp):
        return all(is_device_number(module, n, deeper) for n in (node.body, node.orelse))
    if isinstance(node, ast.BinOp):
        counts = isinstance(node.op, (ast.Mod, ast.Add, ast.Sub, ast.FloorDiv))
        return counts and is_device_number(module, node.left, deeper)
    if isinstance(node, ast.Call):
        return _gives_number(module, node)
    if isinstance(node, ast.Name):
        return _is_named(module, node, deeper)
    if isinstance(node, ast.Attribute):
        given = module.assigned_to_attribute(node.attr)
        return _is_rank(module, node.attr, given, deeper)
    return False


def _is_named(module: Module, node: ast.Name, depth: int) -> bool:
    given = module.scopes.given(node, node.id)
    if given or node.id in module.names:
        return _is_rank(module, node.id, given, depth)
    kind = module.scopes.annotation(node, node.id)
    return _is_rank(module, node.id, (), depth) or getattr(kind, "id", "") == "int"


def _is_rank(module: Module, name: str, given: tuple[ast.expr, ...], depth: int) -> bool:
    """Given a number of that kind; or called like one, and given no text."""
    if any(is_device_number(module, value, depth) for value in given):
        return True
    if any(module.string(value) is not None for value in given):
        return False
    return _NAMES.fullmatch(name.lower()) is not None


def _gives_number(module: Module, call: ast.Call) -> bool:
    """`int(os.environ["LOCAL_RANK"])`, `dist.get_rank()`, `x.get_device()`."""
    name = module.dotted(call.func)
    last = str(getattr(call.func, "attr", getattr(call.func, "id", "")))
    if name in _RANKS or last in ("get_rank", "get_local_rank", "get_device"):
        return not call.args or name in _RANKS
    if last != "int" or not call.args:
        return False
    return any(_is_variable(module, inner) for inner in ast.walk(call.args[0]))


def _is_variable(module: Module, node: ast.AST) -> bool:
    """`os.environ["LOCAL_RANK"]`, `os.getenv("LOCAL_RANK", 0)`."""
    if isinstance(node, ast.Subscript):
        source, key = node.value, node.slice
    elif isinstance(node, ast.Call) and node.args:
        source, key = node.func, node.args[0]
    else:
        return False
    text = module.string(key) or ""
    return module.dotted(source) in _ENVIRONMENT and _VARIABLE.fullmatch(text) is not None
