"""A realistic port report, made by hand: two targets (one proof fails), three chips beside them."""

from __future__ import annotations

import random

import pytest

from glia.core.figures import Estimate
from glia.core.records import (
    Assumption,
    CompileSummary,
    Finding,
    LaunchRecord,
    LayerError,
    ModelSummary,
    OutputCheck,
    Parity,
    PortReport,
    Quote,
    RunResult,
    SourceLine,
    Span,
    TargetReport,
)

DOCS = "AWS Neuron documentation, trainium2.rst, https://github.com/aws-neuron/aws-neuron-sdk"
SHEET = "NVIDIA H100 data sheet, table 1, https://www.nvidia.com/en-us/data-center/h100/?a=1&b=2"
RENT = "AWS price list, us-east-1, https://aws.amazon.com/ec2/pricing/on-demand/"
ENERGY = 'Horowitz, "Computing\'s energy problem", ISSCC 2014, <table 1.1.9>'
EVIL = "enc<script>alert('x')</script> & \"Söhne\""


def estimate(low: float, likely: float, high: float, unit: str, why: str, *src: str) -> Estimate:
    return Estimate(low, likely, high, unit, why, src or (DOCS,))


def spans(num_steps: int, seed: int = 1) -> tuple[Span, ...]:
    """A layer of matmul steps with its copies, some thousands of spans on five tracks."""
    rng = random.Random(seed)
    out: list[Span] = []
    t = {"tensor": 0.0, "vector": 2e-6, "scalar": 3e-6, "dma 0": 0.0, "dma 1": 4e-7}
    names = {
        "tensor": ("load_stationary", "nc_matmul", "nc_matmul", "nc_matmul", "nc_transpose"),
        "vector": ("tensor_tensor", "tensor_reduce", "bn_stats"),
        "scalar": ("activation", "activation"),
        "dma 0": ("dma_copy",),
        "dma 1": ("dma_copy",),
    }
    for i in range(num_steps):
        for track, kinds in names.items():
            length = rng.uniform(0.4, 1.0) * (2.2e-7 if track == "tensor" else 1.6e-7)
            name = kinds[(i // 40) % len(kinds)]
            out.append(Span(track, name, t[track], t[track] + length, f"step {i}"))
            t[track] += length + rng.choice((0.0, 0.0, 1e-8, 4e-7 if track != "tensor" else 2e-8))
    return tuple(out)


def layers(failing: bool) -> tuple[LayerError, ...]:
    rng = random.Random(7)
    ops = ("linear", "linear", "linear", "attention", "linear", "add_layer_norm", "linear")
    ops = (*ops, "linear", "add_layer_norm")
    found: list[LayerError] = [_layer(0, "embeddings", "embedding", rng, 1.0)]
    for block in range(6):
        for op in ops:
            bad = failing and block >= 3
            found.append(
                _layer(len(found), f"encoder.layer.{block}", op, rng, 60.0 if bad else 1.0)
            )
    found.append(_layer(len(found), "pooler", "reduce", rng, 30.0 if failing else 1.0))
    return tuple(found)


def _layer(depth: int, layer: str, op: str, rng: random.Random, worse: float) -> LayerError:
    relative = 1.6e-3 * (1 + depth) ** 0.5 * rng.uniform(0.5, 1.1) * worse
    return LayerError(
        name=f"{layer}.{op}_{depth}",
        layer=layer,
        op=op,
        depth=depth,
        worst_absolute=relative * 4,
        relative=relative,
        cosine=1 - relative**2 / 2,
        budget=4e-3 * (1 + depth) ** 0.5,
        local=1.2e-3 * rng.uniform(0.5, 1.2),
        local_budget=3.9e-3,
        source=SourceLine("examples/minilm.py", 10 + depth, "x = self.norm(x + y)"),
    )


def parity(chip: str, failing: bool) -> Parity:
    low = 0.91 if failing else 0.99987
    output = OutputCheck("embeddings", (low, 0.99995), low, 0.999, not failing, "Spearman 1.000")
    rule = "2 unit roundoffs of bfloat16 times the square root of the depth"
    return Parity(f"virtual:{chip}", "PyTorch on the CPU (fp32)", rule, layers(failing), (output,))


def run(chip: str, latency_s: float, cores: int) -> RunResult:
    wide = "as written against the dataflow bound"
    latency = estimate(latency_s * 0.8, latency_s, latency_s * 1.25, "s", wide)
    launches = tuple(
        LaunchRecord(
            f"launch_{i}",
            "linear_gelu" if i % 3 else "attention_fused",
            f"encoder.layer.{i // 7}",
            1200 + 37 * i,
            latency.scaled((1 + i % 5) / 120),
        )
        for i in range(40)
    )
    engines = {"tensor": 0.61, "vector": 0.34, "scalar": 0.22, "gpsimd": 0.03, "dma": 0.4}
    watts = estimate(60, 120, 190, "W", "AWS publishes no watts", ENERGY)
    return RunResult(
        device=f"virtual:{chip}",
        chip=chip,
        precision="bf16",
        basis="virtual",
        num_sequences=8,
        num_cores=cores,
        latency=latency,
        throughput=latency.per(8.0 * cores, "sequences/s"),
        utilisation={
            k: estimate(v * 0.8, v, v * 1.1, "fraction", wide) for k, v in engines.items()
        },
        flops=Estimate(2.2e10, 2.2e10, 2.2e10, "FLOP", "2 per multiply-add", (), "counted"),
        hbm_bytes=Estimate(5e7, 5e7, 5e7, "B", "bytes of every DMA", (), "counted"),
        mfu=estimate(0.41, 0.52, 0.66, "fraction", wide),
        energy=estimate(0.05, 0.11, 0.24, "J", "no published watts", ENERGY, DOCS),
        power=watts,
        assumptions=("Every matmul starts with a cold PE array.", f"{cores} cores share the HBM."),
        launches=launches,
        timeline=spans(500),
        timeline_title="encoder.layer.2, one core",
    )


def target(chip: str, latency_s: float, cores: int, failing: bool) -> TargetReport:
    compiled = CompileSummary(
        chip=chip,
        precision="bf16",
        num_launches=57,
        num_streams=9,
        num_instructions=184_233,
        weight_bytes=45_400_000,
        activation_bytes=12_600_000,
        kernels={"linear_gelu": 6, "linear": 30, "attention_fused": 6, "add_layer_norm": 13},
        fusions=("bias and gelu into linear, 6 times", "residual into layer norm, 12 times"),
    )
    return TargetReport(compiled, run(chip, latency_s, cores), parity(chip, failing))


def quote(
    chip: str, title: str, basis: str, rate: float, rent: float | None, joules: float | None
) -> Quote:
    spread = (0.8, 1.25) if basis == "virtual" else (0.35, 1.6)
    why = "virtual chip" if basis == "virtual" else "achieved share of peak is 20 to 90 %"
    source = DOCS if basis == "virtual" else SHEET
    throughput = estimate(rate * spread[0], rate, rate * spread[1], "sequences/s", why, source)
    usd = None
    dear = 1.4 if chip != "l4" else 1.0
    if rent is not None:
        usd = throughput.per(rent / 3600 * 1e6, "USD")
    return Quote(
        chip=chip,
        title=title,
        basis=basis,  # type: ignore[arg-type]
        precision="bf16",
        throughput=throughput,
        latency=throughput.per(8.0, "s"),
        power=None if joules is None else estimate(90, 150, 320, "W", "share of TDP", ENERGY),
        energy_per_thousand=(
            None if joules is None else estimate(joules * 0.5, joules, joules * 2, "J", why, ENERGY)
        ),
        rental=(
            None
            if rent is None
            else Estimate(rent * 0.4, rent, rent * dear, "USD/h", "listed", (RENT,))
        ),
        usd_per_million=usd,
        price_source="" if rent is None else RENT,
        price_date="" if rent is None else "undated snapshot, 2026-01 or later",
        price_instance=""
        if rent is None
        else f"AWS {chip}.48xlarge, 16 chips, us-east-1, capacity block",
        notes=("Price is one sixteenth of the instance.",) if chip == "trn2" else (),
    )


def make_report(title: str = "MiniLM sentence encoder") -> PortReport:
    model = ModelSummary(
        name=title,
        num_parameters=22_713_216,
        parameter_bytes=90_852_864,
        num_nodes=143,
        inputs=("input_ids: int64[8,128]", "attention_mask: int64[8,128]"),
        outputs=("embeddings: float32[8,384]",),
        op_counts={"linear": 36, "attention": 6, "add_layer_norm": 12, "embedding": 3},
        num_sequences=8,
        input_hash="sha256:6f1c0b",
    )
    findings = (
        Finding(
            "device-string",
            "warns",
            f'"cuda" is written into the code of {title}',
            "take the device from the caller",
            SourceLine("examples/<b>minilm</b>.py", 41, 'x = x.to("cuda") if a < b else x'),
        ),
        Finding("custom-op", "blocks", "flash_attn_func has no form here", "use sdpa", None, "n41"),
        Finding("dtype", "note", "int64 ids become int32", "nothing"),
    )
    return PortReport(
        glia_version="0.1.0",
        command="glia port examples/minilm.py:encoder --to inf2,trn2 --against h100,l4",
        created="2026-11-24 07:00 UTC",
        model=model,
        findings=findings,
        targets=(target("inf2", 0.0021, 2, False), target("trn2", 0.0009, 8, True)),
        quotes=(
            quote("inf2", "AWS Inferentia2", "virtual", 7600, 0.76, 21.0),
            quote("inf2", "AWS Inferentia2", "roofline", 11_800, 0.76, 16.0),
            quote("trn2", "AWS Trainium2", "virtual", 71_000, 2.23, 9.0),
            quote("trn2", "AWS Trainium2", "roofline", 98_000, 2.23, 6.0),
            quote("h100", "NVIDIA H100 SXM", "roofline", 61_000, 2.99, 4.0),
            quote("l4", "NVIDIA L4", "roofline", 2_100, 0.71, 120.0),
            quote("maia-100", f"Maia 100 {EVIL}" if "<" in title else "Microsoft Maia 100",
                  "roofline", 52_000, None, None),
        ),
        assumptions=(
            Assumption("trn2", "clock of the tensor engine", "2.8 GHz", "published", DOCS),
            Assumption("trn2", "power at full load", "500 W", "estimated", ENERGY),
            Assumption("inf2", "HBM bandwidth", "820 GB/s", "disputed", DOCS),
            Assumption("h100", "bf16 peak, dense", "989 TFLOP/s", "published", SHEET),
        ),
        wall_s={"check": 0.4, "capture": 3.2, "compile": 1.1, "run": 9.4, "prove": 4.0},
    )  # fmt: skip


@pytest.fixture(scope="session")
def report() -> PortReport:
    """A report whose model name is hostile."""
    return make_report(EVIL)
