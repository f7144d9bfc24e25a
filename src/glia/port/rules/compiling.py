"""Rules about torch.compile, TorchScript and their settings."""

from __future__ import annotations

import ast
import re

from glia.port.rules.conditions import (
    all_of,
    argument_of,
    in_forward,
    in_torch_file,
    is_true,
    last_name,
    likely_tensor,
    names_model,
    receiver,
)
from glia.port.rules.rule import (
    LEAVE,
    Advice,
    Rule,
    imports,
    keyword,
    method,
    operator,
    per_family,
    string,
    use,
)
from glia.port.rules.sources import NATIVE, PROBE, RECOMPILATION, error_code, neuron_sdk
from glia.port.source.hits import Hit

_of_compile = argument_of("torch.compile")


def _default_backend(hit: Hit) -> bool:
    """`torch.compile(model)`, `@torch.compile`; not where a backend is given, or hidden in `**`."""
    call = hit.call
    if call is None:  # as a decorator, or passed on
        outer = hit.module.parents.get(hit.node)
        return hit.node in getattr(outer, "decorator_list", ())
    if call.func is not hit.node or any(k.arg is None for k in call.keywords):
        return False
    backend = hit.argument("backend")
    return backend is None or hit.module.string(backend) in ("inductor", "cudagraphs")


def _compiles_itself(hit: Hit) -> bool:
    """`model.compile(mode=...)`, which takes what torch.compile takes; Keras's takes more."""
    if hit.call is None or hit.call.args or not names_model(receiver(hit)):
        return False
    known = {"fullgraph", "dynamic", "backend", "mode", "options", "disable"}
    return {k.arg for k in hit.call.keywords} <= known and _default_backend(hit)


def _is_mode(hit: Hit) -> bool:
    outer = hit.module.parents.get(hit.node)
    is_named = isinstance(outer, ast.keyword) and outer.arg in ("mode", "compile_mode")
    return _of_compile(hit) or (is_named and in_torch_file(hit))


def _dynamic(hit: Hit) -> bool:
    return is_true(hit) and _of_compile(hit)


_CUT = "leave it out"


_LOSSES = re.compile(r"(^|_)(loss\w*|kl|kld|elbo|penalty|regulari\w+|aux|entropy)(_|$)")


def _sometimes_0_or_1(hit: Hit) -> bool:
    """`weight * loss`, where the file gives `weight` a number that is 0 or 1 for a while."""
    node = hit.node
    if not isinstance(node, ast.BinOp):
        return False
    for number, other in ((node.left, node.right), (node.right, node.left)):
        if not isinstance(number, ast.Name) or not _is_loss(hit, other):
            continue
        given = hit.module.scopes.given(number, number.id)
        if given and any(_switches(value) for value in given):
            return True
    return False


def _is_loss(hit: Hit, node: ast.expr) -> bool:
    """A tensor, a name in a forward, or what is called a loss."""
    if likely_tensor(hit, node) or bool(_LOSSES.search(last_name(node))):
        return True
    if hit.module.scopes.differentiated(hit.node) and _is_mean(node):
        return True
    return in_forward(hit) and isinstance(node, (ast.Name, ast.Attribute))


def _is_mean(node: ast.expr) -> bool:
    """`pred.mean()`, beside a `loss.backward()`."""
    func = node.func if isinstance(node, ast.Call) else None
    return isinstance(func, ast.Attribute) and func.attr in ("mean", "sum")


def _switches(value: ast.expr) -> bool:
    """`0.0 if step < warm else 1.0`, `float(epoch > 10)`, `min(1.0, step / 1000)`."""
    if isinstance(value, ast.IfExp):
        return _is_0_or_1(value.body) or _is_0_or_1(value.orelse)
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Name):
        return False
    if value.func.id in ("float", "int"):
        return len(value.args) == 1 and isinstance(value.args[0], (ast.Compare, ast.BoolOp))
    return value.func.id in ("min", "max") and any(_is_0_or_1(arg) for arg in value.args)


def _is_0_or_1(node: ast.expr) -> bool:
    """A float: whole numbers count things."""
    return isinstance(node, ast.Constant) and type(node.value) is float and node.value in (0, 1)


