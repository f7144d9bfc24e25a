"""Which reader knows which `model_type`, and the one way to an `Architecture`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from difflib import get_close_matches

from glia.core.dtypes import DTYPES
from glia.cost.memory.architecture import Architecture
from glia.cost.memory.config import Config
from glia.cost.memory.families import encoders, gpt, latent, llama, t5
from glia.cost.memory.families.common import UnknownFamily

READERS: Mapping[str, Callable[[Config], Architecture]] = {
    **dict.fromkeys(llama.FAMILIES, llama.read),
    "gpt2": gpt.read_gpt2,
    "gpt_neox": gpt.read_neox,
    "phi": gpt.read_phi,
    "falcon": gpt.read_falcon,
    "opt": gpt.read_opt,
    "bloom": gpt.read_bloom,
    **dict.fromkeys(
        ("bert", "roberta", "xlm-roberta", "camembert", "distilbert"), encoders.read_bert
    ),
    "vit": encoders.read_vit,
    **dict.fromkeys(("t5", "mt5"), t5.read),
    "deepseek_v2": latent.read,
    "deepseek_v3": latent.read,
}


def read_architecture(config: Config) -> Architecture:
    """The architecture of a config.

    Raises:
        UnknownFamily: for a model type, or a part of it, that is not counted here.
        ModelError: for a key that is missing or makes no sense.
    """
    reader = READERS.get(config.model_type)
    if reader is None:
        near = get_close_matches(config.model_type, READERS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UnknownFamily(
            f"counting {config.where}: got model_type {config.model_type!r}; {hint}"
            f"known are {', '.join(sorted(READERS))}; install transformers to build others"
        )
    architecture = reader(config)
    stored = config.text("dtype", "torch_dtype", default="float32").removeprefix("torch.")
    known = stored in DTYPES and DTYPES[stored].is_float
    return replace(
        architecture,
        dtype=stored if known else "float32",
        quantisation=config.table("quantization_config").get("quant_method", ""),
    )
