"""Small odd models of every family, as transformers builds them: the oracle of the counts."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from transformers import PretrainedConfig

transformers.logging.set_verbosity_error()

_IDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def _kind(config: PretrainedConfig, name: str = "") -> Any:
    if name:
        return getattr(transformers, name)
    return transformers.AutoModelForCausalLM


def make(model_type: str, sizes: dict[str, Any], head: str = "", **extra: Any) -> Any:
    """A config of `model_type` with the architecture that its AutoModel would be."""
    config = transformers.AutoConfig.for_model(model_type, **_IDS, **sizes, **extra)
    with torch.device("meta"):
        kind = _kind(config, head)
        module = kind(config) if head else kind.from_config(config)
    config.architectures = [type(module).__name__]
    return config, module


def plain(h: int, i: int, n: int, heads: int, v: int, **extra: Any) -> dict[str, Any]:
    """Sizes under the names of most families."""
    return {
        "hidden_size": h,
        "intermediate_size": i,
        "num_hidden_layers": n,
        "num_attention_heads": heads,
        "vocab_size": v,
        "max_position_embeddings": 64,
        **extra,
    }


def _own_names(
    h: int, i: int, n: int, heads: int, head_dim: int, v: int
) -> dict[str, dict[str, Any]]:
    """Families with names of their own for the sizes."""
    even = plain(heads * head_dim, i, n, heads, v)
    return {
        "gpt2": {
            "n_embd": heads * head_dim,
            "n_layer": n,
            "n_head": heads,
            "n_inner": i,
            "vocab_size": v,
            "n_positions": 64,
        },
        "bloom": {"hidden_size": heads * head_dim, "n_layer": n, "n_head": heads, "vocab_size": v},
        "falcon": {
            "hidden_size": heads * head_dim,
            "num_hidden_layers": n,
            "num_attention_heads": heads,
            "vocab_size": v,
        },
        "opt": {**even, "ffn_dim": i, "word_embed_proj_dim": heads * head_dim},
        "t5": {
            "d_model": h,
            "d_kv": head_dim,
            "d_ff": i,
            "num_layers": n,
            "num_heads": heads,
            "vocab_size": v,
            "decoder_start_token_id": 0,
        },
        "vit": {**even, "image_size": 32, "patch_size": 8},
    }


def _sparse(grouped: dict[str, Any], even: dict[str, Any], i: int) -> dict[str, dict[str, Any]]:
    """Families with experts."""
    moe = {"num_experts_per_tok": 2, "moe_intermediate_size": i // 2}
    latent = {key: value for key, value in grouped.items() if key != "head_dim"}
    return {
        "mixtral": {**grouped, "num_local_experts": 4, "num_experts_per_tok": 2},
        "gpt_oss": {**grouped, "num_local_experts": 4, "num_experts_per_tok": 2},
        "qwen2_moe": {
            **even,
            **moe,
            "num_experts": 4,
            "shared_expert_intermediate_size": i,
        },
        "qwen3_moe": {**grouped, **moe, "num_experts": 4},
        "deepseek_v3": {
            **latent,
            **moe,
            "num_key_value_heads": grouped["num_attention_heads"],
            "n_shared_experts": 1,
            "n_routed_experts": 8,
            "kv_lora_rank": 16,
            "q_lora_rank": 24,
            "qk_rope_head_dim": 8,
            "qk_nope_head_dim": 16,
            "v_head_dim": 16,
            "n_group": 2,
            "topk_group": 1,
            "first_k_dense_replace": 1,
        },
    }


def sizes_of(
    model_type: str, h: int, i: int, n: int, heads: int, kv: int, head_dim: int, v: int
) -> dict[str, Any]:
    """The sizes under the names, and with the parts, that a family has."""
    grouped = plain(h, i, n, heads, v, num_key_value_heads=kv, head_dim=head_dim)
    even = plain(heads * head_dim, i, n, heads, v)
    by_type = {
        **_own_names(h, i, n, heads, head_dim, v),
        **_sparse(grouped, {**even, "num_key_value_heads": kv}, i),
    }
    if model_type in by_type:
        return by_type[model_type]
    if model_type in ("bert", "roberta", "gpt_neox", "cohere", "olmo2"):
        return even
    if model_type in ("qwen2", "phi", "phi3", "stablelm", "starcoder2"):
        return {**even, "num_key_value_heads": kv}
    return grouped


HEADS = {
    "bert": "BertForMaskedLM",
    "roberta": "RobertaForMaskedLM",
    "distilbert": "DistilBertForMaskedLM",
    "vit": "ViTForImageClassification",
    "t5": "T5ForConditionalGeneration",
}
FAMILIES = (
    "llama",
    "mistral",
    "qwen2",
    "qwen3",
    "gemma",
    "gemma2",
    "gemma3_text",
    "granite",
    "mixtral",
    "qwen2_moe",
    "qwen3_moe",
    "gpt_oss",
    "deepseek_v3",
    "phi",
    "phi3",
    "olmo2",
    "cohere",
    "stablelm",
    "starcoder2",
    "gpt2",
    "gpt_neox",
    "falcon",
    "opt",
    "bloom",
    "bert",
    "roberta",
    "vit",
    "t5",
)
