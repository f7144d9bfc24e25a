"""Families that transformers builds: their peaks against the allocator's record of real steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import transformers

from cost.memory import zoo
from glia.core.errors import ModelError, UsageError
from glia.core.fit_records import Plan
from glia.cost.memory.ledger import model_lines
from glia.port.fit.model import count_model
from glia.port.fit.request import FitRequest, workload_of
from port.fit.measured import allocator_peak

BATCH, SEQ = 2, 40
_SIZES = zoo.plain(64, 96, 3, 4, 2000)
# A large vocabulary beside small layers: what the loss keeps is most of it.
FAMILIES = {
    "olmo": ("OlmoForCausalLM", _SIZES),
    "arcee": ("ArceeForCausalLM", _SIZES),
    "electra": ("ElectraForMaskedLM", {**_SIZES, "embedding_size": 32}),
    "deberta": ("DebertaForMaskedLM", {**_SIZES, "relative_attention": True}),
    "opt": ("OPTForCausalLM", {**_SIZES, "ffn_dim": 96, "word_embed_proj_dim": 32}),
}


def saved(folder, model_type, kind, sizes, **extra):
    config = transformers.AutoConfig.for_model(model_type, **sizes, **extra)
    config.architectures = [kind]
    path = folder / "config.json"
    path.write_text(config.to_json_string(use_diff=False))
    torch.manual_seed(0)
    return str(path), getattr(transformers, kind)(config)


def lines_of(path, job, **options):
    request = FitRequest(job=job, batch=BATCH, seq=SEQ, **{"dtype": "fp32", **options})
    model = count_model(path, request).architecture
    lines = model_lines(model, workload_of(request, model), Plan())
    return model, {line.name: line.num_bytes for line in lines}


@pytest.mark.parametrize("family", FAMILIES)
def test_training_with_the_models_own_loss(tmp_path, family):
    kind, sizes = FAMILIES[family]
    path, module = saved(tmp_path, family, kind, sizes)
    ids = torch.randint(5, sizes["vocab_size"], (BATCH, SEQ))
    inputs = {"input_ids": ids, "labels": ids}
    model, lines = lines_of(path, "train")
    assert model.traced is not None
    measured = allocator_peak(module.train(), inputs)
    assert lines["activations"].likely == pytest.approx(measured, rel=0.02)
    module.activation_checkpointing_enable()
    recomputed = allocator_peak(module, inputs)
    _, lines = lines_of(path, "train", checkpoint="layer")
    assert lines["activations"].likely == pytest.approx(recomputed, rel=0.05)


def test_serving_leaves_the_cache_to_its_own_line(tmp_path):
    path, module = saved(tmp_path, "olmo", "OlmoForCausalLM", _SIZES)
    ids = torch.randint(5, 2000, (BATCH, SEQ))
    _, lines = lines_of(path, "serve")
    measured = allocator_peak(
        module.eval(), {"input_ids": ids, "logits_to_keep": 1}, backward=False
    )
    cache = 3 * 2 * BATCH * SEQ * 64 * 4
    assert lines["KV cache"].likely == cache
    assert lines["activations"].likely + cache == pytest.approx(measured, rel=0.02)


def test_code_that_looks_at_values_runs_with_numbers(tmp_path):
    sizes = {**_SIZES, "attention_window": 8, "max_position_embeddings": 66}
    path, module = saved(tmp_path, "longformer", "LongformerForMaskedLM", sizes)
    ids = torch.randint(5, 2000, (BATCH, SEQ))
    measured = allocator_peak(module.train(), {"input_ids": ids, "labels": ids})
    _, lines = lines_of(path, "train")
    assert lines["activations"].likely == pytest.approx(measured, rel=0.02)


def test_experts_in_float32(tmp_path):
    sizes = {**_SIZES, "num_experts": 4, "num_experts_per_tok": 2}
    path, module = saved(tmp_path, "olmoe", "OlmoeForCausalLM", sizes)
    ids = torch.randint(5, 2000, (BATCH, SEQ))
    measured = allocator_peak(module.train(), {"input_ids": ids, "labels": ids})
    _, lines = lines_of(path, "train")
    assert lines["activations"].likely == pytest.approx(measured, rel=0.05)


def test_a_family_that_cannot_recompute_says_so(tmp_path):
    path, _ = saved(tmp_path, "mpnet", "MPNetForMaskedLM", _SIZES)
    with pytest.raises(UsageError, match="MPNetForMaskedLM does not support activation"):
        lines_of(path, "train", checkpoint="layer")


def test_a_config_with_infinity(tmp_path):
    """transformers writes it as a table of its own."""
    sizes = {"hidden_size": 64, "num_heads": 4, "head_dim": 32, "num_hidden_layers": 2}
    path, module = saved(tmp_path, "mamba2", "Mamba2ForCausalLM", {**sizes, "n_groups": 2})
    assert "__float__" in Path(path).read_text()
    model, lines = lines_of(path, "train")
    assert model.num_parameters == sum(p.numel() for p in module.parameters())
    assert lines["activations"] is not None


def test_experts_of_unknown_number_are_asked_for(tmp_path):
    tree = transformers.DeepseekV2Config().to_dict()
    assert tree["num_experts_per_tok"] is None
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**tree, "architectures": ["DeepseekV2ForCausalLM"]}))
    with pytest.raises(ModelError, match="transformers cannot run such a model either"):
        lines_of(str(path), "serve")
