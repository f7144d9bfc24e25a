"""The KV cache against the tensors that transformers really allocates."""

from __future__ import annotations

import pytest
import torch
import transformers
from transformers import DynamicCache

from cost.memory import published, zoo
from glia.cost.memory.config import Config
from glia.cost.memory.families.table import read_architecture
from glia.cost.memory.kv_cache import CacheShape, cache_bytes, local_kv_heads


def read(tree):
    return read_architecture(Config("config.json", tree))


def allocated(cache):
    """Bytes of all keys and values of a cache, those of an encoder included."""
    parts = [cache]
    if hasattr(cache, "self_attention_cache"):
        parts = [cache.self_attention_cache, cache.cross_attention_cache]
    layers = [layer for part in parts for layer in part.layers]
    return sum(layer.keys.nbytes + layer.values.nbytes for layer in layers)


def run(family, batch, seq, **extra):
    sizes = zoo.sizes_of(family, 96, 64, 3, 4, 2, 24, 100)
    config, _ = zoo.make(family, sizes, zoo.HEADS.get(family, ""), **extra)
    torch.manual_seed(0)
    module = getattr(transformers, config.architectures[0])(config).eval()
    ids = torch.randint(3, 100, (batch, seq))
    given = {"input_ids": ids, "use_cache": True}
    if family == "t5":
        given["decoder_input_ids"] = ids[:, : seq // 2]
    with torch.no_grad():
        return config, module(**given).past_key_values


FAMILIES = ("llama", "qwen3", "qwen2", "gemma2", "mixtral", "gpt2", "gpt_neox", "opt", "falcon")


@pytest.mark.parametrize("family", FAMILIES)
def test_bytes_are_those_of_the_cache(family):
    config, cache = run(family, 3, 20)
    least, most = cache_bytes(read(config.to_dict()).layers, CacheShape(3, 20, 0, 4))
    assert least == most == allocated(cache)


def test_cross_attention_caches_the_encoder():
    config, cache = run("t5", 2, 30)
    least, most = cache_bytes(read(config.to_dict()).layers, CacheShape(2, 15, 30, 4))
    assert least == most == allocated(cache)


def test_a_window_bounds_the_cache():
    config, cache = run("mistral", 2, 40, sliding_window=16)
    _, most = cache_bytes(read(config.to_dict()).layers, CacheShape(2, 40, 0, 4))
    # transformers keeps one token less than the window between steps.
    assert most == allocated(cache) * 16 / 15


def test_only_the_layers_with_a_window_are_bounded():
    types = ["sliding_attention", "full_attention", "sliding_attention"]
    config, cache = run("gemma2", 1, 40, sliding_window=16, layer_types=types)
    _, most = cache_bytes(read(config.to_dict()).layers, CacheShape(1, 40, 0, 4))
    kv = 2 * 2 * 24 * 4
    assert allocated(cache) == kv * (40 + 2 * 15)
    assert most == kv * (40 + 2 * 16)


def test_latent_attention_has_both_forms():
    sizes = zoo.sizes_of("deepseek_v3", 96, 64, 3, 4, 2, 24, 100)
    config, _ = zoo.make("deepseek_v3", sizes)
    model = read(config.to_dict())
    least, most = cache_bytes(model.layers, CacheShape(2, 10, 0, 2))
    assert least == 3 * 2 * 10 * 2 * (16 + 8)
    assert most == 3 * 2 * 10 * 2 * 4 * (16 + 8 + 16)
    # The latent vector is whole on every rank, heads are divided.
    assert cache_bytes(model.layers, CacheShape(2, 10, 0, 2, 4)) == (least, most / 4)


@pytest.mark.parametrize(
    ("degree", "per_rank"), [(1, 8), (2, 4), (4, 2), (8, 1), (16, 1), (32, 1), (64, 1)]
)
def test_kv_heads_are_held_several_times_beyond_their_number(degree, per_rank):
    model = read(published.LLAMA_2_70B)
    assert local_kv_heads(model.attentions[0], degree) == per_rank
    _, most = cache_bytes(model.layers, CacheShape(4, 4096, 0, 2, degree))
    assert most == 80 * 2 * per_rank * 128 * 4 * 4096 * 2


def test_encoders_have_no_cache():
    assert cache_bytes(read(published.BERT_BASE).layers, CacheShape(8, 512, 0, 2)) == (0, 0)


def test_growing_a_real_cache_token_by_token():
    cache = DynamicCache()
    tree = {**published.LLAMA_3_8B, "num_hidden_layers": 2, "hidden_size": 64, "head_dim": 16}
    tree |= {"num_attention_heads": 4, "num_key_value_heads": 1}
    for _ in range(7):
        for layer in range(2):
            cache.update(torch.zeros(5, 1, 1, 16), torch.zeros(5, 1, 1, 16), layer)
    _, most = cache_bytes(read(tree).layers, CacheShape(5, 7, 0, 4))
    assert most == allocated(cache)
