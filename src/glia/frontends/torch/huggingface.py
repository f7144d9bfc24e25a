"""A Hugging Face model folder on disk as a module with example inputs; never the network.

Weights are used when the folder has them, else they are random and a finding says so. A tokenizer
in the folder makes the example inputs from sentences, else they are random token ids.
"""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from glia.core.errors import ModelError, UsageError
from glia.core.machine import available_bytes
from glia.core.records import Finding
from glia.frontends.torch.export import first_line, quiet
from glia.frontends.torch.large import Undrawn, num_telling_layers
from glia.frontends.user_code import INSTALL_TORCH

NUM_SEQUENCES = 8
MAX_LENGTH = 128
SENTENCES = (
    "The committee approved the budget for the new library.",
    "Funding for the new library was passed by the committee.",
    "Heavy rain flooded several streets in the old town overnight.",
    "Overnight, streets in the historic centre were under water after a storm.",
    "She learned to play the violin when she was six years old.",
    "The violinist has been playing since the age of six.",
    "Engines convert the chemical energy of fuel into motion.",
    "The train to the coast leaves every hour on the hour.",
)
_WEIGHTS = ("model.safetensors*", "pytorch_model.bin*", "model-*.safetensors")
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model", "tokenizer_config.json")


# Of the memory that is left, the part that weights may take: activations and copies need the rest.
_SHARE = 0.6
# More weights than this take minutes to draw and to run; layers repeat, so a look needs not all.
_LOOK_BYTES = 6 * 2**30
_FEW_TOKENS = 16  # per sequence, where a layer alone has gigabytes


def load_folder(
    folder: Path, may_shrink: bool = False
) -> tuple[torch.nn.Module, dict[str, Any], tuple[Finding, ...]]:
    """The folder's model, keyword inputs for it, and what the user should know.

    A large model without weights loses layers, and large weights are zeros, when it `may_shrink`.

    Raises:
        UsageError: the folder holds no model, or transformers is not installed.
        ModelError: the files in it cannot be read as a text model, or memory does not hold it.
    """
    if not (folder / "config.json").is_file():
        raise UsageError(
            f"loading {folder}: got a folder without config.json, expected a Hugging Face model "
            "folder; give the folder that save_pretrained wrote, or file.py:function"
        )
    with _offline(), quiet():
        try:
            module, findings = _model(folder, may_shrink)
            inputs = _inputs(folder, module.config)
            if any(f.rule == "fewer-layers" for f in findings):
                inputs = {name: tensor[:2, :_FEW_TOKENS] for name, tensor in inputs.items()}
            return module, inputs, findings
        except ModuleNotFoundError as error:
            raise UsageError(
                f"loading {folder}: got no {error.name}, expected it; {INSTALL_TORCH}"
            ) from error
        except ModelError:
            raise
        except Exception as error:  # libraries read the files, and each has errors of its own
            raise ModelError(
                f"loading {folder}: got {type(error).__name__}: {first_line(error)}, expected the "
                "files of a transformers model; check the folder, or write a file.py:function"
            ) from error


