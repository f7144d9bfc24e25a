"""Tensors of the host: `y = x.cpu()`, `y = x.to("cpu")`, `y = torch.zeros(3)` without a device."""

from __future__ import annotations

import ast

from glia.port.source.dataflow.values import is_tensor
from glia.port.source.module import Module

# They make a tensor on the host where no device is given, and no default is set.
_MAKERS = {
    "arange", "empty", "eye", "from_numpy", "full", "linspace", "logspace", "ones", "rand",
    "randint", "randn", "randperm", "tensor", "zeros",
}  # fmt: skip
# Words of files that set a default device, or make things under one.
_DEFAULTS = (
    "set_default_device", "set_default_tensor_type", "init_module", "init_tensor",
    "with torch.device", "with device:",
)  # fmt: skip


def is_on_host(module: Module, node: ast.AST | None) -> bool:
    """True for a name, or what is computed from one, that was moved to the host before, or that
    was made there.

    `x.cpu().numpy()` is not: there the move itself waits, and this is its place. What a forward
    makes is part of the model's graph, wherever that runs.
    """
    is_eager = node is not None and not module.scopes.in_forward(node)
    if is_eager and _is_made_there(module, node):
        return True
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    if not isinstance(node, ast.Name):
        return False
    given = module.scopes.given(node, node.id)
    return bool(given) and all(
        _moves_to_host(module, value) or (is_eager and _is_made_there(module, value))
        for value in given
    )


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


def _is_made_there(module: Module, node: ast.AST | None) -> bool:
    """`torch.zeros(3).float()`: no device is given, and no call of the chain moves it."""
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        if isinstance(node, ast.Call):
            if any(k.arg in ("device", None) for k in node.keywords):
                return False
            name = module.dotted(node.func)
            if name.startswith("torch.") and name.removeprefix("torch.") in _MAKERS:
                # torch.tensor(x) of a tensor stays where that is.
                is_copy = name == "torch.tensor" and is_tensor(module, _first(node))
                return not is_copy and not module.mentions(*_DEFAULTS)
            if isinstance(node.func, ast.Attribute) and node.func.attr in ("to", "cuda", "type_as"):
                return False
        node = node.func if isinstance(node, ast.Call) else node.value
    return False


def _first(call: ast.Call) -> ast.expr | None:
    return call.args[0] if call.args else None
