"""Names that a function handles as tensors: `x.unsqueeze(0)`, `torch.isnan(x)`.

Only what neither an array of NumPy, a table of pandas nor a module has counts as evidence.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping

from glia.port.source.names.scopes import Function, Scopes

_METHODS = {
    "addmm", "as_strided", "bmm", "chunk", "clamp", "clamp_", "contiguous", "detach",
    "element_size", "expand", "expand_as", "fill_", "flip", "index_select", "is_contiguous",
    "isfinite", "isinf", "isnan", "logsumexp", "long", "masked_fill", "masked_fill_",
    "masked_scatter", "masked_select", "matmul", "mul_", "narrow", "new_empty", "new_full",
    "new_ones", "new_tensor", "new_zeros", "permute", "pin_memory", "record_stream",
    "relu", "repeat_interleave", "requires_grad_", "scatter_", "scatter_add",
    "scatter_add_", "sigmoid", "softmax", "log_softmax", "tril", "triu", "type_as",
    "unfold", "unsqueeze", "unsqueeze_", "view_as", "zero_",
}  # fmt: skip
# Those that take a tensor first, and no list of tensors.
_FUNCTIONS = {
    "abs", "all", "any", "argmax", "argmin", "argsort", "argwhere", "bincount", "bmm", "chunk",
    "clamp", "count_nonzero", "cumprod", "cumsum", "empty_like", "eq", "exp", "flatten",
    "full_like", "gather", "ge", "gt", "isfinite", "isinf", "isnan", "le", "log", "log_softmax",
    "logical_and", "logical_not", "logical_or", "logsumexp", "lt", "masked_select", "matmul", "max",
    "mean", "min", "mm", "multinomial", "ne", "nonzero", "norm", "ones_like", "permute",
    "rand_like", "randn_like", "relu", "repeat_interleave", "roll", "sigmoid", "softmax", "sort",
    "split", "sqrt", "squeeze", "std", "sum", "tanh", "topk", "tril", "triu", "unbind", "unique",
    "unsqueeze", "var", "zeros_like",
}  # fmt: skip

Handled = Mapping[Function | None, frozenset[str]]


def handled(nodes: Iterable[ast.AST], scopes: Scopes, dotted: Callable[[ast.AST], str]) -> Handled:
    """Per function (None: the top of the file) the plain names that it handles as tensors."""
    found: dict[Function | None, set[str]] = {}
    for node in nodes:
        if node.__class__ is ast.Call and (name := _name_handled(node, dotted)):
            found.setdefault(scopes.function_of(node), set()).add(name)
    return {function: frozenset(names) for function, names in found.items()}


def _name_handled(call: ast.Call, dotted: Callable[[ast.AST], str]) -> str:
    func = call.func
    if not isinstance(func, ast.Attribute):
        return ""
    root = func.value
    if func.attr in _METHODS and isinstance(root, ast.Name):
        return root.id if not dotted(root) else ""
    first = call.args[0] if call.args else None
    if not isinstance(first, ast.Name):
        return ""
    name = dotted(func)
    if name.startswith("torch.nn.functional."):
        return first.id
    is_plain = name.startswith("torch.") and name.count(".") == 1
    return first.id if is_plain and func.attr in _FUNCTIONS else ""
