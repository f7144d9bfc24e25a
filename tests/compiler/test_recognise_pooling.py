"""Mean pooling and normalisation as sentence encoders write them, and look-alikes."""

import pytest
import torch
from torch import nn

from glia.compiler.pipeline import optimise
from glia.devices.virtual import VirtualDevice
from glia.frontends.torch.capture import capture


class Pool(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x, mask):
        weights = mask.unsqueeze(-1).to(x.dtype)
        if self.kind == "expanded":  # as the sentence-transformers model cards do
            weights = mask.unsqueeze(-1).expand(x.size()).to(x.dtype)
        if self.kind == "wrong dim":
            return (x * weights).sum(2) / weights.sum(2).clamp(min=1e-9)
        if self.kind == "other mask":
            return (x * weights).sum(1) / (1 - weights).sum(1).clamp(min=1e-9)
        mean = (x * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
        return nn.functional.normalize(mean, dim=0 if self.kind == "columns" else -1)


def inputs():
    torch.manual_seed(0)
    mask = torch.ones(3, 7, dtype=torch.long)
    mask[1, 4:] = 0
    return torch.randn(3, 7, 16), mask


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("plain", ["masked_mean", "l2_normalise"]),
        ("expanded", ["masked_mean", "l2_normalise"]),
        ("columns", ["masked_mean"]),
        ("wrong dim", []),
        ("other mask", []),
    ],
)
def test_what_is_named(kind, expected):
    captured = capture(Pool(kind).eval(), inputs(), name="pool")
    ops = [n.op for n in optimise(captured.graph, "fp32")[0].nodes]
    assert [op for op in ops if op in ("masked_mean", "l2_normalise")] == expected


@pytest.mark.parametrize("kind", ["plain", "expanded", "columns", "wrong dim", "other mask"])
def test_values_are_those_of_pytorch(kind):
    captured = capture(Pool(kind).eval(), inputs(), name="pool")
    (result,) = VirtualDevice("trn2").load(captured, "fp32").run(captured.inputs).values()
    assert torch.allclose(torch.from_numpy(result), Pool(kind)(*inputs()), atol=1e-6)


def test_lengths_that_repeat_along_the_other_dim_are_no_row_norms():
    class Turned(nn.Module):
        def forward(self, x):
            lengths = (x * x).sum(1).sqrt().unsqueeze(1).expand(4, 4)
            return x / lengths.t().clamp(min=1e-9)

    x = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    captured = capture(Turned(), (x,), name="turned")
    (result,) = VirtualDevice("trn2").load(captured, "fp32").run(captured.inputs).values()
    assert torch.allclose(torch.from_numpy(result), Turned()(x), atol=1e-6)
