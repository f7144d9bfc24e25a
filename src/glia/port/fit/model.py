"""How the model is counted: from its config, from transformers, or from its code."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from glia.core.dtypes import DTYPES
from glia.core.errors import ModelError, UsageError
from glia.core.fit_records import FitModel
from glia.cost.memory.architecture import Architecture
from glia.cost.memory.config import Config, config_file, read_config
from glia.cost.memory.families.common import UnknownFamily
from glia.cost.memory.families.table import read_architecture
from glia.cost.memory.lora import Lora, with_adapters
from glia.cost.memory.quantised import Quantised, quantised, with_quantised
from glia.frontends.user_code import asks_for_cuda, on_a_cpu
from glia.port.fit.request import FitRequest, lora_of, trained_itemsize

_STOOD_IN = "the model asks for CUDA, and the CPU stood in; `glia fix` rewrites such requests"
FROM_CONFIG = "counted from the config"


@dataclass(frozen=True, slots=True)
class CountedModel:
    """A counted model, its record for the report, and what the user should know."""

    architecture: Architecture
    record: FitModel
    quantised: Quantised | None
    notes: tuple[str, ...]


def count_model(spec: str, request: FitRequest) -> CountedModel:
    """Count `file.py:function`, a Hugging Face folder, or a config file.

    Raises:
        UsageError: for a path that is neither.
        ModelError: for a config or code that cannot be read.
        UnknownFamily: for a family that is neither counted here nor built by transformers.
    """
    path = config_file(spec)
    if path is None:
        return _from_code(spec, request)
    config = read_config(path)
    name = Path(spec).resolve().name if Path(spec).is_dir() else str(path)
    try:
        architecture, basis = read_architecture(config), FROM_CONFIG
    except UnknownFamily as unknown:
        if importlib.util.find_spec("transformers") is None:
            raise
        architecture = _built(config, request, unknown)
        basis = "built by transformers without weights"
    return _counted(name, config, architecture, basis, request)


def _built(config: Config, request: FitRequest, unknown: UnknownFamily) -> Architecture:
    """A family that is not counted here, built by transformers.

    Raises:
        UnknownFamily: when it does not know the family either.
    """
    from glia.port.fit.torch_huggingface import build

    return build(config, request, unknown)


def _counted(
    name: str, config: Config, architecture: Architecture, basis: str, request: FitRequest
) -> CountedModel:
    stored = DTYPES[architecture.dtype].itemsize
    found = quantised(config.table("quantization_config"), stored)
    notes = list(architecture.notes)
    lora = lora_of(request)
    if lora is not None and architecture.traced is None:
        architecture = with_adapters(architecture, lora, trained_itemsize(request))
    if found is not None:
        architecture = with_quantised(architecture, found)
    if found is not None and lora is None and request.job == "train":
        notes.append(
            f"the config is quantised ({found.method}); numbers of such formats have no gradients, "
            "so training is counted with unquantised weights"
        )
    elif found is not None and not found.is_known:
        notes.append(f"quantisation {found.method!r} is not modelled; the range covers it")
    return CountedModel(architecture, _record(name, architecture, basis), found, tuple(notes))


def _record(name: str, model: Architecture, basis: str) -> FitModel:
    attentions = model.attentions
    return FitModel(
        name=name,
        family=model.family,
        basis=basis,
        num_parameters=model.num_parameters,
        num_tensors=sum(weight.copies for weight in model.weights()),
        num_layers=len(model.layers),
        num_heads=max((a.num_heads for a in attentions), default=0),
        num_kv_heads=min((a.num_kv_heads for a in attentions), default=0),
        vocab_size=model.vocab_size,
        stored_dtype=model.dtype,
        quantisation=model.quantisation,
    )


def _from_code(spec: str, request: FitRequest) -> CountedModel:
    if ":" not in spec:
        raise UsageError(
            f"reading a model: got {spec!r}, expected file.py:function, a Hugging Face folder or a "
            f"config file ending in .json; {_what_is(spec)}"
        )
    lora = lora_of(request)
    (name, architecture), stood_in = on_a_cpu(lambda: _traced(spec, lora), _lacks_cuda)
    record = _record(name, architecture, "counted from its own code")
    notes = (_STOOD_IN, *architecture.notes) if stood_in else architecture.notes
    return CountedModel(architecture, record, None, notes)


def _traced(spec: str, lora: Lora | None) -> tuple[str, Architecture]:
    from glia.frontends.load import load_model

    loaded = load_model(spec)  # asks for PyTorch
    if lora is not None:
        from glia.port.fit.torch_lora import add_adapters

        add_adapters(loaded.module, lora)
    from glia.port.fit.torch_trace import trace_module

    try:
        return loaded.name, trace_module(loaded)
    except MemoryError:
        raise ModelError(f"counting {spec}: got too little memory; use a smaller model") from None


def _lacks_cuda(traced: tuple[str, Architecture]) -> bool:
    """True when the peaks are unknown because the model's forward asks for CUDA."""
    peaks = traced[1].traced
    return peaks is not None and asks_for_cuda(peaks.why)


def _what_is(spec: str) -> str:
    return "check the path" if not Path(spec).exists() else "it is another kind of file"
