"""Parameters, and what optimizers keep, against published counts and the modules themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from cost.memory import published, zoo
from glia.core.errors import ModelError
from glia.core.fit_records import Plan
from glia.cost.memory.config import Config
from glia.cost.memory.families.common import UnknownFamily
from glia.cost.memory.families.table import read_architecture
from glia.cost.memory.ledger import Workload, model_lines
from glia.cost.memory.optimizers import OPTIMIZERS

WORK = Workload("train", 8, 1, "float32", "float32", "float32", zero=0)


def read(tree, name="config.json"):
    return read_architecture(Config(name, tree))


def bytes_of(lines, name):
    (found,) = [line.num_bytes.likely for line in lines if line.name == name]
    return found


@pytest.mark.parametrize("name", published.COUNTS)
def test_published_counts(name):
    tree, count = published.COUNTS[name]
    assert read(tree).num_parameters == count


@pytest.mark.parametrize("name", published.TREES)
def test_published_configs_are_built_alike(name):
    tree = published.TREES[name]
    config = transformers.AutoConfig.for_model(**tree)
    config.quantization_config = None
    with torch.device("meta"):
        module = getattr(transformers, tree["architectures"][0])(config)
    assert read(tree).num_parameters == sum(p.numel() for p in module.parameters())


def check_counts(config, module):
    model = read(config.to_dict())
    shapes = sorted(tuple(p.shape) for p in module.parameters())
    counted = [w for w in model.weights() for _ in range(w.copies)]
    assert model.num_parameters == sum(p.numel() for p in module.parameters())
    assert len(counted) == len(shapes)


@pytest.mark.parametrize("family", zoo.FAMILIES)
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_every_family_is_counted_exactly(family, data):
    def some(low, high):
        return data.draw(st.integers(low, high))

    kv = some(1, 3)
    heads, head_dim = kv * some(1, 3), 4 * some(1, 4)
    hidden, width = heads * 2 * some(1, 6), 2 * some(1, 20)
    sizes = zoo.sizes_of(family, hidden, width, some(1, 4), heads, kv, head_dim, 7)
    sizes["vocab_size"] = some(5, 99)
    config, module = zoo.make(family, sizes, zoo.HEADS.get(family, ""))
    check_counts(config, module)


VARIANTS = {
    "tied llama": ("llama", {"tie_word_embeddings": True}, ""),
    "biased llama": ("llama", {"attention_bias": True, "mlp_bias": True}, ""),
    "untied gemma": ("gemma", {"tie_word_embeddings": False}, ""),
    "bare llama": ("llama", {}, "LlamaModel"),
    "llama with classes": ("llama", {"num_labels": 5}, "LlamaForSequenceClassification"),
    "bare gpt2": ("gpt2", {}, "GPT2Model"),
    "bare bert": ("bert", {}, "BertModel"),
    "bert with classes": ("bert", {"num_labels": 3}, "BertForSequenceClassification"),
    "bert with tags": ("bert", {"num_labels": 9}, "BertForTokenClassification"),
    "bert before training": ("bert", {}, "BertForPreTraining"),
    "roberta with classes": ("roberta", {"num_labels": 3}, "RobertaForSequenceClassification"),
    "untied t5": ("t5", {"tie_word_embeddings": False}, "T5ForConditionalGeneration"),
    "gated t5": ("t5", {"feed_forward_proj": "gated-gelu"}, "T5ForConditionalGeneration"),
    "short decoder": ("t5", {"num_decoder_layers": 1}, "T5ForConditionalGeneration"),
    "encoder of t5": ("t5", {}, "T5EncoderModel"),
    "bare vit": ("vit", {}, "ViTModel"),
    "new falcon": ("falcon", {"new_decoder_architecture": True, "num_kv_heads": 2}, ""),
    "sequential falcon": ("falcon", {"parallel_attn": False, "bias": True}, ""),
    "falcon of many heads": ("falcon", {"multi_query": False}, ""),
    "sequential neox": ("gpt_neox", {"use_parallel_residual": False}, ""),
    "stablelm with biases": ("stablelm", {"use_qkv_bias": True}, ""),
    "moe in every other layer": ("qwen3_moe", {"decoder_sparse_step": 2}, ""),
    "moe but for one layer": ("qwen2_moe", {"mlp_only_layers": [1]}, ""),
    "deepseek with whole queries": ("deepseek_v3", {"q_lora_rank": None}, ""),
    "deepseek v2": ("deepseek_v2", {}, ""),
    "distilbert": ("distilbert", {}, "DistilBertForMaskedLM"),
    "distilbert with classes": ("distilbert", {}, "DistilBertForSequenceClassification"),
    "camembert": ("camembert", {}, "CamembertForMaskedLM"),
    "mt5": ("mt5", {"tie_word_embeddings": False}, "MT5ForConditionalGeneration"),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_are_counted_exactly(name):
    family, extra, head = VARIANTS[name]
    alike = {"deepseek_v2": "deepseek_v3", "mt5": "t5", "camembert": "roberta"}
    sizes = zoo.sizes_of(alike.get(family, family), 24, 40, 3, 4, 2, 8, 50)
    if family == "distilbert":
        sizes = {"dim": 24, "n_layers": 2, "n_heads": 3, "hidden_dim": 40, "vocab_size": 50}
    check_counts(*zoo.make(family, {**sizes, **extra}, head))


@pytest.mark.parametrize("name", ["adamw-plain", "adamw", "sgd", "sgd-momentum", "adafactor"])
@pytest.mark.parametrize("family", ["llama", "gpt2", "t5"])
def test_optimizer_state_is_what_torch_allocates(name, family):
    sizes = zoo.sizes_of(family, 24, 40, 2, 4, 2, 8, 50)
    config, module = zoo.make(family, sizes, zoo.HEADS.get(family, ""))
    module = module.to_empty(device="cpu")
    module.tie_weights()
    made = {
        "adamw-plain": lambda p: torch.optim.AdamW(p),
        "adamw": lambda p: torch.optim.AdamW(p),
        "sgd": lambda p: torch.optim.SGD(p),
        "sgd-momentum": lambda p: torch.optim.SGD(p, momentum=0.9),
        "adafactor": lambda p: torch.optim.Adafactor(p),
    }[name](module.parameters())
    with torch.no_grad():
        for p in module.parameters():
            p.zero_()
            p.grad = torch.ones_like(p)
    made.step()
    state = [t for s in made.state.values() for t in s.values() if isinstance(t, torch.Tensor)]
    lines = model_lines(read(config.to_dict()), replace(WORK, optimizer=name), Plan())
    assert bytes_of(lines, "optimizer state") == sum(t.nbytes for t in state)
    assert bytes_of(lines, "weights") == sum(p.nbytes for p in module.parameters())
    assert bytes_of(lines, "gradients") == sum(p.grad.nbytes for p in module.parameters())


def test_narrow_weights_have_a_master_copy():
    model = read(published.GPT2)
    work = replace(WORK, dtype="bfloat16", gradient_dtype="float32")
    lines = model_lines(model, work, Plan())
    count, tensors = model.num_parameters, sum(w.copies for w in model.weights())
    assert bytes_of(lines, "weights") == 2 * count
    assert bytes_of(lines, "gradients") == 4 * count
    assert bytes_of(lines, "optimizer state") == 12 * count + 4 * tensors


def test_every_optimizer_has_a_title():
    assert all(optimizer.title for optimizer in OPTIMIZERS.values())


BAD = {
    "no model type": ({"model_type": None}, "got model_type None, expected a text"),
    "missing": ({"hidden_size": None}, "got no 'hidden_size', expected a whole number"),
    "negative": ({"num_hidden_layers": -2}, "got num_hidden_layers = -2, expected a whole number"),
    "zero": ({"vocab_size": 0}, "got vocab_size = 0"),
    "text": ({"hidden_size": "4096"}, "got hidden_size = '4096'"),
    "truth": ({"hidden_size": True}, "got hidden_size = True"),
    "fraction": ({"intermediate_size": 10.5}, "got intermediate_size = 10.5"),
    "endless": ({"vocab_size": 10**15}, "got vocab_size = 1000000000000000"),
    "kv heads": ({"num_key_value_heads": 5}, "got 32 heads and 5 KV heads, expected a multiple"),
    "heads": ({"num_attention_heads": 30, "num_key_value_heads": 30}, "add head_dim"),
    "flag": ({"tie_word_embeddings": "no"}, "got tie_word_embeddings = 'no', expected true or"),
    "dropout": ({"attention_dropout": 2}, "got attention_dropout = 2, expected a number from 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_keys_are_named(name):
    change, message = BAD[name]
    with pytest.raises(ModelError, match=r"config\.json") as caught:
        read({**published.LLAMA_3_8B, **change})
    assert message in str(caught.value)


def test_layer_types_of_another_length():
    tree = {**published.MIXTRAL_8X7B, "layer_types": ["full_attention"] * 3}
    with pytest.raises(ModelError, match="got 3 layer_types and 32 layers"):
        read(tree)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "lama"}, "did you mean 'llama'"),
        ({"model_type": "mamba"}, "known are"),
        ({"architectures": ["LlamaForPosterior"]}, "LlamaForPosterior"),
    ],
)
def test_unknown_families_say_so(change, message):
    with pytest.raises(UnknownFamily, match=message):
        read({**published.LLAMA_3_8B, **change})
