"""LoRA: adapters counted against layers written here, and against published counts.

The layers are those of the paper (Hu et al., 2021) as peft 0.21 runs them: the adapters in
float32, the input cast to it, the sum cast back.
"""

from __future__ import annotations

import json

import pytest
import torch
import transformers
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers.pytorch_utils import Conv1D

from cost.memory import published, zoo
from glia.core.errors import UsageError
from glia.core.fit_records import Plan
from glia.core.progress import NullProgress
from glia.cost.memory.ledger import model_lines
from glia.port.fit.job import fit
from glia.port.fit.model import count_model
from glia.port.fit.request import FitRequest, workload_of
from glia.port.fit.torch_counter import peak_of, swapped
from port.fit.measured import allocator_peak

BATCH, SEQ, RANK = 2, 48, 8
FORMATS = {"fp32": torch.float32, "bf16": torch.bfloat16}


class Beside(nn.Module):
    """A frozen map and its adapter."""

    def __init__(self, base, rank):
        super().__init__()
        rows, columns = (
            base.weight.shape if isinstance(base, nn.Linear) else base.weight.shape[::-1]
        )
        self.base, device = base, base.weight.device
        self.lora_A = nn.Linear(columns, rank, bias=False, device=device)
        self.lora_B = nn.Linear(rank, rows, bias=False, device=device)

    @property
    def weight(self):
        return self.base.weight

    def forward(self, x):
        made = self.base(x)
        beside = self.lora_B(self.lora_A(x.to(self.lora_A.weight.dtype))) * 2.0
        return (made + beside).to(made.dtype)


def adapt(module, targets, rank=RANK):
    """Freeze `module` and put adapters beside its linear maps; empty `targets`: all inside."""
    module.requires_grad_(False)
    ends = {id(module.get_output_embeddings()), id(getattr(module, "classifier", None))}
    for path, part in list(module.named_modules()):
        owner, _, name = path.rpartition(".")
        if not isinstance(part, nn.Linear | Conv1D) or id(part) in ends:
            continue
        if not targets or name in targets:
            setattr(module.get_submodule(owner), name, Beside(part, rank))
    if isinstance(getattr(module, "classifier", None), nn.Linear):  # peft's modules_to_save
        module.frozen_classifier = module.classifier
        kind = nn.Linear(
            module.classifier.in_features, module.classifier.out_features, device="meta"
        )
        module.classifier = kind
    return module


def step_peak(module, inputs, dtype):
    """The peak of a step without data; the adapters stay in float32."""

    def fake(tensor):
        kind = dtype if tensor.is_floating_point() else tensor.dtype
        return torch.empty(tuple(tensor.shape), dtype=kind)

    with FakeTensorMode(allow_non_fake_inputs=True), swapped(module.train(), fake):
        for part in module.modules():
            for own in (part.lora_A, part.lora_B) if isinstance(part, Beside) else ():
                wide = nn.Parameter(own.weight.detach().float())
                wide.grad = torch.zeros_like(wide)
                own._parameters["weight"] = wide
        made = {name: torch.zeros(shape, dtype=kind) for name, (shape, kind) in inputs.items()}
        return peak_of(module, lambda: module(**made), backward=True)


def counted(tmp_path, config, **options):
    """The ledger of a config with adapters, and the counted model."""
    path = tmp_path / "config.json"
    path.write_text(config.to_json_string(use_diff=False))
    given = {"batch": BATCH, "seq": None if config.model_type == "vit" else SEQ, **options}
    request = FitRequest(job="train", optimizer="adamw-plain", zero=0, **given)
    found = count_model(str(path), request)
    model = found.architecture
    lines = model_lines(model, workload_of(request, model), Plan(), found.quantised)
    return model, {line.name: line.num_bytes for line in lines}


def tokens(batch=BATCH, seq=SEQ):
    return dict.fromkeys(("input_ids", "labels"), ((batch, seq), torch.long))


ATTENTION = {
    "gpt2": ("c_attn",),
    "phi3": ("qkv_proj",),
    "gpt_neox": ("query_key_value",),
    "falcon": ("query_key_value",),
    "bloom": ("query_key_value",),
    "bert": ("query", "value"),
    "roberta": ("query", "value"),
    "distilbert": ("q_lin", "v_lin"),
    "t5": ("q", "v"),
    "deepseek_v3": ("q_b_proj", "kv_b_proj"),
}
# grouped products of experts run without data in bfloat16 only
EXPERTS = ("mixtral", "qwen2_moe", "qwen3_moe", "gpt_oss", "deepseek_v3")


