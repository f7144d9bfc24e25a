"""Rules about the host that waits for the device, and decides by its values."""

from __future__ import annotations

import ast
import re

from glia.port.rules.conditions import (
    all_of,
    first_argument,
    first_is_tensor,
    in_constructor,
    last_name,
    no_arguments,
    of_tensor,
    on_tensor,
    receiver,
)
from glia.port.rules.rule import Advice, Rule, method, per_family, test, use
from glia.port.rules.sources import (
    EXPORT_PROBE,
    RECOMPILATION,
    TROUBLESHOOT,
    neuron_sdk,
)
from glia.port.source.dataflow.host import is_on_host
from glia.port.source.dataflow.read_values import is_read
from glia.port.source.dataflow.values import is_array, is_tensor
from glia.port.source.hits import Hit
from glia.port.source.names.tree import inside

_ARRAYS = {"numpy", "pandas", "polars", "scipy", "xarray", "jax", "tensorflow"}
_REDUCTIONS = {"mean", "sum", "max", "min", "norm", "any", "all", "std", "var"}
_ANSWERS = {"torch.equal", "torch.allclose", "torch.is_nonzero"}
_LOSS = re.compile(r"^(loss_fn|criterion|loss_func|loss_function|\w*_loss)$")
_SAME_METHODS = {"tensorflow", "keras", "paddle", "mxnet"}
_STEPS = ("training_step", "validation_step", "test_step", "shared_step")
_FINITE = ("isnan", "isinf", "isfinite")
_END = re.compile(r"(^|_)(eos|eot|stop_token|stop_ids|end_of_\w+)(_|$)|finished|all_done")


def _reads_one(hit: Hit) -> bool:
    """Each step: not when a model is built, nor by another library's tensors of that name."""
    if not no_arguments(hit) or not on_tensor(hit) or in_constructor(hit):
        return False
    if is_on_host(hit.module, receiver(hit)):
        return False
    others = hit.module.roots & _SAME_METHODS
    return not others or is_tensor(hit.module, receiver(hit)) or hit.key == "item"


def _asks_for_finite(hit: Hit) -> bool:
    """`torch.isnan(x).any()`, `x.isfinite().all()`, alone or within the condition."""
    if not hit.module.mentions(*_FINITE):
        return False
    return any(_is_finite_call(hit, node) for node in inside(hit.node))


def _is_finite_call(hit: Hit, node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = hit.module.dotted(node.func)
    if name:
        return name in ("torch.isnan", "torch.isinf", "torch.isfinite")
    return isinstance(node.func, ast.Attribute) and node.func.attr in _FINITE


def _asks_a_tensor(hit: Hit) -> bool:
    """Any part of the condition evidently is a tensor, and no NaN is asked for."""
    if _asks_for_finite(hit):
        return False
    node = hit.node
    parts = node.values if isinstance(node, ast.BoolOp) else [node]
    parts = [p.operand if isinstance(p, ast.UnaryOp) else p for p in parts]
    return any(_is_asked(hit, part) for part in parts)


def _is_asked(hit: Hit, node: ast.AST) -> bool:
    if is_tensor(hit.module, node):
        return True
    if hit.key == "assert" and not hit.module.scopes.in_forward(node):
        return False  # a check beside the run, of which tests are full
    if isinstance(node, ast.Call) and hit.module.dotted(node.func) in _ANSWERS:
        return True
    return _reduces(hit, node) or _was_reduced(hit, node) or _asks_what_was_read(hit, node)


def _asks_what_was_read(hit: Hit, node: ast.AST) -> bool:
    """In a forward: `y.sum().item() > 0`, `float(y.norm()) > 1`, `n > 3` where `n = int(m.sum())`.

    Outside of models the host may decide as it likes.
    """
    if not hit.module.scopes.in_forward(node):
        return False
    return any(_holds_a_read(hit, inner) for inner in inside(node))


def _holds_a_read(hit: Hit, node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        given = hit.module.scopes.given(node, node.id)
        reads = [value for value in given if isinstance(value, ast.Call)]
        return any(_is_value_of_tensor(hit, value) for value in reads)
    return isinstance(node, ast.Call) and _is_value_of_tensor(hit, node)


def _is_value_of_tensor(hit: Hit, call: ast.Call) -> bool:
    """`t.item()`, `int(t.sum())`, `float(t)`, `bool(t)`."""
    if not is_read(call) or in_constructor(hit):
        return False
    if isinstance(call.func, ast.Attribute):
        value = call.func.value
        return not is_array(hit.module, value) and not is_on_host(hit.module, value)
    value = call.args[0]
    given = hit.module.scopes.given(value, value.id) if isinstance(value, ast.Name) else ()
    return (
        is_tensor(hit.module, value)
        or _reduces(hit, value)
        or (bool(given) and all(_is_reduction(hit, one) for one in given))
    )


def _repeats_by_values(hit: Hit) -> bool:
    """`for _ in range(int(n))` in a forward."""
    is_range = isinstance(hit.node, ast.Call) and getattr(hit.node.func, "id", "") == "range"
    return is_range and _asks_what_was_read(hit, hit.node)


def _may_be_captured(hit: Hit) -> bool:
    """What calls `.backward()`, or is Lightning's to call, is run by the host as it stands."""
    return not _trains(hit, hit.node) or hit.module.scopes.in_forward(hit.node)


def _asks_while_it_trains(hit: Hit) -> bool:
    return not _may_be_captured(hit) and (_asks_for_finite(hit) or _asks_a_tensor(hit))


def _was_reduced(hit: Hit, node: ast.AST) -> bool:
    """`kl > limit`, where `kl = (a - b).mean()` beside a `loss.backward()`."""
    if not isinstance(node, ast.Compare) or not _trains(hit, node):
        return False
    for side in (node.left, *node.comparators):
        given = hit.module.scopes.given(side, side.id) if isinstance(side, ast.Name) else ()
        if given and all(_is_reduction(hit, value) for value in given):
            return True
    return False


def _trains(hit: Hit, node: ast.AST) -> bool:
    """In a function that differentiates, or in one that Lightning calls to."""
    name = getattr(hit.module.scopes.function_of(node), "name", "")
    return bool(hit.module.scopes.differentiated(node)) or name in _STEPS


def _is_reduction(hit: Hit, value: ast.expr) -> bool:
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute)):
        return False
    return (
        value.func.attr in _REDUCTIONS
        and not hit.module.dotted(value.func)
        and not is_array(hit.module, value.func.value)
    )


