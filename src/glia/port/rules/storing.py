"""Rules about checkpoints: where they are read to, what is written, how a model is placed."""

from __future__ import annotations

import ast
import re

from glia.port.rules.conditions import (
    given_value,
    in_torch_file,
    is_called,
    names_cuda,
    names_model,
    without,
)
from glia.port.rules.rule import (
    HIP,
    Advice,
    Rule,
    function,
    imports,
    keyword,
    per_family,
    setting,
    use,
)
from glia.port.rules.sources import PROBE, XLA_MODEL
from glia.port.source.dataflow.numbers import is_device_number
from glia.port.source.hits import Hit

_CONVERTS = re.compile(
    r"(^|_)(convert|permute|remap)(_|$)|_(to|from)_(nxd|neuron|maxtext|megatron)"
)
_OF_CHECKPOINTS = re.compile(
    r"checkpoint|ckpt|state_dict|(^|_)(hf|weights_from|weights_to_hf)(_|$)|hugging_?face|safetensors"
    r"|(^|_)convert_\w*(megatron|maxtext|nemo|fairseq|nxd)"
)
_PLACERS = ("auto", "balanced", "balanced_low_0", "sequential", "cuda")


def _of_the_device(hit: Hit) -> bool:
    """A state_dict that nothing moves to the CPU, given itself, by name or inside a dict."""
    if not is_called(hit) or hit.call is None or not hit.call.args:
        return False
    what = hit.call.args[0]
    if isinstance(what, ast.Name):
        given = hit.module.scopes.given(what, what.id)
        if names_model(what):
            return not any("cpu" in _methods(value) for value in given)
        return any(_is_state(value) for value in given)
    return _is_state(what)


def _to_where_it_was(hit: Hit) -> bool:
    """No map_location, or None."""
    where = hit.argument("map_location", 1)
    is_none = isinstance(where, ast.Constant) and where.value is None
    return is_none or without("map_location", 1)(hit)


def _is_state(node: ast.expr) -> bool:
    called = _methods(node)
    return "state_dict" in called and "cpu" not in called


def _methods(node: ast.expr) -> set[str]:
    """The methods that an expression calls."""
    return {
        n.func.attr
        for n in ast.walk(node)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)
    }


def _placed(hit: Hit) -> bool:
    value = given_value(hit)
    if not in_torch_file(hit):
        return False
    return hit.module.string(value) in _PLACERS or _maps_to_devices(hit, value)


def _maps_to_devices(hit: Hit, value: ast.expr | None) -> bool:
    """`{"": 0}`, `{"": "cuda:0"}`, `{"": torch.cuda.current_device()}`."""
    if not isinstance(value, ast.Dict):
        return False
    return any(
        hit.module.dotted(getattr(part, "func", part)).startswith("torch.cuda")
        or is_device_number(hit.module, part)
        or (isinstance(part, ast.Constant) and names_cuda(str(part.value)))
        for part in value.values
    )


def _converts(hit: Hit) -> bool:
    """`convert_hf_checkpoint`, `hf_to_nxd_state_dict`."""
    name = hit.key.lower()
    return bool(_CONVERTS.search(name)) and bool(_OF_CHECKPOINTS.search(name))


RULES: tuple[Rule, ...] = (
    Rule(
        id="C125",
        title="a checkpoint is read to where it was written from",
        category="io",
        why="one that was saved on CUDA raises without CUDA",
        triggers=(
            use("torch.load", when=_to_where_it_was),
            use("torch.hub.load_state_dict_from_url", when=without("map_location", 2)),
        ),
        on=per_family(
            Advice("raises", 'map_location="cpu", then move'),
            Advice("raises", 'map_location="cpu", then move'),
            HIP,
            Advice("raises", 'map_location="cpu"'),
        ),
        bad='import torch\nstate = torch.load("a.pt")\n',
        good='import torch\nstate = torch.load("a.pt", map_location="cpu")\n',
        grade="seen",
        sources=(PROBE,),
    ),
    Rule(
        id="C126",
        title="tensors are saved from the device",
        category="io",
        why="a file of device tensors, or of shards, is tied to that device and that layout",
        triggers=(use("torch.save", when=_of_the_device),),
        on=per_family(
            Advice("unknown", "move the state to the CPU, then save; consolidate shards"),
            Advice("unknown", "xm.save, or a distributed checkpoint"),
        ),
        bad='import torch\ntorch.save(model.state_dict(), "a.pt")\n',
        good='import torch\ntorch.save(args, "args.pt")\n',
        grade="seen",
        sources=(
            "https://github.com/huggingface/optimum-neuron/issues/367",
            "https://github.com/huggingface/optimum-neuron/pull/332",
            XLA_MODEL,
        ),
    ),
    Rule(
        id="C128",
        title="accelerate places the layers",
        category="io",
        why="it plans by CUDA's memory, and its hooks break compilation",
        triggers=(
            keyword("device_map", when=_placed),
            setting("device_map", when=_placed),
            use("accelerate.infer_auto_device_map", "accelerate.dispatch_model"),
            use("accelerate.load_checkpoint_and_dispatch"),
        ),
        on=per_family(
            Advice("unknown", "place the model yourself, or plan tensor parallelism", "hours"),
            Advice("unknown", "place the model yourself"),
            HIP,
            Advice("works", 'leave it: all goes to "cpu"', "none"),
        ),
        bad="import transformers\nm = transformers.AutoModel.from_pretrained(n, "
        'device_map="auto")\n',
        good="import transformers\nm = transformers.AutoModel.from_pretrained(n)\n",
        grade="seen",
        sources=(
            "https://github.com/huggingface/accelerate/pull/3935",
            "https://github.com/huggingface/diffusers/pull/7471",
        ),
    ),
    Rule(
        id="C127",
        title="checkpoints are converted between frameworks",
        category="io",
        why="a wrong order of RoPE's halves, or of scanned layers, loads and gives wrong logits",
        triggers=(
            imports("neuronx_distributed.scripts", "MaxText", "maxtext"),
            function(when=_converts),
        ),
        on=per_family(
            Advice("unknown", "compare logits with the original's, on the CPU", "hours"),
            Advice("unknown", "compare logits: forward_pass_logit_checker", "hours"),
        ),
        bad="from MaxText.utils.ckpt_conversion import to_huggingface\n",
        good="import safetensors.torch\n",
        grade="seen",
        sources=(
            "https://github.com/AI-Hypercomputer/maxtext/pull/581",
            "https://github.com/AI-Hypercomputer/maxtext/issues/3003",
            "https://github.com/AI-Hypercomputer/maxtext/issues/1324",
        ),
    ),
)
