"""G038: the degree that brings a wide feed-forward block within the limit is one heads allow."""

import pytest

from glia.cost.memory.architecture import Attention
from glia.cost.memory.sharding import smallest_degree
from glia.port.graph_check.job import check_model
from glia.port.graph_check.look import look_once
from glia.port.targets import target_named

MODEL = """import torch
import torch.nn.functional as F
from torch import nn

HEADS, KV, WIDE = {0}, {1}, {2}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k = nn.Linear(16, HEADS * 8), nn.Linear(16, KV * 8)
        self.o = nn.Linear(HEADS * 8, 16)
        self.up, self.down = nn.Linear(16, WIDE), nn.Linear(WIDE, 16)

    def forward(self, x):
        q = self.q(x).view(2, 3, HEADS, 8).transpose(1, 2)
        k = self.k(x).view(2, 3, KV, 8).transpose(1, 2)
        k = k[:, :, None].expand(2, KV, HEADS // KV, 3, 8).reshape(2, HEADS, 3, 8)
        y = F.scaled_dot_product_attention(q, k, k).transpose(1, 2).reshape(2, 3, -1)
        return self.down(F.gelu(self.up(self.o(y))))


def model():
    return Net(), torch.randn(2, 3, 16)
"""


@pytest.mark.parametrize(
    ("heads", "kv", "wide", "degree"),
    [(64, 8, 28672, 8), (48, 8, 24576, 8), (5, 5, 8200, 5), (12, 12, 8208, 3)],
)
def test_the_degree_divides_heads_kv_heads_and_width(tmp_path, heads, kv, wide, degree):
    file = tmp_path / "mine.py"
    file.write_text(MODEL.format(heads, kv, wide))
    report = check_model(f"{file}:model", [target_named("trn2")], once=look_once)
    (finding,) = (f for f in report.findings if f.rule == "G038")
    assert finding.detail.endswith(f"within the limit at a tensor-parallel degree of {degree}")
    assert report.targets[0].verdict == "runs after fixes"  # all was seen, and a way is known
    assert "G038" in report.targets[0].reason


def test_no_degree_is_made_up():
    assert smallest_degree([Attention(7, 7, 8, 8)], 8192, 2) is None