def _prints_tensor(hit: Hit) -> bool:
    """`print(loss)`, `print("loss", loss)`, `print(f"{loss:.3f}")`."""
    parts: list[ast.AST] = []
    for arg in hit.call.args if hit.call is not None else ():
        texts = arg.values if isinstance(arg, ast.JoinedStr) else [arg]
        parts += [t.value if isinstance(t, ast.FormattedValue) else t for t in texts]
    return any(is_tensor(hit.module, part) and not is_on_host(hit.module, part) for part in parts)


def _answers(hit: Hit) -> bool:
    """`same = torch.equal(a, b)`; conditions have rules of their own, checks of tests none."""
    for outer in hit.module.enclosing(hit.node):
        if isinstance(outer, ast.Call) and last_name(outer.func).startswith("assert"):
            return False
        if isinstance(outer, ast.stmt):
            return not isinstance(outer, ast.Assert | ast.If | ast.While)
    return hit.call is not None


def _first_is_read(hit: Hit) -> bool:
    """`float(loss)`, `int(lengths.max())`, `float(loss_fn(p, y))`."""
    value = first_argument(hit)
    if is_on_host(hit.module, value) or _becomes_a_tensor(hit, value):
        return False
    if value is None or len(hit.call.args if hit.call else ()) != 1:
        return False
    if isinstance(value, ast.Call) and _LOSS.search(last_name(value.func)):
        return not hit.module.dotted(value.func).startswith(("numpy", "math"))
    return first_is_tensor(hit) or _reduces(hit, value)


def _becomes_a_tensor(hit: Hit, value: ast.expr | None) -> bool:
    """`lr = torch.tensor(float(lr))`: what is read is the number before."""
    given = hit.module.scopes.given(value, value.id) if isinstance(value, ast.Name) else ()
    return len(given) == 1 and any(node is hit.call for node in ast.walk(given[0]))


def _reduces(hit: Hit, node: ast.AST) -> bool:
    """`h.mean() > 0`: what has a mean in a forward, or where no arrays are, is a tensor."""
    if not hit.module.scopes.in_forward(node) and hit.module.roots & _ARRAYS:
        return False
    sides = (node.left, *node.comparators) if isinstance(node, ast.Compare) else (node,)
    return any(
        isinstance(side, ast.Call)
        and isinstance(side.func, ast.Attribute)
        and side.func.attr in _REDUCTIONS
        and not is_array(hit.module, side.func.value)
        and not hit.module.dotted(side.func)
        for side in sides
    )


def _ends_a_loop(hit: Hit) -> bool:
    """`if token == eos: break`, in a loop."""
    statement = hit.module.parents.get(hit.node)
    if not isinstance(statement, ast.If) or not hit.module.scopes.in_loop(statement):
        return False
    if not any(isinstance(inner, ast.Break) for inner in statement.body):
        return False
    names = (getattr(n, "id", getattr(n, "attr", "")) for n in ast.walk(hit.node))
    return of_tensor(hit) or any(_END.search(name) for name in names)


