"""A family that is not counted by hand: transformers builds it, and it runs without data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses.fake_tensor import DataDependentOutputException

from glia.core.errors import GliaError, ModelError, UsageError
from glia.cost.memory.architecture import Architecture, Block, Traced
from glia.cost.memory.config import Config
from glia.cost.memory.families.common import UnknownFamily
from glia.port.fit.request import FORMATS, TRACED_SEQ, FitRequest, lora_of
from glia.port.fit.torch_counter import allocator_peak, fake_mode, peak_of, swapped
from glia.port.fit.torch_inputs import example_inputs
from glia.port.fit.torch_lora import add_adapters, widen
from glia.port.fit.torch_trace import weights_of

_MAX_REAL_BYTES = 2**31  # weights that are made for code which looks at values


def build(config: Config, request: FitRequest, unknown: UnknownFamily) -> Architecture:
    """The exact parameters of the model that `architectures` names, and its peaks.

    Raises:
        UnknownFamily: when transformers does not know the family.
        ModelError: when it knows it, but cannot build it from this config.
        UsageError: for layers to recompute where the family cannot.
    """
    import transformers
    from transformers import CONFIG_MAPPING

    if config.model_type not in CONFIG_MAPPING:
        raise unknown
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        module = _prepared(_module(config, torch.device("meta")), request)
        return _architecture(config, module, request)
    except GliaError:
        raise
    except Exception as error:  # each family has errors of its own
        text = " ".join(str(error).split())[:300]
        raise ModelError(
            f"building {config.where}: got {type(error).__name__}: {text}, expected a config that "
            "transformers can build; correct it"
        ) from error
    finally:
        transformers.logging.set_verbosity(verbosity)


def _module(config: Config, device: torch.device) -> Any:
    import transformers
    from transformers import CONFIG_MAPPING

    tree = {key: value for key, value in config.tree.items() if key != "model_type"}
    made = CONFIG_MAPPING[config.model_type].from_dict(tree)
    made.quantization_config = None
    names = config.items("architectures")
    kind = getattr(transformers, str(names[0]), None) if names else None
    with device:
        return kind(made) if kind is not None else transformers.AutoModel.from_config(made)


def _prepared(module: Any, request: FitRequest) -> Any:
    """The module with the adapters, and the recomputation of its layers, that are asked for."""
    lora = lora_of(request)
    if lora is not None:
        add_adapters(module, lora)
    if request.job == "train" and request.checkpoint == "layer":
        _recompute(module)
        if lora is not None:  # else recomputed layers before the first adapter have no gradient
            module.enable_input_require_grads()
    return module


def _recompute(module: Any) -> None:
    try:
        enable = getattr(module, "activation_checkpointing_enable", None)
        (enable or module.gradient_checkpointing_enable)()  # the name until transformers 5
    except ValueError:
        raise UsageError(
            f"--checkpoint: got layer, but transformers' {type(module).__name__} does not support "
            "activation checkpointing; leave it out"
        ) from None


def _architecture(config: Config, module: Any, request: FitRequest) -> Architecture:
    traced = _traced(config, module, request)
    batch, seq = request.batch or 1, request.seq or TRACED_SEQ
    note = f"the peaks are of {batch} x {seq} tokens, from the family's own code in transformers"
    return Architecture(
        family=config.model_type,
        hidden=0,
        vocab_size=0,
        layers=(),
        embedding=Block(tuple(weights_of(module))),
        head=Block(),
        num_logits=0,
        is_causal=bool(getattr(module, "can_generate", lambda: False)()),
        dtype=FORMATS.get(request.dtype or "bf16", "bfloat16"),
        notes=() if traced.why else (note,),
        traced=traced,
    )


@dataclass(frozen=True, slots=True)
class _Peak:
    """The peak of one run, and what of it is the cache that the run returns."""

    num_bytes: int
    cache_bytes: int


def _traced(config: Config, module: Any, request: FitRequest) -> Traced:
    """The peak of the job that is asked for; the other one stays unknown."""
    train = request.job == "train"
    try:
        peak = _peak(module, request)
    except DataDependentOutputException as error:
        return _real(config, request, str(error))
    except Exception as error:  # a model that needs more than its main input
        return Traced(None, None, _why(error), has_own_inputs=False)
    return _of(peak, train)


def _why(error: Exception) -> str:
    text = " ".join(str(error).split())[:200]
    return text if isinstance(error, GliaError) else f"its code does not run here: {text}"


def _of(peak: _Peak, train: bool) -> Traced:
    if train:
        return Traced(peak.num_bytes, None, has_own_inputs=False)
    beside = peak.num_bytes - peak.cache_bytes
    return Traced(None, beside, cache_bytes=peak.cache_bytes, has_own_inputs=False)


def _real(config: Config, request: FitRequest, what: str) -> Traced:
    """The peak of a run with real numbers, for code that looks at values."""
    dtype = _dtype(request)
    module = _module(config, torch.device("meta"))
    size = sum(p.numel() for p in module.parameters()) * dtype.itemsize
    if size > _MAX_REAL_BYTES:
        why = (
            f"its code looks at values ({what}), so it runs with real numbers only, and its "
            f"weights take more than {_MAX_REAL_BYTES // 2**30} GiB; try a config with fewer layers"
        )
        return Traced(None, None, why, has_own_inputs=False)
    try:
        module = _prepared(_module(config, torch.device("cpu")).to(dtype), request)
        for parameter in module.parameters() if request.job == "train" else ():
            filled: Any = torch.zeros_like(parameter) if parameter.requires_grad else None
            parameter.grad = filled
        return _of(_run(module, request, is_real=True), request.job == "train")
    except Exception as error:  # a model that needs more than its main input
        return Traced(None, None, _why(error), has_own_inputs=False)


def _dtype(request: FitRequest) -> torch.dtype:
    name = FORMATS.get(request.dtype or "bf16", "bfloat16")
    found: torch.dtype = getattr(torch, name, torch.bfloat16)
    return found


def _peak(module: Any, request: FitRequest) -> _Peak:
    """The peak of a module on the meta device, run without data."""
    mode, dtype = fake_mode(), _dtype(request)

    def fake(tensor: torch.Tensor) -> torch.Tensor:
        kind = dtype if tensor.is_floating_point() else tensor.dtype
        return torch.empty(tuple(tensor.shape), dtype=kind, device="cpu")

    with mode, swapped(module, fake):
        widen(module)
        return _run(module, request)


def _run(module: Any, request: FitRequest, *, is_real: bool = False) -> _Peak:
    """The peak of a run; a real one by the allocator's record, with what kernels take inside."""
    train = request.job == "train"
    module.train(train)
    inputs = example_inputs(
        module, request.batch or 1, request.seq or TRACED_SEQ, _dtype(request), train=train
    )
    caches: list[int] = []

    def run() -> Any:
        made = module(**inputs)
        caches.append(cached_bytes(made))
        return made

    if is_real:
        return _Peak(allocator_peak(run, backward=train), caches[0])
    return _Peak(peak_of(module, run, backward=train), caches[0])


def cached_bytes(made: Any) -> int:
    """Bytes of the keys, values and states that a result holds for the next token."""
    tensors: list[torch.Tensor] = []
    for name in ("past_key_values", "cache_params", "state", "mems"):
        tensors += _tensors(getattr(made, name, None), 5)
    return sum({id(t): t.nbytes for t in tensors}.values())


def _tensors(value: Any, depth: int) -> list[torch.Tensor]:
    """The tensors in an object, its lists, tables and attributes."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        parts = list(value.values())
    elif isinstance(value, list | tuple):
        parts = list(value)
    else:
        parts = list(vars(value).values()) if hasattr(value, "__dict__") else []
    return [t for part in parts for t in _tensors(part, depth - 1)] if depth else []
