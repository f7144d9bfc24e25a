"""Small transformers of many families through the compiler and the virtual chip, against PyTorch.

Every value that a launch computes, where PyTorch has it under the same name, and every output; the
error budget is relative and grows with the square root of the depth in launches.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from glia.compiler import compile_graph
from glia.devices.execute import Executor
from glia.frontends.torch.capture import capture

_SIZE = {
    "hidden_size": 32,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "intermediate_size": 64,
    "vocab_size": 100,
    "max_position_embeddings": 520,
}
_NARROW = {**_SIZE, "embedding_size": 16}
_GROUPS = {
    f"{part}_groups": 2 for part in ("q", "k", "v", "post_attention", "intermediate", "output")
}
_TOKENS = {f"{name}_token_id": i for i, name in enumerate(("pad", "bos", "eos", "cls", "sep"))}
FAMILIES: dict[str, dict[str, Any]] = {
    "Bert": _SIZE,
    "Roberta": _SIZE,
    "XLMRoberta": _SIZE,
    "Camembert": _SIZE,
    "Ernie": _SIZE,
    "MPNet": _SIZE,
    "RoFormer": _SIZE,
    "Albert": _NARROW,
    "Electra": _NARROW,
    "MobileBert": {**_NARROW, "intra_bottleneck_size": 16, "true_hidden_size": 16},
    "SqueezeBert": {**_SIZE, **_GROUPS, "embedding_size": 32},
    "DistilBert": {"dim": 32, "n_heads": 2, "n_layers": 2, "hidden_dim": 64, "vocab_size": 100},
    "DebertaV2": {
        **_SIZE,
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_buckets": 8,
        "share_att_key": True,
    },
    "ModernBert": {
        **_SIZE,
        **_TOKENS,
        "global_attn_every_n_layers": 2,
        "local_attention": 8,
    },
    "GPT2": {
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 2,
        "vocab_size": 100,
        "n_positions": 520,
        "bos_token_id": 0,
        "eos_token_id": 0,
    },
    "T5": {
        "d_model": 32,
        "d_kv": 16,
        "d_ff": 64,
        "num_layers": 2,
        "num_heads": 2,
        "vocab_size": 100,
    },
}
_EAGER_ONLY = {"MPNet", "DebertaV2", "RoFormer", "SqueezeBert"}
_MASKED = 1e30  # masks hold numbers whose digits mean nothing


def _captured(family: str, attention: str, batch: int, length: int) -> Any:
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")
    settings = config(**FAMILIES[family], attn_implementation=attention)
    name = {"T5": "T5EncoderModel"}.get(family, f"{family}Model")
    model = getattr(transformers, name)(settings).eval()
    for weight in model.parameters():
        if weight.ndim > 1 and family != "T5":  # T5 does not scale its scores: they are large
            weight.data *= 4  # fresh weights are so small that attention would be uniform
    mask = torch.ones(batch, length, dtype=torch.long)
    mask[1:2, length // 2 + 1 :] = 0
    inputs = {"input_ids": torch.randint(5, 90, (batch, length)), "attention_mask": mask}
    options = {"use_cache": False} if family == "GPT2" else {}
    return capture(model, (), {**inputs, **options}, name=family)


def _error(value: np.ndarray, reference: np.ndarray) -> float:
    ours, theirs = (np.clip(a.astype(np.float64), -_MASKED, _MASKED) for a in (value, reference))
    scale = math.sqrt(np.mean(theirs**2))
    return math.sqrt(np.mean((ours - theirs) ** 2)) / (scale or 1.0)


def _check(family: str, attention: str, batch: int, length: int, chip: str, precision: str) -> None:
    captured = _captured(family, attention, batch, length)
    program = compile_graph(captured.graph, chip, precision).program
    reference = captured.reference()
    unit = 2.0**-9 if precision == "bf16" else 2.0**-22
    bad: list[str] = []
    compared: set[str] = set()

    def observe(launch: Any, value: np.ndarray, read: Any) -> None:
        known = reference.get(launch.value)
        if known is None or known.shape != value.shape:
            return
        compared.add(launch.value)
        error, budget = _error(value, known), unit * math.sqrt(launch.depth) * 4
        if not error <= budget:
            bad.append(f"{launch.value} ({launch.op}): {error:.2g} > {budget:.2g}")

    outputs = Executor(program).run(dict(captured.inputs), observe)
    assert not bad, bad[:5]
    assert len(compared) >= 14, sorted(compared)
    deepest = max(launch.depth for launch in program.launches)
    for name, value in outputs.items():
        assert _error(value, reference[name]) <= unit * math.sqrt(deepest) * 4, name


@pytest.mark.parametrize("family", FAMILIES)
def test_family_at_an_odd_shape(family: str) -> None:
    attention = "eager" if family in _EAGER_ONLY else "sdpa"
    _check(family, attention, 3, 7, "trn2", "fp32")
    _check(family, attention, 3, 7, "inf2", "bf16")


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("batch", "length"), [(1, 1), (1, 7), (3, 64), (5, 130), (1, 512)])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", FAMILIES)
def test_family_in_many_shapes(
    family: str, attention: str, batch: int, length: int, precision: str
) -> None:
    if attention == "sdpa" and family in _EAGER_ONLY:
        pytest.skip("the model has no sdpa form")
    _check(family, attention, batch, length, "trn2" if precision == "bf16" else "inf2", precision)
