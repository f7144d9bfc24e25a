"""A family that is not counted by hand: transformers builds it on the meta device, without data."""

from __future__ import annotations

from typing import Any

import torch

from glia.core.errors import ModelError
from glia.cost.memory.architecture import Architecture, Block, Traced
from glia.cost.memory.config import Config
from glia.cost.memory.families.common import UnknownFamily
from glia.port.fit.request import FORMATS, TRACED_SEQ, FitRequest
from glia.port.fit.torch_trace import fake_mode, peak_of, swapped, weights_of


def build(config: Config, request: FitRequest, unknown: UnknownFamily) -> Architecture:
    """The exact parameters of the model that `architectures` names, and its peaks if it is text.

    Raises:
        UnknownFamily: when transformers does not know the family.
        ModelError: when it knows it, but cannot build it from this config.
    """
    import transformers
    from transformers import CONFIG_MAPPING

    if config.model_type not in CONFIG_MAPPING:
        raise unknown
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        module = _module(config)
    except Exception as error:  # each family has errors of its own
        text = " ".join(str(error).split())[:300]
        raise ModelError(
            f"building {config.where}: got {type(error).__name__}: {text}, expected a config that "
            "transformers can build; correct it"
        ) from error
    finally:
        transformers.logging.set_verbosity(verbosity)
    return _architecture(config, module, request)


# Found by comparing families that transformers builds with peaks measured on the CPU.
_NO_LOSS = (
    "the family is built by transformers, not counted by hand: in training what the loss keeps may "
    "be left out, so activations can be too low, most with large vocabularies"
)


def _module(config: Config) -> torch.nn.Module:
    import transformers

    tree = {key: value for key, value in config.tree.items() if key != "model_type"}
    made = transformers.AutoConfig.for_model(config.model_type, **tree)
    made.quantization_config = None
    names = config.items("architectures")
    kind = getattr(transformers, str(names[0]), None) if names else None
    with torch.device("meta"):
        return kind(made) if kind is not None else transformers.AutoModel.from_config(made)


def _architecture(config: Config, module: torch.nn.Module, request: FitRequest) -> Architecture:
    traced, note = _traced(module, request)
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
        notes=(*((note,) if note else ()), *((_NO_LOSS,) if request.job == "train" else ())),
        traced=traced,
    )


def _traced(module: Any, request: FitRequest) -> tuple[Traced, str]:
    """Peaks on token ids, where the model takes them."""
    batch, seq = request.batch or 1, request.seq or TRACED_SEQ
    name = FORMATS.get(request.dtype or "bf16", "bfloat16")
    dtype = getattr(torch, name, torch.bfloat16)
    peaks: list[float | None] = []
    why = ""
    for backward in (True, False):
        try:
            peaks.append(_peak(module, batch, seq, dtype, backward))
        except Exception as error:  # no text model, or one that needs more than token ids
            peaks.append(None)
            why = f"it does not run on token ids alone: {type(error).__name__}"
    note = "" if why else f"the peaks are of {batch} x {seq} token ids, run without data"
    return Traced(peaks[0], peaks[1], why, has_own_inputs=False), note


def _peak(module: Any, batch: int, seq: int, dtype: torch.dtype, backward: bool) -> int:
    mode = fake_mode()

    def fake(tensor: torch.Tensor) -> torch.Tensor:
        kind = dtype if tensor.is_floating_point() else tensor.dtype
        return torch.empty(tuple(tensor.shape), dtype=kind, device="cpu")

    module.train(backward)
    with mode, swapped(module, fake):
        ids = torch.zeros(batch, seq, dtype=torch.long)
        return peak_of(module, lambda: module(input_ids=ids), backward=backward)
