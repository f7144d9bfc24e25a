"""Small modules, captured and loaded on a virtual chip, for the tests of the proof."""

from __future__ import annotations

from functools import cache
from typing import Any

from glia.devices.virtual import LoadedProgram, VirtualDevice


def captured(module: Any, *args: Any, name: str = "model", **kwargs: Any) -> Any:
    from glia.frontends.torch.capture import capture

    return capture(module.eval(), args, kwargs, name=name)


def loaded(model: Any, precision: str, chip: str = "trn2") -> LoadedProgram:
    return VirtualDevice(chip).load(model, precision)


@cache
def bert(
    family: str = "Bert",
    batch: int = 2,
    length: int = 150,
    hidden: int = 64,
    layers: int = 1,
    heads: int = 2,
    seed: int = 0,
    spread: float = 0.2,
    attention: str = "sdpa",
) -> Any:
    """A random encoder of the BERT family; `spread` is the deviation of its weights.

    Every odd sequence of the batch is padded from its middle on.
    """
    import torch
    import transformers

    sizes: dict[str, Any] = {
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "intermediate_size": 2 * hidden,
        "vocab_size": 150,
    }
    if family == "DistilBert":
        sizes = {
            "dim": hidden,
            "n_heads": heads,
            "n_layers": layers,
            "hidden_dim": 2 * hidden,
            "vocab_size": 150,
        }
    if family in ("Albert", "Electra"):
        sizes["embedding_size"] = 16
    torch.manual_seed(seed)
    config = getattr(transformers, f"{family}Config")
    settings = config(**sizes, attn_implementation=attention, initializer_range=spread)
    model = getattr(transformers, f"{family}Model")(settings).eval()
    mask = torch.ones(batch, length, dtype=torch.long)
    mask[1::2, max(1, length // 2) :] = 0
    ids = torch.randint(5, 150, (batch, length))
    return captured(model, name=family, input_ids=ids, attention_mask=mask)
