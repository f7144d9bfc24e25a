"""Rules about automatic mixed precision and about casts to half precision."""

from __future__ import annotations

import ast

from glia.port.rules.conditions import (
    all_of,
    argument_of,
    given_value,
    in_torch_file,
    is_called,
    is_true,
    is_value,
    last_name,
    names_cuda,
    names_model,
    no_arguments,
    receiver,
)
from glia.port.rules.rule import (
    HIP,
    Advice,
    Family,
    Rule,
    keyword,
    method,
    per_family,
    setting,
    string,
    use,
)
from glia.port.rules.sources import ACCELERATE, NATIVE, NXD, PROBE, XLA, XLA_AMP, neuron_sdk
from glia.port.source.hits import Hit

_AUTOCAST: dict[Family, Advice] = {
    "neuron": Advice("silent", 'torch.autocast("neuron", dtype=torch.bfloat16)'),
    "tpu": Advice("silent", 'torch.autocast("xla", dtype=torch.bfloat16)'),
    "rocm": HIP,
    "cpu": Advice("silent", 'torch.autocast("cpu", dtype=torch.bfloat16)'),
}
_AUTOCASTS = (
    "torch.autocast",
    "torch.amp.autocast",
    "torch.autocast_mode.autocast",
    "torch.amp.autocast_mode.autocast",
)
_SCALERS = ("torch.GradScaler", "torch.amp.GradScaler", "torch.amp.grad_scaler.GradScaler")


def _of_model(hit: Hit) -> bool:
    """Called on what is named like a model, in a file that makes an optimizer."""
    if not names_model(receiver(hit)):
        return False
    return any(n.startswith("torch.optim") for n in hit.module.used)


def _moves_model_to_bfloat16(hit: Hit) -> bool:
    if hit.call is None or not _of_model(hit):
        return False
    values = [*hit.call.args, *(k.value for k in hit.call.keywords if k.arg == "dtype")]
    return any(hit.module.dotted(v) == "torch.bfloat16" for v in values)


def _turned_to_half(hit: Hit) -> bool:
    """`x.half()`: arrays of other libraries have no such method."""
    return no_arguments(hit)


def _is_chosen(hit: Hit) -> bool:
    """Not an entry of a table of types, nor where a type is compared with it."""
    parent = hit.module.parents.get(hit.node)
    if isinstance(parent, ast.Dict):
        return len(parent.values) == 1
    return is_value(hit)


def _is_cuda_scaler(hit: Hit) -> bool:
    """`torch.amp.GradScaler()` is CUDA's unless it is told otherwise."""
    if not is_called(hit):
        return False
    device = hit.argument("device", 0)
    return device is None or names_cuda(hit.module.string(device)) or _is_flag(device)


def _is_flag(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, bool)


def _autocast_to_cuda(hit: Hit) -> bool:
    return names_cuda(hit.key) and argument_of(*_AUTOCASTS)(hit)


def _autocast_by_name(hit: Hit) -> bool:
    """`torch.autocast(kind)`, where the file gives `kind` one text."""
    device = hit.argument("device_type", 0)
    return isinstance(device, ast.Name) and names_cuda(hit.module.string(device))


_HALVES = {"float16", "fp16", "half", "16", "16-mixed", "16-true", "torch.float16"}
_PRECISIONS = (
    "dtype",
    "torch_dtype",
    "mixed_precision",
    "precision",
    "amp_dtype",
    "param_dtype",
    "compute_dtype",
    "bnb_4bit_compute_dtype",
)


def _names_half(hit: Hit) -> bool:
    """`precision="16-mixed"`, `torch_dtype="float16"`, `precision=16`."""
    value = given_value(hit)
    choices = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
    return any(_is_half(hit, choice) for choice in choices)


def _is_half(hit: Hit, value: ast.expr | None) -> bool:
    if isinstance(value, ast.Constant) and value.value == 16:
        return "precision" in hit.key
    return hit.module.string(value) in _HALVES


def _by_accelerate(hit: Hit) -> bool:
    """`Accelerator(mixed_precision="fp16")`, and `TrainingArguments(fp16=True)`: it makes one."""
    called = last_name(hit.call.func if hit.call is not None else None)
    if hit.key == "mixed_precision":
        return called == "Accelerator" and _names_half(hit)
    return called.endswith(("TrainingArguments", "Config")) and is_true(hit)


def _names_half_elsewhere(hit: Hit) -> bool:
    return _names_half(hit) and not _by_accelerate(hit)


def _is_half_elsewhere(hit: Hit) -> bool:
    return is_true(hit) and not (hit.key == "fp16" and _by_accelerate(hit))


def _default_half(hit: Hit) -> bool:
    """`add_argument("--dtype", default="float16")`."""
    func = hit.call.func if hit.call is not None else None
    if not isinstance(func, ast.Attribute) or func.attr != "add_argument":
        return False
    return in_torch_file(hit) and hit.module.string(given_value(hit)) in _HALVES - {"16"}


