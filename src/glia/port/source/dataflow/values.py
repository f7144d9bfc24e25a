"""What a value evidently is, by reading: a tensor of PyTorch, one of integers, a NumPy array.

Nothing is known of most names: `False` means "not evidently".
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
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
_TYPED_INTEGERS = {f"torch.{kind}Tensor" for kind in ("Long", "Int", "Short", "Char", "Byte")}
_TYPED = _TYPED_INTEGERS | {f"torch.{kind}Tensor" for kind in ("Float", "Half", "Bool", "BFloat16")}
_FLOATING = {
    "float", "half", "double", "bfloat16", "type_as", "mean", "std", "var", "norm", "exp",
    "log", "sqrt", "softmax", "bool", "isnan", "isinf", "isfinite", "eq", "ne", "gt", "lt", "ge",
    "le", "any", "all",
}  # fmt: skip
_DISPLAYS = (ast.Constant, ast.JoinedStr, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.ListComp)
_OTHER_BUILTINS = {"len", "int", "float", "str", "bool", "list", "dict", "tuple", "set", "sorted"}
_OTHER_METHODS = {"item", "tolist", "numpy", "size", "numel", "dim", "keys", "values", "items"}
_ARRAYS = {"numpy", "pandas", "jax", "cupy", "scipy", "polars"}


def remembered(question: _Question) -> Callable[..., bool]:
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


@remembered
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
        if first and all(is_tensor(module, value, deeper) for value in first):
            return True
        if not first and _annotated(module, node):
            return True
        return _is_handled(module, node, first, deeper)
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


def _is_handled(module: Module, node: ast.Name, given: list[ast.expr], depth: int) -> bool:
    """The function calls what only tensors have, and gives the name nothing else."""
    names = module.handled.get(module.scopes.function_of(node), ())
    return node.id in names and not any(_is_other(module, value, depth) for value in given)


def _is_other(module: Module, value: ast.expr, depth: int) -> bool:
    """A constant, a list, a number or a text, an array: no tensor for a while at least."""
    if isinstance(value, _DISPLAYS):
        return True
    if isinstance(value, ast.Call):
        func = value.func
        if isinstance(func, ast.Name) and func.id in _OTHER_BUILTINS:
            return True
        if isinstance(func, ast.Attribute) and func.attr in _OTHER_METHODS:
            return True
    return is_array(module, value, depth)


def _makes(module: Module, call: ast.Call, depth: int) -> bool:
    name = module.dotted(call.func)
    if _last(call.func) == "clip_grad_norm_":
        return True  # the norm, by torch.nn.utils, FSDP or accelerate
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
    return kind is not None and any(_names_tensor(module, part) for part in _alternatives(kind))


def _alternatives(kind: ast.expr) -> Iterator[ast.expr]:
    """`Tensor | None` and `Optional[Tensor]` one by one; a quoted one is read too."""
    if isinstance(kind, ast.Constant) and isinstance(kind.value, str):
        try:
            kind = ast.parse(kind.value, mode="eval").body
        except SyntaxError:
            return
    if isinstance(kind, ast.BinOp):
        yield from _alternatives(kind.left)
        yield from _alternatives(kind.right)
    elif isinstance(kind, ast.Subscript) and _last(kind.value) == "Optional":
        yield from _alternatives(kind.slice)
    else:
        yield kind


def _last(node: ast.expr) -> str:
    return str(getattr(node, "attr", getattr(node, "id", "")))


def _names_tensor(module: Module, kind: ast.expr) -> bool:
    name = module.dotted(kind)
    return name == "torch.Tensor" or (name.startswith("torch.") and name in _TYPED)


def _annotated_integers(module: Module, node: ast.Name) -> bool:
    kind = module.scopes.annotation(node, node.id)
    parts = _alternatives(kind) if kind is not None else ()
    return any(module.dotted(part) in _TYPED_INTEGERS for part in parts)


@remembered
def is_integer_tensor(module: Module, node: ast.AST | None, depth: int) -> bool:
    """True for a tensor that was evidently made with, or turned into, integers."""
    deeper = depth + 1
    if isinstance(node, ast.Name):
        given = module.scopes.given(node, node.id)
        first = [v for v in given if not _continues(v, node.id) or _turns_to_integers(module, v)]
        if any(_gives_floats(value) for value in given if value not in first):
            return False
        if not first:
            return _annotated_integers(module, node)
        return all(is_integer_tensor(module, value, deeper) for value in first)
    if isinstance(node, ast.Attribute):
        return node.attr in ("T", "mT", "data") and is_integer_tensor(module, node.value, deeper)
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


def _turns_to_integers(module: Module, value: ast.expr) -> bool:
    """`ids.long()`, `ids.to(torch.int64)`: whatever it was before."""
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute)):
        return False
    if value.func.attr in ("long", "int"):
        return not value.args
    return value.func.attr in ("to", "type") and _is_given_integers(module, value)


def _gives_floats(value: ast.expr) -> bool:
    """`ids.float()`, `ids / 2`: what was of integers is so no more."""
    return any(
        (isinstance(n, ast.Attribute) and n.attr in _FLOATING)
        or (isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div))
        for n in ast.walk(value)
    )


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


@remembered
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
            first = [v for v in given if not _continues(v, node.id) or _leaves(v)]
            return any(is_array(module, value, deeper) for value in first)
        return _annotated_array(module, node)
    if isinstance(node, (ast.Attribute, ast.Subscript)):
        return module.dotted(node).split(".")[0] in _ARRAYS or is_array(module, node.value, deeper)
    if isinstance(node, ast.BinOp):
        return is_array(module, node.left, deeper) or is_array(module, node.right, deeper)
    return False


def _leaves(value: ast.expr) -> bool:
    """`x.detach().numpy()`: an array from then on."""
    return any(isinstance(n, ast.Attribute) and n.attr == "numpy" for n in ast.walk(value))


def _annotated_array(module: Module, node: ast.Name) -> bool:
    kind = module.scopes.annotation(node, node.id)
    return kind is not None and module.dotted(kind).split(".")[0] in _ARRAYS
