"""Inputs for a model of transformers, made of its config: tokens, pixels or sound, and labels."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch

from glia.core.errors import ModelError

# The end of a class's name -> the shape of its labels, from (sequences, tokens).
_LABELS: Mapping[str, Callable[[int, int], tuple[int, ...]]] = {
    "ForSequenceClassification": lambda batch, seq: (batch,),
    "ForImageClassification": lambda batch, seq: (batch,),
    "ForAudioClassification": lambda batch, seq: (batch,),
    "ForTokenClassification": lambda batch, seq: (batch, seq),
    "LMHeadModel": lambda batch, seq: (batch, seq),
    "ForCausalLM": lambda batch, seq: (batch, seq),
    "ForMaskedLM": lambda batch, seq: (batch, seq),
    "ForPreTraining": lambda batch, seq: (batch, seq),
    "ForConditionalGeneration": lambda batch, seq: (batch, seq),
}
# Labels of other names, by the same rule.
_OTHER_LABELS: Mapping[str, Callable[[int, int], tuple[int, ...]]] = dict.fromkeys(
    ("start_positions", "end_positions", "next_sentence_label", "sentence_order_label"),
    lambda batch, seq: (batch,),
)


def example_inputs(
    module: Any, batch: int, seq: int, dtype: torch.dtype, *, train: bool
) -> dict[str, Any]:
    """What the module's forward takes: with labels to `train`, else as the prefill of a request.

    Raises:
        ModelError: for a model whose main input is none of tokens, pixels and sound.
    """
    names = inspect.signature(module.forward).parameters
    main = "input_ids" if "input_ids" in names else module.main_input_name
    made: dict[str, Any] = {main: _main_input(module.config, main, batch, seq, dtype)}
    if train:
        return made | _labels(module, names, batch, seq)
    if getattr(module.config, "is_encoder_decoder", False) and "decoder_input_ids" in names:
        made["decoder_input_ids"] = _tokens(module.config, batch, seq)
    if "logits_to_keep" in names:
        made["logits_to_keep"] = 1
    return made


def _main_input(config: Any, name: str, batch: int, seq: int, dtype: torch.dtype) -> torch.Tensor:
    if name == "input_ids":
        return _tokens(config, batch, seq)
    if name == "pixel_values" and hasattr(config, "image_size"):
        size = config.image_size
        height, width = size if isinstance(size, list | tuple) else (size, size)
        return torch.zeros(batch, getattr(config, "num_channels", 3), height, width, dtype=dtype)
    if name == "input_features" and hasattr(config, "max_source_positions"):
        frames = 2 * config.max_source_positions  # the first convolution halves them
        return torch.zeros(batch, config.num_mel_bins, frames, dtype=dtype)
    raise ModelError(
        f"its main input, {name}, is no text, image or spectrogram whose shape the config says; "
        "give file.py:function with its inputs"
    )


def _tokens(config: Any, batch: int, seq: int) -> torch.Tensor:
    """Token ids that are no special ones: code that looks for padding or an end finds none."""
    vocab = config.get_text_config().vocab_size
    generator = torch.Generator().manual_seed(0)
    return torch.randint(min(5, vocab - 1), vocab, (batch, seq), generator=generator)


def _labels(module: Any, names: Mapping[str, Any], batch: int, seq: int) -> dict[str, torch.Tensor]:
    kind = type(module).__name__
    found = {name: rule for name, rule in _OTHER_LABELS.items() if name in names}
    rule = next((rule for end, rule in _LABELS.items() if kind.endswith(end)), None)
    if rule is not None and "labels" in names:
        found["labels"] = rule
    return {name: torch.zeros(rule(batch, seq), dtype=torch.long) for name, rule in found.items()}
