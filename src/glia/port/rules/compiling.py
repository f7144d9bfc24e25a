"""Rules about torch.compile, TorchScript and their settings."""

from __future__ import annotations

import ast

from glia.port.rules.conditions import argument_of, in_torch_file, is_true
from glia.port.rules.rule import LEAVE, Advice, Rule, imports, keyword, per_family, string, use
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
    return hit.argument("backend") is None


def _is_mode(hit: Hit) -> bool:
    outer = hit.module.parents.get(hit.node)
    is_named = isinstance(outer, ast.keyword) and outer.arg in ("mode", "compile_mode")
    return _of_compile(hit) or (is_named and in_torch_file(hit))


def _dynamic(hit: Hit) -> bool:
    return is_true(hit) and _of_compile(hit)


_CUT = "leave it out"

RULES: tuple[Rule, ...] = (
    Rule(
        id="C072",
        title="torch.compile runs with its default backend",
        category="compile",
        why="inductor has no code for these chips",
        triggers=(use("torch.compile", when=_default_backend),),
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
        autofix="yes",
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
        autofix="yes",
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
        autofix="yes",
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
        autofix="partly",
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
        autofix="partly",
    ),
)
