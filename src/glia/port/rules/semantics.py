"""Rules about code that changes tensors where they lie, and about hooks."""

from __future__ import annotations

import ast
import re

from glia.port.rules.conditions import (
    in_constructor,
    in_dataset,
    last_name,
    likely_tensor,
    on_tensor,
    receiver,
)
from glia.port.rules.rule import Advice, Rule, index, method, operator, per_family, use
from glia.port.rules.sources import EXPORT_PROBE, NATIVE, TROUBLESHOOT, neuron_sdk
from glia.port.source.dataflow.host import is_on_host
from glia.port.source.dataflow.values import is_array, is_tensor
from glia.port.source.hits import Hit

_IN_PLACE = tuple(
    f"{name}_"
    for name in (
        "add",
        "sub",
        "mul",
        "div",
        "copy",
        "fill",
        "zero",
        "clamp",
        "clamp_min",
        "clamp_max",
        "masked_fill",
        "scatter",
        "index_copy",
        "index_fill",
        "lerp",
        "exp",
        "sqrt",
        "neg",
        "pow",
        "addcmul",
        "addcdiv",
        "addmm",
        "masked_scatter",
        "relu",
        "sigmoid",
        "tanh",
        "abs",
        "reciprocal",
        "rsqrt",
        "round",
        "floor",
        "uniform",
        "normal",
        "t",
        "transpose",
        "unsqueeze",
        "squeeze",
        "resize",
        "logical_and",
        "logical_or",
        "bitwise_and",
    )
)
_MADE = ("empty", "zeros", "ones", "full", "tensor", "Tensor", "empty_like", "zeros_like")
_FOREIGN = {"ctypes", "cffi", "cupy", "pycuda", "numba", "cuda"}
_FRESH = tuple(f"torch.{name}" for name in _MADE)
_STATE = {"data", "grad", "weight", "bias", "weights", "running_mean", "running_var"}
_STATES = re.compile(r"^(sd|lr|state_dict|\w*_state|ema\w*|params?|p|w|bias|weights?)$")
_BEFORE_THE_RUN = {"__init__", "reset_parameters", "reset_buffers", "from_pretrained", "step"}


def _while_running(hit: Hit) -> bool:
    """Not where weights get their first values, are loaded, stepped or averaged."""
    function = hit.module.scopes.function_of(hit.node)
    name = getattr(function, "name", "")
    if (
        in_dataset(hit)
        or in_constructor(hit)
        or name in _BEFORE_THE_RUN
        or "_init" in name
        or _updates(hit, name)
    ):
        return False
    return not name.lstrip("_").startswith(("init", "load", "convert", "copy_weights", "ema"))


def _updates(hit: Hit, name: str) -> bool:
    """The step of an optimizer, or a function that fills what it is given: `trunc_normal_`."""
    if "single_tensor" in name or "multi_tensor" in name:
        return True
    if name.endswith("_") and not name.endswith("__"):
        return True
    owner = hit.module.scopes.class_of(hit.node)
    if owner is None:
        return False
    return "ema" in owner.name.lower() or any(
        last_name(b).endswith("Optimizer") for b in owner.bases
    )


def _changed(hit: Hit) -> bool:
    if not on_tensor(hit) or not _while_running(hit):
        return False
    if _is_fresh(hit):
        return False
    return _is_local(hit, receiver(hit)) or not _holds_state(receiver(hit))


def _is_local(hit: Hit, node: ast.expr | None) -> bool:
    """In a forward a name, or its `.data`, is what is computed, whatever it is called."""
    if isinstance(node, ast.Attribute) and node.attr == "data":
        node = node.value
    return isinstance(node, ast.Name) and hit.module.scopes.in_forward(node)


def _holds_state(node: ast.expr | None) -> bool:
    """`layer.weight`, `p.data`, `state["w"]`: values that are loaded or averaged between steps."""
    while isinstance(node, (ast.Subscript, ast.Call)):
        node = node.value if isinstance(node, ast.Subscript) else node.func
    names = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)} if node else set()
    return bool(names & _STATE) or bool(_STATES.search(last_name(node)))


def _is_fresh(hit: Hit) -> bool:
    """`torch.empty(3).fill_(1)` is seen by nobody else; a storage has a rule of its own."""
    made = receiver(hit)
    if not isinstance(made, ast.Call):
        return False
    if isinstance(made.func, ast.Attribute) and made.func.attr in ("storage", "untyped_storage"):
        return True
    return hit.module.dotted(made.func) in _FRESH


def _handed_over(hit: Hit) -> bool:
    """`lib.f(x.data_ptr())`, `ctypes.c_void_p(x.data_ptr())`: code outside PyTorch reads there."""
    for outer in hit.module.enclosing(hit.node):
        if isinstance(outer, ast.stmt):
            return False
        if isinstance(outer, ast.Call) and outer is not hit.call and _is_foreign(hit, outer.func):
            return True
    return False