@pytest.mark.parametrize("family", (*zoo.FAMILIES, "distilbert"))
def test_every_family(tmp_path, family):
    """Adapters beside all maps, and beside those of queries and values alone."""
    sizes = zoo.sizes_of(family, 96, 256, 4, 4, 2, 24, 400)
    place = zoo.FAMILIES.index(family) if family in zoo.FAMILIES else 0
    for index, targets in enumerate(((), ATTENTION.get(family, ("q_proj", "v_proj")))):
        name = "bf16" if family in EXPERTS or (place + index) % 2 else "fp32"
        config, module = zoo.make(family, sizes, zoo.HEADS.get(family, ""))
        adapt(module, targets)
        inputs = tokens()
        if family == "vit":
            inputs = {"pixel_values": ((BATCH, 3, 32, 32), FORMATS[name])}
        lora = f"{RANK}:{','.join(targets)}" if targets else str(RANK)
        model, lines = counted(tmp_path, config, dtype=name, lora=lora)
        trained = [p for p in module.parameters() if p.requires_grad]
        assert model.num_parameters == sum(p.numel() for p in module.parameters())
        wide = [p for p in trained if family != "vit" or (p.dim() == 2 and RANK in p.shape)]
        copied = sum(p.numel() for p in trained) - sum(p.numel() for p in wide)
        gradients = 4 * sum(p.numel() for p in wide) + FORMATS[name].itemsize * copied
        assert lines["gradients"].likely == gradients
        assert lines["optimizer state"].likely == 2 * gradients + 4 * len(trained)
        frozen = sum(p.numel() for p in module.parameters() if not p.requires_grad)
        assert lines["weights"].likely == FORMATS[name].itemsize * frozen + gradients
        measured = step_peak(module, inputs, FORMATS[name])
        assert lines["activations"].likely == pytest.approx(measured, rel=0.1), (name, targets)


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert", "qwen3"])
def test_small_models_on_the_cpu(tmp_path, family):
    """The allocator's record of a real step, and what AdamW really allocates."""
    config, _ = zoo.make(
        family, zoo.sizes_of(family, 80, 112, 4, 4, 2, 24, 300), zoo.HEADS.get(family, "")
    )
    module = adapt(getattr(transformers, config.architectures[0])(config).train(), ())
    ids = torch.randint(3, 300, (BATCH, SEQ))
    measured = allocator_peak(module, {"input_ids": ids, "labels": ids})
    _, lines = counted(tmp_path, config, dtype="fp32", lora=str(RANK))
    assert lines["activations"].likely == pytest.approx(measured, rel=0.05)
    trained = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained)
    optimizer.step()
    state = [t for part in optimizer.state.values() for t in part.values()]
    assert lines["optimizer state"].likely == sum(t.nbytes for t in state)
    assert lines["gradients"].likely == sum(p.grad.nbytes for p in trained)
    assert lines["weights"].likely == sum(p.nbytes for p in module.parameters())


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert", "starcoder2"])
@pytest.mark.parametrize("is_all", [True, False])
def test_recomputed_layers(tmp_path, family, is_all):
    """peft lets the embedding's result need a gradient, so that every layer is recomputed."""
    targets = () if is_all else ATTENTION.get(family, ("q_proj", "v_proj"))
    sizes = zoo.sizes_of(family, 128, 512, 6, 4, 2, 32, 400)
    for key in ("max_position_embeddings", "n_positions"):
        if key in sizes:
            sizes[key] = 128
    config, _ = zoo.make(family, sizes, zoo.HEADS.get(family, ""))
    ids = torch.randint(3, 400, (BATCH, 128))
    for name, dtype in FORMATS.items():
        module = getattr(transformers, config.architectures[0])(config).train().to(dtype)
        adapt(module, targets)
        for part in module.modules():
            if isinstance(part, Beside):
                part.lora_A.float(), part.lora_B.float()
        module.activation_checkpointing_enable()
        module.enable_input_require_grads()
        measured = allocator_peak(module, {"input_ids": ids, "labels": ids})
        lora = f"{RANK}:{','.join(targets)}" if targets else str(RANK)
        _, lines = counted(tmp_path, config, dtype=name, lora=lora, checkpoint="layer", seq=128)
        assert lines["activations"].likely == pytest.approx(measured, rel=0.1), name