@contextmanager
def _offline() -> Iterator[None]:
    """Inside, Hugging Face libraries look at local files only and print nothing."""
    saved = {key: os.environ.get(key) for key in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")}
    os.environ.update(dict.fromkeys(saved, "1"))
    from transformers.utils import logging

    level, has_bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if has_bar:
            logging.enable_progress_bar()
        for key, value in saved.items():
            if value is None:
                os.environ.pop(key)
            else:
                os.environ[key] = value


def _model(folder: Path, may_shrink: bool) -> tuple[Any, tuple[Finding, ...]]:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    if hasattr(config, "use_cache"):
        config.use_cache = False
    kind = _class_of(config)
    findings: list[Finding] = []
    has_weights = any(next(folder.glob(pattern), None) for pattern in _WEIGHTS)
    if has_weights or not may_shrink:
        _fit_memory(folder, kind, config)
    if has_weights:
        model = kind.from_pretrained(folder, config=config, local_files_only=True)
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model, findings = (
                _for_a_look(kind, config) if may_shrink else (_unweighted(kind, config), [])
            )
        what = f"{folder} holds no weights; random weights are used"
        do = "put model.safetensors into the folder"
        findings.append(Finding("random-weights", "warns", what, do))
    if getattr(config, "is_encoder_decoder", False):
        model = model.get_encoder()
        what = "the model has an encoder and a decoder; only the encoder is taken"
        do = "write a file.py:function that returns the part that you need"
        findings.append(Finding("encoder-only", "note", what, do))
    return model.eval(), tuple(findings)


def _fit_memory(folder: Path, kind: Any, config: Any) -> None:
    """Refuses a model whose weights do not go into memory; it is built without storage to see."""
    free = available_bytes()
    needs = _weight_bytes(_empty(kind, config))
    most = math.inf if free is None else _SHARE * free
    if needs > most:
        raise ModelError(
            f"loading {folder}: got a model of {_gib(needs)} of weights, expected at most "
            f"{_gib(most)} for this machine's memory; take a smaller config.json of the same "
            "family (glia fit counts the memory of any from its config alone)"
        )


def _for_a_look(kind: Any, config: Any) -> tuple[Any, list[Finding]]:
    """The model with random weights; of a large one a few layers, with nothing drawn."""
    whole = _empty(kind, config)
    needs = _weight_bytes(whole)
    if needs <= _LOOK_BYTES:
        return _unweighted(kind, config), []
    layers, kept = getattr(config, "num_hidden_layers", None), num_telling_layers(whole)
    what = "all layers"
    if isinstance(layers, int) and kept is not None and kept < layers:
        _keep_layers(config, kept)
        what = f"{kept} of {layers} layers"
    with Undrawn():
        model = _unweighted(kind, config)
    what = f"{what} are looked at, with zeros for large weights: all weights are {_gib(needs)}"
    return model, [Finding("fewer-layers", "note", what, "they repeat: nothing, as a rule")]


def _empty(kind: Any, config: Any) -> Any:
    with torch.device("meta"):
        return _unweighted(kind, copy.deepcopy(config))


def _weight_bytes(model: torch.nn.Module) -> int:
    return sum(p.numel() * p.element_size() for p in model.parameters())


def _keep_layers(config: Any, number: int) -> None:
    config.num_hidden_layers = number
    if hasattr(config, "num_decoder_layers"):
        config.num_decoder_layers = number
    if getattr(config, "layer_types", None):  # one entry a layer, as transformers writes them
        config.layer_types = config.layer_types[:number]


def _gib(num_bytes: float) -> str:
    return f"{num_bytes / 2**30:.1f} GiB"


def _class_of(config: Any) -> Any:
    """The class that was saved, head included; the bare model where the folder does not say."""
    import transformers

    names = getattr(config, "architectures", None) or []
    saved = getattr(transformers, names[0], None) if len(names) == 1 else None
    if saved is None or getattr(config, "is_encoder_decoder", False):
        return transformers.AutoModel
    return saved


def _unweighted(kind: Any, config: Any) -> Any:
    return kind.from_config(config) if hasattr(kind, "from_config") else kind(config)


def _inputs(folder: Path, config: Any) -> dict[str, Any]:
    if any(next(folder.glob(pattern), None) for pattern in _TOKENIZERS):
        return _tokenized(folder, config)
    return _random_ids(config)


def _max_length(config: Any) -> int:
    # RoBERTa and its kin count positions from the padding id + 1, so two are not usable.
    positions = getattr(config, "max_position_embeddings", MAX_LENGTH + 2)
    return max(1, min(MAX_LENGTH, positions - 2))


def _tokenized(folder: Path, config: Any) -> dict[str, Any]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    encoded = tokenizer(
        list(SENTENCES),
        padding="max_length",
        truncation=True,
        max_length=_max_length(config),
        return_tensors="pt",
    )
    return {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}


def _random_ids(config: Any) -> dict[str, Any]:
    """Random tokens; each sequence is a little shorter than the one before, the rest is padding."""
    vocabulary = getattr(config, "vocab_size", None)
    if not isinstance(vocabulary, int):
        raise ValueError(
            f"model type {config.model_type!r} has no vocabulary, so it is no text model"
        )
    length = _max_length(config)
    generator = torch.Generator().manual_seed(0)
    first = min(10, vocabulary - 1)
    ids = torch.randint(first, vocabulary, (NUM_SEQUENCES, length), generator=generator)
    lengths = torch.arange(NUM_SEQUENCES).mul(length).div(2 * NUM_SEQUENCES).long()
    mask = (torch.arange(length) < (length - lengths)[:, None]).long()
    padding = getattr(config, "pad_token_id", None) or 0
    return {"input_ids": torch.where(mask.bool(), ids, padding), "attention_mask": mask}
