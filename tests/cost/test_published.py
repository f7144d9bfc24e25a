"""The roofline against latencies that vendors published for BERT.

GPU rows: NVIDIA/TensorRT demo/BERT/README.md, average FP16 latency without transfers (that A100
is the 40 GB part: same peak, 1555 GB/s). Neuron rows: aws-neuron-sdk
about-neuron/benchmarks/{inf2,trn1}/throughput_data_encoder.csv, latency P50, one model per core.
"""

import pytest

from cost.graphs import encoder
from glia.chips import load_chip
from glia.cost import estimate

BASE = {"width": 768, "heads": 12, "num_layers": 12}
LARGE = {"width": 1024, "heads": 16, "num_layers": 24}

PUBLISHED_MS = [
    ("a100", "bf16", None, BASE, 1, 128, 0.67),
    ("a100", "bf16", None, BASE, 8, 128, 1.38),
    ("a100", "bf16", None, BASE, 32, 128, 4.10),
    ("a100", "bf16", None, BASE, 128, 384, 51.26),
    ("a100", "bf16", None, LARGE, 8, 128, 4.51),
    ("a100", "bf16", None, LARGE, 1, 384, 3.12),
    ("t4", "fp16", None, BASE, 1, 128, 1.95),
    ("t4", "fp16", None, BASE, 8, 128, 9.09),
    ("t4", "fp16", None, BASE, 128, 128, 144.20),
    ("t4", "fp16", None, LARGE, 1, 128, 5.53),
    ("inf2", "bf16", 1, BASE, 8, 128, 5.97),
    ("inf2", "bf16", 1, LARGE, 4, 128, 8.41),
    ("trn1", "bf16", 1, BASE, 16, 128, 9.34),
    ("trn1", "bf16", 1, LARGE, 8, 128, 14.23),
]


@pytest.mark.parametrize(
    ("chip", "precision", "num_cores", "model", "batch", "rows", "published_ms"), PUBLISHED_MS
)
def test_published_latency_is_inside_and_near(
    chip, precision, num_cores, model, batch, rows, published_ms
):
    graph = encoder(batch, rows, **model)
    latency = estimate(graph, load_chip(chip), precision, num_cores=num_cores).latency
    assert latency.low < published_ms / 1e3 < latency.high
    assert 0.6 < latency.likely / (published_ms / 1e3) < 1.6


def test_published_throughput_of_a_whole_inferentia2():
    """bert-base-uncased on inf2.xlarge: 2674 sequences/s with a batch of 8 on each of two cores."""
    result = estimate(encoder(8, 128, **BASE), load_chip("inf2"), "bf16", num_cores=1)
    assert result.throughput.low < 2674 < result.throughput.high
    assert result.throughput.likely == pytest.approx(2674, rel=0.4)