RULES: tuple[Rule, ...] = (
    Rule(
        id="C072",
        title="torch.compile runs with its default backend",
        category="compile",
        why="inductor has no code for these chips",
        triggers=(
            use("torch.compile", when=_default_backend),
            method("compile", when=_compiles_itself),
            keyword("torch_compile", when=all_of(in_torch_file, is_true)),
        ),
        on=per_family(
            Advice("raises", 'backend="neuron", dynamic=False, fullgraph=True where it can be'),
            Advice("raises", 'backend="openxla"'),
        ),
        bad="import torch\nmodel = torch.compile(model)\n",
        good="import re\nimport torch\np = re.compile('a')\n"
        "model = torch.compile(model, backend=backend)\n",
        grade="documented",
        sources=(
            NATIVE,
            error_code("EMOD025"),
            "https://github.com/huggingface/diffusers/pull/13485",
        ),
    ),
    Rule(
        id="C073",
        title="torch.compile is given a mode of inductor",
        category="compile",
        why="the modes are about CUDA graphs and Triton",
        triggers=(
            string("max-autotune", "reduce-overhead", "max-autotune-no-cudagraphs", when=_is_mode),
        ),
        on=per_family(
            Advice("unknown", _CUT),
            Advice("unknown", _CUT),
            LEAVE,
            Advice("slower", "leave it: it compiles for longer, and gains nothing", "none"),
        ),
        bad='import torch\nf = torch.compile(f, backend=b, mode="max-autotune")\n',
        good='import torch\nf = torch.compile(f, backend=b, mode="default")\n',
        grade="seen",
        sources=(NATIVE, PROBE),
    ),
    Rule(
        id="C074",
        title="inductor is configured",
        category="compile",
        why="other backends do not read it",
        triggers=(
            use("torch._inductor.*"),
            imports("torch._inductor"),
            string("TORCHINDUCTOR_*"),
        ),
        on=per_family(
            Advice("silent", _CUT),
            Advice("silent", _CUT),
            Advice("unknown", "part of it counts"),
        ),
        bad="import torch\ntorch._inductor.config.max_autotune = True\n",
        good="import torch\ntorch.set_num_threads(1)\n",
        grade="documented",
        sources=(NATIVE,),
    ),
    Rule(
        id="C075",
        title="dimensions are declared dynamic",
        category="compile",
        why="the compiler wants every dimension fixed",
        triggers=(
            keyword("dynamic", when=_dynamic),
            use("torch._dynamo.mark_dynamic", "torch._dynamo.maybe_mark_dynamic"),
            use("torch.export.Dim", "torch.export.dynamic_dim"),
            use("torch._dynamo.config.assume_static_by_default"),
            use("torch._dynamo.config.capture_dynamic_output_shape_ops"),
        ),
        on=per_family(
            Advice("raises", "dynamic=False, and a few fixed sizes", "hours"),
            Advice("slower", "bounded dimensions only: a few fixed sizes", "hours"),
        ),
        bad="import torch\ntorch._dynamo.mark_dynamic(x, 0)\n",
        good="import torch\nf = torch.compile(f, backend=b, dynamic=False)\n",
        grade="documented",
        sources=(error_code("EMOD025"), RECOMPILATION),
    ),
    Rule(
        id="C124",
        title="a factor of Python is 0 or 1 for a while",
        category="compile",
        why="XLA takes 0 and 1 for constants: those steps are another graph, compiled anew",
        triggers=(operator("*", when=_sometimes_0_or_1),),
        on=per_family(
            Advice("slower", "pass it as a tensor of no dimensions"),
            Advice("slower", "a tensor of no dimensions, or XLA_NO_SPECIAL_SCALARS=1"),
        ),
        bad="import torch\nbeta = min(1.0, step / 1000)\nloss = rec + beta * kl\n",
        good="import torch\nbeta = torch.tensor(min(1.0, step / 1000))\nloss = rec + beta * kl\n",
        grade="documented",
        sources=("https://github.com/pytorch/xla/blob/master/docs/source/learn/xla-advanced.md",),
    ),
    Rule(
        id="C076",
        title="TorchScript is traced or scripted",
        category="compile",
        why="a trace fixes the shapes; the chips' compilers do not read scripts",
        triggers=(
            use(
                *(
                    f"torch.jit.{name}"
                    for name in (
                        "trace",
                        "script",
                        "trace_module",
                        "script_method",
                        "ScriptModule",
                        "load",
                        "freeze",
                        "optimize_for_inference",
                    )
                )
            ),
        ),
        on=per_family(
            Advice("raises", "torch.export, or torch_neuronx.trace", "hours"),
            Advice("raises", "torch.export, then StableHLO", "hours"),
        ),
        bad="import torch\nm = torch.jit.trace(m, x)\n",
        good="import torch\nm = torch.export.export(m, (x,))\nif torch.jit.is_scripting():\n"
        "    pass\n",
        grade="seen",
        sources=(neuron_sdk("issues/420"),),
    ),
)
