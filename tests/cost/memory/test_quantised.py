"""Quantised weights against the tensors of each public layout, made here one by one."""

from __future__ import annotations

import json

import pytest
import torch

from cost.memory import published
from glia.core.fit_records import Plan
from glia.cost.memory.config import Config
from glia.cost.memory.families.table import read_architecture
from glia.cost.memory.ledger import Workload, model_lines
from glia.cost.memory.quantised import quantised, with_quantised
from glia.cost.memory.sharding import judge_degree
from glia.port.fit.model import count_model
from glia.port.fit.request import FitRequest

SERVE = Workload("serve", 512, 1, "bfloat16", "bfloat16", "bfloat16", zero=0)
TINY = {
    **published.LLAMA_3_8B,
    "hidden_size": 320,
    "intermediate_size": 864,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
    "head_dim": 40,
    "num_key_value_heads": 2,
    "vocab_size": 1000,
}
MAPS = {  # rows and columns of one layer, by the config
    "self_attn.q_proj": (320, 320),
    "self_attn.k_proj": (80, 320),
    "self_attn.v_proj": (80, 320),
    "self_attn.o_proj": (320, 320),
    "mlp.gate_proj": (864, 320),
    "mlp.up_proj": (864, 320),
    "mlp.down_proj": (320, 864),
}
PLAIN = 2 * (1000 * 320 + 3 * 2 * 320 + 320)  # embedding and norms, 16 bits
HEAD = 2 * 1000 * 320


def marked(tree, config):
    found = quantised(config, 2)
    return with_quantised(read_architecture(Config("config.json", tree)), found), found


def weights(tree, config, degree=1):
    model, found = marked(tree, config)
    return model_lines(model, SERVE, Plan(tp=degree), found)[0].num_bytes


def empty(shape, dtype):
    return torch.empty(shape, dtype=dtype, device="meta").nbytes