RULES: tuple[Rule, ...] = (
    Rule(
        id="C038",
        title="torch.cuda.amp.autocast() casts",
        category="precision",
        why="without CUDA it warns once and turns itself off: everything runs in float32",
        triggers=(
            use("torch.cuda.amp.autocast", "torch.cuda.amp.autocast_mode.autocast"),
            use("torch.cuda.amp"),
        ),
        on=_AUTOCAST,
        bad="import torch\nwith torch.cuda.amp.autocast():\n    y = f(x)\n",
        good="import torch\nwith torch.autocast(kind, dtype=torch.bfloat16):\n    y = f(x)\n",
        grade="documented",
        sources=(NATIVE, NXD, XLA_AMP, PROBE),
    ),
    Rule(
        id="C039",
        title='torch.autocast("cuda") casts',
        category="precision",
        why="without CUDA it warns once and turns itself off: everything runs in float32",
        triggers=(
            string("*", when=_autocast_to_cuda),
            use(*_AUTOCASTS, when=_autocast_by_name),
        ),
        on=_AUTOCAST,
        bad='import torch\nwith torch.autocast("cuda", dtype=torch.bfloat16):\n    y = f(x)\n',
        good='import torch\nwith torch.autocast("cpu", dtype=torch.bfloat16):\n    y = f(x)\n',
        grade="documented",
        sources=(NATIVE, XLA_AMP, PROBE),
    ),
    Rule(
        id="C040",
        title="gradients are scaled by CUDA's GradScaler",
        category="precision",
        why="it turns itself off without CUDA; its check for infinities reads the device each step",
        triggers=(
            use("torch.cuda.amp.GradScaler", "torch.cuda.amp.grad_scaler.GradScaler"),
            use(*_SCALERS, when=_is_cuda_scaler),
            use(
                "torch.distributed.fsdp.sharded_grad_scaler.ShardedGradScaler",
                "torch.distributed.fsdp.ShardedGradScaler",
            ),
        ),
        on=per_family(
            Advice("silent", "leave it out with bfloat16"),
            Advice("silent", "leave it out with bfloat16"),
            HIP,
            Advice("silent", 'leave it out with bfloat16, else torch.amp.GradScaler("cpu")'),
        ),
        bad="import torch\nscaler = torch.cuda.amp.GradScaler()\n",
        good='import torch\nscaler = torch.amp.GradScaler("cpu")\n',
        grade="documented",
        sources=(XLA_AMP, PROBE),
    ),
    Rule(
        id="C041",
        title="a custom gradient is cast by CUDA's decorators",
        category="precision",
        why="the decorators follow CUDA's autocast only",
        triggers=(
            use("torch.cuda.amp.custom_fwd", "torch.cuda.amp.custom_bwd"),
            string(
                "*",
                when=lambda hit: (
                    names_cuda(hit.key)
                    and argument_of("torch.amp.custom_fwd", "torch.amp.custom_bwd")(hit)
                ),
            ),
        ),
        on=per_family(
            Advice("silent", "torch.amp.custom_fwd(device_type=...)"),
            Advice("silent", "torch.amp.custom_fwd(device_type=...)"),
            HIP,
            Advice("silent", "torch.amp.custom_fwd(device_type=...)"),
        ),
        bad="import torch\n@torch.cuda.amp.custom_fwd\ndef forward(c, x):\n    return x\n",
        good="import torch\n@torch.amp.custom_fwd(device_type=kind)\n"
        "def forward(c, x):\n    return x\n",
        grade="documented",
        sources=(XLA_AMP,),
    ),
    Rule(
        id="C042",
        title="float16 is used",
        category="precision",
        why="the chips are made for bfloat16; float16 overflows when there is no scaler",
        triggers=(
            method("half", when=_turned_to_half),
            use("torch.float16", "torch.half", "torch.HalfTensor", when=_is_chosen),
            keyword(*_PRECISIONS, when=all_of(in_torch_file, _names_half_elsewhere)),
            setting(*_PRECISIONS, when=_names_half),
            keyword(
                "fp16", "half", "fp16_full_eval", when=all_of(in_torch_file, _is_half_elsewhere)
            ),
            setting("fp16", when=is_true),
            keyword("default", when=_default_half),
        ),
        on=per_family(
            Advice("unknown", "torch.bfloat16 for training; float16 may serve inference"),
            Advice("unknown", "torch.bfloat16"),
            Advice("unknown", "NaNs are reported on some chips; torch.bfloat16"),
        ),
        bad="import torch\nmodel = model.half()\n",
        good="import torch\nmodel = model.to(torch.bfloat16)\n",
        grade="seen",
        sources=(XLA, neuron_sdk("issues/667"), "https://github.com/jax-ml/jax/issues/21187"),
    ),
    Rule(
        id="C147",
        title="accelerate is asked for float16",
        category="precision",
        why="it casts on devices that it knows; on the CPU it leaves all in float32, and on others "
        "it raises",
        triggers=(keyword("mixed_precision", "fp16", when=all_of(in_torch_file, _by_accelerate)),),
        on=per_family(
            Advice("raises", 'mixed_precision="bf16"; XLA\'s device is let through, "neuron" not'),
            Advice("raises", 'mixed_precision="bf16"'),
            Advice("works", "leave it", "none"),
            Advice("silent", 'mixed_precision="bf16"'),
        ),
        bad='from accelerate import Accelerator\na = Accelerator(mixed_precision="fp16")\n',
        good='from accelerate import Accelerator\na = Accelerator(mixed_precision="bf16")\n',
        grade="documented",
        sources=(f"{ACCELERATE}accelerator.py",),
    ),
    Rule(
        id="C043",
        title="weights in bfloat16 are trained",
        category="precision",
        why="small updates are lost in rounding, each chip in its way: other loss curves",
        triggers=(
            method("to", when=_moves_model_to_bfloat16),
            method("bfloat16", when=_of_model),
        ),
        on=per_family(
            Advice("silent", "a float32 copy in the optimizer, or stochastic rounding", "hours"),
            Advice("silent", "a float32 copy in the optimizer", "hours"),
        ),
        bad="import torch\nmodel = model.bfloat16()\nopt = torch.optim.AdamW(model.parameters())\n",
        good="import torch\nmodel = model.float()\nopt = torch.optim.AdamW(model.parameters())\n",
        grade="documented",
        sources=(
            neuron_sdk(
                "blob/master/archive/appnotes/torch-neuronx/migration-from-xla-downcast-bf16.rst"
            ),
            neuron_sdk("issues/667"),
        ),
    ),
)
