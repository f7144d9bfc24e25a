"""Names that stand for tensors of the host: `y = x.cpu()`, `y = x.to("cpu")`."""

from __future__ import annotations

import ast

from glia.port.source.module import Module


def is_on_host(module: Module, node: ast.AST | None) -> bool:
    """True for a name, or what is computed from one, that was moved to the host before.

    `x.cpu().numpy()` is not: there the move itself waits, and this is its place.
    """
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    if not isinstance(node, ast.Name):
        return False
    given = module.scopes.given(node, node.id)
    return bool(given) and all(_moves_to_host(module, value) for value in given)


def _moves_to_host(module: Module, node: ast.AST | None) -> bool:
    """Some call of the chain is `.cpu()` or `.to("cpu")`, and none behind it moves on."""
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = node.func.attr
            where = node.args[0] if node.args else None
            if name == "cpu" or (name == "to" and module.string(where) == "cpu"):
                return True
            if name in ("to", "cuda"):
                return False
        node = node.func if isinstance(node, ast.Call) else node.value
    return False
