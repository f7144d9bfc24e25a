"""Rules about optimizers, gradients and recomputation."""

from __future__ import annotations

import ast

from glia.port.rules.conditions import asks_own_code, given_text, is_called, is_given, is_true
from glia.port.rules.rule import LEAVE, Advice, Rule, keyword, method, per_family, setting, use
from glia.port.rules.sources import EXPORT_PROBE, NATIVE, PROBE, TROUBLESHOOT, XLA_AMP
from glia.port.source.hits import Hit

_OPTIMIZERS = ("Adam", "AdamW", "SGD", "Adagrad", "Adamax", "NAdam", "RAdam", "Adadelta", "RMSprop")


def _of_optimizer(hit: Hit) -> bool:
    """An argument of an optimizer of PyTorch, or of the `dict(...)` that is meant for one."""
    return is_true(hit) and _is_for_optimizer(hit)


def _may_fuse(hit: Hit) -> bool:
    """`fused=True`, `fused=use_fused`, `fused=torch.cuda.is_available()`."""
    return is_given(hit) and not asks_own_code(hit) and _is_for_optimizer(hit)


def _is_for_optimizer(hit: Hit) -> bool:
    if hit.call is None:
        return False
    name = hit.module.dotted(hit.call.func)
    if name:
        return name.startswith("torch.optim.")
    plain = getattr(hit.call.func, "attr", getattr(hit.call.func, "id", ""))
    uses = any(n.startswith("torch.optim") for n in hit.module.used)
    return uses and (plain == "dict" or plain in _OPTIMIZERS)


def _of_an_entry(hit: Hit) -> bool:
    """`{"fused": True}`, in a file that makes an optimizer."""
    uses = any(name.startswith("torch.optim") for name in hit.module.used)
    return is_true(hit) and uses and isinstance(hit.module.parents.get(hit.node), ast.Dict)


def _read_by_host(hit: Hit) -> bool:
    """The norm must be finite, or is looked at."""
    if not is_called(hit) or hit.call is None:
        return False
    strict = hit.argument("error_if_nonfinite")
    if isinstance(strict, ast.Constant) and strict.value is True:
        return True
    return not isinstance(hit.module.parents.get(hit.call), ast.Expr)


def _reentrant(hit: Hit) -> bool:
    value = hit.argument("use_reentrant")
    return is_called(hit) and not (isinstance(value, ast.Constant) and value.value is False)


RULES: tuple[Rule, ...] = (
    Rule(
        id="C118",
        title="an optimizer is asked for its fused kernel",
        category="optim",
        why="which devices have one differs",
        triggers=(
            keyword("fused", when=_may_fuse),
            setting("fused", when=_of_an_entry),
            keyword("optim", when=given_text("adamw_torch_fused")),
        ),
        on=per_family(
            Advice("unknown", "fused=False; torch.compile fuses"),
            Advice("raises", "the optimizers of torch_xla.amp.syncfree"),
        ),
        bad="import torch\nopt = torch.optim.AdamW(ps, fused=True)\n",
        good="import torch\nopt = torch.optim.AdamW(ps, fused=False)\n",
        grade="documented",
        sources=(XLA_AMP, PROBE),
    ),
    Rule(
        id="C119",
        title="an optimizer is made for CUDA graphs",
        category="optim",
        why="capturable works on a few kinds of devices only, and is about CUDA graphs",
        triggers=(keyword("capturable", when=_of_optimizer),),
        on=per_family(
            Advice("unknown", "leave it out"),
            Advice("unknown", "leave it out"),
            LEAVE,
            Advice("raises", "leave it out"),
        ),
        bad="import torch\nopt = torch.optim.Adam(ps, capturable=True)\n",
        good="import torch\nopt = torch.optim.Adam(ps, capturable=False)\n",
        grade="seen",
        sources=(PROBE,),
    ),
    Rule(
        id="C142",
        title="an optimizer is told to update all tensors at once",
        category="optim",
        why="foreach saves launches of CUDA kernels; compiled steps have none to save",
        triggers=(keyword("foreach", when=_of_optimizer),),
        on=per_family(
            Advice("unknown", "leave it out"),
            Advice("unknown", "leave it out"),
        ),
        bad="import torch\nopt = torch.optim.Adam(ps, foreach=True)\n",
        good="import torch\nopt = torch.optim.Adam(ps, foreach=False)\n",
        grade="seen",
        sources=(PROBE,),
    ),
    Rule(
        id="C120",
        title="the host looks at the norm of the gradients",
        category="optim",
        why="it waits for the device each step",
        triggers=(
            use(
                "torch.nn.utils.clip_grad_norm_",
                "torch.nn.utils.clip_grad.clip_grad_norm_",
                when=_read_by_host,
            ),
            method("clip_grad_norm_", when=_read_by_host),
        ),
        on=per_family(
            Advice("slower", "keep the norm as a tensor, and error_if_nonfinite=False"),
            Advice("slower", "keep the norm as a tensor; torch_xla's form uses torch.where"),
        ),
        bad="import torch\nn = torch.nn.utils.clip_grad_norm_(ps, 1.0)\n",
        good="import torch\ntorch.nn.utils.clip_grad_norm_(ps, 1.0)\n",
        grade="documented",
        sources=(TROUBLESHOOT,),
    ),
    Rule(
        id="C121",
        title="activations are computed again in the backward pass",
        category="optim",
        why="the reentrant form cannot be captured; XLA's compiler may undo the saving",
        triggers=(
            use(
                "torch.utils.checkpoint.checkpoint",
                "torch.utils.checkpoint.checkpoint_sequential",
                when=_reentrant,
            ),
            method("gradient_checkpointing_enable", "enable_gradient_checkpointing"),
            keyword("gradient_checkpointing", when=is_true),
        ),
        on=per_family(
            Advice("unknown", "use_reentrant=False"),
            Advice("unknown", "torch_xla.utils.checkpoint"),
        ),
        bad="from torch.utils.checkpoint import checkpoint\ny = checkpoint(f, x)\n",
        good="from torch.utils.checkpoint import checkpoint\n"
        "y = checkpoint(f, x, use_reentrant=False)\n",
        grade="documented",
        sources=(NATIVE, EXPORT_PROBE),
    ),
)
