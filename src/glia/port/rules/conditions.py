"""Conditions that the triggers of several rules share."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from glia.port.source.dataflow.values import is_array, is_integer_tensor, is_tensor
from glia.port.source.hits import Hit

Condition = Callable[[Hit], bool]

TORCH_ROOTS = {
    "torch", "torchvision", "torchaudio", "transformers", "diffusers", "accelerate", "lightning",
    "pytorch_lightning", "timm", "peft", "trl", "safetensors", "deepspeed", "xformers",
    "flash_attn", "megatron",
}  # fmt: skip


def in_torch_file(hit: Hit) -> bool:
    """Methods have no type when read: they count in files that import PyTorch or its family."""
    return not hit.module.roots.isdisjoint(TORCH_ROOTS)


def all_of(*conditions: Condition) -> Condition:
    """Every one holds."""
    return lambda hit: all(condition(hit) for condition in conditions)


def names_cuda(text: str | None) -> bool:
    """`cuda`, `cuda:0` and `cuda:*`; no list such as `cuda:nccl,cpu:gloo`."""
    if text is None or "," in text:
        return False
    return text == "cuda" or text.startswith("cuda:")


def argument_of(*functions: str) -> Condition:
    """The place is an argument of one of these functions, or of one below `prefix.*`."""
    exact = {name for name in functions if not name.endswith("*")}
    prefixes = tuple(name[:-1] for name in functions if name.endswith("*"))

    def holds(hit: Hit) -> bool:
        name = hit.module.dotted(hit.call.func) if hit.call is not None else ""
        return bool(name) and (name in exact or name.startswith(prefixes))

    return holds


def is_called(hit: Hit) -> bool:
    """The name is the function of a call."""
    return hit.call is not None and hit.call.func is hit.node


def given_value(hit: Hit) -> ast.expr | None:
    """The value of a keyword, or of a setting."""
    if isinstance(hit.node, ast.keyword):
        return hit.node.value
    return hit.node if isinstance(hit.node, ast.expr) else None


def is_true(hit: Hit) -> bool:
    """The keyword or setting is given as True."""
    value = given_value(hit)
    return isinstance(value, ast.Constant) and value.value is True


def is_false(hit: Hit) -> bool:
    """The keyword or setting is given as False."""
    value = given_value(hit)
    return isinstance(value, ast.Constant) and value.value is False


def given_text(pattern: str) -> Condition:
    """The keyword or setting is given a text that the pattern matches from end to end."""
    test = re.compile(pattern)
    return lambda hit: test.fullmatch(hit.module.string(given_value(hit)) or "") is not None


def made_by(*functions: str) -> Condition:
    """The method is called on what one of these functions gave: `s = torch.cuda.Stream()`."""

    def holds(hit: Hit) -> bool:
        made = receiver(hit)
        given: tuple[ast.expr, ...] = ()
        if isinstance(made, ast.Name):
            given = hit.module.scopes.given(made, made.id)
        elif isinstance(made, ast.Attribute):
            given = hit.module.assigned_to_attribute(made.attr)
        elif isinstance(made, ast.Call):
            given = (made,)
        return any(
            isinstance(value, ast.Call) and hit.module.dotted(value.func) in functions
            for value in given
        )

    return holds


def is_off(node: ast.expr | None) -> bool:
    """Absent, None, False, 0 or 1: nothing is asked for."""
    if not isinstance(node, ast.Constant):
        return node is None
    return node.value is None or (node.value is not True and node.value in (0, 1))


def is_given(hit: Hit) -> bool:
    """The keyword asks for something."""
    return not is_off(given_value(hit))


def without(name: str, position: int | None = None) -> Condition:
    """A call that leaves this argument out, and hides none behind `**`."""

    def holds(hit: Hit) -> bool:
        call = hit.call
        if call is None or not is_called(hit) or any(k.arg is None for k in call.keywords):
            return False
        if any(isinstance(arg, ast.Starred) for arg in call.args):
            return False
        return hit.argument(name, position) is None

    return holds


def no_arguments(hit: Hit) -> bool:
    """`x.half()`."""
    return hit.call is not None and not hit.call.args and not hit.call.keywords


def receiver(hit: Hit) -> ast.expr | None:
    """What stands before the dot."""
    return hit.node.value if isinstance(hit.node, ast.Attribute) else None


def first_argument(hit: Hit) -> ast.expr | None:
    """The first argument that is given by its place."""
    return hit.call.args[0] if hit.call is not None and hit.call.args else None


_MODELS = ("model", "net", "network", "module", "unet", "vae", "encoder", "decoder", "transformer")


def names_model(node: ast.AST | None) -> bool:
    """What is called like a model: `unet`, `self.text_encoder`, `net_g`."""
    name = last_name(node).lower()
    return name.endswith(_MODELS) or name.startswith("net")


def on_tensor(hit: Hit) -> bool:
    """The method is called on what is not evidently an array of NumPy or its like."""
    return not is_array(hit.module, receiver(hit))


def in_forward(hit: Hit) -> bool:
    """In a `forward`, or in what it calls."""
    return hit.module.scopes.in_forward(hit.node)


def in_dataset(hit: Hit) -> bool:
    """Where samples are read and batches put together, on the host: `__getitem__`, `collate`."""
    name = getattr(hit.module.scopes.function_of(hit.node), "name", "")
    return name == "__getitem__" or "collate" in name


def in_constructor(hit: Hit) -> bool:
    """In an `__init__` or what only that calls, which runs once."""
    return hit.module.scopes.in_constructor(hit.node)


def in_annotation(hit: Hit) -> bool:
    """`-> torch.LongTensor`, `x: torch.HalfTensor`: said to the reader only."""
    inner: ast.AST = hit.node
    for outer in hit.module.enclosing(hit.node):
        if isinstance(outer, (ast.arg, ast.AnnAssign)):
            return outer.annotation is inner
        if isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return outer.returns is inner
        if isinstance(outer, ast.stmt):
            return False
        inner = outer
    return False


def is_value(hit: Hit) -> bool:
    """A type that is used, and not only annotated or compared with."""
    parent = hit.module.parents.get(hit.node)
    if isinstance(parent, (ast.Tuple, ast.List, ast.Set)):
        parent = hit.module.parents.get(parent)
    return not isinstance(parent, ast.Compare) and not in_annotation(hit)


def in_isinstance(hit: Hit) -> bool:
    """`isinstance(m, FSDP)`, `isinstance(m, (DDP, FSDP))`."""
    parent = hit.module.parents.get(hit.node)
    if isinstance(parent, ast.Tuple):
        parent = hit.module.parents.get(parent)
    return isinstance(parent, ast.Call) and last_name(parent.func) in ("isinstance", "issubclass")


def in_loop(hit: Hit) -> bool:
    """In a loop of its function."""
    return hit.module.scopes.in_loop(hit.node)


def of_tensor(hit: Hit) -> bool:
    """The place itself evidently is a tensor: a condition, say."""
    return is_tensor(hit.module, hit.node)


def likely_tensor(hit: Hit, node: ast.AST | None) -> bool:
    """Evidently a tensor, or in a forward what a layer gave: `h = self.body(x)`."""
    if is_tensor(hit.module, node):
        return True
    if not isinstance(node, ast.Name) or not hit.module.scopes.in_forward(node):
        return False
    given = hit.module.scopes.given(node, node.id)
    return bool(given) and any(_is_layer(value) for value in given)


def _is_layer(node: ast.expr) -> bool:
    """A call of an attribute of `self`, or of one of a list of them."""
    func = node.func if isinstance(node, ast.Call) else None
    if isinstance(func, ast.Subscript):
        func = func.value
    return isinstance(func, ast.Attribute) and getattr(func.value, "id", "") == "self"


def first_is_tensor(hit: Hit) -> bool:
    """The first argument evidently is a tensor."""
    return is_tensor(hit.module, first_argument(hit))


def of_integers(hit: Hit) -> bool:
    """The tensor that is worked on, before the dot or as the first argument, holds integers."""
    if hit.kind == "method":
        return is_integer_tensor(hit.module, receiver(hit))
    return is_integer_tensor(hit.module, first_argument(hit))


def last_name(node: ast.AST | None) -> str:
    """`self.past_key` as `past_key`; empty for anything but a name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def starts(*prefixes: str) -> Condition:
    """The text starts so."""
    return lambda hit: hit.key.startswith(prefixes)


