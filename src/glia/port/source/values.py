"""What a value evidently is, by reading: a tensor of PyTorch, one of integers, a NumPy array.

Nothing is known of most names: `False` means "not evidently".
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import wraps

from glia.port.source.module import Module

_DEEPEST = 40
_Question = Callable[[Module, "ast.AST | None", int], bool]

_MAKERS = {
    "tensor", "as_tensor", "from_numpy", "zeros", "ones", "empty", "full", "rand", "randn", "eye",
    "arange", "linspace", "zeros_like", "ones_like", "empty_like", "full_like", "rand_like",
    "randn_like", "randint", "randperm", "cat", "stack", "where", "sum", "mean", "max", "min",
    "abs", "exp", "log", "sqrt", "matmul", "mm", "bmm", "einsum", "softmax", "sigmoid", "norm",
    "isnan", "isinf", "isfinite", "any", "all", "argmax", "argmin", "topk", "sort", "clamp", "eq",
    "ne", "gt", "lt", "ge", "le", "logical_and", "logical_or", "cumsum", "multinomial", "bernoulli",
    "nonzero", "masked_select", "unique", "outer", "tanh", "relu", "rsqrt", "flatten", "squeeze",
    "unsqueeze", "permute", "count_nonzero", "bincount", "var", "std", "prod", "round", "floor",
}  # fmt: skip
_KEEPERS = {
    "sum", "mean", "max", "min", "abs", "exp", "log", "sqrt", "norm", "any", "all", "argmax",
    "argmin", "float", "half", "bfloat16", "double", "long", "int", "bool", "to", "cpu", "cuda",
    "detach", "clone", "view", "reshape", "flatten", "squeeze", "unsqueeze", "permute", "expand",
    "transpose", "contiguous", "clamp", "pow", "prod", "std", "var", "isnan", "isinf", "isfinite",
    "eq", "ne", "gt", "lt", "ge", "le", "cumsum", "masked_fill", "softmax", "type_as", "repeat",
    "gather", "index_select", "t", "nonzero", "logical_not", "round", "floor",
}  # fmt: skip
_NEW = {"new_zeros", "new_ones", "new_full", "new_empty", "new_tensor"}
_PARTS = {"T", "data", "grad", "mT", "real", "values", "indices"}
_NOT_TENSORS = ("torch.nn.functional.has_torch_function",)
_INTEGERS = {
    "torch.int64", "torch.long", "torch.int32", "torch.int", "torch.int16", "torch.short",
    "torch.int8", "torch.uint8",
}  # fmt: skip
_ARRAYS = {"numpy", "pandas", "jax", "cupy", "scipy", "polars"}


def _remembered(question: _Question) -> Callable[..., bool]:
    """Answers each node once; `x = x.sum()`, which leads back to itself, is no evidence."""

    @wraps(question)
    def answer(module: Module, node: ast.AST | None, depth: int = 0) -> bool:
        if node is None or depth > _DEEPEST:
            return False
        place = (question.__name__, node)
        if place not in module.known:
            module.known[place] = False
            module.known[place] = question(module, node, depth)
        return module.known[place]

    return answer


@_remembered
def is_tensor(module: Module, node: ast.AST | None, depth: int) -> bool:
    """True for what evidently is a tensor of PyTorch."""
    deeper = depth + 1
    if isinstance(node, ast.Call):
        return _makes(module, node, deeper)
    if isinstance(node, ast.Name):
        given = module.scopes.given(node, node.id)
        if node.id in module.scopes.differentiated(node):
            return True
        first = [value for value in given if not _continues(value, node.id)]
        if first:
            return all(is_tensor(module, value, deeper) for value in first)
        return _annotated(module, node)
    if isinstance(node, ast.Attribute):
        return node.attr in _PARTS and is_tensor(module, node.value, deeper)
    if isinstance(node, (ast.Subscript, ast.Starred)):
        return is_tensor(module, node.value, deeper)
    if isinstance(node, ast.BinOp):
        sides: tuple[ast.expr, ...] = (node.left, node.right)
        return any(is_tensor(module, side, deeper) for side in sides)
    if isinstance(node, ast.Compare):
        if any(isinstance(op, (ast.Is, ast.IsNot, ast.In, ast.NotIn)) for op in node.ops):
            return False
        return any(is_tensor(module, side, deeper) for side in (node.left, *node.comparators))
    if isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.Not):
        return is_tensor(module, node.operand, deeper)
    return False


def _continues(value: ast.expr, name: str) -> bool:
    """`x * 2`, `x.float()`, given to `x`: whatever it was, it stays."""
    if isinstance(value, ast.BinOp):
        return _continues(value.left, name) or _continues(value.right, name)
    if isinstance(value, ast.UnaryOp):
        return _continues(value.operand, name)
    if isinstance(value, ast.Subscript):
        return _continues(value.value, name)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        return value.func.attr in _KEEPERS and _continues(value.func.value, name)
    return isinstance(value, ast.Name) and value.id == name


def _makes(module: Module, call: ast.Call, depth: int) -> bool:
    name = module.dotted(call.func)
    if name.startswith("torch."):
        last = name.rsplit(".", 1)[1]
        if name.count(".") == 1:
            return last in _MAKERS
        return name.startswith("torch.nn.functional.") and name not in _NOT_TENSORS
    func = call.func
    if isinstance(func, ast.Attribute) and func.attr in _NEW:
        return True
    if isinstance(func, ast.Attribute) and func.attr in _KEEPERS:
        return is_tensor(module, func.value, depth)
    return False


def _annotated(module: Module, node: ast.Name) -> bool:
    kind = module.scopes.annotation(node, node.id)
    if isinstance(kind, ast.Attribute):
        return module.dotted(kind) == "torch.Tensor"
    return isinstance(kind, ast.Name) and module.names.get(kind.id) == "torch.Tensor"


@_remembered
def is_integer_tensor(module: Module, node: ast.AST | None, depth: int) -> bool:
    """True for a tensor that was evidently made with, or turned into, integers."""
    deeper = depth + 1
    if isinstance(node, ast.Name):
        given = module.scopes.given(node, node.id)
        return bool(given) and all(is_integer_tensor(module, v, deeper) for v in given)
    if isinstance(node, ast.Subscript):
        return is_integer_tensor(module, node.value, deeper)
    if not isinstance(node, ast.Call):
        return False
    name = module.dotted(node.func)
    if name in ("torch.randint", "torch.argmax", "torch.argmin", "torch.bincount"):
        return not any(k.arg == "dtype" for k in node.keywords)
    if name.startswith("torch."):
        return _is_given_integers(module, node)
    func = node.func
    if not isinstance(func, ast.Attribute):
        return False
    if func.attr in ("long", "int") and not node.args:
        return bool({n.split(".")[0] for n in module.names.values()} & {"torch"})
    if func.attr == "to":
        return _is_given_integers(module, node) or (
            _is_given_device(module, node) and is_integer_tensor(module, func.value, deeper)
        )
    if func.attr in ("view", "reshape", "cuda", "cpu", "clone", "detach", "t", "transpose", "sum"):
        return is_integer_tensor(module, func.value, deeper)
    return False


def _is_given_integers(module: Module, call: ast.Call) -> bool:
    values = [*call.args, *(k.value for k in call.keywords if k.arg == "dtype")]
    return any(module.dotted(v) in _INTEGERS for v in values)


def _is_given_device(module: Module, call: ast.Call) -> bool:
    """`x.to(device)`, `x.to("cpu")`, `x.to(y.device)`: another name may be a type."""
    if any(k.arg in ("dtype", "other") for k in call.keywords):
        return False
    return all(
        isinstance(arg, ast.Constant) or "device" in ast.unparse(arg).lower() for arg in call.args
    )


@_remembered
def is_array(module: Module, node: ast.AST | None, depth: int) -> bool:
    """True for what evidently is an array or table of another library, as NumPy's and pandas'."""
    deeper = depth + 1
    if isinstance(node, ast.Call):
        root = module.dotted(node.func).split(".")[0]
        if root:
            return root in _ARRAYS
        func = node.func
        if isinstance(func, ast.Attribute):
            return func.attr == "numpy" or is_array(module, func.value, deeper)
        return False
    if isinstance(node, ast.Name):
        given = module.scopes.given(node, node.id)
        if given:
            return any(is_array(module, value, deeper) for value in given)
        return _annotated_array(module, node)
    if isinstance(node, (ast.Attribute, ast.Subscript)):
        return module.dotted(node).split(".")[0] in _ARRAYS or is_array(module, node.value, deeper)
    if isinstance(node, ast.BinOp):
        return is_array(module, node.left, deeper) or is_array(module, node.right, deeper)
    return False


def _annotated_array(module: Module, node: ast.Name) -> bool:
    kind = module.scopes.annotation(node, node.id)
    return kind is not None and module.dotted(kind).split(".")[0] in _ARRAYS
