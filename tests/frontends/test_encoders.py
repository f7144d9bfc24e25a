"""Transformers of many families, small and random: every named intermediate equals PyTorch's."""

import warnings

import pytest
import torch
import transformers as tf

from frontends.parity import check

SIZES = {
    "vocab_size": 120,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
NARROW = {**SIZES, "embedding_size": 16}
RELATIVE = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}
SPECIAL = {"pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 2}
BUCKETS = {"position_buckets": 8, "max_relative_positions": 16, "norm_rel_ebd": "layer_norm"}
GROUPS = dict.fromkeys(("q_groups", "k_groups", "v_groups", "output_groups"), 2)
DISTIL = {"vocab_size": 120, "dim": 32, "n_layers": 1, "n_heads": 4, "hidden_dim": 48}
FUNNEL = {"vocab_size": 120, "block_sizes": [1, 1], "num_decoder_layers": 1, "d_model": 32}
GPT = {"vocab_size": 120, "n_positions": 64, "n_embd": 32, "n_layer": 1, "n_head": 4}
T5 = {"vocab_size": 120, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 1, "num_heads": 4}
MOBILE = {"intra_bottleneck_size": 16, "num_feedforward_networks": 2}

FAMILY = {
    "bert": lambda: tf.BertModel(tf.BertConfig(**SIZES)),
    "roberta": lambda: tf.RobertaModel(tf.RobertaConfig(**SIZES)),
    "distilbert": lambda: tf.DistilBertModel(tf.DistilBertConfig(**DISTIL)),
    "albert": lambda: tf.AlbertModel(tf.AlbertConfig(**NARROW)),
    "electra": lambda: tf.ElectraModel(tf.ElectraConfig(**NARROW)),
    "mpnet": lambda: tf.MPNetModel(tf.MPNetConfig(**SIZES)),
}
RELATIVES = {
    "xlm-roberta": lambda: tf.XLMRobertaModel(tf.XLMRobertaConfig(**SIZES)),
    "camembert": lambda: tf.CamembertModel(tf.CamembertConfig(**SIZES)),
    "deberta": lambda: tf.DebertaModel(
        tf.DebertaConfig(**SIZES, **RELATIVE, max_relative_positions=16)
    ),
    "deberta-v2": lambda: tf.DebertaV2Model(
        tf.DebertaV2Config(**SIZES, **RELATIVE, **BUCKETS, conv_kernel_size=3, conv_act="gelu")
    ),
    "convbert": lambda: tf.ConvBertModel(tf.ConvBertConfig(**NARROW)),
    "mobilebert": lambda: tf.MobileBertModel(tf.MobileBertConfig(**NARROW, **MOBILE)),
    "modernbert": lambda: tf.ModernBertModel(
        tf.ModernBertConfig(**SIZES, **SPECIAL, local_attention=8)
    ),
    "funnel": lambda: tf.FunnelModel(tf.FunnelConfig(**FUNNEL, n_head=4, d_head=8, d_inner=48)),
    "roformer": lambda: tf.RoFormerModel(tf.RoFormerConfig(**NARROW)),
    "ernie": lambda: tf.ErnieModel(tf.ErnieConfig(**SIZES)),
    "squeezebert": lambda: tf.SqueezeBertModel(
        tf.SqueezeBertConfig(**SIZES, **GROUPS, embedding_size=32, intermediate_groups=2)
    ),
    "nomic-bert": lambda: tf.NomicBertModel(tf.NomicBertConfig(**SIZES)),
    "gpt2": lambda: tf.GPT2Model(tf.GPT2Config(**GPT, use_cache=False)),
    "t5-encoder": lambda: tf.T5EncoderModel(tf.T5Config(**T5)),
    "rembert": lambda: tf.RemBertModel(
        tf.RemBertConfig(**SIZES, input_embedding_size=16, output_embedding_size=32)
    ),
    "esm": lambda: tf.EsmModel(
        tf.EsmConfig(**SIZES, pad_token_id=1, mask_token_id=3, position_embedding_type="rotary")
    ),
    "qwen3": lambda: tf.Qwen3Model(
        tf.Qwen3Config(**SIZES, num_key_value_heads=2, head_dim=8, use_cache=False)
    ),
}
SLOW = {"funnel", "deberta", "convbert"}
HAS_SDPA = {"bert", "roberta", "distilbert", "albert", "electra"}


def built(make, attention):
    """The model with weights far from zero, so that a wrong term shows."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make()
        if attention:
            model.set_attn_implementation(attention)
    for parameter in model.parameters():
        mean, spread = (0.0, 0.3) if parameter.dim() > 1 else (0.5, 0.2)
        torch.nn.init.normal_(parameter, mean, spread)
    return model.eval()


def batch(length):
    """Three sequences: one whole, one with two tokens of padding, one half padding."""
    ids = torch.randint(3, 120, (3, length), generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([length, max(length - 2, 1), length // 2 or 1])
    return {"input_ids": ids, "attention_mask": (torch.arange(length) < lengths[:, None]).long()}


@pytest.mark.parametrize(("attention", "length"), [("sdpa", 1), ("sdpa", 33), ("eager", 7)])
@pytest.mark.parametrize("name", FAMILY)
def test_bert_family(name, attention, length):
    chosen = attention if name in HAS_SDPA else None
    captured = check(built(FAMILY[name], chosen), (), batch(length), name=name)
    counts = captured.summary.op_counts
    assert counts["layer_norm"] >= 3 and counts["linear"] >= 6 and counts["embedding"] >= 2
    whole = "attention" if chosen == "sdpa" else "softmax"
    assert counts[whole] == 1
    assert captured.summary.num_sequences == 3


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in RELATIVES]
)
def test_relatives(name):
    check(built(RELATIVES[name], None), (), batch(7), name=name)


@pytest.mark.parametrize("size", [1, 5])
def test_without_a_mask_and_with_one_sequence(size):
    ids = torch.randint(3, 120, (size, 9))
    captured = check(built(FAMILY["bert"], "sdpa"), (ids,))
    (node,) = (n for n in captured.graph.nodes if n.op == "attention")
    assert len(node.operands) == 3


def test_padding_mask_is_read_without_a_gather():
    for size in (1, 3):
        inputs = {key: tensor[:size] for key, tensor in batch(7).items()}
        captured = check(built(FAMILY["bert"], "sdpa"), (), inputs)
        assert "gather" not in captured.summary.op_counts


def test_longest_sequence():
    sizes = {**SIZES, "max_position_embeddings": 512}
    check(built(lambda: tf.BertModel(tf.BertConfig(**sizes)), "sdpa"), (), batch(512))
