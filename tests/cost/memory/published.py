"""Configs of published models, sizes only, with the parameter counts that their pages print."""

from __future__ import annotations

from typing import Any

LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "tie_word_embeddings": False}
BERT = {
    "model_type": "bert",
    "architectures": ["BertModel"],
    "type_vocab_size": 2,
    "max_position_embeddings": 512,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
}


def _decoder(base: dict[str, Any], h: int, i: int, n: int, heads: int, kv: int, v: int, pos: int):
    return {
        **base,
        "hidden_size": h,
        "intermediate_size": i,
        "num_hidden_layers": n,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "vocab_size": v,
        "max_position_embeddings": pos,
        "dtype": "bfloat16",
    }


LLAMA_2_7B = _decoder(LLAMA, 4096, 11008, 32, 32, 32, 32000, 4096)
LLAMA_3_8B = _decoder(LLAMA, 4096, 14336, 32, 32, 8, 128256, 8192)
LLAMA_2_70B = _decoder(LLAMA, 8192, 28672, 80, 64, 8, 32000, 4096)
MIXTRAL_8X7B = _decoder(
    {
        "model_type": "mixtral",
        "architectures": ["MixtralForCausalLM"],
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
        "sliding_window": None,
        "tie_word_embeddings": False,
    },
    4096,
    14336,
    32,
    32,
    8,
    32000,
    32768,
)
QWEN2_7B = _decoder(
    {
        "model_type": "qwen2",
        "architectures": ["Qwen2ForCausalLM"],
        "use_sliding_window": False,
        "sliding_window": 131072,
        "max_window_layers": 28,
        "tie_word_embeddings": False,
    },
    3584,
    18944,
    28,
    28,
    4,
    152064,
    131072,
)
GPT2 = {
    "model_type": "gpt2",
    "architectures": ["GPT2LMHeadModel"],
    "n_embd": 768,
    "n_layer": 12,
    "n_head": 12,
    "n_positions": 1024,
    "vocab_size": 50257,
    "attn_pdrop": 0.1,
    "embd_pdrop": 0.1,
    "resid_pdrop": 0.1,
}
T5_BASE = {
    "model_type": "t5",
    "architectures": ["T5ForConditionalGeneration"],
    "d_model": 768,
    "d_kv": 64,
    "d_ff": 3072,
    "num_layers": 12,
    "num_heads": 12,
    "vocab_size": 32128,
    "relative_attention_num_buckets": 32,
    "dropout_rate": 0.1,
}
BERT_BASE = {
    **BERT,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "vocab_size": 30522,
}
FALCON_7B = {
    "model_type": "falcon",
    "architectures": ["FalconForCausalLM"],
    "hidden_size": 4544,
    "num_hidden_layers": 32,
    "num_attention_heads": 71,
    "vocab_size": 65024,
    "multi_query": True,
    "parallel_attn": True,
    "bias": False,
}
DEEPSEEK_V3 = {
    "model_type": "deepseek_v3",
    "architectures": ["DeepseekV3ForCausalLM"],
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "num_hidden_layers": 61,
    "num_attention_heads": 128,
    "n_shared_experts": 1,
    "n_routed_experts": 256,
    "kv_lora_rank": 512,
    "q_lora_rank": 1536,
    "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 128,
    "v_head_dim": 128,
    "num_experts_per_tok": 8,
    "first_k_dense_replace": 3,
    "vocab_size": 129280,
    "max_position_embeddings": 163840,
    "num_nextn_predict_layers": 1,
    "tie_word_embeddings": False,
    "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]},
}

# Exact counts as the models' pages and papers print them; buffers are not parameters.
COUNTS = {
    "Llama-2-7B": (LLAMA_2_7B, 6_738_415_616),
    "Llama-3-8B": (LLAMA_3_8B, 8_030_261_248),
    "Llama-2-70B": (LLAMA_2_70B, 68_976_648_192),
    "Mixtral-8x7B": (MIXTRAL_8X7B, 46_702_792_704),
    "Qwen2-7B": (QWEN2_7B, 7_615_616_512),
    "GPT-2": (GPT2, 124_439_808),
    "T5-base": (T5_BASE, 222_903_552),
    "BERT-base": (BERT_BASE, 109_482_240),
}
TREES = {
    **{name: tree for name, (tree, _) in COUNTS.items()},
    "Falcon-7B": FALCON_7B,
    "DeepSeek-V3": DEEPSEEK_V3,
}
