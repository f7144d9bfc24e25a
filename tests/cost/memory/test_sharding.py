"""Degrees of tensor parallelism, and what one rank holds, by hand-made arithmetic."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cost.memory import published
from glia.core.fit_records import Plan
from glia.cost.memory.config import Config
from glia.cost.memory.families.table import read_architecture
from glia.cost.memory.ledger import Workload, model_lines
from glia.cost.memory.sharding import allowed_degrees, judge_degree

TRAIN = Workload("train", 512, 1, "bfloat16", "bfloat16", "bfloat16", zero=0)
SERVE = replace(TRAIN, job="serve")


def read(tree):
    return read_architecture(Config("config.json", tree))


def size(model, work, plan, name):
    (line,) = [line for line in model_lines(model, work, plan) if line.name == name]
    return line.num_bytes


# By reading: heads, KV heads (divided or held several times), feed-forward widths.
ALLOWED = {
    "Llama-2-7B": (1, 2, 4, 8, 16, 32),
    "Llama-3-8B": (1, 2, 4, 8, 16, 32),
    "Llama-2-70B": (1, 2, 4, 8, 16, 32, 64),
    "Mixtral-8x7B": (1, 2, 4, 8, 16, 32),
    "Qwen2-7B": (1, 2, 4),  # 7 and 14 fit no 4 KV heads, 28 does not divide 18944
    "GPT-2": (1, 2, 3, 4, 6, 12),
    "T5-base": (1, 2, 3, 4, 6, 12),
    "BERT-base": (1, 2, 3, 4, 6, 12),
    "Falcon-7B": (1, 71),  # 4 x 4544 = 18176 = 256 x 71
}


@pytest.mark.parametrize("name", ALLOWED)
def test_degrees_that_divide(name):
    model = read(published.TREES[name])
    assert allowed_degrees(model, 128) == ALLOWED[name]


@pytest.mark.parametrize(
    ("tree", "degree", "problem"),
    [
        (published.LLAMA_2_7B, 3, "32 attention heads are not divisible by 3"),
        (published.QWEN2_7B, 8, "28 attention heads are not divisible by 8"),
        (published.QWEN2_7B, 14, "14 is no multiple of 4 KV heads"),
        (published.QWEN2_7B, 28, "feed-forward width 18944 is not divisible by 28"),
        (published.LLAMA_2_70B, 24, "64 attention heads are not divisible by 24"),
        ({**published.LLAMA_3_8B, "intermediate_size": 14338}, 4, "width 14338"),
        ({**published.LLAMA_3_8B, "num_key_value_heads": 16}, 3, "heads are not divisible"),
    ],
)
def test_why_not(tree, degree, problem):
    verdict = judge_degree(read(tree), degree)
    assert not verdict.is_allowed
    assert problem in "; ".join(verdict.problems)


@pytest.mark.parametrize(
    ("tree", "degree", "remark"),
    [
        (published.LLAMA_3_8B, 16, "8 KV heads are each held by 2 ranks"),
        (published.QWEN2_7B, 4, None),
        ({**published.LLAMA_3_8B, "num_key_value_heads": 1}, 2, "1 KV head is held by 2 ranks"),
        (published.GPT2, 2, "vocabulary 50257 is padded by 1 rows"),
        (published.DEEPSEEK_V3, 8, "the latent KV cache is whole on every rank"),
    ],
)
def test_what_it_costs(tree, degree, remark):
    verdict = judge_degree(read(tree), degree)
    assert verdict.is_allowed
    assert verdict.remarks == ((remark,) if remark else ())


@pytest.mark.parametrize("degree", [1, 2, 4, 8, 16, 32])
def test_weights_of_one_rank(degree):
    h, i, n, kv, v = 4096, 14336, 32, 8, 128256
    model = read(published.LLAMA_3_8B)
    per_kv = h * 128 * 8 / min(degree, kv)
    layer = 2 * h * h / degree + 2 * per_kv + 3 * h * i / degree + 2 * h
    expected = n * layer + h + 2 * v * h / degree
    found = size(model, SERVE, Plan(tp=degree), "weights")
    assert found.low == found.high == pytest.approx(2 * expected)


def test_a_fused_projection_is_divided_like_separate_ones():
    fused = {**published.LLAMA_3_8B, "model_type": "phi3", "architectures": ["Phi3ForCausalLM"]}
    for degree in (1, 8, 32):
        sizes = [size(read(t), SERVE, Plan(tp=degree), "weights").likely for t in (fused, LLAMA)]
        assert sizes[0] == pytest.approx(sizes[1])


LLAMA = published.LLAMA_3_8B


def test_zero_divides_what_its_stage_says():
    model, plan = read(LLAMA), Plan(dp=8)
    names = ("weights", "gradients", "optimizer state")
    whole = [size(model, TRAIN, Plan(), name).likely for name in names]
    for stage, divided in ((0, 0), (1, 1), (2, 2), (3, 3)):
        work = replace(TRAIN, zero=stage)
        found = [size(model, work, plan, name).likely for name in names]
        for index, name in enumerate(reversed(range(3))):
            factor = 8 if index < divided else 1
            assert found[name] == pytest.approx(whole[name] / factor), (stage, names[name])


def test_pipeline_stages_hold_their_layers():
    model = read(LLAMA)
    halves = size(model, SERVE, Plan(pp=2), "weights").likely
    whole = size(model, SERVE, Plan(), "weights").likely
    assert halves == pytest.approx(whole / 2, rel=0.01)
    # The first stage of four holds four micro-batches of its quarter of the layers.
    one, four = (size(model, TRAIN, Plan(pp=n), "activations").likely for n in (1, 4))
    assert 0.5 * one < four < 1.2 * one


def test_a_tied_matrix_stands_on_the_first_and_the_last_stage():
    tied = {**LLAMA, "tie_word_embeddings": True}
    first, last = read(tied), read(LLAMA)
    assert size(first, SERVE, Plan(pp=2), "weights").likely == pytest.approx(
        size(last, SERVE, Plan(pp=2), "weights").likely, rel=1e-6
    )