def test_published_counts(tmp_path):
    """What peft's print_trainable_parameters printed for Llama-2-7B, rank 8 on q and v."""
    (tmp_path / "config.json").write_text(json.dumps(published.LLAMA_2_7B))
    request = FitRequest(job="train", lora="8:q_proj,v_proj", seq=64)
    report = fit(str(tmp_path), ["trn2"], request, NullProgress())
    assert report.model.num_parameters == 6_742_609_920
    assert report.settings["trained parameters"] == "4,194,304 (0.062 %)"


def test_parallelism_divides_adapters_as_their_maps(tmp_path):
    """B where the map's outputs are divided, A where its inputs are; the other one is whole."""
    (tmp_path / "config.json").write_text(json.dumps(published.LLAMA_3_8B))
    h, w, kv, layers, rank = 4096, 14336, 1024, 32, 16
    for tp in (2, 16):  # 16 ranks, 8 KV heads
        request = FitRequest(job="train", lora=str(rank), seq=64, zero=0)
        model = count_model(str(tmp_path), request).architecture
        lines = model_lines(model, workload_of(request, model), Plan(tp=tp))
        whole = rank * (5 * h + 2 * h)  # A of q, k, v, gate and up; B of o and down
        cut = rank * (h + 2 * w + h + w) / tp + rank * 2 * kv / min(tp, 8)
        (found,) = [line.num_bytes.likely for line in lines if line.name == "gradients"]
        assert found == pytest.approx(4 * layers * (whole + cut))


def test_a_quantised_base_stays_as_it_is_stored(tmp_path):
    """QLoRA: 4 bits and their scales for what is frozen, one matrix unpacked while it is used."""
    config, _ = zoo.make("llama", zoo.sizes_of("llama", 256, 512, 2, 4, 2, 64, 300))
    config.quantization_config = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    model, lines = counted(tmp_path, config, dtype="bf16", lora="8")
    inside = 2 * (2 * 256 * 256 + 2 * 256 * 128 + 3 * 256 * 512)
    outside = 2 * 300 * 256 + 5 * 256
    adapters = 2 * 8 * (4 * 512 + 3 * 768 - 2 * 128)
    assert model.num_parameters == inside + outside + adapters
    stored = inside / 2 + 4 * inside / 64
    assert lines["weights"].low == stored + 2 * outside + 4 * adapters
    assert lines["gradients"].likely == 4 * adapters


def test_a_family_that_transformers_builds(tmp_path):
    sizes = zoo.plain(64, 96, 3, 4, 2000)
    config, module = zoo.make("olmo", sizes)
    adapt(module, ("q_proj", "v_proj"))
    for name, dtype in FORMATS.items():
        model, lines = counted(tmp_path, config, dtype=name, lora="8:q_proj,v_proj")
        assert model.traced is not None
        adapters = sum(p.numel() for p in module.parameters() if p.requires_grad)
        assert lines["gradients"].likely == 4 * adapters
        assert model.num_parameters == sum(p.numel() for p in module.parameters())
        measured = step_peak(module, tokens(), dtype)
        assert lines["activations"].likely == pytest.approx(measured, rel=0.02)


CODE = """
import torch

def model():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, 64))
    return net.to(torch.bfloat16), torch.randn(32, 64, dtype=torch.bfloat16)
"""


def test_code_gets_adapters(tmp_path):
    file = tmp_path / "m.py"
    file.write_text(CODE)
    report = fit(f"{file}:model", ["trn2"], FitRequest(job="train", lora="4:0"), NullProgress())
    lines = {line.name: line.num_bytes.likely for line in report.whole}
    base, adapters = 2 * 64 * 256 + 320, 4 * (64 + 256)
    assert lines["weights"] == 2 * base + 4 * adapters
    assert lines["gradients"] == 4 * adapters


BAD = {
    "no rank": ("q_proj", "expected a rank from 1 to 4096"),
    "rank 0": ("0", "expected a rank from 1"),
    "nothing named": ("8:", "expected a rank from 1"),
    "unknown map": ("8:q_porj", "got target 'q_porj', expected all-linear or some of down_proj"),
    "all and others": ("8:all-linear,q_proj", "give one or the others"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_adapters(tmp_path, name):
    (tmp_path / "config.json").write_text(json.dumps(published.LLAMA_3_8B))
    text, message = BAD[name]
    with pytest.raises(UsageError, match="--lora") as caught:
        count_model(str(tmp_path), FitRequest(job="train", lora=text))
    assert message in str(caught.value)


def test_adapters_are_for_training(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(published.LLAMA_3_8B))
    for request in (FitRequest(lora="8"), FitRequest(job="train", lora_dtype="bf16")):
        with pytest.raises(UsageError, match="--lora"):
            count_model(str(tmp_path), request)