def _is_foreign(hit: Hit, func: ast.expr) -> bool:
    if hit.module.dotted(func).split(".")[0] in _FOREIGN:
        return True
    root = func.value if isinstance(func, ast.Attribute) else None
    if isinstance(root, ast.Name):
        given = hit.module.scopes.given(root, root.id)
    else:
        given = hit.module.assigned_to_attribute(last_name(root))
    return any(
        isinstance(value, ast.Call) and hit.module.dotted(value.func).split(".")[0] in _FOREIGN
        for value in given
    )


def _added(hit: Hit) -> bool:
    """`h += x` in a forward, where `h` is a tensor or a buffer of the module."""
    node = hit.node
    if not isinstance(node, ast.AugAssign) or not hit.module.scopes.in_forward(node):
        return False
    if isinstance(node.target, ast.Name):
        return likely_tensor(hit, node.target)
    return isinstance(node.target, ast.Attribute) and node.target.attr in hit.module.buffers


def _written(hit: Hit) -> bool:
    """`x[:, i] = y`: several axes with a slice; `x[...] = y`, where x evidently is a tensor."""
    node = hit.node
    if not isinstance(node, ast.Subscript) or is_array(hit.module, node.value):
        return False
    if isinstance(node.ctx, ast.Del) or not _while_running(hit):
        return False
    if _is_number(hit.module.parents.get(node)):
        return False
    if is_on_host(hit.module, node.value):
        return False
    where = node.slice
    if isinstance(where, ast.Compare) and "numpy" not in hit.module.roots:
        return True
    if last_name(where).endswith("mask") and not _may_be_array(hit, node.value):
        return True
    if isinstance(where, ast.Tuple) and any(_is_slice(part) for part in where.elts):
        return "numpy" not in hit.module.roots or not _may_be_array(hit, node.value)
    return is_tensor(hit.module, node.value)


def _is_number(statement: ast.AST | None) -> bool:
    """`losses[k] = loss.item()` keeps books on the host."""
    value = statement.value if isinstance(statement, (ast.Assign, ast.AugAssign)) else None
    func = value.func if isinstance(value, ast.Call) else None
    return isinstance(func, ast.Attribute) and func.attr == "item"


def _is_slice(node: ast.expr) -> bool:
    return isinstance(node, ast.Slice) or (
        isinstance(node, ast.Constant) and node.value is Ellipsis
    )


def _may_be_array(hit: Hit, node: ast.expr) -> bool:
    """Files with NumPy: only what is evidently a tensor, or stands in a forward."""
    return not (is_tensor(hit.module, node) or hit.module.scopes.in_forward(node))


RULES: tuple[Rule, ...] = (
    Rule(
        id="C088",
        title="a tensor is changed in place",
        category="semantics",
        why="the compiler's graphs know no mutation; views that share memory have had bugs",
        triggers=(
            method(*_IN_PLACE, when=_changed),
            index("store", when=_written),
            operator("+=", when=_added),
        ),
        on=per_family(
            Advice("unknown", "the form that gives a new tensor; else let the pass rewrite it"),
            Advice("works", "leave it: it is rewritten", "none"),
        ),
        bad="import torch\nx[:, 0] = y\n",
        good="import torch\nd['a'] = 1\nx = x.add(y)\nx.requires_grad_(True)\n",
        grade="documented",
        sources=(
            neuron_sdk(
                "blob/master/vllm-neuron/docs/design/compilation/inplace_to_outofplace_pass.md"
            ),
            "https://github.com/huggingface/optimum-neuron/pull/754",
            EXPORT_PROBE,
        ),
    ),
    Rule(
        id="C089",
        title="the storage behind a tensor is used",
        category="semantics",
        why="there is no storage with strides on these chips",
        triggers=(
            use("torch.as_strided"),
            method(
                "as_strided",
                "as_strided_",
                "set_",
                "untyped_storage",
                "storage_offset",
                when=on_tensor,
            ),
            method("storage", when=on_tensor),
            method("data_ptr", when=_handed_over),
        ),
        on=per_family(
            Advice("raises", "reshape, unfold or gather", "hours"),
            Advice("raises", "reshape, unfold or gather", "hours"),
        ),
        bad="import torch\ny = x.as_strided((2, 2), (1, 2))\n",
        good="import torch\ny = x.unfold(0, 2, 1)\n",
        grade="documented",
        sources=(TROUBLESHOOT, EXPORT_PROBE),
    ),
    Rule(
        id="C122",
        title="a hook is put on a module or tensor",
        category="semantics",
        why="what a hook does in Python breaks a captured graph, or is left out of it",
        triggers=(
            method(
                "register_forward_hook",
                "register_forward_pre_hook",
                "register_full_backward_hook",
                "register_full_backward_pre_hook",
                "register_backward_hook",
                "register_hook",
                "register_post_accumulate_grad_hook",
            ),
            use("torch.nn.modules.module.register_module_forward_hook"),
        ),
        on=per_family(
            Advice("unknown", "leave it out of what is compiled", "hours"),
            Advice("unknown", "leave it out of what is compiled", "hours"),
        ),
        bad="import torch\nlayer.register_forward_hook(keep)\n",
        good="import atexit\nimport torch\natexit.register(keep)\n",
        grade="documented",
        sources=(NATIVE,),
    ),
)
