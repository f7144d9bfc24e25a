"""Small encoders of the BERT family, with random weights, as the front end captures them."""

from __future__ import annotations

from functools import cache
from typing import Any

_SIZE = {
    "hidden_size": 32,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "intermediate_size": 64,
    "vocab_size": 100,
}
_DISTIL = {"dim": 32, "n_heads": 2, "n_layers": 2, "hidden_dim": 64, "vocab_size": 100}
FAMILIES: dict[str, dict[str, Any]] = {
    "Bert": _SIZE,
    "Roberta": _SIZE,
    "MPNet": _SIZE,
    "Albert": {**_SIZE, "embedding_size": 16},
    "Electra": {**_SIZE, "embedding_size": 16},
    "DistilBert": _DISTIL,
    "DebertaV2": {
        **_SIZE,
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_buckets": 8,
        "share_att_key": True,
    },
}


@cache
def captured(family: str, attention: str, batch: int = 3, length: int = 7) -> Any:
    """The captured model; its padding mask hides the end of the second sentence."""
    import torch
    import transformers

    from glia.frontends.torch.capture import capture

    config = getattr(transformers, f"{family}Config")
    torch.manual_seed(0)
    settings = config(**FAMILIES[family], attn_implementation=attention)
    model = getattr(transformers, f"{family}Model")(settings).eval()
    mask = torch.ones(batch, length, dtype=torch.long)
    mask[1:2, 4:] = 0
    inputs = {"input_ids": torch.randint(5, 90, (batch, length)), "attention_mask": mask}
    return capture(model, (), inputs, name=family)