def asks_own_code(hit: Hit) -> bool:
    """The value is a call of a function that is not PyTorch's: it decides by the machine itself."""
    value = given_value(hit)
    return isinstance(value, ast.Call) and not hit.module.dotted(value.func).startswith("torch.")


def is_not_none(hit: Hit) -> bool:
    """The keyword or setting is not None."""
    value = given_value(hit)
    return not (isinstance(value, ast.Constant) and value.value is None)


def is_choice(hit: Hit) -> bool:
    """One of the choices of a command line, which only lists what may be."""
    parent = hit.module.parents.get(hit.node)
    outer = hit.module.parents.get(parent) if parent is not None else None
    return isinstance(outer, ast.keyword) and outer.arg == "choices"


_EXITS = ("sys.exit", "os._exit", "exit", "quit", "pytest.exit")


def is_demanded(hit: Hit) -> bool:
    """The program stops where the answer is no: `assert ok`, `if not ok: raise ...`.

    That is loud, however quietly the question itself answers.
    """
    inner: ast.AST = hit.node
    is_denied = False
    for outer in hit.module.enclosing(hit.node):
        if isinstance(outer, ast.Assert):
            return outer.test is inner and not is_denied
        if isinstance(outer, ast.If):
            branch = outer.body if is_denied else outer.orelse
            return outer.test is inner and bool(branch) and _stops(hit, branch[-1])
        if isinstance(outer, ast.UnaryOp) and isinstance(outer.op, ast.Not):
            is_denied = not is_denied
        elif isinstance(outer, ast.Compare):
            is_denied ^= _denies(outer)
        elif isinstance(outer, ast.BoolOp):
            # One of several conditions decides alone in `assert a and b` and `if not a or not b`.
            if isinstance(outer.op, ast.Or) != is_denied:
                return False
        elif isinstance(outer, (ast.stmt, ast.IfExp, ast.Lambda)):
            return False
        inner = outer
    return False


def _denies(compared: ast.Compare) -> bool:
    """`type != "cuda"`, `count == 0`, `count < 2`: true where there is no CUDA, or too little."""
    operator, other = compared.ops[0], compared.comparators[-1]
    is_nothing = isinstance(other, ast.Constant) and not other.value
    if isinstance(operator, (ast.Eq, ast.Is)):
        return is_nothing
    if isinstance(operator, (ast.NotEq, ast.IsNot)):
        return not is_nothing
    return isinstance(operator, (ast.Lt, ast.LtE, ast.NotIn))


def is_not_demanded(hit: Hit) -> bool:
    """The program goes on, whatever the answer is."""
    return not is_demanded(hit)


def _stops(hit: Hit, last: ast.stmt) -> bool:
    if isinstance(last, ast.Raise):
        return True
    call = last.value if isinstance(last, ast.Expr) else None
    if not isinstance(call, ast.Call):
        return False
    return (hit.module.dotted(call.func) or last_name(call.func)) in _EXITS
