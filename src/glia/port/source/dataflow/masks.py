"""Tensors of truth values, by reading: comparisons, `torch.isnan(x)`, `x.ne(0)`, `~a & b`."""

from __future__ import annotations

import ast

from glia.port.source.dataflow.values import is_array, is_tensor, remembered
from glia.port.source.module import Module

_ASKING = {
    "eq", "ne", "gt", "lt", "ge", "le", "isnan", "isinf", "isfinite", "isclose", "isin", "greater",
    "less", "greater_equal", "less_equal", "not_equal", "logical_and", "logical_or", "logical_not",
    "logical_xor",
}  # fmt: skip
_PANDAS = {"eq", "ne", "gt", "lt", "ge", "le"}  # methods of its tables as well
_SAME = {"view", "reshape", "flatten", "squeeze", "unsqueeze", "expand", "to", "cuda", "cpu", "t"}
_TABLES = {"pandas", "polars", "datasets", "xarray"}
_SIZES = {"shape", "ndim", "dtype", "device", "type"}


@remembered
def is_mask(module: Module, node: ast.AST | None, depth: int) -> bool:
    """True for what evidently is a tensor of truth values."""
    deeper = depth + 1
    if isinstance(node, ast.Name):
        given = module.scopes.given(node, node.id)
        return bool(given) and all(is_mask(module, value, deeper) for value in given)
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Invert) and is_mask(module, node.operand, deeper)
    if isinstance(node, ast.BinOp):
        joins = isinstance(node.op, (ast.BitAnd, ast.BitOr, ast.BitXor))
        return joins and any(is_mask(module, side, deeper) for side in (node.left, node.right))
    if isinstance(node, ast.Compare):
        return _compares_values(module, node)
    return isinstance(node, ast.Call) and _gives_mask(module, node, deeper)


def _gives_mask(module: Module, call: ast.Call, depth: int) -> bool:
    name = module.dotted(call.func)
    if name.startswith("torch."):
        return name.count(".") == 1 and name.rsplit(".", 1)[1] in _ASKING
    func = call.func
    if name or not isinstance(func, ast.Attribute) or is_array(module, func.value):
        return False
    if func.attr == "bool" and not call.args:
        return True
    if func.attr in _ASKING:
        return func.attr not in _PANDAS or not module.roots & _TABLES
    if func.attr == "to" and any(module.dotted(arg) == "torch.bool" for arg in call.args):
        return True
    return func.attr in _SAME and is_mask(module, func.value, depth)


def _compares_values(module: Module, node: ast.Compare) -> bool:
    """`x > 0`, where x is a tensor, or stands in a forward and may be one."""
    sides = (node.left, *node.comparators)
    if any(isinstance(op, (ast.Is, ast.IsNot, ast.In, ast.NotIn)) for op in node.ops):
        return False
    if any(is_array(module, side) or _is_no_tensor(side) for side in sides):
        return False
    if any(is_tensor(module, side) for side in sides):
        return True
    return module.scopes.in_forward(node) and not isinstance(node.left, ast.Constant)


def _is_no_tensor(side: ast.expr) -> bool:
    """A text, None, a shape or a type, or a call of a builtin: `len(x)`."""
    if isinstance(side, ast.Constant):
        return side.value is None or isinstance(side.value, str)
    if isinstance(side, ast.Subscript):
        side = side.value
    if isinstance(side, ast.Call):
        side = side.func
        if isinstance(side, ast.Name):
            return side.id in ("len", "int", "type", "str")
        return isinstance(side, ast.Attribute) and side.attr in ("size", "dim", "numel", "item")
    return isinstance(side, ast.Attribute) and side.attr in _SIZES