_STEP = Advice("slower", "keep the tensor; read it once in many steps")

RULES: tuple[Rule, ...] = (
    Rule(
        id="C077",
        title="one value is read from the device",
        category="sync",
        why="the host waits for all work; where work is lazy it cuts the graph",
        triggers=(
            method("item", when=_reads_one),
            use("float", "int", "bool", when=_first_is_read, torch_only=True),
            use(*sorted(_ANSWERS), when=_answers),
        ),
        on=per_family(_STEP, Advice("slower", "xm.add_step_closure")),
        bad="import torch\ntotal += loss.item()\n",
        good="import torch\ntotal += loss.detach()\nfor k, v in d.items():\n    pass\n",
        grade="seen",
        sources=(
            "https://github.com/pytorch/xla/issues/2120",
            "https://github.com/huggingface/optimum-neuron/issues/792",
            TROUBLESHOOT,
            EXPORT_PROBE,
        ),
    ),
    Rule(
        id="C078",
        title="a tensor is read by the host",
        category="sync",
        why="the host waits for all work; a graph cannot be captured over .numpy()",
        triggers=(
            method("tolist", "numpy", when=_reads_one),
            use("print", when=_prints_tensor, torch_only=True),
        ),
        on=per_family(
            Advice("slower", "after the step: .detach().cpu() once"),
            Advice("slower", "after the step: .detach().cpu() once"),
        ),
        bad="import torch\ny = x.detach().numpy()\n",
        good="import numpy as np\nimport torch\ny = np.zeros(3).tolist()\n",
        grade="seen",
        sources=(TROUBLESHOOT, EXPORT_PROBE),
    ),
    Rule(
        id="C079",
        title="a branch asks whether values are finite",
        category="control",
        why="the branch depends on data: it cannot be captured, and the host waits each step",
        triggers=(test("if", "while", "assert", when=all_of(_asks_for_finite, _may_be_captured)),),
        on=per_family(
            Advice("raises", "torch.where or nan_to_num; ask on the host once in many steps"),
            Advice("slower", "torch.where"),
        ),
        bad="import torch\nif torch.isnan(loss).any():\n    stop()\n",
        good="import math\nimport torch\nif math.isnan(lr):\n    stop()\n",
        grade="seen",
        sources=(EXPORT_PROBE, RECOMPILATION),
    ),
    Rule(
        id="C080",
        title="a branch or loop asks a tensor",
        category="control",
        why="the branch depends on data: it cannot be captured, and each way is another graph",
        triggers=(
            test("if", "while", "assert", when=all_of(_asks_a_tensor, _may_be_captured)),
            test("for", when=_repeats_by_values),
        ),
        on=per_family(
            Advice("raises", "torch.where or torch.cond; a loop of fixed length", "hours"),
            Advice("slower", "torch.where, cond, scan or while_loop", "hours"),
        ),
        bad="import torch\nif torch.max(x) > 0:\n    x = x * 2\n",
        good="import torch\nif x.shape[0] > 0:\n    x = x * 2\n",
        grade="seen",
        sources=(
            EXPORT_PROBE,
            RECOMPILATION,
            "https://github.com/pytorch/pytorch/issues/173915",
            neuron_sdk("issues/1388"),
        ),
    ),
    Rule(
        id="C150",
        title="a training loop asks a tensor",
        category="sync",
        why="the host waits for the step; where work is lazy the graph ends there, each time",
        triggers=(test("if", "while", "assert", when=_asks_while_it_trains),),
        on=per_family(_STEP, Advice("slower", "ask once in many steps, behind xm.mark_step")),
        bad="import torch\nfor x in data:\n    loss = f(x)\n    if torch.isnan(loss):\n"
        "        break\n    loss.backward()\n",
        good="import torch\nfor x in data:\n    loss = f(x)\n    if step > 9:\n        break\n"
        "    loss.backward()\n",
        grade="documented",
        sources=(TROUBLESHOOT, RECOMPILATION),
    ),
    Rule(
        id="C087",
        title="a loop ends when the data say so",
        category="control",
        why="the number of steps is decided by the host: other states, other graphs",
        triggers=(test("if", when=_ends_a_loop),),
        on=per_family(
            Advice("slower", "a loop of fixed length with masks", "days"),
            Advice("slower", "a loop of fixed length with masks", "days"),
        ),
        bad="import torch\nwhile go:\n    t = step(t)\n    if t == eos_id:\n        break\n",
        good="import torch\nfor i in range(9):\n    if i == last:\n        break\n",
        grade="documented",
        sources=(RECOMPILATION,),
    ),
)