def ceil(a, b):
    return -(-a // b)


def gptq(rows, columns, bits, group):
    """The buffers of AutoGPTQ's QuantLinear."""
    groups = 1 if group == -1 else ceil(columns, group)
    return (
        empty((columns * bits // 32, rows), torch.int32)
        + empty((groups, rows * bits // 32), torch.int32)
        + empty((groups, rows), torch.float16)
        + empty((columns,), torch.int32)
    )


def awq(rows, columns, group):
    """The buffers of AutoAWQ's WQLinear_GEMM."""
    groups = columns // group
    return (
        empty((columns, rows // 8), torch.int32)
        + empty((groups, rows // 8), torch.int32)
        + empty((groups, rows), torch.float16)
    )


def nested(rows, columns):
    """bitsandbytes NF4 with nested statistics: packed, absmax, tables, the second statistics."""
    count = ceil(rows * columns, 64)
    packed = empty((rows * columns // 2, 1), torch.uint8) + empty((count,), torch.uint8)
    tables = empty((16,), torch.float32) + empty((256,), torch.float32) + 4
    return packed + empty((ceil(count, 256),), torch.float32) + tables


def blocked(rows, columns):
    """DeepSeek's 8-bit floats: a float32 per 128 x 128, cut blocks included."""
    scales = empty((ceil(rows, 128), ceil(columns, 128)), torch.float32)
    return empty((rows, columns), torch.float8_e4m3fn) + scales


FORMATS = [
    ({"quant_method": "gptq", "bits": 4, "group_size": 32}, lambda r, c: gptq(r, c, 4, 32)),
    ({"quant_method": "gptq", "bits": 8, "group_size": -1}, lambda r, c: gptq(r, c, 8, -1)),
    ({"quant_method": "gptq", "bits": 2, "group_size": 32}, lambda r, c: gptq(r, c, 2, 32)),
    ({"quant_method": "awq", "bits": 4, "group_size": 32}, lambda r, c: awq(r, c, 32)),
    ({"quant_method": "awq", "w_bit": 4, "q_group_size": 32}, lambda r, c: awq(r, c, 32)),
    ({"quant_method": "bitsandbytes", "load_in_8bit": True}, lambda r, c: r * c + 4 * r),
    (
        {"quant_method": "bitsandbytes", "load_in_4bit": True},
        lambda r, c: r * c // 2 + 4 * ceil(r * c, 64) + 64,
    ),
    (
        {
            "quant_method": "bitsandbytes",
            "load_in_4bit": True,
            "bnb_4bit_use_double_quant": True,
        },
        nested,
    ),
    ({"quant_method": "fp8", "weight_block_size": [128, 128]}, blocked),
    ({"quant_method": "fp8", "activation_scheme": "static"}, lambda r, c: r * c + 8),
    ({"quant_method": "fbgemm_fp8"}, lambda r, c: r * c + 4 * r),
]


@pytest.mark.parametrize(("config", "layout"), FORMATS)
def test_every_tensor_of_a_format(config, layout):
    found = weights(TINY, config)
    expected = 3 * sum(layout(*shape) for shape in MAPS.values()) + PLAIN + HEAD
    assert found.likely == found.high == expected
    assert found.low <= expected


def compressed(strategy, bits, ignore=("lm_head",), **extra):
    weight = {"num_bits": bits, "type": "int", "strategy": strategy, "symmetric": True, **extra}
    groups = {"group_0": {"targets": ["Linear"], "weights": weight}}
    return {"quant_method": "compressed-tensors", "config_groups": groups, "ignore": list(ignore)}


@pytest.mark.parametrize(
    ("config", "layout"),
    [
        (
            compressed("group", 4, group_size=32),
            lambda r, c: r * c // 2 + 2 * r * ceil(c, 32) + 16,
        ),
        (compressed("channel", 8), lambda r, c: r * c + 2 * r),
        (compressed("tensor", 8, type="float"), lambda r, c: r * c + 2),
        (
            compressed("tensor_group", 4, type="float", group_size=16),
            lambda r, c: r * c // 2 + r * c // 16 + 4,
        ),
    ],
)
def test_compressed_tensors(config, layout):
    each = sum(layout(*shape) for shape in MAPS.values())
    assert weights(TINY, config).likely == 3 * each + PLAIN + HEAD
    # A head that is not named among the ignored is quantised too.
    with_head = {**config, "ignore": []}
    assert weights(TINY, with_head).likely == 3 * each + PLAIN + layout(1000, 320)


@pytest.mark.parametrize(
    ("skip", "left_out"),
    [
        ({"modules_to_not_convert": ["self_attn"]}, [(320, 320), (320, 320), (80, 320)] * 3),
        ({"ignored_layers": ["model.layers.1.mlp.down_proj"]}, [(320, 864)]),
        ({"llm_int8_skip_modules": ["o_proj", "lm_head"]}, [(320, 320)] * 3),
        ({"modules_to_not_convert": ["model.layers.*.mlp.gate_proj"]}, [(864, 320)] * 3),
        ({"ignored_layers": ["re:.*layers\\.[01]\\..*v_proj$"]}, [(80, 320)] * 2),
        ({"modules_to_not_convert": ["gate", "router"]}, []),
        ({"modules_to_not_convert": None}, []),
    ],
)
def test_modules_that_stay_as_they_are(skip, left_out):
    config = {"quant_method": "fp8", "weight_block_size": [128, 128]}
    if skip.get("modules_to_not_convert") == ["self_attn"]:
        left_out = [*left_out, *[(80, 320)] * 3]
    more = sum(2 * r * c - blocked(r, c) for r, c in left_out)
    found = weights(TINY, config | skip).likely - weights(TINY, config).likely
    assert found == more


def test_a_head_that_is_quantised_and_modules_that_alone_are():
    base = {"quant_method": "gptq", "bits": 4, "group_size": 32}
    whole = weights(TINY, base).likely
    head = weights(TINY, {**base, "lm_head": True}).likely
    assert head - whole == gptq(1000, 320, 4, 32) - HEAD
    only = {**base, "modules_in_block_to_quantize": [["self_attn.k_proj"], ["mlp.up_proj"]]}
    taken = [MAPS["self_attn.k_proj"], MAPS["mlp.up_proj"]]
    saved = 3 * sum(2 * r * c - gptq(r, c, 4, 32) for r, c in taken)
    plain = PLAIN + HEAD + 3 * sum(2 * r * c for r, c in MAPS.values())
    assert weights(TINY, only).likely == plain - saved


GPT_OSS = {
    "model_type": "gpt_oss",
    "architectures": ["GptOssForCausalLM"],
    "hidden_size": 2880,
    "intermediate_size": 2880,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "vocab_size": 201088,
    "num_experts_per_tok": 4,
    "sliding_window": 128,
    "tie_word_embeddings": False,
    "attention_bias": True,
}
MXFP4 = {
    "quant_method": "mxfp4",
    "modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router", "lm_head"],
}


@pytest.mark.parametrize(
    ("layers", "experts", "published_gib"),
    [(24, 32, 12.8), (36, 128, 60.8)],  # the model card's table of checkpoint sizes
)
def test_gpt_oss_is_as_large_as_its_card_says(layers, experts, published_gib):
    tree = {**GPT_OSS, "num_hidden_layers": layers, "num_local_experts": experts}
    found = weights(tree, MXFP4).likely
    assert found / 2**30 == pytest.approx(published_gib, abs=0.05)


@pytest.mark.parametrize(
    ("tree", "config", "published_gb"),
    [  # the sizes of the files: TheBloke's Llama-2-7B, GPTQ and AWQ
        # the GPTQ file has biases of zeros as well, 2.7 MB
        (published.LLAMA_2_7B, {"quant_method": "gptq", "bits": 4, "group_size": 128}, 3.90),
        (published.LLAMA_2_7B, {"quant_method": "awq", "bits": 4, "group_size": 128}, 3.89),
    ],
)
def test_published_files(tree, config, published_gb):
    assert weights(tree, config).likely / 1e9 == pytest.approx(published_gb, abs=0.007)


def test_what_is_not_modelled_is_a_range():
    found = weights(published.LLAMA_3_8B, {"quant_method": "something_new"})
    assert 4.9e9 < found.low < found.likely == found.high < 16.1e9
    mixed = compressed("group", 4, group_size=32)
    mixed["config_groups"]["group_1"] = {"weights": {"num_bits": 8}}
    assert not quantised(mixed, 2).is_known


@pytest.mark.parametrize(
    "config",
    [
        {"quant_method": "gptq", "bits": "4"},
        {"quant_method": "gptq", "bits": 4, "modules_in_block_to_quantize": 5},
        {"quant_method": "fp8", "weight_block_size": [0, 128], "ignored_layers": "lm_head"},
        {"quant_method": "compressed-tensors", "config_groups": [1]},
        {"quant_method": "compressed-tensors", "config_groups": {"a": {"weights": None}}},
        {"quant_method": "compressed-tensors", "config_groups": {"a": 1}, "ignore": 5},
        compressed("block", 8, block_structure=["x", None]),
        compressed("group", 4, ignore=["re:("], group_size=None),
    ],
)
def test_settings_that_make_no_sense_give_a_range(config):
    found = weights(TINY, config)
    assert 0 < found.low <= found.likely <= found.high


def test_a_degree_that_cuts_a_block_is_named():
    # Qwen3-30B-A3B-FP8: 768 / 4 = 192 is no multiple of 128 (vLLM refuses it).
    tree = {
        **published.LLAMA_3_8B,
        "model_type": "qwen3_moe",
        "architectures": ["Qwen3MoeForCausalLM"],
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 768,
    }
    model, _ = marked(tree, {"quant_method": "fp8", "weight_block_size": [128, 128]})
    assert "192, cuts the" in "; ".join(judge_degree(model, 4).remarks)
    assert "cuts" not in "; ".join(judge_degree(model, 2).remarks)


def test_each_rank_holds_its_part_of_numbers_and_scales():
    config = {"quant_method": "awq", "bits": 4, "group_size": 128}
    whole, part = (weights(published.LLAMA_3_8B, config, degree).likely for degree in (1, 8))
    norms = 2 * 4096 * 65
    assert part == pytest.approx((whole - norms) / 8 + norms)


def test_a_config_that_is_only_built_is_quantised_too(tmp_path):
    tree = {
        "model_type": "olmo",
        "architectures": ["OlmoForCausalLM"],
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": 500,
        "tie_word_embeddings": False,
        "quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128},
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps(tree))
    counted = count_model(str(path), FitRequest(seq=16))
    (line, *_) = model_lines(counted.architecture, SERVE, Plan(), counted.quantised)
    maps = [(128, 128)] * 4 + [(256, 128)] * 2 + [(128, 256)]
    assert line.num_bytes.likely == 2 * sum(awq(*m, 128) for m in maps) + 2 * 2 * 500 * 128


def test_training_says_that_it_counts_unquantised_weights(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**TINY, "quantization_config": FORMATS[0][0]}))
    counted = count_model(str(path), FitRequest(job="train"))
    assert "training is counted with unquantised weights" in "; ".join(counted.notes)
